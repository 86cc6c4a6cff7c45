//! MySQL and MariaDB through sqlx: the connector, and the properties of the driver.

use std::sync::Arc;

use sqlx::mysql::{MySqlArguments, MySqlQueryResult, MySqlRow};
use sqlx::{MySql, SqlStr};

use super::errors::connect_error;
use super::options::{connect_options, most_kept, session_variables};
use super::session::SessionConnector;
use super::{arguments, errors, options, types};
use crate::backend::sqlx::{Keeping, KeptStatement, Native, SingleRow, SqlxConnector, TlsFiles, raw_row};
use crate::backend::{Connector, QueryResult};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{Dialect, Statement};
use crate::value::Value;

pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = connect_options(config)?;
    let tried = options.clone();
    let inner = SqlxConnector::<MySql> {
        options,
        dialect: Dialect::MySql,
        runtime_bound: true,
        place: config.url().to_string(),
        keeping: Keeping::UpTo(most_kept(config)),
        files: TlsFiles::of(config.settings()),
        explain: Box::new(move |error| connect_error(&tried, error)),
        private: None,
        definitions: Arc::default(),
    };
    Ok(match session_variables(config)? {
        Some(variables) => Arc::new(SessionConnector { inner, variables }),
        None => Arc::new(inner),
    })
}

impl Native for MySql {
    const COUNTS_ANSWERS: bool = true;
    const KEPT: KeptStatement = KeptStatement::Follows;
    const ONE: SingleRow = SingleRow::ThenFlush;
    const RESET: &str = options::RESET;

    type Answers = ();

    fn arguments(statement: &Statement, values: &[Value], (): &()) -> Result<(SqlStr, MySqlArguments)> {
        arguments::arguments(statement, values)
    }

    fn done(result: &MySqlQueryResult) -> QueryResult {
        let id = result.last_insert_id();
        QueryResult {
            rows_affected: result.rows_affected(),
            last_insert_id: i64::try_from(id).ok().filter(|id| *id != 0),
        }
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn survives_interruption(between_rows: bool) -> bool {
        // sqlx reads the head and the body of a packet one after the other. Dropped in between, it takes the body for a
        // head. It also keeps no count of the answers to PREPARE and PING.
        between_rows
    }
}

raw_row!(MySqlRow, types::type_name, "BOOLEAN");
