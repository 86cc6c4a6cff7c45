//! What keeps a level while a handle to it lives, and binds it to its owner.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Chain, Node, Owner};

/// What the handles of a level hold; its life is the life of the binding.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub(crate) node: Arc<Node>,
    /// Bound only so that a second begin beside the one under way is noticed; nobody else uses it.
    pub(crate) opening: bool,
    owner: Mutex<Option<Owner>>,
}

impl Anchor {
    pub(crate) fn new(node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node,
            opening: false,
            owner: Mutex::new(None),
        })
    }

    pub(super) fn opening(node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node,
            opening: true,
            owner: Mutex::new(None),
        })
    }

    /// Binds a connection to the owner of a transaction on it, for the time after that.
    pub(crate) fn bind_below(self: &Arc<Self>, transaction: &Anchor) {
        let Some(owner) = *transaction.owner.lock() else { return };
        *self.owner.lock() = Some(owner);
        self.node.ground.bindings.bind_below(owner, self);
    }

    /// Binds the handle to an owner, instead of the one it was bound to.
    pub(crate) fn bind(self: &Arc<Self>, owner: Owner) {
        let bindings = &self.node.ground.bindings;
        if let Some(before) = self.owner.lock().replace(owner) {
            bindings.unbind(before, Arc::as_ptr(self));
        }
        bindings.bind(owner, self);
    }

    pub(crate) fn unbind(&self) {
        if let Some(owner) = self.owner.lock().take() {
            self.node.ground.bindings.unbind(owner, std::ptr::from_ref(self));
        }
    }

    /// A guard used by someone else than its owner was moved there, and takes its binding along.
    pub(crate) fn adopt(self: &Arc<Self>, chain: &Chain) {
        if self.node.ended().is_some() {
            // Nothing is left to be bound to; the use fails by itself.
            return;
        }
        let owner = *self.owner.lock();
        if owner.is_some_and(|owner| chain.contains(owner)) {
            return;
        }
        let new = chain.innermost();
        if self.node.ground.bindings.of(new).is_none() {
            self.bind(new);
        } else {
            self.unbind();
        }
        self.node.moved_to(new);
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        self.unbind();
    }
}
