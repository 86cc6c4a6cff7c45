//! The bindings of owners to connections. Entries are weak: a binding holds exactly while a handle lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::chain::{Chain, Owner, Pin};
use super::handle::LevelHandle;
use super::unbound::Unbound;

#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// Handles by owner, the innermost last.
    map: Mutex<HashMap<Owner, Vec<Weak<LevelHandle>>, RandomState>>,
    /// Number of entries, so that a lookup costs nothing on a database without any.
    count: AtomicUsize,
}

impl Bindings {
    /// Returns what the chain is bound to: the innermost owner's innermost handle.
    pub(crate) fn find(&self, engine: u64, chain: &Chain) -> Result<Option<Arc<LevelHandle>>, Unbound> {
        let map = (self.count.load(Ordering::Acquire) > 0).then(|| self.map.lock());
        let mut past = None;
        for (owner, pins) in chain.owners() {
            let bound = owner.and_then(|owner| Some((owner, map.as_ref()?.get(&owner)?)));
            if let Some((owner, bound)) = bound {
                let mut inner = bound.iter().rev().filter(|weak| past != Some(weak.as_ptr()));
                if let Some(handle) = inner.find_map(Weak::upgrade) {
                    drop(map);
                    return handle.is_held_by(owner).map(|()| Some(handle));
                }
            }
            for pin in pins {
                match pin {
                    Pin::Shared { engine: of, handle } if *of == engine => {
                        return handle.upgrade().map(Some).ok_or(Unbound::Ended);
                    }
                    Pin::Past(handle) => past = Some(handle.as_ptr()),
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// Returns what this owner alone is bound to.
    pub(crate) fn of(&self, owner: Owner) -> Option<Arc<LevelHandle>> {
        self.map.lock().get(&owner)?.iter().rev().find_map(Weak::upgrade)
    }

    pub(crate) fn bind(&self, owner: Owner, handle: &Arc<LevelHandle>) {
        let mut map = self.map.lock();
        map.entry(owner).or_default().push(Arc::downgrade(handle));
        self.count.store(map.len(), Ordering::Release);
    }

    /// Binds a connection below the transaction that an owner has on it.
    pub(crate) fn bind_below(&self, owner: Owner, handle: &Arc<LevelHandle>) {
        let mut map = self.map.lock();
        map.entry(owner).or_default().insert(0, Arc::downgrade(handle));
        self.count.store(map.len(), Ordering::Release);
    }

    /// Removes a handle, and with it those of the owner that are gone.
    pub(crate) fn unbind(&self, owner: Owner, handle: *const LevelHandle) {
        let mut map = self.map.lock();
        if let Some(bound) = map.get_mut(&owner) {
            bound.retain(|weak| weak.as_ptr() != handle && weak.strong_count() > 0);
            if bound.is_empty() {
                map.remove(&owner);
            }
        }
        self.count.store(map.len(), Ordering::Release);
    }

    /// Returns every handle that is alive.
    pub(crate) fn all(&self) -> Vec<Arc<LevelHandle>> {
        self.map.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Returns the number of bound owners.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.map.lock().len()
    }
}
