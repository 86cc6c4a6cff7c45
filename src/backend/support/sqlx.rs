//! A connection of sqlx behind the seam, once for every database that sqlx knows.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, Either, Executor, IntoArguments, SqlSafeStr, SqlStr};
use sqlx_core::database::HasStatementCache;
use sqlx_core::transaction::TransactionManager;

use super::definitions::Definitions;
use crate::backend::{Connector, Done, NativeJob, Offer, RawConnection, Request, Sever, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value, ValueRef};

/// What a database of sqlx must tell about itself.
pub(crate) trait Native:
    HasStatementCache + Database<Row: RawRow, Arguments: IntoArguments<Self>> + Sized
{
    /// The arguments in the driver's own form, and the text to send with them.
    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, Self::Arguments)>;

    /// Whether the server has to say first which types it expects ([`Value::Untyped`]); then the types to
    /// declare when asking it.
    fn undeclared(_statement: &Statement, _values: &[Value]) -> Option<Vec<Self::TypeInfo>> {
        None
    }

    /// The text to ask with.
    fn question(statement: &Statement, _declared: &[Self::TypeInfo]) -> SqlStr {
        statement.sql()
    }

    /// Takes notice that the server found fault with the statement, perhaps with the types of its values.
    fn refused(_statement: &Statement, _values: &[Value]) {}

    /// Keeps what the server answered, for [`arguments`](Self::arguments).
    fn declare(_statement: &Statement, _values: &[Value], _types: &[Self::TypeInfo]) {}

    /// Whether the driver itself keeps count of the answers that are still to come, so that flushing reads what is left.
    /// (SQLite's has a thread instead, which also keeps count of savepoints.)
    const COUNTS_ANSWERS: bool;

    /// What becomes of a statement kept prepared when the tables behind it are changed.
    const KEPT: Kept;

    /// How the first row of an answer is got at the least cost.
    const ONE: One = One::OfMany;

    fn done(result: &Self::QueryResult) -> Done;

    /// The library's error for one of sqlx.
    fn error(error: sqlx::Error) -> Error;

    /// Whether a call dropped half-way leaves the connection usable; `between_rows` tells that it was dropped while a
    /// row had been handed out and nothing more was being read.
    fn survives_interruption(between_rows: bool) -> bool;
}

/// What becomes of a statement kept prepared when the tables behind it are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is read as the tables are.
    Follows,
    /// The server refuses it.
    IsRefused,
    /// The tables are read as they are, but the columns of a `*` are shown as they were.
    Deceives {
        /// The query that tells the version of the definitions.
        version: &'static str,
        /// The query that makes a connection look at them again.
        look: &'static str,
    },
}

/// How sqlx gives one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum One {
    /// Every row has to be taken from it.
    OfMany,
    /// Asked for one row it leaves the others on the wire, and flushing reads them. That is quicker than taking them, and
    /// errors behind the first row are found as well.
    ThenFlush,
    /// Asked for one row it reads the answer to its end by itself.
    AndReadsAll,
}

/// Makes connections of a database that sqlx knows.
pub(crate) struct SqlxConnector<DB: Native> {
    pub(crate) options: <DB::Connection as Connection>::Options,
    pub(crate) dialect: Dialect,
    /// Whether the driver uses the reactor of the runtime (and not a thread of its own).
    pub(crate) runtime_bound: bool,
    /// The URL, without its password.
    pub(crate) place: String,
    /// Whether statements are kept prepared.
    pub(crate) persistent: bool,
    /// Makes a readable error of one that came while connecting.
    pub(crate) explain: Box<dyn Fn(sqlx::Error) -> Error + Send + Sync>,
    /// Makes the connections that see a copy of their own.
    pub(crate) private: Option<Arc<dyn Connector>>,
    /// Counts the changes of definitions that are made through its connections.
    pub(crate) definitions: Arc<AtomicU64>,
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

    fn private(&self) -> Option<Arc<dyn Connector>> {
        self.private.clone()
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(&self.explain)?;
            let definitions = Definitions::new(&self.definitions);
            let connection = SqlxConnection::<DB>::new(connection, self.persistent, definitions);
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }
}

impl<DB: Native> Debug for SqlxConnector<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlxConnector")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct SqlxConnection<DB: Native> {
    connection: DB::Connection,
    /// Whether statements are kept prepared.
    persistent: bool,
    /// How many savepoints of our own are set. sqlx's are used where the driver counts them on its thread; over a socket
    /// its guard of a cancelled `SAVEPOINT` rolls back the level below.
    savepoints: usize,
    definitions: Definitions,
    /// What its database is a copy of.
    original: Option<Box<dyn Original<DB>>>,
}

/// The database that a connection has a copy of.
pub(crate) trait Original<DB: Database>: Debug + Send {
    /// Copies it into the connection's own database, if that is not as the original is now.
    fn renew<'a>(&'a mut self, copy: &'a mut DB::Connection) -> BoxFuture<'a, Result<()>>;

    /// Lets go of it.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Savepoints are numbered from 1, for the level above the transaction.
const SAVEPOINT: &str = "ebbtide_";

impl<DB: Native> SqlxConnection<DB> {
    pub(crate) fn new(connection: DB::Connection, persistent: bool, definitions: Definitions) -> Self {
        Self {
            connection,
            persistent,
            savepoints: 0,
            definitions,
            original: None,
        }
    }

    /// A connection whose database is a copy.
    pub(crate) fn with_original(mut self, original: Box<dyn Original<DB>>) -> Self {
        self.original = Some(original);
        self
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
    async fn run_own(&mut self, sql: SqlStr) -> Result<()> {
        drain::<DB>(self.connection.fetch_many(sql), &mut Ignore)
            .await
            .map(drop)
    }

    /// Reads what is still to come, so that the next text is sent as soon as it is asked for.
    async fn at_rest(&mut self) -> Result<()> {
        self.connection.flush().await.map_err(DB::error)
    }

    /// Sets a savepoint. It is counted before it is sent, so that a call dropped half-way leaves the count as the server
    /// will have it.
    async fn savepoint(&mut self) -> Result<()> {
        self.at_rest().await?;
        self.savepoints += 1;
        let sql = own_sql(format!("SAVEPOINT {SAVEPOINT}{}", self.savepoints));
        self.run_own(sql).await.inspect_err(|_| self.savepoints -= 1)
    }

    /// Releases the innermost savepoint; counted before it is sent as well.
    async fn release(&mut self, first: &str) -> Result<()> {
        self.at_rest().await?;
        let sql = own_sql(format!("{first}RELEASE SAVEPOINT {SAVEPOINT}{}", self.savepoints));
        self.savepoints -= 1;
        self.run_own(sql).await.inspect_err(|_| self.savepoints += 1)
    }

    /// Asks the server for the types it expects, where only it can know them.
    async fn declare(&mut self, request: Request<'_>) -> Result<()> {
        match DB::undeclared(request.statement, request.values) {
            Some(declared) => Box::pin(self.ask(request, declared)).await,
            None => Ok(()),
        }
    }

    /// Asks the server which types it expects beside those declared.
    async fn ask(&mut self, request: Request<'_>, declared: Vec<DB::TypeInfo>) -> Result<()> {
        let Request { statement, values } = request;
        let question = DB::question(statement, &declared);
        let prepared = (&mut self.connection)
            .prepare_with(question, &declared)
            .await
            .map_err(DB::error)?;
        if let Some(Either::Left(types)) = sqlx::Statement::parameters(&prepared) {
            DB::declare(statement, values, types);
        }
        Ok(())
    }

    /// Forgets what was prepared for tables as they were.
    async fn follow_definitions(&mut self, starred: bool) -> Result<()> {
        if DB::KEPT == Kept::Follows {
            return Ok(());
        }
        if self.definitions.have_changed() {
            self.connection.clear_cached_statements().await.map_err(DB::error)?;
        }
        match DB::KEPT {
            // A copy is changed by its own connection only.
            Kept::Deceives { version, look } if starred && self.original.is_none() => {
                let now = Instant::now();
                if self.definitions.are_to_be_asked(now) {
                    Box::pin(self.follow_version(version, look, now)).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The number that a query of this crate's own yields.
    async fn number(&mut self, sql: &'static str) -> Result<i64> {
        let row = sqlx::query::<DB>(sql).fetch_one(&mut self.connection).await;
        match row.map_err(DB::error)?.value(0)? {
            ValueRef::I64(number) => Ok(number),
            other => Err(Error::new(
                ErrorKind::Driver,
                format!("`{sql}` told {other:?} and no number"),
            )),
        }
    }

    /// The same of what others have changed: another connection, or another program.
    async fn follow_version(&mut self, version: &'static str, look: &'static str, now: Instant) -> Result<()> {
        let version = self.number(version).await?;
        if self.definitions.is_new(version, now) {
            self.connection.clear_cached_statements().await.map_err(DB::error)?;
            // What is prepared next must be for what is there now.
            self.run_own(look.into_sql_str()).await?;
        }
        Ok(())
    }

    fn note_definitions(&mut self, statement: &Statement) {
        let inside = self.levels() > 0;
        self.definitions.change(statement.defines(), inside);
    }

    /// Runs text without preparing it.
    async fn run_text(&mut self, sql: SqlStr, sink: &mut dyn Sink) -> Result<Done> {
        let done = drain::<DB>(self.connection.fetch_many(sql), sink).await?;
        self.told(done).await
    }

    /// What a statement has done. A thread that panicked ends the rows without a word; that is an error and not an end.
    async fn told(&mut self, done: Option<Done>) -> Result<Done> {
        if done.is_none() && !DB::COUNTS_ANSWERS {
            self.connection.ping().await.map_err(DB::error)?;
        }
        Ok(done.unwrap_or_default())
    }

    /// Rolls back until `depth` levels are left.
    async fn undo(&mut self, depth: usize) -> Result<()> {
        if depth > 0 && self.savepoints >= depth {
            self.at_rest().await?;
            // The names count the levels, so this is one round trip for any number of them.
            self.savepoints = depth - 1;
            let sql = format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}{depth}; RELEASE SAVEPOINT {SAVEPOINT}{depth}");
            return self.run_own(own_sql(sql)).await;
        }
        self.savepoints = 0;
        while self.levels() > depth {
            let undone = DB::TransactionManager::rollback(&mut self.connection).await;
            undone.map_err(DB::error)?;
        }
        Ok(())
    }

    /// The levels that are open.
    fn levels(&self) -> usize {
        DB::TransactionManager::get_transaction_depth(&self.connection) + self.savepoints
    }

    async fn run_prepared(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        self.follow_definitions(request.statement.is_starred()).await?;
        match self.run_once(request, sink).await {
            Err(error) if is_stale_plan(&error) => Box::pin(self.run_anew(request, sink, error)).await,
            result => result,
        }
    }

    /// The tables behind a kept statement were changed. The server has refused to run it, so outside of a transaction it
    /// can just be prepared anew.
    async fn run_anew(&mut self, request: Request<'_>, sink: &mut dyn Sink, error: Error) -> Result<Done> {
        self.connection.clear_cached_statements().await.map_err(DB::error)?;
        if DB::TransactionManager::get_transaction_depth(&self.connection) > 0 {
            return Err(error);
        }
        self.run_once(request, sink).await
    }

    /// Leaves no more transactions open than there were, after someone else has used the connection.
    async fn level_out(&mut self, depth: usize) -> Result<()> {
        // A guard of sqlx that was dropped has its rollback still to be sent, and SQLite's thread has it still to do.
        self.at_rest().await?;
        if !DB::COUNTS_ANSWERS {
            self.connection.ping().await.map_err(DB::error)?;
        }
        while DB::TransactionManager::get_transaction_depth(&self.connection) > depth {
            let undone = DB::TransactionManager::rollback(&mut self.connection).await;
            undone.map_err(DB::error)?;
        }
        Ok(())
    }

    async fn run_once(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        self.declare(request).await?;
        let result = if DB::ONE != One::OfMany && sink.wants_one() {
            self.run_for_one(request, sink).await
        } else {
            let done = drain::<DB>(self.steps(request)?, sink).await;
            match done {
                Ok(done) => self.told(done).await,
                Err(error) => Err(error),
            }
        };
        result.inspect_err(|error| note_refusal::<DB>(error, request))
    }

    async fn run_for_one(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        let row = self.one(request)?.await.map_err(DB::error)?;
        let taken = if row.is_some() {
            sink.row(&mut Slot(row))
        } else {
            Ok(())
        };
        if DB::ONE == One::ThenFlush {
            self.at_rest().await?;
        }
        taken.map(|()| Done::default())
    }

    // What is sent is made in functions of their own: a future keeps room for everything it ever had in hand.

    fn steps(&mut self, request: Request<'_>) -> Result<Steps<'_, DB>> {
        let (sql, arguments) = DB::arguments(request.statement, request.values)?;
        let query = sqlx::query_with(sql, arguments).persistent(self.persistent);
        Ok(self.connection.fetch_many(query))
    }

    fn one(&mut self, request: Request<'_>) -> Result<BoxFuture<'_, sqlx::Result<Option<DB::Row>>>> {
        let (sql, arguments) = DB::arguments(request.statement, request.values)?;
        let query = sqlx::query_with(sql, arguments).persistent(self.persistent);
        Ok(self.connection.fetch_optional(query))
    }
}

/// PostgreSQL keeps no plan whose result has other columns than before.
pub(crate) fn is_stale_plan(error: &Error) -> bool {
    error.sqlstate() == Some("0A000") && error.message().contains("cached plan")
}

/// SQLSTATE class 42 is about the text and the types in it.
fn note_refusal<DB: Native>(error: &Error, request: Request<'_>) {
    if error.sqlstate().is_some_and(|code| code.starts_with("42")) {
        DB::refused(request.statement, request.values);
    }
}

/// What sqlx yields: rows, and after them what the statement did.
type Steps<'a, DB> = BoxStream<'a, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// Reads an answer to its end. A sink that refuses a row does not stop the reading, so that the connection is left
/// at rest. `None` if nothing was done, not even nothing: the text was empty, or the driver fell silent.
async fn drain<DB: Native>(mut steps: Steps<'_, DB>, sink: &mut dyn Sink) -> Result<Option<Done>> {
    let mut done: Option<Done> = None;
    let mut refused = None;
    while let Some(step) = steps.next().await {
        match step.map_err(DB::error)? {
            Either::Left(result) => done.get_or_insert_default().absorb(DB::done(&result)),
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
            if !request.statement.is_script() {
                return self.run_prepared(request, sink).await;
            }
            // Counted before, in case this is dropped, and after, for those who prepared meanwhile.
            self.note_definitions(request.statement);
            let result = self.run_text(request.statement.sql(), sink).await;
            self.note_definitions(request.statement);
            result
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            self.note_definitions(request.statement);
            self.follow_definitions(request.statement.is_starred()).await?;
            loop {
                let (mut stale, mut told) = (None, None);
                {
                    let mut steps = if request.statement.is_script() {
                        self.connection.fetch_many(request.statement.sql())
                    } else {
                        self.declare(request).await?;
                        self.steps(request)?
                    };
                    while let Some(step) = steps.next().await {
                        match step.map_err(DB::error) {
                            Ok(Either::Left(done)) => told = Some(DB::done(&done)),
                            Ok(Either::Right(row)) => yield Box::new(row) as Box<dyn RawRow>,
                            Err(error) if is_stale_plan(&error) => stale = Some(error),
                            Err(error) => {
                                note_refusal::<DB>(&error, request);
                                Err(error)?;
                            }
                        }
                    }
                }
                let Some(error) = stale else {
                    self.told(told).await?;
                    break;
                };
                self.connection.clear_cached_statements().await.map_err(DB::error)?;
                if self.levels() > 0 {
                    Err(error)?;
                }
            }
        })
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Done>> {
        Box::pin(async move { self.run_text(sql, &mut Ignore).await })
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<Done>> {
        Box::pin(async move {
            let open_ended = job.is_open_ended();
            let depth = DB::TransactionManager::get_transaction_depth(&self.connection);
            let text = job.text().cloned();
            self.follow_definitions(text.as_ref().is_none_or(|text| text.is_starred()))
                .await?;
            let result = job.run(&mut self.connection).await;
            if let Some(text) = text {
                self.note_definitions(&text);
            }
            if result.as_ref().is_err_and(is_stale_plan) {
                self.connection.clear_cached_statements().await.map_err(DB::error)?;
            }
            if open_ended && !result.as_ref().is_err_and(Error::is_fatal) {
                self.level_out(depth).await?;
            }
            result
        })
    }

    fn begin(&mut self, sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if DB::COUNTS_ANSWERS && self.depth() > 0 {
                return self.savepoint().await;
            }
            let begun = DB::TransactionManager::begin(&mut self.connection, sql).await;
            begun.map_err(DB::error)
        })
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let result = if self.savepoints > 0 {
                self.release(first.as_ref().map_or("", SqlStr::as_str)).await
            } else {
                let committed = DB::TransactionManager::commit(&mut self.connection).await;
                committed.map_err(DB::error)
            };
            let left = self.levels();
            self.definitions.level_ended(left);
            result
        })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let result = self.undo(depth).await;
            self.definitions.level_ended(depth);
            result
        })
    }

    fn depth(&self) -> usize {
        self.levels()
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.run_script(own_sql("ROLLBACK")).await {
                // SQLite calls it an error when there was nothing to roll back.
                Err(error) if DB::COUNTS_ANSWERS || error.is_fatal() => Err(error),
                _ => Ok(()),
            }
        })
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            if DB::COUNTS_ANSWERS {
                // Outside of a transaction a savepoint is gone as soon as it is set.
                let probe = own_sql("SAVEPOINT ebbtide_probe; RELEASE SAVEPOINT ebbtide_probe");
                return match self.run_own(probe).await {
                    Err(error) if error.is_fatal() => Err(error),
                    // PostgreSQL has aborted it, which leaves it open.
                    Err(error) => Ok(error.sqlstate() == Some("25P02")),
                    Ok(()) => Ok(true),
                };
            }
            // What SQLite does not let be set inside a transaction, of a database for which it means nothing. That leaves no
            // trace, so a look that is cut off can be taken again.
            match self.run_own(own_sql("PRAGMA temp.synchronous = NORMAL")).await {
                Err(error) if error.is_fatal() => Err(error),
                Err(_) => Ok(true),
                Ok(()) => Ok(false),
            }
        })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.connection.flush().await.map_err(DB::error)?;
            if DB::COUNTS_ANSWERS {
                Ok(())
            } else {
                self.connection.ping().await.map_err(DB::error)
            }
        })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.connection.ping().await.map_err(DB::error) })
    }

    fn interrupted(&self, between_rows: bool) -> bool {
        DB::survives_interruption(between_rows)
    }

    fn severer(&self) -> Option<Sever> {
        // A copy that is forgotten harms nobody: others have copies of their own.
        self.original.as_ref().map(|_| Box::new(|| {}) as Sever)
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        match &mut self.original {
            Some(original) => original.renew(&mut self.connection),
            None => Box::pin(ready(Ok(()))),
        }
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let closed = self.connection.close().await.map_err(DB::error);
            match self.original {
                Some(original) => original.close().await.and(closed),
                None => closed,
            }
        })
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

    fn restart(&mut self) -> bool {
        true
    }
}
