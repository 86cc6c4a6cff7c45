//! Closing the connections of levels that are open when their database is disconnected.

use std::sync::Arc;

use super::{Ended, Level, LevelKind};
use crate::pool::Lease;
use crate::session::engine::Engine;
use crate::session::scope::chain::Chain;

impl Engine {
    /// Ends every open connection and transaction: each next use fails. A connection on which nothing is under way is
    /// closed now, also if its guard was forgotten; the others are closed when their statement has ended.
    pub(crate) fn close_levels(&self) {
        for handle in self.bindings.all() {
            handle.level.close_now();
        }
    }

    /// Returns whether the caller has a connection or transaction open.
    pub(crate) fn is_used_by(&self, chain: &Chain) -> bool {
        match self.bound(chain) {
            Ok(handle) => handle.is_some_and(|handle| !handle.opening),
            Err(_) => true,
        }
    }

    /// Returns the holders of the pool's connections that the caller has open, and on which nothing is under way.
    pub(crate) fn holders(&self, chain: &Chain) -> Vec<usize> {
        let owners = chain.owners().filter_map(|(owner, _)| owner);
        let handles = owners.filter_map(|owner| self.bindings.of(owner));
        let mut holders: Vec<usize> = handles.filter_map(|handle| handle.level.holder_of_lease()).collect();
        holders.sort_unstable();
        holders.dedup();
        holders
    }
}

impl Level {
    fn close_now(self: &Arc<Self>) {
        self.state.lock().ended.get_or_insert(Ended::Closed);
        self.close_lease();
    }

    /// Closes the connection of this level, if nothing is under way on it and no level above has it.
    fn close_lease(&self) {
        if let Ok(mut slot) = self.slot.try_lock()
            && let Some(lease) = slot.lease()
        {
            lease.discard();
        }
    }

    /// Closes a connection that was to be closed while something was under way on it, now that this has ended. Returns
    /// `false` if it was not to be closed.
    pub(super) fn close_late(&self) -> bool {
        let closed = self.kind == LevelKind::Base && matches!(self.state.lock().ended, Some(Ended::Closed));
        if closed {
            self.close_lease();
        }
        closed
    }

    /// Returns the holder of the connection of this level, or of the one above that has it.
    fn holder_of_lease(self: &Arc<Self>) -> Option<usize> {
        let mut top = Arc::clone(self);
        loop {
            let child = top.state.lock().child.as_ref().and_then(|child| child.level.upgrade());
            let Some(child) = child else { break };
            top = child;
        }
        let mut slot = top.slot.try_lock().ok()?;
        slot.lease()
            .and_then(|lease: &mut Lease| lease.holder_in(&self.engine.pool))
    }
}
