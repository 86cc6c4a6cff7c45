//! Transactions that are left open on a connection that is kept.

use std::sync::Arc;

use super::{Level, LevelKind};
use crate::pool::Lease;
use crate::session::scope::chain::Chain;

/// A guard that rolls back what is left open on a connection if its user is cut off before the connection is ready. If
/// the user has its lock, the guard does nothing.
pub(super) struct Unfinished<'n>(Option<&'n Arc<Level>>);

impl<'n> Unfinished<'n> {
    pub(super) fn new(level: &'n Arc<Level>) -> Self {
        Self(Some(level))
    }

    /// Ends the guard: its user was not cut off.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(level) = self.0 {
            level.clean_soon();
        }
    }
}

impl Level {
    /// Rolls back what was left open on this connection, without waiting for its next use: it keeps locks until then,
    /// and where writers take turns, its turn. A connection without users is cleaned by its lease.
    pub(in crate::session) fn clean_soon(self: &Arc<Self>) {
        // Without another user, the lease cleans the connection when it is dropped here.
        if self.kind != LevelKind::Base || Arc::strong_count(self) == 1 {
            return;
        }
        if self.close_late() {
            return;
        }
        let handle = {
            // The holder of the lock does it, also if it is cut off.
            let Ok(mut slot) = self.slot.try_lock() else { return };
            let turns = self.engine.has_one_writer;
            let open = |lease: &&mut Lease| lease.depth() > 0 || (turns && lease.was_cut());
            let Some(lease) = slot.lease().filter(|lease| !lease.is_lost()).filter(open) else {
                return;
            };
            if !lease.survives() {
                lease.discard();
                return;
            }
            lease.handle().clone()
        };
        let level = Arc::downgrade(self);
        handle.spawn(async move {
            let Some(level) = level.upgrade() else { return };
            if let Err(error) = level.lock(&Chain::current(), level.opened).await {
                tracing::debug!(%error, "a transaction that was dropped was ended by closing its connection");
            }
        });
    }
}
