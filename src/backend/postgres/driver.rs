//! PostgreSQL through sqlx: the connector, and the properties of the driver.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgSslMode};
use sqlx::{Postgres, SqlStr};

use super::answers::Answers;
use super::errors::connect_error;
use super::listener::listen;
use super::options::{another_way, connect_options, keeping};
use super::reset::{RESET, RESET_SESSION};
use super::{arguments, bulk, copy, errors, types};
use crate::backend::sqlx::{KeptStatement, Native, OptionsOf, SingleRow, SqlxConnector, TlsFiles, raw_row};
use crate::backend::{Connector, CopyRequest, NativeJob, NotificationSource, QueryResult};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sql::{BulkInsert, Dialect, Product, RowsForm, SeenServer, Server, Statement};
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
        session: None,
        dialect: Dialect::Postgres,
        runtime_bound: true,
        place: config.url().to_string(),
        keeping: keeping(config),
        files,
        explain: Box::new(move |error| connect_error(&tried, error)),
        private: None,
        definitions: Arc::default(),
        answers: Arc::default(),
        seen: SeenServer::default(),
    }))
}

impl Native for Postgres {
    const COUNTS_ANSWERS: bool = true;
    const NOTIFIES: bool = true;
    const COMMIT_ENDS: bool = true;
    const RESET: &str = RESET;
    const DEALLOCATE: &str = "DO $$DECLARE kept text; BEGIN FOR kept IN SELECT name FROM pg_catalog.pg_prepared_statements \
        WHERE name LIKE 'sqlx\\_s\\_%' LOOP EXECUTE 'DEALLOCATE ' || pg_catalog.quote_ident(kept); END LOOP; END$$";
    const RESET_SESSION: Option<&str> = Some(RESET_SESSION);
    const KEPT: KeptStatement = KeptStatement::IsRefused;
    const ONE: SingleRow = SingleRow::AndReadsAll;

    type Answers = Answers;

    fn arguments(statement: &Statement, values: &[Value], answers: &Answers) -> Result<(SqlStr, PgArguments)> {
        arguments::arguments(statement, values, answers)
    }

    fn question(statement: &Statement, values: &[Value], answers: &Answers) -> Option<SqlStr> {
        arguments::question(statement, values, answers)
    }

    fn answered(statement: &Statement, values: &[Value], answers: &mut Answers, rows: &[String]) {
        arguments::answered(statement, values, answers, rows);
    }

    fn refused(statement: &Statement, values: &[Value], answers: &mut Answers) {
        arguments::refused(statement, values, answers);
    }

    fn unreadable(statement: &Statement, values: &[Value], answers: &mut Answers) -> bool {
        arguments::unreadable(statement, values, answers)
    }

    fn as_text(statement: &Statement, values: &[Value], answers: &Answers) -> Option<Result<SqlStr>> {
        arguments::as_text(statement, values, answers)
    }

    const ROWS: RowsForm = RowsForm::Arrays;

    fn of_arrays(
        bulk: &BulkInsert,
        sample: &[Value],
        columns: &[Value],
        answers: &mut Answers,
    ) -> Option<Arc<Statement>> {
        bulk::of_arrays(bulk, sample, columns, answers)
    }

    fn forget(answers: &mut Answers) {
        answers.clear();
    }

    fn done(result: &PgQueryResult) -> QueryResult {
        QueryResult {
            rows_affected: result.rows_affected(),
            last_insert_id: None,
        }
    }

    fn set_up(connection: &mut PgConnection, _session: Option<SqlStr>) -> BoxFuture<'_, sqlx::Result<Option<Server>>> {
        // The server has told it among the parameters of the session.
        let product = Product::Postgres;
        let server = connection
            .server_version_num()
            .map(|version| Server { product, version });
        Box::pin(ready(Ok(server)))
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn listen(
        options: OptionsOf<Self>,
        channels: Vec<String>,
    ) -> BoxFuture<'static, Result<Box<dyn NotificationSource>>> {
        Box::pin(listen(options, channels))
    }

    fn copy(request: CopyRequest) -> Result<NativeJob> {
        Ok(copy::job(request))
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
