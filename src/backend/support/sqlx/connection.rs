//! What a connection does by itself: savepoints, kept statements, reading answers.

mod notified;
mod raw;

use std::fmt::Debug;
use std::time::Instant;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::{Connection, Database, Either, Executor, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;

use notified::{is_notification, is_to_be_repeated};

use super::told::{LastKey, Tally};
use super::{Ignore, Kept, Native, One, Original, is_stale_plan, own_sql};
use crate::backend::support::definitions::Definitions;
use crate::backend::{Done, Offer, Request, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Defines, Dialect, Statement};
use crate::value::{RawRow, ValueRef};

#[derive(Debug)]
pub(crate) struct SqlxConnection<DB: Native> {
    connection: DB::Connection,
    /// Whether statements are kept prepared.
    persistent: bool,
    /// How many savepoints of our own are set. sqlx's are used where the driver counts them on its thread; over a socket
    /// its guard of a cancelled `SAVEPOINT` rolls back the level below.
    savepoints: usize,
    definitions: Definitions,
    last_key: LastKey,
    /// What its database is a copy of.
    original: Option<Box<dyn Original<DB>>>,
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
            last_key: LastKey::new(),
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
        let answer = drain::<DB>(self.connection.fetch_many(sql), &mut Ignore, &mut Tally::default()).await;
        match answer {
            // What this crate sends by itself has no answer but that it was done.
            Err(error) if is_notification(&error) => Box::pin(self.silence()).await,
            answer => self.heard(answer, false).await.map(drop),
        }
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
        if let Some(count) = self.definitions.unfollowed() {
            self.connection.clear_cached_statements().await.map_err(DB::error)?;
            self.last_key.forget_tables();
            // Only now, because this may be cut off.
            self.definitions.follow(count);
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
    async fn number(&mut self, sql: SqlStr) -> Result<i64> {
        let shown = sql.clone();
        let row = sqlx::query::<DB>(sql).fetch_one(&mut self.connection).await;
        match row.map_err(DB::error)?.value(0)? {
            ValueRef::I64(number) => Ok(number),
            other => Err(Error::new(
                ErrorKind::Driver,
                format!("`{}` told {other:?} and no number", shown.as_str()),
            )),
        }
    }

    /// The same of what others have changed: another connection, or another program.
    async fn follow_version(&mut self, version: &'static str, look: &'static str, now: Instant) -> Result<()> {
        let version = self.number(version.into_sql_str()).await?;
        if self.definitions.is_new(version) {
            self.connection.clear_cached_statements().await.map_err(DB::error)?;
            // What is prepared next must be for what is there now.
            self.run_own(look.into_sql_str()).await?;
        }
        self.definitions.follow_version(version, now);
        Ok(())
    }

    /// Counts what a statement changes: before it is sent, because it may be cut off, and after it, for those who
    /// prepared something meanwhile.
    fn note_definitions(&mut self, what: Defines) {
        let inside = self.levels() > 0;
        self.definitions.change(what, inside);
    }

    /// Runs text without preparing it.
    async fn run_text(&mut self, sql: SqlStr, statement: Option<&Statement>, sink: &mut dyn Sink) -> Result<Done> {
        self.know_last_key(statement).await?;
        let mut tally = Tally::new(statement, &mut self.last_key);
        let answer = drain::<DB>(self.connection.fetch_many(sql), sink, &mut tally).await;
        let harmless = statement.is_some_and(Statement::reads) && !tally.has_rows;
        let done = self.heard(answer, harmless).await?;
        self.done(done, tally, statement).await
    }

    /// Asks for the key that the driver told last, where it is not known and what is to be sent is judged by it.
    async fn know_last_key(&mut self, statement: Option<&Statement>) -> Result<()> {
        if DB::REPEATS && statement.is_some_and(|statement| self.last_key.is_wanted_by(statement.acts())) {
            // Boxed, because the future of every statement has room for this one.
            match Box::pin(self.number(own_sql("SELECT last_insert_rowid()"))).await {
                Ok(key) => self.last_key.know(key),
                Err(error) if error.is_fatal() => return Err(error),
                // Then the statement is told no key.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What a text has done, of which the driver has told.
    async fn done(&mut self, done: Option<Done>, tally: Tally<'_>, statement: Option<&Statement>) -> Result<Done> {
        let doubtful = tally.end(&mut self.last_key);
        let mut done = self.told(done).await?;
        if let (Some((index, key)), Some(statement)) = (doubtful, statement) {
            // Boxed, because the future of every statement has room for this one.
            done.last_insert_id = match Box::pin(self.key_of(statement, index)).await {
                Ok(has_key) => has_key.then_some(key),
                Err(error) if error.is_fatal() => return Err(error),
                // The row is there; that nobody knows its key is no failure of its statement.
                Err(_) => None,
            };
        }
        Ok(done)
    }

    /// Whether the table that a statement has inserted into has keys, so that the last key told is that of its row.
    async fn key_of(&mut self, statement: &Statement, index: usize) -> Result<bool> {
        // SQLite's driver is the one that repeats.
        let Some(table) = statement.target(index) else {
            return Ok(false);
        };
        let Some(name) = table.path.last() else {
            return Ok(false);
        };
        if let Some(known) = self.last_key.has_keys(&table.written) {
            return Ok(known);
        }
        let name = Dialect::Sqlite.quote_text(&name.to_lowercase());
        let sql = format!("SELECT count(*) FROM pragma_table_list WHERE lower(name) = {name} AND wr");
        let without = self.number(own_sql(sql)).await? > 0;
        self.last_key.remember(&table.written, !without);
        Ok(!without)
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
            self.ended(undone).await?;
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
            Err(error) if is_to_be_repeated(&error) => Box::pin(self.run_once(request, sink)).await,
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
            self.ended(undone).await?;
        }
        Ok(())
    }

    async fn run_once(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        let declared = self.declare(request).await;
        if let Err(error) = declared {
            return Err(if is_notification(&error) {
                Box::pin(self.given_up(error, true)).await
            } else {
                error
            });
        }
        let result = if DB::ONE != One::OfMany && sink.wants_one() {
            self.run_for_one(request, sink).await
        } else {
            let statement = &**request.statement;
            self.know_last_key(Some(statement)).await?;
            let mut tally = Tally::new(Some(statement), &mut self.last_key);
            let answer = drain::<DB>(self.steps(request)?, sink, &mut tally).await;
            let harmless = statement.reads() && !tally.has_rows;
            match self.heard(answer, harmless).await {
                Ok(done) => self.done(done, tally, Some(statement)).await,
                Err(error) => Err(error),
            }
        };
        result.inspect_err(|error| note_refusal::<DB>(error, request))
    }

    async fn run_for_one(&mut self, request: Request<'_>, sink: &mut dyn Sink) -> Result<Done> {
        self.last_key.forget();
        let answer = self.one(request)?;
        let row = match answer.await.map_err(DB::error) {
            Err(error) if is_notification(&error) => {
                return Err(Box::pin(self.given_up(error, request.statement.reads())).await);
            }
            row => row?,
        };
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

/// SQLSTATE class 42 is about the text and the types in it.
fn note_refusal<DB: Native>(error: &Error, request: Request<'_>) {
    if error.sqlstate().is_some_and(|code| code.starts_with("42")) {
        DB::refused(request.statement, request.values);
    }
}

/// What sqlx yields: rows, and after them what the statement did.
type Steps<'a, DB> = BoxStream<'a, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// What an answer said of what was done; nothing if the text was empty, or the driver fell silent.
struct Answer {
    done: Option<Done>,
    /// A notification stood behind it.
    notified: bool,
}

/// Reads an answer to its end. A sink that refuses a row does not stop the reading, so that the connection is left
/// at rest.
async fn drain<DB: Native>(mut steps: Steps<'_, DB>, sink: &mut dyn Sink, tally: &mut Tally<'_>) -> Result<Answer> {
    let (mut refused, mut notified) = (None, false);
    while let Some(step) = steps.next().await {
        let step = match step.map_err(DB::error) {
            Err(error) if tally.done.is_some() && is_notification(&error) => {
                notified = true;
                break;
            }
            step => step?,
        };
        match step {
            Either::Left(result) => tally.add(DB::done(&result), DB::REPEATS),
            Either::Right(row) => {
                tally.has_rows = true;
                if refused.is_none() {
                    refused = sink.row(&mut Slot(Some(row))).err();
                }
            }
        }
    }
    let done = tally.done;
    refused.map_or(Ok(Answer { done, notified }), Err)
}
