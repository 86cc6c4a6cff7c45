//! Notifications that come where nobody receives them.
//!
//! A session of PostgreSQL that listens is sent them while it is idle, so before the answer of its next statement, or
//! behind an answer, before the server is ready again. sqlx knows them only in its own listener; on another connection
//! it gives up the answer. That is still on the wire, and is read by flushing, which passes notifications over.

use sqlx::Executor;
use sqlx_core::transaction::TransactionManager;

use super::{Answer, SqlxConnection, Tally, drain};
use crate::backend::Done;
use crate::backend::support::sqlx::{Ignore, Native, own_sql};
use crate::error::{Error, ErrorKind, Result};

/// Returns whether the driver gave an answer up because of a notification.
pub(super) fn is_notification(error: &Error) -> bool {
    error.kind() == ErrorKind::ConnectionLost && error.message().contains("NotificationResponse")
}

/// Returns whether that was before anything was run, in the answer to the preparing of a statement.
fn while_preparing(error: &Error) -> bool {
    !error.message().contains("execute: ")
}

/// Returns whether a statement has done nothing whose answer was given up, so that it can just be run again.
pub(super) fn is_to_be_repeated(error: &Error) -> bool {
    error.kind() == ErrorKind::ConnectionLost && error.message() == NOTHING_DONE
}

const NOTHING_DONE: &str = "a notification came before the answer of a statement, which has changed nothing";

fn nothing_was_done(error: Error) -> Error {
    Error::new(ErrorKind::ConnectionLost, NOTHING_DONE)
        .help("run it again; a function made this connection listen, where nobody can receive")
        .retryable()
        .with_source(error)
}

fn answer_lost(error: Error) -> Error {
    Error::new(
        ErrorKind::OutcomeUnknown,
        "the statement was done, but its answer is lost: a notification came before it",
    )
    .help("a function made this connection listen, where nobody can receive; listen on a connection of sqlx's `PgListener`")
    .with_source(error)
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// What was done, where a notification may stand behind the answer. `harmless`: the statement only reads, and nobody has
    /// seen a row of it.
    pub(super) async fn heard(&mut self, answer: Result<Answer>, harmless: bool) -> Result<Option<Done>> {
        match answer {
            Ok(answer) if !answer.notified => Ok(answer.done),
            Ok(answer) => {
                Box::pin(self.silence()).await?;
                Ok(answer.done)
            }
            Err(error) if is_notification(&error) => Err(Box::pin(self.given_up(error, harmless)).await),
            Err(error) => Err(error),
        }
    }

    /// What to tell of a statement whose answer was given up: what the server itself found wrong, or that it was done.
    pub(super) async fn given_up(&mut self, error: Error, harmless: bool) -> Error {
        let nothing_done = harmless || while_preparing(&error);
        match self.silence().await {
            Err(found) => found,
            Ok(()) if nothing_done => nothing_was_done(error),
            Ok(()) => answer_lost(error),
        }
    }

    /// Reads what is left of an answer, in which the server may have found something wrong, and stops listening.
    pub(super) async fn silence(&mut self) -> Result<()> {
        let read = self.at_rest().await;
        if !read.as_ref().is_err_and(Error::is_fatal) {
            self.unlisten().await?;
        }
        read
    }

    /// Stops listening. In a transaction that the server has aborted that is refused, and done by its rollback.
    pub(super) async fn unlisten(&mut self) -> Result<()> {
        if !DB::NOTIFIES {
            return Ok(());
        }
        let steps = self.connection.fetch_many(own_sql("UNLISTEN *"));
        match drain::<DB>(steps, &mut Ignore, &mut Tally::default()).await {
            Err(error) if error.is_fatal() && !is_notification(&error) => Err(error),
            // What came meanwhile is passed over.
            _ => match self.at_rest().await {
                Err(error) if error.is_fatal() => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// What became of the end of a transaction. If its answer was given up and the server found nothing wrong with it, it
    /// was done, and only sqlx still counts the transaction.
    pub(super) async fn ended(&mut self, result: Result<(), sqlx::Error>) -> Result<()> {
        match result.map_err(DB::error) {
            Err(error) if is_notification(&error) => Box::pin(self.ended_unheard()).await,
            result => result,
        }
    }

    async fn ended_unheard(&mut self) -> Result<()> {
        self.silence().await?;
        // This sends one more ROLLBACK, of which the server says that there is nothing to roll back.
        DB::TransactionManager::start_rollback(&mut self.connection);
        self.at_rest().await
    }
}
