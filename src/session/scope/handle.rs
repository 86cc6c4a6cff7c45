//! The handle that keeps a level alive and binds it to its owner.

use std::sync::Arc;

use parking_lot::Mutex;

use super::chain::{Chain, Owner};
use super::unbound::Unbound;
use crate::pool::Caller;
use crate::session::level::{Level, LevelKind};

/// The common part of the handles of a level. The binding lives as long as it does.
#[derive(Debug)]
pub(crate) struct LevelHandle {
    pub(crate) level: Arc<Level>,
    /// Set if it is bound only so that a second begin next to the one under way is noticed; nothing else uses it.
    pub(crate) opening: bool,
    binding: Mutex<Binding>,
}

/// The owners whose plain calls run on the level. One owner holds the binding. Earlier holders stay registered under
/// their names, so that their plain calls are refused and do not run outside of the level.
#[derive(Debug, Default)]
struct Binding {
    /// The first owner.
    home: Option<Owner>,
    holder: Option<Owner>,
    displaced: Vec<Owner>,
    /// The use that moved the binding to its holder from another owner.
    taken: Option<Caller>,
}

impl Binding {
    fn knows(&self, owner: Owner) -> bool {
        self.holder == Some(owner) || self.displaced.contains(&owner)
    }
}

impl LevelHandle {
    pub(crate) fn new(level: Arc<Level>) -> Arc<Self> {
        Self::of(level, false)
    }

    pub(in crate::session) fn opening(level: Arc<Level>) -> Arc<Self> {
        Self::of(level, true)
    }

    fn of(level: Arc<Level>, opening: bool) -> Arc<Self> {
        level.gains_handle();
        Arc::new(Self {
            level,
            opening,
            binding: Mutex::default(),
        })
    }

    /// Binds the handle to its first owner.
    pub(crate) fn bind(self: &Arc<Self>, owner: Owner) {
        let mut binding = self.binding.lock();
        binding.home = Some(owner);
        binding.holder = Some(owner);
        self.level.engine.bindings.bind(owner, self);
    }

    /// Binds a connection to the owner of a transaction on it, for the time after that.
    pub(crate) fn bind_below(self: &Arc<Self>, transaction: &LevelHandle) {
        let Some(owner) = transaction.binding.lock().holder else {
            return;
        };
        let mut binding = self.binding.lock();
        binding.home = Some(owner);
        binding.holder = Some(owner);
        self.level.engine.bindings.bind_below(owner, self);
    }

    /// Removes the bindings of the holder and of the displaced owners.
    pub(crate) fn unbind(&self) {
        let binding = std::mem::take(&mut *self.binding.lock());
        for owner in binding.holder.into_iter().chain(binding.displaced) {
            self.level.engine.bindings.unbind(owner, std::ptr::from_ref(self));
        }
    }

    /// Retires a level that was ended explicitly. The rest of a closure that it was for must not run outside of any
    /// transaction. So plain calls of the closure still find this level until the closure has ended too.
    pub(in crate::session) fn retire(self: &Arc<Self>) {
        let home = self.binding.lock().home;
        self.unbind();
        if let (LevelKind::Transaction { closure: true }, Some(home)) = (self.level.kind, home) {
            self.bind(home);
        }
    }

    /// Forgets the first owner. The code that runs the closure ends the transaction, so nothing of the closure is left.
    pub(in crate::session) fn leave_home(&self) {
        self.binding.lock().home = None;
    }

    /// Moves the binding along when another owner than its holder uses the guard, which was moved there. The earlier
    /// holder is displaced until it uses the guard itself again.
    pub(crate) fn adopt(self: &Arc<Self>, chain: &Chain, caller: Caller) {
        if self.level.ended().is_some() {
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
        let bindings = &self.level.engine.bindings;
        if known.is_some() {
            binding.displaced.retain(|owner| *owner != new);
            binding.holder = Some(new);
        } else if bindings.of(new).is_none() {
            bindings.bind(new, self);
            binding.holder = Some(new);
        }
        binding.taken = Some(caller);
        drop(binding);
        self.level.moved_to(new);
    }

    /// Returns an error unless plain calls of this owner run on the level; otherwise another owner has it.
    pub(in crate::session) fn is_held_by(self: &Arc<Self>, owner: Owner) -> Result<(), Unbound> {
        let binding = self.binding.lock();
        if binding.holder == Some(owner) {
            return Ok(());
        }
        Err(Unbound::Away {
            handle: Arc::downgrade(self),
            opened: self.level.opened,
            taken: binding.taken,
        })
    }
}

impl Drop for LevelHandle {
    fn drop(&mut self) {
        self.unbind();
        self.level.loses_handle();
    }
}
