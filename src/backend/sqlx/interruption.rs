//! Ending the statement under way on the driver's thread.

use sqlx::Connection;

use super::Native;
use super::connection::SqlxConnection;
use crate::backend::{Armed, Interrupt};
use crate::error::Result;
use crate::sql::Statement;

impl<DB: Native> SqlxConnection<DB> {
    /// Returns the flag that ends the statement under way.
    pub(super) fn interrupter(&self) -> Option<&Interrupt> {
        self.interrupt.as_ref()?.interrupt()
    }

    /// Returns a guard that ends a statement of the user if its call is dropped, unless it may write: SQLite would undo
    /// the whole transaction with it.
    pub(super) fn armed(&self, statement: &Statement) -> Option<Armed> {
        self.interrupter().filter(|_| statement.asks()).map(Interrupt::armed)
    }

    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupter().is_some_and(Interrupt::is_raised)
    }

    /// Lowers the flag when nothing runs any more that it was meant for.
    pub(super) async fn lower_interrupt(&mut self) -> Result<()> {
        self.connection.ping().await.map_err(DB::error)?;
        if let Some(interrupt) = self.interrupter() {
            interrupt.lower();
        }
        Ok(())
    }
}
