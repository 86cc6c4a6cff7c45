//! MySQL and MariaDB, through sqlx.

mod arguments;
mod errors;
mod options;
mod session;
mod types;

use std::any::Any;
use std::sync::Arc;

use sqlx::mysql::{MySqlArguments, MySqlQueryResult, MySqlRow};
use sqlx::{Column, MySql, Row, SqlStr, TypeInfo};

use errors::connect_error;
use options::{connect_options, session_variables};
use session::SessionConnector;

use crate::backend::support::sqlx::{Kept, Native, One, SqlxConnector};
use crate::backend::{Connector, Done};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value, ValueRef};

pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = connect_options(config)?;
    let tried = options.clone();
    let inner = SqlxConnector::<MySql> {
        options,
        dialect: Dialect::MySql,
        runtime_bound: true,
        place: config.url().to_string(),
        persistent: config.settings().statement_cache_capacity > 0,
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
    const KEPT: Kept = Kept::Follows;
    const ONE: One = One::ThenFlush;
    const RESET: &str = options::RESET;

    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, MySqlArguments)> {
        arguments::arguments(statement, values)
    }

    fn done(result: &MySqlQueryResult) -> Done {
        let id = result.last_insert_id();
        Done {
            rows_affected: result.rows_affected(),
            last_insert_id: i64::try_from(id).ok().filter(|id| *id != 0),
        }
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn survives_interruption(between_rows: bool) -> bool {
        // sqlx reads a packet's head and body one after the other: dropped in between, it takes the body for a head.
        // And it keeps no count of the answers to PREPARE and PING.
        between_rows
    }
}

impl RawRow for MySqlRow {
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
