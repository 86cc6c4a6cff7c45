//! A connection of sqlx behind the seam, once for every database that sqlx knows.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, Either, Executor, IntoArguments, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;

use crate::backend::{Connector, Done, Offer, RawConnection, Request, Sink};
use crate::error::Result;
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value};

/// What a database of sqlx must tell about itself.
pub(crate) trait Native: Database<Row: RawRow, Arguments: IntoArguments<Self>> + Sized {
    /// The arguments in the driver's own form, and the text to send with them.
    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, Self::Arguments)>;

    /// Whether the server has to say first which types it expects ([`Value::Untyped`]); then the types to
    /// declare when asking it.
    fn undeclared(_statement: &Statement, _values: &[Value]) -> Option<Vec<Self::TypeInfo>> {
        None
    }

    /// Keeps what the server answered, for [`arguments`](Self::arguments).
    fn declare(_statement: &Statement, _values: &[Value], _types: &[Self::TypeInfo]) {}

    fn done(result: &Self::QueryResult) -> Done;

    /// The library's error for one of sqlx.
    fn error(error: sqlx::Error) -> crate::error::Error;

    /// Whether a call dropped half-way leaves the connection usable; `answered` tells whether the server's answer
    /// to the statement itself had begun to arrive.
    fn survives_interruption(answered: bool) -> bool;
}

/// Makes connections of a database that sqlx knows.
pub(crate) struct SqlxConnector<DB: Native> {
    pub(crate) options: <DB::Connection as Connection>::Options,
    pub(crate) dialect: Dialect,
    /// Whether the driver uses the reactor of the runtime (and not a thread of its own).
    pub(crate) runtime_bound: bool,
    /// Makes a readable error of one that came while connecting.
    pub(crate) explain: Box<dyn Fn(sqlx::Error) -> crate::error::Error + Send + Sync>,
}

impl<DB> Connector for SqlxConnector<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn runtime_bound(&self) -> bool {
        self.runtime_bound
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(&self.explain)?;
            Ok(Box::new(SqlxConnection::<DB>::new(connection)) as Box<dyn RawConnection>)
        })
    }
}

impl<DB: Native> std::fmt::Debug for SqlxConnector<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlxConnector")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// Where a call stands, for the case that it is dropped there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Unprepared text is under way; sqlx keeps count of the answers it still has to read.
    Text,
    /// A prepared statement is under way.
    Prepared { answered: bool },
}

#[derive(Debug)]
pub(crate) struct SqlxConnection<DB: Native> {
    connection: DB::Connection,
    phase: Phase,
}

impl<DB: Native> SqlxConnection<DB> {
    pub(crate) fn new(connection: DB::Connection) -> Self {
        Self {
            connection,
            phase: Phase::Text,
        }
    }
}

/// A row on offer to a sink.
struct Slot<R>(Option<R>);

impl<R: RawRow + 'static> Offer for Slot<R> {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_ref().map(|row| row as &dyn RawRow)
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take().map(|row| Box::new(row) as Box<dyn RawRow>)
    }
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Encodes the values, after asking the server for the types it expects where only it can know them.
    async fn arguments(&mut self, request: Request<'_>) -> Result<(SqlStr, DB::Arguments)> {
        let Request { statement, values } = request;
        if let Some(declared) = DB::undeclared(statement, values) {
            self.phase = Phase::Prepared { answered: false };
            let prepared = (&mut self.connection)
                .prepare_with(statement.sql(), &declared)
                .await
                .map_err(DB::error)?;
            if let Some(Either::Left(types)) = sqlx::Statement::parameters(&prepared) {
                DB::declare(statement, values, types);
            }
        }
        DB::arguments(statement, values)
    }

    async fn run_prepared(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        let (sql, arguments) = self.arguments(request).await?;
        self.phase = Phase::Prepared { answered: false };
        let Self { connection, phase } = self;
        drain::<DB>(connection.fetch_many(sqlx::query_with(sql, arguments)), phase, sink).await
    }
}

/// What sqlx yields: rows, and after them what the statement did.
type Steps<'a, DB> = BoxStream<'a, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// Reads an answer to its end. A sink that refuses a row does not stop the reading, so that the connection is left
/// at rest.
async fn drain<DB: Native>(mut steps: Steps<'_, DB>, phase: &mut Phase, sink: &mut dyn Sink) -> Result<Done> {
    let mut done = Done::default();
    let mut refused = None;
    while let Some(step) = steps.next().await {
        *phase = Phase::Prepared { answered: true };
        match step.map_err(DB::error)? {
            Either::Left(result) => done.absorb(DB::done(&result)),
            Either::Right(row) => {
                if refused.is_none() {
                    refused = sink.row(&mut Slot(Some(row))).err();
                }
            }
        }
    }
    refused.map_or(Ok(done), Err)
}

impl<DB> RawConnection for SqlxConnection<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move {
            if request.statement.is_script() {
                self.phase = Phase::Text;
                let Self { connection, phase } = self;
                drain::<DB>(connection.fetch_many(request.statement.sql()), phase, sink).await
            } else {
                self.run_prepared(request, sink).await
            }
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        let steps = async move {
            let steps: BoxStream<'a, _> = if request.statement.is_script() {
                self.phase = Phase::Text;
                self.connection.fetch_many(request.statement.sql())
            } else {
                let (sql, arguments) = match self.arguments(request).await {
                    Ok(encoded) => encoded,
                    Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
                };
                // Rows are pulled one by one, so the first of them is not seen here: the session marks a stream
                // as answered when it hands out its first row.
                self.phase = Phase::Prepared { answered: false };
                self.connection.fetch_many(sqlx::query_with(sql, arguments))
            };
            steps
                .filter_map(|step| async move {
                    match step {
                        Ok(Either::Left(_)) => None,
                        Ok(Either::Right(row)) => Some(Ok(Box::new(row) as Box<dyn RawRow>)),
                        Err(error) => Some(Err(DB::error(error))),
                    }
                })
                .boxed()
        };
        futures::stream::once(steps).flatten().boxed()
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Done>> {
        Box::pin(async move {
            self.phase = Phase::Text;
            let Self { connection, phase } = self;
            drain::<DB>(connection.fetch_many(sql), phase, &mut Ignore).await
        })
    }

    fn begin(&mut self, sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        self.phase = Phase::Text;
        Box::pin(async move {
            DB::TransactionManager::begin(&mut self.connection, sql)
                .await
                .map_err(DB::error)
        })
    }

    fn commit(&mut self) -> BoxFuture<'_, Result<()>> {
        self.phase = Phase::Text;
        Box::pin(async move {
            DB::TransactionManager::commit(&mut self.connection)
                .await
                .map_err(DB::error)
        })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        self.phase = Phase::Text;
        Box::pin(async move {
            // The inner levels are only queued; they leave together with the last one.
            while self.depth() > depth + 1 {
                DB::TransactionManager::start_rollback(&mut self.connection);
            }
            if self.depth() > depth {
                DB::TransactionManager::rollback(&mut self.connection)
                    .await
                    .map_err(DB::error)?;
            }
            Ok(())
        })
    }

    fn depth(&self) -> usize {
        DB::TransactionManager::get_transaction_depth(&self.connection)
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.run_script(own_sql("ROLLBACK")).await {
                // SQLite calls it an error when there was nothing to roll back.
                Err(error) if error.is_fatal() => Err(error),
                _ => Ok(()),
            }
        })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        self.phase = Phase::Text;
        Box::pin(async move { self.connection.ping().await.map_err(DB::error) })
    }

    fn interrupted(&self, answered: bool) -> bool {
        match self.phase {
            Phase::Text => true,
            Phase::Prepared { answered: before } => DB::survives_interruption(before || answered),
        }
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.connection.close().await.map_err(DB::error) })
    }
}

/// Text for the driver that this crate wrote itself, out of constants and quoted identifiers.
pub(crate) fn own_sql(text: impl Into<String>) -> SqlStr {
    AssertSqlSafe(text.into()).into_sql_str()
}

/// A sink for statements whose rows nobody asked for.
#[derive(Debug)]
pub(crate) struct Ignore;

impl Sink for Ignore {
    fn row(&mut self, _row: &mut dyn Offer) -> Result<()> {
        Ok(())
    }
}
