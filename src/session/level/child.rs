//! The end of a level above which another one is open.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::{Child, ConnectionSlot, Level};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::limit::in_time;
use crate::session::scope::chain::Chain;

impl Child {
    /// Returns whether the caller itself has this level open, so that it must not wait for its end.
    fn is_of(&self, chain: &Chain, caller: Caller) -> bool {
        chain.contains(self.owner) || (!self.closure && self.who == caller.who)
    }
}

impl Level {
    /// Returns whether a level above is open.
    pub(super) fn has_child(&self) -> bool {
        let state = self.state.lock();
        state.child.as_ref().is_some_and(|child| child.level.strong_count() > 0)
    }

    /// Waits until the level above, which another task has open, has ended, and then for the turn on the connection.
    pub(super) async fn lock_after_child(
        self: &Arc<Self>,
        chain: &Chain,
        caller: Caller,
    ) -> Result<OwnedMutexGuard<ConnectionSlot>> {
        let mut top = Arc::clone(self);
        loop {
            let child = top.state.lock().child.clone();
            let Some((child, level)) = child.and_then(|child| Some((child.level.upgrade()?, child))) else {
                break;
            };
            if level.is_of(chain, caller) {
                self.innermost(caller)?;
            }
            top = child;
        }
        drop(top);
        let limit = self.engine.settings.lease_timeout;
        match in_time(limit, self.lock(chain, caller)).await {
            Some(locked) => locked,
            None => Err(self.kept_open(caller)),
        }
    }

    /// Returns the error of an end that has waited too long for the level above.
    fn kept_open(&self, caller: Caller) -> Error {
        let (opened, limit) = (self.opened.place, self.engine.settings.lease_timeout);
        let child = self.state.lock().child.clone();
        let inner = child.map_or_else(String::new, |child| {
            format!(
                ": the transaction begun inside it by {} {:.1?} ago is open",
                child.opened,
                child.since.elapsed()
            )
        });
        let message = format!(
            "the transaction begun at {opened} could not be ended at {} within {limit:?}{inner}",
            caller.place
        );
        Error::new(ErrorKind::Timeout, message).help(
            "both guards can still be used, the transaction of a closure is rolled back; end the inner one first, for \
             example by joining its task, or raise `lease_timeout`, which limits the wait for it",
        )
    }
}
