//! The types of parameters that the server decides: how it is asked, and when its answers are forgotten.

use sqlx::Connection;
use sqlx::{Executor, SqlStr};

use super::answer::{drain, is_notification};
use super::connection::SqlxConnection;
use super::last_insert_id::Tally;
use super::{Native, is_unreadable_type, own_sql};
use crate::backend::{OfferedRow, Request, RowSink};
use crate::error::{Error, Result};
use crate::value::ValueRef;

/// Errors with which a server says that it has no such language, or does not let this user have it.
const NOT_KNOWN: [&str; 5] = ["0A000", "42501", "42601", "42704", "42883"];

/// The first column of each row, as text.
#[derive(Debug, Default)]
pub(crate) struct FirstTexts(pub(crate) Vec<String>);

impl RowSink for FirstTexts {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        if let Some(row) = row.look()
            && let ValueRef::Text(text) = row.value(0)?
        {
            self.0.push(text.to_owned());
        }
        Ok(())
    }

    fn restart(&mut self) -> bool {
        self.0.clear();
        true
    }
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Asks the server for the types it expects, where the values leave them open and this connection does not know.
    pub(super) async fn declare(&mut self, request: Request<'_>) -> Result<()> {
        if self.answering.get() == Some(&false) {
            return Ok(());
        }
        match DB::question(request.statement, request.values, &self.answers) {
            // Boxed, because it is once for each text.
            Some(question) => Box::pin(self.ask(request, question)).await,
            None => Ok(()),
        }
    }

    async fn ask(&mut self, request: Request<'_>, question: SqlStr) -> Result<()> {
        // Where questions are refused, the first one would abort the transaction.
        let guarded = self.answering.get().is_none() && self.guard().await?;
        let mut rows = FirstTexts::default();
        let answer = drain::<DB>(self.connection.fetch_many(question), &mut rows, &mut Tally::default()).await;
        let notified = match answer {
            Err(error) if is_question_unknown(&error) => {
                if guarded {
                    self.run_own(own_sql(
                        "ROLLBACK TO SAVEPOINT ebbtide_question; RELEASE SAVEPOINT ebbtide_question",
                    ))
                    .await?;
                }
                let _ = self.answering.set(false);
                return Ok(());
            }
            Err(error) if is_notification(&error) => return Err(self.given_up(error, true).await),
            answer => answer?.notified,
        };
        if notified {
            self.flush_and_unlisten().await?;
        }
        if guarded {
            self.run_own(own_sql("RELEASE SAVEPOINT ebbtide_question")).await?;
        }
        let _ = self.answering.set(true);
        DB::answered(request.statement, request.values, &mut self.answers, &rows.0);
        Ok(())
    }

    /// Sets a savepoint, if a transaction is open.
    async fn guard(&mut self) -> Result<bool> {
        if self.levels() == 0 && !self.controlled {
            return Ok(false);
        }
        match self.run_own(own_sql("SAVEPOINT ebbtide_question")).await {
            Err(error) if error.is_fatal() => Err(error),
            // None is open, or one that was aborted.
            set => Ok(set.is_ok()),
        }
    }

    /// Returns what is sent for a statement with its values.
    pub(super) fn arguments(&mut self, request: Request<'_>) -> Result<(SqlStr, DB::Arguments)> {
        let Request { statement, values } = request;
        DB::arguments(statement, values, &self.answers).inspect_err(|_| {
            // The server may expect another type by now.
            DB::refused(statement, values, &mut self.answers);
        })
    }

    /// Notes that the server refused a statement. SQLSTATE class 42 concerns the text and the types in it, and class 22 a
    /// value, which may be of a type that has changed.
    pub(super) fn note_refusal(&mut self, error: &Error, request: Request<'_>) {
        if error
            .sqlstate()
            .is_some_and(|code| code.starts_with("42") || code.starts_with("22"))
        {
            DB::refused(request.statement, request.values, &mut self.answers);
        }
    }

    /// Returns whether the driver could not look up the types of a statement that it has not run, and another way is left.
    pub(super) fn is_unreadable(&mut self, error: &Error, request: Request<'_>) -> bool {
        let Request { statement, values } = request;
        is_unreadable_type(error)
            && DB::as_text(statement, values, &self.answers).is_none()
            && DB::unreadable(statement, values, &mut self.answers)
    }

    /// Discards all prepared statements, and what is known of their parameters.
    pub(super) async fn forget_prepared(&mut self) -> Result<()> {
        DB::forget(&mut self.answers);
        self.sent.clear();
        self.connection.clear_cached_statements().await.map_err(DB::error)
    }
}

/// Returns whether a server has no language for questions, or does not let this user have it.
pub(crate) fn is_question_unknown(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| NOT_KNOWN.contains(&code))
}
