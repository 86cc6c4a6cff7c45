//! Which owner has which connection. Entries are weak: a binding holds exactly while a handle lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{Anchor, Chain, Owner, Pin, Unbound};

#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// The innermost is last.
    map: Mutex<HashMap<Owner, Vec<Weak<Anchor>>, RandomState>>,
    /// How many entries there are, so that a database without any pays nothing for looking.
    count: AtomicUsize,
}

impl Bindings {
    /// What the chain is bound to: the innermost owner's innermost handle.
    pub(crate) fn find(&self, ground: u64, chain: &Chain) -> Result<Option<Arc<Anchor>>, Unbound> {
        let map = (self.count.load(Ordering::Acquire) > 0).then(|| self.map.lock());
        let mut past = None;
        for (owner, pins) in chain.owners() {
            let bound = owner.and_then(|owner| Some((owner, map.as_ref()?.get(&owner)?)));
            if let Some((owner, bound)) = bound {
                let mut inner = bound.iter().rev().filter(|weak| past != Some(weak.as_ptr()));
                if let Some(anchor) = inner.find_map(Weak::upgrade) {
                    drop(map);
                    return anchor.is_held_by(owner).map(|()| Some(anchor));
                }
            }
            for pin in pins {
                match pin {
                    Pin::Shared { ground: of, anchor } if *of == ground => {
                        return anchor.upgrade().map(Some).ok_or(Unbound::Ended);
                    }
                    Pin::Past(anchor) => past = Some(anchor.as_ptr()),
                    _ => {}
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
