//! PostgreSQL, through sqlx.

mod arguments;
mod array;
mod encode;
mod errors;
mod numeric;
mod oid;
mod options;
mod text;
mod types;

use std::any::Any;
use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgTypeInfo};
use sqlx::{Column, Postgres, Row, SqlStr, TypeInfo};

use errors::connect_error;
use options::connect_options;

use crate::backend::support::sqlx::{Kept, Native, One, SqlxConnector};
use crate::backend::{Connector, Done};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value, ValueRef};

pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = connect_options(config)?;
    let tried = options.clone();
    Ok(Arc::new(SqlxConnector::<Postgres> {
        options,
        dialect: Dialect::Postgres,
        runtime_bound: true,
        place: config.url().to_string(),
        persistent: config.settings().statement_cache_capacity > 0,
        explain: Box::new(move |error| connect_error(&tried, error)),
        private: None,
        definitions: Arc::default(),
    }))
}

impl Native for Postgres {
    const COUNTS_ANSWERS: bool = true;
    const NOTIFIES: bool = true;
    const RESET: &str = "ROLLBACK; UNLISTEN *";
    const KEPT: Kept = Kept::IsRefused;
    const ONE: One = One::AndReadsAll;

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

    fn done(result: &PgQueryResult) -> Done {
        Done {
            rows_affected: result.rows_affected(),
            last_insert_id: None,
        }
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn survives_interruption(_between_rows: bool) -> bool {
        // sqlx counts the answers that are still to come and reads them before the next call.
        true
    }
}

impl RawRow for PgRow {
    fn len(&self) -> usize {
        Row::len(self)
    }

    fn name(&self, index: usize) -> &str {
        self.column(index).name()
    }

    fn type_name(&self, index: usize) -> &str {
        self.column(index).type_info().name()
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        types::value(self, index)
    }

    fn native(&self) -> &dyn Any {
        self
    }
}
