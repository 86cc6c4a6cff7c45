//! The types of parameters that the server decides: how it is asked.

use std::sync::Arc;

use sqlx::SqlStr;

use super::connection::PostgresConnection;
use super::link::TransactionStatus;
use crate::backend::Request;
use crate::backend::postgres::{answered, type_question};
use crate::backend::sqlx::{FirstTexts, is_question_unknown};
use crate::error::Result;

impl PostgresConnection {
    /// Asks the server for the types it expects, where the values leave them open and this connection does not know.
    pub(super) async fn declare(&mut self, request: Request<'_>) -> Result<()> {
        if request.values.is_empty() || self.answering.get() == Some(&false) {
            return Ok(());
        }
        match type_question(request.statement, request.values, &self.answers) {
            // Boxed, because it is once for each text.
            Some(question) => Box::pin(self.ask(request, question)).await,
            None => Ok(()),
        }
    }

    async fn ask(&mut self, request: Request<'_>, question: SqlStr) -> Result<()> {
        self.send_preamble().await?;
        self.link.ready().await?;
        // Where questions are refused, the first one would abort the transaction.
        let guarded = self.answering.get().is_none() && self.link.status() == TransactionStatus::Open;
        if guarded {
            self.run_own("SAVEPOINT ebbtide_question").await?;
        }
        let mut rows = FirstTexts::default();
        self.link.send_text(question.as_str());
        match self.read(Arc::default(), &mut rows).await {
            Err(error) if is_question_unknown(&error) => {
                if guarded {
                    self.run_own("ROLLBACK TO SAVEPOINT ebbtide_question; RELEASE SAVEPOINT ebbtide_question")
                        .await?;
                }
                let _ = self.answering.set(false);
                return Ok(());
            }
            answer => answer?,
        };
        if guarded {
            self.run_own("RELEASE SAVEPOINT ebbtide_question").await?;
        }
        let _ = self.answering.set(true);
        answered(request.statement, request.values, &mut self.answers, &rows.0);
        Ok(())
    }
}
