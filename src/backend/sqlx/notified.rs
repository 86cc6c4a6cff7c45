//! Notifications on connections that do not receive them.
//!
//! A listening session of PostgreSQL receives notifications while it is idle, so before the answer of its next
//! statement. It also receives them after an answer, before the server is ready again. sqlx knows them only in its own
//! listener. On another connection it abandons the answer. The answer is still on the wire, and flushing reads it and
//! skips notifications.

use sqlx::Executor;
use sqlx_core::transaction::TransactionManager;

use super::answer::{Answer, NOTHING_DONE, drain, is_notification};
use super::connection::SqlxConnection;
use super::last_insert_id::Tally;
use super::{Ignore, Native, own_sql};
use crate::backend::QueryResult;
use crate::error::{Error, ErrorKind, Result};

/// Returns whether that happened before anything was run, in the answer to the preparation of a statement.
fn while_preparing(error: &Error) -> bool {
    !error.message().contains("execute: ")
}

fn nothing_was_done(error: Error) -> Error {
    Error::new(ErrorKind::ConnectionLost, NOTHING_DONE)
        .help("run it again; a function made this connection listen, where nobody can receive")
        .retryable()
        .with_source(error)
}

fn answer_lost(error: Error) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "the statement was executed, but its result is lost: a notification arrived before it",
    )
    .help("a function executed LISTEN on this connection, which cannot receive notifications; use `database.listen` to listen")
    .with_source(error)
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Returns the result of a statement, if a notification may follow its answer. `harmless` is `true` if the
    /// statement only reads and no row of it was returned.
    pub(super) async fn received(&mut self, answer: Result<Answer>, harmless: bool) -> Result<Option<QueryResult>> {
        match answer {
            Ok(answer) if !answer.notified => Ok(answer.done),
            Ok(answer) => {
                Box::pin(self.flush_and_unlisten()).await?;
                Ok(answer.done)
            }
            Err(error) if is_notification(&error) => Err(Box::pin(self.given_up(error, harmless)).await),
            Err(error) => Err(error),
        }
    }

    /// Returns the error of a statement whose answer was given up: an error of the server, or that it was executed.
    pub(super) async fn given_up(&mut self, error: Error, harmless: bool) -> Error {
        let nothing_done = harmless || while_preparing(&error);
        match self.flush_and_unlisten().await {
            Err(found) => found,
            Ok(()) if nothing_done => nothing_was_done(error),
            Ok(()) => answer_lost(error),
        }
    }

    /// Reads the rest of an answer, which may hold an error of the server, and stops listening.
    pub(super) async fn flush_and_unlisten(&mut self) -> Result<()> {
        let read = self.flush().await;
        if !read.as_ref().is_err_and(Error::is_fatal) {
            self.unlisten().await?;
        }
        read
    }

    /// Stops listening. In an aborted transaction the server refuses that; then the rollback stops it.
    pub(super) async fn unlisten(&mut self) -> Result<()> {
        if !DB::NOTIFIES {
            return Ok(());
        }
        let steps = self.connection.fetch_many(own_sql("UNLISTEN *"));
        match drain::<DB>(steps, &mut Ignore, &mut Tally::default()).await {
            Err(error) if error.is_fatal() && !is_notification(&error) => Err(error),
            // Notifications that arrived meanwhile are skipped.
            _ => match self.flush().await {
                Err(error) if error.is_fatal() => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Returns the outcome of the end of a transaction. If the answer was abandoned and the server reports no error,
    /// the end was done, and only sqlx still counts the transaction.
    pub(super) async fn ended(&mut self, result: Result<(), sqlx::Error>) -> Result<()> {
        match result.map_err(DB::error) {
            Err(error) if is_notification(&error) => Box::pin(self.ended_without_answer()).await,
            result => result,
        }
    }

    async fn ended_without_answer(&mut self) -> Result<()> {
        self.flush_and_unlisten().await?;
        self.stop_counting().await
    }

    /// Makes sqlx stop counting a transaction that the server has ended. That takes a ROLLBACK, for which there is a
    /// transaction again, because the server would warn otherwise.
    pub(super) async fn stop_counting(&mut self) -> Result<()> {
        match self.run_own(own_sql("BEGIN")).await {
            Err(error) if error.is_fatal() => return Err(error),
            _ => {}
        }
        DB::TransactionManager::start_rollback(&mut self.connection);
        self.flush().await
    }

    /// Stops listening, and returns `true` if that was outside of transactions, so that there is nothing to roll back.
    /// sqlx knows what the server says about that, and reveals it only where a transaction begins.
    pub(super) async fn unlisten_outside(&mut self) -> Result<bool> {
        self.flush().await?;
        let begun = DB::TransactionManager::begin(&mut self.connection, Some(own_sql("UNLISTEN *"))).await;
        match begun {
            Err(sqlx::Error::BeginFailed) => Ok(true),
            // A transaction is open, and now sqlx counts it.
            Ok(()) => {
                DB::TransactionManager::rollback(&mut self.connection)
                    .await
                    .map_err(DB::error)?;
                self.unlisten().await.map(|()| true)
            }
            Err(error) => match DB::error(error) {
                error if error.is_fatal() => Err(error),
                // It is open, and aborted.
                _ => Ok(false),
            },
        }
    }
}
