//! The ways to leave a level: its end, its drop, the end of everything.

use std::sync::Arc;

use super::{Child, ConnectionSlot, Ended, Level, LevelKind};
use crate::error::{Error, ErrorKind};
use crate::pool::CLEANUP_LIMIT;

impl Level {
    /// Returns how this level ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.state.lock().ended.clone()
    }

    /// Releases the connection because the guard was dropped.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.state.lock().ended.get_or_insert(Ended::Dropped);
        self.close_span();
        self.let_go();
    }

    /// Gives the parent its lock back. If a statement is still under way here, or a level above is open, that does it
    /// when it ends.
    pub(in crate::session) fn let_go(self: &Arc<Self>) {
        if self.state.lock().parent.is_none() {
            return;
        }
        if let Ok(mut slot) = Arc::clone(&self.slot).try_lock_owned() {
            let _leaving = Leaving(self);
            drop(std::mem::replace(&mut *slot, ConnectionSlot::Gone));
        }
    }

    /// Removes this level from its parent.
    fn leave_parent(self: &Arc<Self>) {
        let mut above = self.state.lock().parent.take();
        while let Some(level) = above {
            let (view, ended) = {
                let mut state = level.state.lock();
                let own = |child: &Child| std::ptr::eq(child.level.as_ptr(), Arc::as_ptr(self));
                if state.child.as_ref().is_some_and(own) {
                    state.child = None;
                }
                let view = if level.kind == LevelKind::View {
                    state.parent.clone()
                } else {
                    None
                };
                (view, state.ended.is_some())
            };
            // It was dropped while this level was open.
            if ended && matches!(level.kind, LevelKind::Transaction { .. }) {
                level.let_go();
            }
            level.clean_soon();
            above = view;
        }
    }
}

/// A guard that leaves the parent when it is dropped; it must outlive the parent's lock.
pub(in crate::session) struct Leaving<'n>(pub(in crate::session) &'n Arc<Level>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave_parent();
    }
}

impl Level {
    /// Marks this level as closed: nothing can be done on it any more.
    pub(in crate::session) fn disconnected(&self) {
        self.state.lock().ended = Some(Ended::Closed);
    }

    /// Rolls back the outer transaction of force rollback and gives its connection back. Returns `false` if it is in use
    /// for longer than others would wait for it; with `now` it does not wait.
    pub(crate) async fn close(self: Arc<Self>, now: bool) -> bool {
        self.disconnected();
        let limit = self.engine.settings.lease_timeout;
        // Users with an open transaction get errors from now on; its end frees the connection.
        let locked = match Arc::clone(&self.slot).try_lock_owned() {
            Ok(slot) => Some(slot),
            Err(_) if now => None,
            Err(_) => tokio::time::timeout(limit, Arc::clone(&self.slot).lock_owned())
                .await
                .ok(),
        };
        let Some(mut slot) = locked else {
            self.close_connection();
            return false;
        };
        if let ConnectionSlot::Lease(mut lease) = std::mem::replace(&mut *slot, ConnectionSlot::Gone)
            && let Err(error) = tokio::time::timeout(CLEANUP_LIMIT, lease.clean())
                .await
                .unwrap_or_else(|_| Err(silent()))
        {
            // The connection is closed then, and the server undoes what was open on it.
            tracing::debug!(%error, "the outer transaction of the sandbox was ended by closing its connection");
            lease.discard();
        }
        true
    }
}

impl Level {
    /// Gives back the sandbox's connection, or closes it if it is in use.
    pub(in crate::session) fn drop_slot(self: &Arc<Self>) {
        if let Ok(mut slot) = Arc::clone(&self.slot).try_lock_owned() {
            *slot = ConnectionSlot::Gone;
        } else {
            self.close_connection();
        }
    }

    /// Closes a connection that is checked out beyond the end of the sandbox, perhaps in a guard that was forgotten.
    fn close_connection(&self) {
        let close_handle = self.state.lock().close_handle.take();
        if let Some(close_handle) = close_handle {
            close_handle.close();
        }
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "the server did not answer the rollback in time")
}
