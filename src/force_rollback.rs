//! Temporary overrides of force rollback: a guard, or a closure.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::session::{Chain, Owner, Pin};

/// The current overrides of one database.
#[derive(Debug)]
pub(crate) struct Overrides {
    /// Identifies the database in the scopes of closures.
    database: u64,
    map: Mutex<HashMap<Owner, Vec<(u64, bool)>>>,
    /// Number of owners with an override, so that a database without any pays nothing for the lookup.
    count: AtomicUsize,
    next: AtomicU64,
}

impl Overrides {
    pub(crate) fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            database: NEXT.fetch_add(1, Ordering::Relaxed),
            map: Mutex::default(),
            count: AtomicUsize::new(0),
            next: AtomicU64::new(1),
        })
    }

    /// Returns the override that applies here, if any: the latest of the innermost owner.
    pub(crate) fn current(&self) -> Option<bool> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let chain = Chain::current();
        let map = self.map.lock();
        chain.inherited().find_map(|(owner, pins)| {
            let guard = map
                .get(&owner)
                .and_then(|overrides| overrides.last())
                .map(|(_, on)| *on);
            guard.or_else(|| {
                pins.iter().find_map(|pin| match pin {
                    Pin::ForceRollback { database, on } if *database == self.database => Some(*on),
                    _ => None,
                })
            })
        })
    }

    fn leave(&self, owner: Owner, id: u64) {
        let mut map = self.map.lock();
        if let Some(overrides) = map.get_mut(&owner) {
            overrides.retain(|(known, _)| *known != id);
            if overrides.is_empty() {
                map.remove(&owner);
            }
        }
        drop(map);
        self.count.fetch_sub(1, Ordering::Release);
    }
}

/// A guard that overrides force rollback until it is dropped, for the current task and the futures it shares its
/// connection with.
///
/// Nested overrides restore the previous one. If several futures run concurrently in one task, use [`run`](Self::run),
/// which binds to its own future.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::{Config, Database};
/// let database = Database::connect(Config::from_url("sqlite::memory:")?.force_rollback(true)).await?;
/// {
///     let _really = database.force_rollback(false);
///     database.execute("CREATE TABLE note (text TEXT)", ()).await?; // stays
/// }
/// database.execute("INSERT INTO note VALUES ('undone')", ()).await?; // in the sandbox
/// database.disconnect().await?;
/// # Ok(()) }
/// ```
#[must_use = "the override ends when this is dropped"]
pub struct ForceRollback {
    overrides: Arc<Overrides>,
    owner: Owner,
    id: u64,
    on: bool,
}

impl ForceRollback {
    pub(crate) fn new(overrides: &Arc<Overrides>, on: bool) -> Self {
        let owner = Chain::current().innermost();
        let id = overrides.next.fetch_add(1, Ordering::Relaxed);
        overrides.map.lock().entry(owner).or_default().push((id, on));
        overrides.count.fetch_add(1, Ordering::Release);
        Self {
            overrides: Arc::clone(overrides),
            owner,
            id,
            on,
        }
    }

    /// Runs a future under the override, which applies to that future only.
    pub async fn run<F: Future>(self, future: F) -> F::Output {
        let overrides = Arc::clone(&self.overrides);
        let on = self.on;
        overrides.count.fetch_add(1, Ordering::Release);
        let _counted = Counted(Arc::clone(&overrides));
        // The guard's own override, of the whole task, ends at once.
        drop(self);
        Chain::current()
            .enter(vec![Pin::ForceRollback {
                database: overrides.database,
                on,
            }])
            .run(future)
            .await
    }
}

struct Counted(Arc<Overrides>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Release);
    }
}

impl Drop for ForceRollback {
    fn drop(&mut self) {
        self.overrides.leave(self.owner, self.id);
    }
}

impl fmt::Debug for ForceRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForceRollback")
            .field("on", &self.on)
            .finish_non_exhaustive()
    }
}
