//! The levels of a transaction: the transaction itself, and savepoints, which are never released.

use sqlx::SqlStr;

use super::connection::SqlServerConnection;
use super::rules::SqlServerRules;
use crate::backend::{Begin, ServerRules};
use crate::error::{Error, Result};

impl SqlServerConnection {
    /// Begins a transaction. What fails in its text need not have kept the rest from running.
    pub(super) async fn begin_outermost(&mut self, begin: Begin) -> Result<()> {
        let plain = SqlServerRules.transactions().begin;
        self.level_changed |= begin.options.isolation.is_some();
        let text = begin.into_text(plain);
        let text = text.as_ref().map_or(plain, SqlStr::as_str);
        match self.own_batch(text).await {
            Ok(_) => {
                self.depth = 1;
                Ok(())
            }
            Err(error) => Err(self.after(error).await),
        }
    }

    /// Sets a savepoint.
    pub(super) async fn savepoint(&mut self) -> Result<()> {
        let text = (SqlServerRules.levels().savepoint)(self.depth);
        self.own_batch(text).await?;
        self.depth += 1;
        Ok(())
    }

    /// Commits the innermost level. For a savepoint only what comes before is sent.
    pub(super) async fn commit_level(&mut self, first: Option<SqlStr>) -> Result<()> {
        if let Some(first) = first {
            self.own_batch(first.as_str().to_owned()).await?;
        }
        if self.depth != 1 {
            self.depth = self.depth.saturating_sub(1);
            return Ok(());
        }
        let text = self.ending(SqlServerRules.levels().commit);
        match self.own_batch(text).await {
            Ok(_) => {
                (self.depth, self.level_changed) = (0, false);
                Ok(())
            }
            Err(error) => {
                let error = self.after(error).await;
                self.depth = 0;
                Err(error)
            }
        }
    }

    /// Rolls back until `depth` levels are left. The names of savepoints count the levels, so this is one round trip.
    pub(super) async fn undo(&mut self, depth: usize) -> Result<()> {
        let levels = SqlServerRules.levels();
        if depth > 0 {
            self.own_batch((levels.back)(depth)).await?;
            self.depth = depth;
            return Ok(());
        }
        self.own_batch(self.ending(levels.rollback)).await?;
        (self.depth, self.level_changed) = (0, false);
        Ok(())
    }

    /// Returns the text that ends the transaction, and restores the isolation level of the session.
    pub(super) fn ending(&self, text: &str) -> String {
        if self.level_changed {
            format!("{text}; {}", self.usual_level)
        } else {
            text.to_owned()
        }
    }

    /// Rolls back what may be open after a beginning or a commit that failed. Returns its error.
    async fn after(&mut self, error: Error) -> Error {
        if error.is_fatal() {
            return error;
        }
        match self.undo(0).await {
            Ok(()) => error,
            // Nothing is known of the transaction now.
            Err(_) => error.fatal(),
        }
    }

    /// Returns whether the transaction is still open on the server, and can go on.
    pub(super) async fn is_open(&mut self) -> Result<bool> {
        let rows = self.own_batch("SELECT @@TRANCOUNT, CAST(XACT_STATE() AS INT)").await?;
        let number = |column: usize| {
            let row = rows.first()?;
            row.try_get::<i32, _>(column).ok()?
        };
        Ok(number(0).is_some_and(|open| open > 0) && number(1) == Some(1))
    }
}
