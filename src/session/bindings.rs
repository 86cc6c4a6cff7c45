//! Which owner has which connection. Entries are weak: a binding holds exactly while a handle lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{Anchor, Chain, Owner, Pin};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// The innermost is last.
    map: Mutex<HashMap<Owner, Vec<Weak<Anchor>>, RandomState>>,
    /// How many entries there are, so that a database without any pays nothing for looking.
    count: AtomicUsize,
}

impl Bindings {
    /// What the chain is bound to: the innermost owner's innermost handle.
    pub(crate) fn find(&self, ground: u64, chain: &Chain) -> Result<Option<Arc<Anchor>>> {
        let map = (self.count.load(Ordering::Acquire) > 0).then(|| self.map.lock());
        for (owner, pins) in chain.owners() {
            let bound = owner.and_then(|owner| map.as_ref()?.get(&owner));
            if let Some(anchor) = bound.and_then(|bound| bound.iter().rev().find_map(Weak::upgrade)) {
                return Ok(Some(anchor));
            }
            for pin in pins {
                if let Pin::Shared { ground: of, anchor } = pin
                    && *of == ground
                {
                    return anchor.upgrade().map(Some).ok_or_else(ended);
                }
            }
        }
        Ok(None)
    }

    /// What this owner alone is bound to.
    pub(crate) fn of(&self, owner: Owner) -> Option<Arc<Anchor>> {
        self.map.lock().get(&owner)?.iter().rev().find_map(Weak::upgrade)
    }

    pub(crate) fn bind(&self, owner: Owner, anchor: &Arc<Anchor>) {
        let mut map = self.map.lock();
        map.entry(owner).or_default().push(Arc::downgrade(anchor));
        self.count.store(map.len(), Ordering::Release);
    }

    /// Binds a connection below the transaction that an owner has on it.
    pub(crate) fn bind_below(&self, owner: Owner, anchor: &Arc<Anchor>) {
        let mut map = self.map.lock();
        map.entry(owner).or_default().insert(0, Arc::downgrade(anchor));
        self.count.store(map.len(), Ordering::Release);
    }

    /// Forgets a handle, and with it those of the owner that are gone.
    pub(crate) fn unbind(&self, owner: Owner, anchor: *const Anchor) {
        let mut map = self.map.lock();
        if let Some(bound) = map.get_mut(&owner) {
            bound.retain(|weak| weak.as_ptr() != anchor && weak.strong_count() > 0);
            if bound.is_empty() {
                map.remove(&owner);
            }
        }
        self.count.store(map.len(), Ordering::Release);
    }

    /// Every handle that is alive.
    pub(crate) fn all(&self) -> Vec<Arc<Anchor>> {
        self.map.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }

    /// How many owners are bound.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map.lock().len()
    }
}

/// The error of a future that shares a transaction which has ended.
pub(crate) fn ended() -> Error {
    Error::new(ErrorKind::TransactionEnded, "the shared transaction or connection has ended").help(
        "await the futures that share a transaction before it is committed, rolled back or dropped; nothing was run outside of it",
    )
}
