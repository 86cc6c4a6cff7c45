//! The types of parameters that the server decides: how it is asked, and when its answers are forgotten.

use sqlx::Connection;
use sqlx::{Executor, SqlStr};

use super::answer::drain;
use super::connection::SqlxConnection;
use super::last_insert_id::Tally;
use super::{Native, is_unreadable_type};
use crate::backend::{OfferedRow, Request, RowSink};
use crate::error::{Error, Result};
use crate::value::ValueRef;

/// Errors with which a server says that it has no such language, or does not let this user have it.
const NOT_KNOWN: [&str; 5] = ["0A000", "42501", "42601", "42704", "42883"];

/// The first column of each row, as text.
#[derive(Debug, Default)]
struct FirstColumn(Vec<String>);

impl RowSink for FirstColumn {
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
        match DB::question(request.statement, request.values, &self.answers) {
            // Boxed, because it is once for each text.
            Some(question) => Box::pin(self.ask(request, question)).await,
            None => Ok(()),
        }
    }

    async fn ask(&mut self, request: Request<'_>, question: SqlStr) -> Result<()> {
        let mut rows = FirstColumn::default();
        let answer = drain::<DB>(self.connection.fetch_many(question), &mut rows, &mut Tally::default()).await;
        let notified = match answer {
            Err(error) if is_not_known(&error) => {
                DB::cannot_answer(&mut self.answers);
                // The error has aborted an open transaction.
                return if self.levels() == 0 && !self.controlled {
                    Ok(())
                } else {
                    Err(error)
                };
            }
            answer => answer?.notified,
        };
        if notified {
            self.flush_and_unlisten().await?;
        }
        DB::answered(request.statement, request.values, &mut self.answers, &rows.0);
        Ok(())
    }

    /// Returns what is sent for a statement with its values.
    pub(super) fn arguments(&mut self, request: Request<'_>) -> Result<(SqlStr, DB::Arguments)> {
        let Request { statement, values } = request;
        DB::arguments(statement, values, &self.answers).inspect_err(|_| {
            // The server may expect another type by now.
            DB::refused(statement, values, &mut self.answers);
        })
    }

    /// Notes that the server refused a statement. SQLSTATE class 42 concerns the text and the types in it.
    pub(super) fn note_refusal(&mut self, error: &Error, request: Request<'_>) {
        if error.sqlstate().is_some_and(|code| code.starts_with("42")) {
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
        self.connection.clear_cached_statements().await.map_err(DB::error)
    }
}

fn is_not_known(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| NOT_KNOWN.contains(&code))
}
