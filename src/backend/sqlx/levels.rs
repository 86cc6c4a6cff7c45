//! Savepoints: how deep the connection is, by its own count and the driver's.

use sqlx::{Connection, Executor};
use sqlx_core::transaction::TransactionManager;

use super::connection::SqlxConnection;
use super::{Native, own_sql};
use crate::backend::rules::LevelTexts;
use crate::error::Result;
use crate::sql::Defines;

/// Databases of sqlx have savepoints of standard SQL.
const TEXTS: LevelTexts = LevelTexts::STANDARD;

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Returns whether a transaction is open on the server. Outside of one a savepoint is gone as soon as it is set.
    pub(super) async fn probe(&mut self) -> Result<bool> {
        let probe = own_sql("SAVEPOINT ebbtide_probe; RELEASE SAVEPOINT ebbtide_probe");
        match self.run_own(probe).await {
            Err(error) if error.is_fatal() || error.ends_transaction() => Err(error),
            // PostgreSQL has aborted it, which leaves it open.
            Err(error) => Ok(error.sqlstate() == Some("25P02")),
            Ok(()) => Ok(true),
        }
    }

    /// Sets a savepoint. Counts it before it is sent, so that a call dropped half-way leaves the count that the server
    /// will have.
    pub(super) async fn savepoint(&mut self) -> Result<()> {
        self.flush().await?;
        self.savepoints += 1;
        let sql = own_sql((TEXTS.savepoint)(self.savepoints));
        self.run_own(sql).await.inspect_err(|_| self.savepoints -= 1)
    }

    /// Releases the innermost savepoint; also counts it before it is sent.
    pub(super) async fn release(&mut self, first: &str) -> Result<()> {
        self.flush().await?;
        let sql = own_sql(format!("{first}{}", (TEXTS.release)(self.savepoints)));
        self.savepoints -= 1;
        self.run_own(sql).await.inspect_err(|_| self.savepoints += 1)
    }

    /// Rolls back until `depth` levels are left.
    pub(super) async fn undo(&mut self, depth: usize) -> Result<()> {
        if self.keeping.is_pooled() {
            // Of a statement that was dropped before its end. Boxed, because a pooler is rare.
            Box::pin(self.close_kept()).await?;
            if self.cut && depth == 0 && self.levels() > 0 {
                Box::pin(self.deallocate("ROLLBACK AND CHAIN; ")).await?;
            }
        }
        if depth > 0 && self.savepoints >= depth {
            self.flush().await?;
            // The names count the levels, so this is one round trip for any number of them.
            self.savepoints = depth - 1;
            let sql = format!("{}; {}", (TEXTS.back)(depth), (TEXTS.release)(depth));
            return self.run_own(own_sql(sql)).await;
        }
        self.savepoints = 0;
        if std::mem::take(&mut self.has_ended) && self.levels() > depth {
            // Boxed, because it is rare.
            return Box::pin(self.stop_counting()).await;
        }
        while self.levels() > depth {
            let undone = DB::TransactionManager::rollback(&mut self.connection).await;
            self.ended(undone).await?;
        }
        Ok(())
    }

    /// Returns the number of open levels.
    pub(super) fn levels(&self) -> usize {
        DB::TransactionManager::get_transaction_depth(&self.connection) + self.savepoints
    }

    /// Rolls back the transactions that other code has left open on the connection, until `depth` are left.
    pub(super) async fn level_out(&mut self, depth: usize) -> Result<()> {
        // A dropped guard of sqlx still has to send its rollback, and SQLite's thread still has to run it.
        self.flush().await?;
        if !DB::COUNTS_ANSWERS {
            self.connection.ping().await.map_err(DB::error)?;
        }
        while DB::TransactionManager::get_transaction_depth(&self.connection) > depth {
            let undone = DB::TransactionManager::rollback(&mut self.connection).await;
            self.ended(undone).await?;
        }
        Ok(())
    }

    /// Resets the session with a text, in one round trip if no transaction is open. Returns `false` if the server
    /// refused that.
    pub(super) async fn reset_to_start(&mut self, text: &'static str) -> Result<bool> {
        self.flush().await?;
        // sqlx knows what the server says about the transaction, and reveals it only where one begins.
        let begun = DB::TransactionManager::begin(&mut self.connection, Some(own_sql(text))).await;
        let again = match begun {
            Err(sqlx::Error::BeginFailed) => None,
            // One is open, and now sqlx counts it. With it the reset is rolled back.
            Ok(()) => {
                let undone = DB::TransactionManager::rollback(&mut self.connection).await;
                self.ended(undone).await?;
                Some(own_sql(text))
            }
            Err(error) => match DB::error(error) {
                error if error.is_fatal() => return Err(error),
                // It is open and aborted, or the server refuses the text.
                _ => Some(own_sql(format!("ROLLBACK; {text}"))),
            },
        };
        if let Some(again) = again {
            match self.run_own(again).await {
                Err(error) if error.is_fatal() => return Err(error),
                Err(_) => return Ok(false),
                Ok(()) => {}
            }
        }
        self.controlled = false;
        self.level_ended(0);
        // What is prepared may be for tables that are no longer seen.
        self.note_definitions(Defines::Own);
        Ok(true)
    }
}
