//! Statements behind a pooler that may run each transaction in another session of the server.
//!
//! The driver sends a statement in two steps, each with its own answer: it prepares it, and it executes it. Outside of a
//! transaction a pooler may send the second step to a session that does not know the first. So a statement with
//! parameters runs in a transaction of its own. The driver also prepares questions of its own under names that are the
//! same on each of its connections, so they are closed before the transaction ends.

use sqlx::{Connection, Executor, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::answer::is_to_be_repeated;
use super::connection::SqlxConnection;
use super::{Native, own_sql};
use crate::backend::{NativeJob, QueryResult, Request, RowSink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Defines, Statement};

/// A statement that a pooler must not separate from the rest of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Alone {
    /// It runs in a transaction of its own.
    Yes,
    /// It runs in the open transaction, or needs none.
    No,
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Checks that a pooler in between lets transactions pass, which one that pools statements does not.
    pub(super) async fn check_pooler(&mut self) -> Result<()> {
        if !self.keeping.is_pooled() {
            return Ok(());
        }
        let _ = self.begin_alone().await?;
        self.undo(0).await
    }

    /// Begins the transaction of a statement of its own, unless one is open.
    pub(super) async fn begin_alone(&mut self) -> Result<Alone> {
        if self.keeping.is_pooled() {
            self.begin_own().await
        } else {
            Ok(Alone::No)
        }
    }

    /// Begins a transaction, unless one is open.
    pub(super) async fn begin_own(&mut self) -> Result<Alone> {
        if self.levels() > 0 {
            return Ok(Alone::No);
        }
        if self.controlled {
            if self.probe().await? {
                return Ok(Alone::No);
            }
            self.controlled = false;
        }
        // Dropped before the answer, the driver would not count the transaction.
        self.indivisible = true;
        let begun = DB::TransactionManager::begin(&mut self.connection, None).await;
        self.indivisible = false;
        begun.map_err(DB::error).map(|()| Alone::Yes)
    }

    /// Ends it: commits, unless the server has refused the statement.
    pub(super) async fn end_alone<T>(&mut self, alone: Alone, result: Result<T>) -> Result<T> {
        if !self.keeping.is_pooled() || result.as_ref().is_err_and(Error::is_fatal) {
            return result;
        }
        let closed = self.close_kept().await;
        if alone == Alone::No {
            return result.and_then(|value| closed.map(|()| value));
        }
        let refused = result.as_ref().is_err_and(|error| error.sqlstate().is_some());
        let ended = if refused || closed.is_err() {
            self.undo(0).await.and(closed)
        } else {
            let committed = DB::TransactionManager::commit(&mut self.connection).await;
            self.ended(committed).await
        };
        if let Err(error) = &ended
            && !error.is_fatal()
        {
            self.undo(0).await?;
        }
        result.and_then(|value| ended.map(|()| value))
    }

    /// Returns whether the driver prepares a statement under a name.
    pub(super) fn is_persistent(&mut self, sql: &SqlStr) -> bool {
        if self.keeping.is_pooled() {
            self.sent.is_new(sql.as_str())
        } else {
            self.keeping.is_persistent()
        }
    }

    /// Closes what the driver has prepared under names, while it still has the session.
    pub(super) async fn close_kept(&mut self) -> Result<()> {
        let inside = self.levels() > 0 || self.controlled;
        if inside && self.connection.cached_statements_size() > 0 {
            return self.connection.clear_cached_statements().await.map_err(DB::error);
        }
        Ok(())
    }

    /// Removes what a dropped call may have prepared under a name that the driver does not know any more. `first` is put
    /// before it. In a transaction that the server has aborted it does nothing.
    pub(super) async fn deallocate(&mut self, first: &str) -> Result<()> {
        match self.run_own(own_sql(format!("{first}{}", DB::DEALLOCATE))).await {
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => {}
            Ok(()) => self.cut = false,
        }
        Ok(())
    }

    /// Runs a statement with its values.
    pub(super) async fn run_pooled(&mut self, request: Request<'_>, sink: &mut dyn RowSink) -> Result<QueryResult> {
        let alone = self.begin_alone().await?;
        let result = match self.run_once(request, sink).await {
            Err(error) if is_to_be_repeated(&error) || self.is_unreadable(&error, request) => {
                self.run_once(request, sink).await
            }
            Err(error) if alone == Alone::Yes && is_removed(&error) => {
                self.undo(0).await?;
                let _ = self.begin_alone().await?;
                self.run_once(request, sink).await
            }
            result => result,
        };
        self.end_alone(alone, result).await
    }

    /// Returns whether a job needs a transaction of its own, unless one is open; or an error if it needs one of the
    /// caller.
    pub(super) fn is_separable(&self, job: &NativeJob) -> Result<bool> {
        if !self.keeping.is_pooled() {
            return Ok(false);
        }
        if !job.is_open_ended() {
            return Ok(job.text().is_none_or(|text| !text.is_script()));
        }
        let lent = job.defines() == Defines::Nothing;
        if lent && self.levels() == 0 && !self.controlled {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the driver's own connection cannot be lent outside of a transaction, because of `pgbouncer=true`: the \
                 pooler may run each of its statements in another session",
            )
            .help("lend that of a transaction, as in `database.transaction().run(…)`"));
        }
        Ok(false)
    }

    /// Notes that a text was sent that may begin a transaction of which the driver does not know.
    pub(super) fn note_control(&mut self, statement: &Statement) {
        if statement.controls() {
            self.controlled = true;
            // It may end a transaction of which only the server knows.
            let left = self.levels();
            self.level_ended(left);
        }
    }
}

/// Returns whether the server did not know a statement that was prepared without a name: the driver has looked up a type
/// between its steps.
pub(super) fn is_removed(error: &Error) -> bool {
    error.sqlstate() == Some("26000")
}
