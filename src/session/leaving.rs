//! How a level is left: by its end, by being dropped, by the end of everything.

use std::sync::Arc;

use super::node::Child;
use super::{Ended, Kind, Node, Wire};
use crate::error::{Error, ErrorKind};
use crate::pool::CLEANUP_LIMIT;

impl Node {
    /// Lets go of the connection because the guard was dropped.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.state.lock().ended.get_or_insert(Ended::Dropped);
        self.close_span();
        self.let_go();
    }

    /// Gives the parent its lock back. If a statement is still under way here, or a level above is open, that does it
    /// when it ends.
    pub(super) fn let_go(self: &Arc<Self>) {
        if self.state.lock().parent.is_none() {
            return;
        }
        if let Ok(mut wire) = Arc::clone(&self.wire).try_lock_owned() {
            let _leaving = Leaving(self);
            drop(std::mem::replace(&mut *wire, Wire::Gone));
        }
    }

    /// The parent no longer has this level above it.
    fn leave_parent(self: &Arc<Self>) {
        let mut above = self.state.lock().parent.take();
        while let Some(node) = above {
            let (view, ended) = {
                let mut state = node.state.lock();
                let own = |child: &Child| std::ptr::eq(child.node.as_ptr(), Arc::as_ptr(self));
                if state.child.as_ref().is_some_and(own) {
                    state.child = None;
                }
                let view = if node.kind == Kind::View {
                    state.parent.clone()
                } else {
                    None
                };
                (view, state.ended.is_some())
            };
            // It was dropped while this level was open.
            if ended && matches!(node.kind, Kind::Transaction { .. }) {
                node.let_go();
            }
            above = view;
        }
    }
}

/// Leaves the parent when it is dropped; it must outlive the parent's lock.
pub(super) struct Leaving<'n>(pub(super) &'n Arc<Node>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave_parent();
    }
}

impl Node {
    /// Rolls the outer transaction of force rollback back and gives its connection away.
    pub(crate) async fn close(self: Arc<Self>) {
        self.disconnected();
        let limit = self.ground.settings.lease_timeout;
        // Whoever still has a transaction open gets errors from now on; its end frees the connection.
        let Ok(mut wire) = tokio::time::timeout(limit, Arc::clone(&self.wire).lock_owned()).await else {
            self.sever();
            return;
        };
        if let Wire::Lease(mut lease) = std::mem::replace(&mut *wire, Wire::Gone)
            && let Err(error) = tokio::time::timeout(CLEANUP_LIMIT, lease.clean())
                .await
                .unwrap_or_else(|_| Err(silent()))
        {
            // The connection is closed then, and the server undoes what was open on it.
            tracing::debug!(%error, "the force-rollback transaction was ended by closing its connection");
            lease.discard();
        }
    }
}

impl Node {
    /// Gives the sandbox's connection away as soon as nobody is in the middle of using it.
    pub(super) fn drop_wire(self: &Arc<Self>) {
        if let Ok(mut wire) = Arc::clone(&self.wire).try_lock_owned() {
            *wire = Wire::Gone;
        } else {
            self.sever();
        }
    }

    /// Someone holds the connection beyond the end of the sandbox, perhaps in a guard that was forgotten: it is closed.
    fn sever(&self) {
        let severer = self.state.lock().severer.take();
        if let Some(severer) = severer {
            severer.sever();
        }
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "the server did not answer the rollback in time")
}
