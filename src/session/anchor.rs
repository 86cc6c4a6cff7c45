//! What keeps a level while a handle to it lives, and binds it to its owner.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Chain, Kind, Node, Owner, Unbound};
use crate::pool::Asker;

/// What the handles of a level hold; its life is the life of the binding.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub(crate) node: Arc<Node>,
    /// Bound only so that a second begin beside the one under way is noticed; nobody else uses it.
    pub(crate) opening: bool,
    binding: Mutex<Binding>,
}

/// Whose plain calls run on the level. One owner holds the binding; those that held it before are still entered under
/// their names, so that their plain calls are refused and do not run outside of the level.
#[derive(Debug, Default)]
struct Binding {
    /// The first owner.
    home: Option<Owner>,
    holder: Option<Owner>,
    displaced: Vec<Owner>,
    /// The use by which the binding went to its holder from another.
    taken: Option<Asker>,
}

impl Binding {
    fn knows(&self, owner: Owner) -> bool {
        self.holder == Some(owner) || self.displaced.contains(&owner)
    }
}

impl Anchor {
    pub(crate) fn new(node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node,
            opening: false,
            binding: Mutex::default(),
        })
    }

    pub(super) fn opening(node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node,
            opening: true,
            binding: Mutex::default(),
        })
    }

    /// Binds the handle to its first owner.
    pub(crate) fn bind(self: &Arc<Self>, owner: Owner) {
        let mut binding = self.binding.lock();
        binding.home = Some(owner);
        binding.holder = Some(owner);
        self.node.ground.bindings.bind(owner, self);
    }

    /// Binds a connection to the owner of a transaction on it, for the time after that.
    pub(crate) fn bind_below(self: &Arc<Self>, transaction: &Anchor) {
        let Some(owner) = transaction.binding.lock().holder else {
            return;
        };
        let mut binding = self.binding.lock();
        binding.home = Some(owner);
        binding.holder = Some(owner);
        self.node.ground.bindings.bind_below(owner, self);
    }

    /// Nobody is bound by it any more, or displaced.
    pub(crate) fn unbind(&self) {
        let binding = std::mem::take(&mut *self.binding.lock());
        for owner in binding.holder.into_iter().chain(binding.displaced) {
            self.node.ground.bindings.unbind(owner, std::ptr::from_ref(self));
        }
    }

    /// The level has ended by hand. What is left of a closure that it was for must not run outside of any transaction, so its
    /// plain calls go on finding this one until the closure has ended too.
    pub(super) fn retire(self: &Arc<Self>) {
        let home = self.binding.lock().home;
        self.unbind();
        if let (Kind::Transaction { closure: true }, Some(home)) = (self.node.kind, home) {
            self.bind(home);
        }
    }

    /// Whoever runs the closure ends the transaction, so nothing of the closure is left.
    pub(super) fn leave_home(&self) {
        self.binding.lock().home = None;
    }

    /// A guard used by someone else than its holder was moved there, and takes its binding along. Who held it before is
    /// displaced until he uses the guard himself again.
    pub(crate) fn adopt(self: &Arc<Self>, chain: &Chain, asker: Asker) {
        if self.node.ended().is_some() {
            // Nothing is left to be bound to; the use fails by itself.
            return;
        }
        let mut binding = self.binding.lock();
        if binding.holder.is_some_and(|holder| chain.contains(holder)) || chain.shares(self) {
            return;
        }
        let known = chain
            .owners()
            .filter_map(|(owner, _)| owner)
            .find(|owner| binding.knows(*owner));
        let new = known.unwrap_or_else(|| chain.innermost());
        if let Some(before) = binding.holder.take() {
            binding.displaced.push(before);
        }
        let bindings = &self.node.ground.bindings;
        if known.is_some() {
            binding.displaced.retain(|owner| *owner != new);
            binding.holder = Some(new);
        } else if bindings.of(new).is_none() {
            bindings.bind(new, self);
            binding.holder = Some(new);
        }
        binding.taken = Some(asker);
        drop(binding);
        self.node.moved_to(new);
    }

    /// Whether plain calls of this owner run on the level; if not, it is in other hands.
    pub(super) fn is_held_by(self: &Arc<Self>, owner: Owner) -> Result<(), Unbound> {
        let binding = self.binding.lock();
        if binding.holder == Some(owner) {
            return Ok(());
        }
        Err(Unbound::Away {
            anchor: Arc::downgrade(self),
            opened: self.node.opened,
            taken: binding.taken,
        })
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        self.unbind();
    }
}
