//! The operations of a connection itself: savepoints, prepared statements, reading answers.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures::future::BoxFuture;
use sqlx::{Connection, Executor, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::answer::{DriverRow, Steps, drain, is_notification, is_to_be_repeated};
use super::last_insert_id::{LastKey, Tally};
use super::schema_changes::Definitions;
use super::search_path::SearchPath;
use super::sent_texts::SentTexts;
use super::{Ignore, Keeping, KeptStatement, Native, Original, SingleRow, is_stale_plan, own_sql};
use crate::backend::{Armed, Interrupt, QueryResult, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Defines, Dialect, Statement};
use crate::value::{RawRow, ValueRef};

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(crate) struct SqlxConnection<DB: Native> {
    pub(super) connection: DB::Connection,
    pub(super) keeping: Keeping,
    /// Set if a text was sent that may have begun a transaction of which the driver does not know.
    pub(super) controlled: bool,
    /// Set while something runs of which the driver would know nothing if the call were dropped: the beginning of a
    /// transaction, or a COPY.
    pub(super) indivisible: bool,
    /// Number of savepoints set by this crate. sqlx's savepoints are used where the driver counts them on its thread.
    /// Over a socket, sqlx's guard of a cancelled `SAVEPOINT` rolls back the level below.
    pub(super) savepoints: usize,
    /// Set if the server has ended the transaction that sqlx still counts.
    pub(super) has_ended: bool,
    /// Set behind a pooler if a call was dropped, which may have left a statement of the driver in the server's session.
    pub(super) cut: bool,
    /// Behind a pooler: the texts that were sent on this connection.
    pub(super) sent: SentTexts,
    pub(super) definitions: Definitions,
    pub(super) path: SearchPath,
    pub(super) last_key: LastKey,
    pub(super) answers: DB::Answers,
    /// Whether the server answers questions about types, once a connection knows.
    pub(super) answering: Arc<OnceLock<bool>>,
    /// The original of which its database is a copy.
    pub(super) original: Option<Box<dyn Original<DB>>>,
    /// Ends what still runs when the connection is dropped.
    pub(super) interrupt: Option<Armed>,
}

impl<DB: Native> SqlxConnection<DB> {
    pub(crate) fn new(connection: DB::Connection, keeping: Keeping, definitions: Definitions) -> Self {
        Self {
            connection,
            keeping,
            controlled: false,
            indivisible: false,
            savepoints: 0,
            has_ended: false,
            cut: false,
            sent: SentTexts::default(),
            definitions,
            path: SearchPath::default(),
            last_key: LastKey::new(),
            answers: DB::Answers::default(),
            answering: Arc::default(),
            original: None,
            interrupt: None,
        }
    }

    /// Sets the flag that ends the statement under way.
    pub(crate) fn with_interrupt(mut self, interrupt: Option<&Interrupt>) -> Self {
        self.interrupt = interrupt.map(Interrupt::armed);
        self
    }

    /// Sets what the connections of one database know together of its answers.
    pub(crate) fn with_answering(mut self, answering: &Arc<OnceLock<bool>>) -> Self {
        self.answering = Arc::clone(answering);
        self
    }

    /// Sets the original of which the connection's database is a copy.
    pub(crate) fn with_original(mut self, original: Box<dyn Original<DB>>) -> Self {
        self.original = Some(original);
        self
    }
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    pub(super) async fn run_own(&mut self, sql: SqlStr) -> Result<()> {
        let answer = drain::<DB>(self.connection.fetch_many(sql), &mut Ignore, &mut Tally::default()).await;
        match answer {
            // A statement of this crate itself has no result.
            Err(error) if is_notification(&error) => Box::pin(self.flush_and_unlisten()).await,
            answer => self.received(answer, false).await.map(drop),
        }
    }

    /// Reads the pending answers, so that the next text is sent as soon as it is requested.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.connection.flush().await.map_err(DB::error)
    }

    /// Discards statements that were prepared for older table definitions, or with another search path.
    pub(super) async fn follow_definitions(&mut self, starred: bool) -> Result<()> {
        if self.keeping.is_full(self.connection.cached_statements_size()) {
            self.forget_prepared().await?;
        }
        if let Some(path) = self.path.unfollowed() {
            self.forget_prepared().await?;
            self.path.follow(path);
        }
        if DB::KEPT == KeptStatement::Follows {
            return Ok(());
        }
        if let Some(count) = self.definitions.unfollowed() {
            self.forget_prepared().await?;
            self.last_key.forget_tables();
            // Only now, because this may be cancelled.
            self.definitions.follow(count);
        }
        match DB::KEPT {
            // Only its own connection changes a copy.
            KeptStatement::Deceives { version, look } if starred && self.original.is_none() => {
                let now = Instant::now();
                if self.definitions.are_to_be_asked(now) {
                    Box::pin(self.follow_version(version, look, now)).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Runs a query of this crate itself and returns the number that it yields.
    pub(super) async fn number(&mut self, sql: SqlStr) -> Result<i64> {
        let shown = sql.clone();
        let row = sqlx::query::<DB>(sql).fetch_one(&mut self.connection).await;
        match row.map_err(DB::error)?.value(0)? {
            ValueRef::I64(number) => Ok(number),
            other => Err(Error::new(
                ErrorKind::Driver,
                format!("`{}` returned {other:?} instead of a number", shown.as_str()),
            )),
        }
    }

    /// Follows the changes of others: another connection, or another program.
    pub(super) async fn follow_version(
        &mut self,
        version: &'static str,
        look: &'static str,
        now: Instant,
    ) -> Result<()> {
        let version = self.number(version.into_sql_str()).await?;
        if self.definitions.is_new(version) {
            self.forget_prepared().await?;
            // The next statement must be prepared for the current definitions.
            self.run_own(look.into_sql_str()).await?;
        }
        self.definitions.follow_version(version, now);
        Ok(())
    }

    /// Counts what a statement changes: before it is sent, because it may be cancelled, and after it, for connections
    /// that prepared something meanwhile.
    pub(super) fn note_definitions(&mut self, what: Defines) {
        let inside = self.levels() > 0;
        self.definitions.change(what, inside);
    }

    /// Notes the same of a statement that is sent, and of the search path.
    pub(super) fn note_sent(&mut self, request: Request<'_>) {
        self.note_definitions(request.statement.defines());
        self.path.sent(request, self.levels() > 0 || self.controlled);
    }

    /// Notes how it has ended.
    pub(super) fn note_end(&mut self, statement: &Statement, failed: bool) {
        self.note_definitions(statement.defines());
        if failed {
            let inside = self.levels() > 0 || self.controlled;
            self.path.lost(statement.effect().path, inside);
        }
    }

    /// Notes that a level has ended and `depth` are left.
    pub(super) fn level_ended(&mut self, depth: usize) {
        self.definitions.level_ended(depth);
        self.path.level_ended(depth);
    }

    /// Runs text without preparing it.
    pub(super) async fn run_text(
        &mut self,
        sql: SqlStr,
        statement: Option<&Statement>,
        sink: &mut dyn RowSink,
    ) -> Result<QueryResult> {
        self.know_last_key(statement).await?;
        let mut tally = Tally::new(statement, &mut self.last_key);
        let answer = drain::<DB>(self.connection.fetch_many(sql), sink, &mut tally).await;
        let harmless = statement.is_some_and(Statement::reads) && !tally.has_rows;
        let done = self.received(answer, harmless).await?;
        self.done(done, tally, statement).await
    }

    /// Asks for the key that the driver reported last, if it is unknown and the result of the next text depends on it.
    pub(super) async fn know_last_key(&mut self, statement: Option<&Statement>) -> Result<()> {
        if DB::REPEATS && statement.is_some_and(|statement| self.last_key.is_wanted_by(statement.acts())) {
            // Boxed, because the future of every statement would reserve room for this one.
            match Box::pin(self.number(own_sql("SELECT last_insert_rowid()"))).await {
                Ok(key) => self.last_key.know(key),
                Err(error) if error.is_fatal() => return Err(error),
                // Without it the statement has no key.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Completes the result that the driver reported for a text.
    pub(super) async fn done(
        &mut self,
        done: Option<QueryResult>,
        tally: Tally<'_>,
        statement: Option<&Statement>,
    ) -> Result<QueryResult> {
        let doubtful = tally.end(&mut self.last_key);
        let mut done = self.confirmed(done).await?;
        if let (Some((index, key)), Some(statement)) = (doubtful, statement) {
            // Boxed, because the future of every statement reserves room for this one.
            done.last_insert_id = match Box::pin(self.key_of(statement, index)).await {
                Ok(has_key) => has_key.then_some(key),
                Err(error) if error.is_fatal() => return Err(error),
                // The row was inserted; an unknown key is no failure of its statement.
                Err(_) => None,
            };
        }
        Ok(done)
    }

    /// Returns whether the table of an insert has keys, so that the last reported key is that of the inserted row.
    pub(super) async fn key_of(&mut self, statement: &Statement, index: usize) -> Result<bool> {
        // Only SQLite's driver repeats results.
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

    /// Returns the result of a statement. A driver thread that panicked ends the rows silently; that is an error and
    /// not an end.
    pub(super) async fn confirmed(&mut self, done: Option<QueryResult>) -> Result<QueryResult> {
        if done.is_none() && !DB::COUNTS_ANSWERS {
            self.connection.ping().await.map_err(DB::error)?;
        }
        Ok(done.unwrap_or_default())
    }

    pub(super) async fn run_prepared(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        self.follow_definitions(request.statement.is_starred()).await?;
        if self.keeping.is_pooled() {
            return Box::pin(self.run_pooled(request, sink)).await.inspect_err(|error| {
                if is_stale_plan(error) {
                    DB::forget(&mut self.answers);
                }
            });
        }
        match self.run_once(request, sink).await {
            Err(error) if is_stale_plan(&error) => Box::pin(self.rerun(request, sink, error)).await,
            Err(error) if is_to_be_repeated(&error) || self.is_unreadable(&error, request) => {
                Box::pin(self.run_once(request, sink)).await
            }
            Err(error) if is_unprepared::<DB>(&error, request) => {
                request.statement.note_unprepared();
                let sql = request.statement.sql();
                Box::pin(self.run_text(sql, Some(request.statement), sink)).await
            }
            result => result,
        }
    }

    /// Runs a statement again after a change of its tables. The server has refused to run it, so outside of a
    /// transaction it is just prepared again.
    pub(super) async fn rerun(
        &mut self,
        request: Request<'_>,
        sink: &mut dyn RowSink,
        error: Error,
    ) -> Result<QueryResult> {
        self.forget_prepared().await?;
        if DB::TransactionManager::get_transaction_depth(&self.connection) > 0 {
            return Err(error);
        }
        self.run_once(request, sink).await
    }

    pub(super) async fn run_once(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        self.declare(request).await?;
        let result = if DB::ONE != SingleRow::OfMany && sink.wants_one() {
            self.run_for_one(request, sink).await
        } else {
            let statement = &**request.statement;
            self.know_last_key(Some(statement)).await?;
            let mut tally = Tally::new(Some(statement), &mut self.last_key);
            let answer = drain::<DB>(self.steps(request)?, sink, &mut tally).await;
            let harmless = statement.reads() && !tally.has_rows;
            match self.received(answer, harmless).await {
                Ok(done) => self.done(done, tally, Some(statement)).await,
                Err(error) => Err(error),
            }
        };
        self.sent.ended(result.is_ok());
        result.inspect_err(|error| self.note_refusal(error, request))
    }

    pub(super) async fn run_for_one(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        self.last_key.forget();
        let answer = self.one(request)?;
        let row = match answer.await.map_err(DB::error) {
            Err(error) if is_notification(&error) => {
                return Err(Box::pin(self.given_up(error, request.statement.reads())).await);
            }
            row => row?,
        };
        let taken = if row.is_some() {
            sink.row(&mut DriverRow(row))
        } else {
            Ok(())
        };
        if DB::ONE == SingleRow::ThenFlush {
            self.flush().await?;
        }
        taken.map(|()| QueryResult::default())
    }

    // Separate functions create what is sent: a future reserves room for everything it ever held.

    pub(super) fn steps(&mut self, request: Request<'_>) -> Result<Steps<'_, DB>> {
        if let Some(sql) = DB::as_text(request.statement, request.values, &self.answers) {
            return Ok(self.connection.fetch_many(sql?));
        }
        let (sql, arguments) = self.arguments(request)?;
        let persistent = self.is_persistent(&sql);
        let query = sqlx::query_with(sql, arguments).persistent(persistent);
        Ok(self.connection.fetch_many(query))
    }

    pub(super) fn one(&mut self, request: Request<'_>) -> Result<BoxFuture<'_, sqlx::Result<Option<DB::Row>>>> {
        if let Some(sql) = DB::as_text(request.statement, request.values, &self.answers) {
            return Ok(self.connection.fetch_optional(sql?));
        }
        let (sql, arguments) = self.arguments(request)?;
        let persistent = self.is_persistent(&sql);
        let query = sqlx::query_with(sql, arguments).persistent(persistent);
        Ok(self.connection.fetch_optional(query))
    }
}

/// Returns whether the server does not prepare a statement, which can be sent as it is because it has no parameters.
/// The server has done nothing, so an open transaction is unharmed.
pub(super) fn is_unprepared<DB: Native>(error: &Error, request: Request<'_>) -> bool {
    let whole = !request.statement.is_script() && request.values.is_empty();
    whole && DB::UNPREPARED.is_some_and(|code| error.finest_code().as_deref() == Some(code))
}
