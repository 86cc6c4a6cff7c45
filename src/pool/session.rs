//! What a user leaves in the session of a connection, and how the next one gets it without that.

use std::sync::Arc;

use sqlx::SqlSafeStr;

use super::{InFlight, Lease, Pool};
use crate::error::Result;
use crate::sql::SessionChange;

impl Pool {
    /// Returns whether a session can be as new connections are only if it is one: what the hook has set is not known.
    fn replaces_sessions(&self) -> bool {
        self.prepare.is_some()
    }
}

impl Lease {
    /// Registers `sql`, which restores a setting of the session, to run once no more than `depth` levels are open.
    pub(crate) fn undo_at(&mut self, depth: usize, sql: &'static str) {
        // In the end the setting of the outermost level must be restored.
        if self.undo.is_none_or(|(at, _)| depth < at) {
            self.undo = Some((depth, sql));
        }
    }

    /// Restores what was set for the levels above `depth`.
    pub(crate) async fn undo(&mut self, depth: usize) -> Result<()> {
        if let Some((_, sql)) = self.undo.filter(|(at, _)| *at >= depth) {
            self.mark(InFlight::Statement);
            self.raw()?.run_script(SqlSafeStr::into_sql_str(sql)).await?;
            self.mark(InFlight::None);
            self.undo = None;
        }
        Ok(())
    }

    /// Notes that a text that is about to be sent changes the session, or may do so.
    pub(crate) fn changes_session(&mut self, change: SessionChange) {
        match change {
            // The driver would fail for every user.
            SessionChange::Breaking => self.taint_session(),
            _ if self.pool().limits.keep_session => {}
            SessionChange::Lasting => self.taint_session(),
            SessionChange::Undone if !self.pool().replaces_sessions() => {}
            change => self.session_change = self.session_change.max(change),
        }
    }

    /// Resets the session of a connection outside of transactions, or closes it where that cannot be done.
    pub(super) async fn reset_session(&mut self) -> Result<()> {
        self.mark(InFlight::Boundary);
        let reset = if self.pool().replaces_sessions() {
            false
        } else {
            self.raw()?.reset_session().await?
        };
        if !reset {
            return self.retire().await;
        }
        self.mark(InFlight::None);
        self.session_change = SessionChange::None;
        self.cleaned_up();
        self.undo(0).await
    }

    /// Closes the connection in an orderly way. Until then it counts.
    async fn retire(&mut self) -> Result<()> {
        let Some(mut idle) = self.idle.take() else {
            return Ok(());
        };
        // What is open on the connection keeps other writers out until it is closed.
        let _turn = idle.turn.take();
        let _counted = (!self.was_closed()).then(|| Counted {
            pool: Arc::clone(self.pool()),
            holder: self.holder,
        });
        idle.raw.close().await
    }
}

/// A connection that is being closed, however that ends.
struct Counted {
    pool: Arc<Pool>,
    holder: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.pool.forget_holder(self.holder);
    }
}
