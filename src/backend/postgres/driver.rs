//! PostgreSQL through sqlx: the connector, and the properties of the driver.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgSslMode, PgTypeInfo};
use sqlx::{Postgres, SqlStr};

use super::errors::connect_error;
use super::options::{another_way, connect_options, keeping};
use super::{arguments, errors, types};
use crate::backend::sqlx::{KeptStatement, Native, OptionsOf, SingleRow, SqlxConnector, TlsFiles, raw_row};
use crate::backend::{Connector, QueryResult};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{Dialect, Statement};
use crate::value::Value;

pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = connect_options(config)?;
    let tried = options.clone();
    let files = if matches!(options.get_ssl_mode(), PgSslMode::Disable) {
        TlsFiles::default()
    } else {
        TlsFiles::of(config.settings())
    };
    Ok(Arc::new(SqlxConnector::<Postgres> {
        options,
        dialect: Dialect::Postgres,
        runtime_bound: true,
        place: config.url().to_string(),
        keeping: keeping(config),
        files,
        explain: Box::new(move |error| connect_error(&tried, error)),
        private: None,
        definitions: Arc::default(),
    }))
}

impl Native for Postgres {
    const COUNTS_ANSWERS: bool = true;
    const NOTIFIES: bool = true;
    const COMMIT_ENDS: bool = true;
    const RESET: &str = "ROLLBACK; UNLISTEN *";
    // As `DISCARD ALL`, except for the statements that the driver has prepared.
    const RESET_SESSION: Option<&str> = Some(
        "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; \
         SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; \
         DO $ebbtide$ DECLARE ending text; BEGIN \
         SELECT pg_catalog.string_agg(pg_catalog.format('DEALLOCATE %I', name), '; ') INTO ending \
         FROM pg_catalog.pg_prepared_statements WHERE from_sql; \
         IF ending IS NOT NULL THEN EXECUTE ending; END IF; END $ebbtide$",
    );
    const KEPT: KeptStatement = KeptStatement::IsRefused;
    const ONE: SingleRow = SingleRow::AndReadsAll;

    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, PgArguments)> {
        arguments::arguments(statement, values)
    }

    fn undeclared(statement: &Statement, values: &[Value]) -> Option<Vec<PgTypeInfo>> {
        arguments::undeclared(statement, values)
    }

    fn question(statement: &Statement, declared: &[PgTypeInfo]) -> SqlStr {
        arguments::question(statement, declared)
    }

    fn refused(statement: &Statement, values: &[Value]) {
        arguments::refused(statement, values);
    }

    fn declare(statement: &Statement, values: &[Value], types: &[PgTypeInfo]) {
        arguments::declare(statement, values, types);
    }

    fn done(result: &PgQueryResult) -> QueryResult {
        QueryResult {
            rows_affected: result.rows_affected(),
            last_insert_id: None,
        }
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn another_way(options: &OptionsOf<Self>, error: &sqlx::Error) -> Option<OptionsOf<Self>> {
        another_way(options, error)
    }

    fn survives_interruption(_between_rows: bool) -> bool {
        // sqlx counts the pending answers and reads them before the next call.
        true
    }
}

raw_row!(PgRow, types::type_name);
