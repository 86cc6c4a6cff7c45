//! MySQL and MariaDB through sqlx: the connector, and the properties of the driver.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow};
use sqlx::{Either, Executor, MySql, Row, SqlStr};

use super::errors::connect_error;
use super::options::{connect_options, most_kept, session};
use super::{arguments, errors, options, types};
use crate::backend::sqlx::{Keeping, KeptStatement, Native, SingleRow, SqlxConnector, TlsFiles, raw_row};
use crate::backend::{Connector, QueryResult};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{Dialect, Product, SeenServer, Server, Statement};
use crate::value::Value;

pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = connect_options(config)?;
    let tried = options.clone();
    Ok(Arc::new(SqlxConnector::<MySql> {
        options,
        session: Some(session(config)?),
        dialect: Dialect::MySql,
        runtime_bound: true,
        place: config.url().to_string(),
        keeping: Keeping::UpTo(most_kept(config)),
        files: TlsFiles::of(config.settings()),
        explain: Box::new(move |error| connect_error(&tried, error)),
        private: None,
        definitions: Arc::default(),
        answers: Arc::default(),
        seen: SeenServer::default(),
    }))
}

/// Number of the error of a node of a cluster that is not ready for anything but settings.
const NOT_READY: u16 = 1047;

impl Native for MySql {
    const COUNTS_ANSWERS: bool = true;
    const KEPT: KeptStatement = KeptStatement::Follows;
    const ONE: SingleRow = SingleRow::ThenFlush;
    const UNPREPARED: Option<&str> = Some("1295");
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

    fn set_up(
        connection: &mut MySqlConnection,
        session: Option<SqlStr>,
    ) -> BoxFuture<'_, sqlx::Result<Option<Server>>> {
        Box::pin(async move {
            let Some(session) = session else {
                return Ok(None);
            };
            let mut answers = connection.fetch_many(session);
            let mut server = None;
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(Either::Right(row)) => server = server_of(&row),
                    Ok(Either::Left(_)) => {}
                    Err(error) if is_not_ready(&error) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(server)
        })
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

/// Reads the answer to the question for the version.
fn server_of(row: &MySqlRow) -> Option<Server> {
    let version: String = row.try_get_unchecked(0).ok()?;
    let is_maria = row.len() > 1 || version.to_ascii_lowercase().contains("mariadb");
    let product = if is_maria { Product::MariaDb } else { Product::MySql };
    Server::read(product, &version)
}

fn is_not_ready(error: &sqlx::Error) -> bool {
    let answer = error.as_database_error().and_then(|answer| answer.try_downcast_ref());
    answer.is_some_and(|answer: &MySqlDatabaseError| answer.number() == NOT_READY)
}

raw_row!(MySqlRow, types::type_name, "BOOLEAN");
