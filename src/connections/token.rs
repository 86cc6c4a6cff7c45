//! A database set temporarily for an alias: a guard, or a closure.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::slot::Slot;
use super::{Connections, Registry};
use crate::config::unknown_alias;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Chain, Owner, Pin};

/// The set databases by owner, the latest last.
#[derive(Debug, Default)]
pub(super) struct AliasOverrides {
    map: Mutex<HashMap<Owner, Vec<Arc<Slot>>>>,
    /// Number of overrides, including those of closures, so that a registry without any pays nothing for the lookup.
    count: AtomicUsize,
}

impl AliasOverrides {
    /// Returns the database set for the alias here: the latest of the innermost owner.
    pub(super) fn find(&self, registry: u64, alias: &str) -> Option<Arc<Slot>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let set = self.visible(registry, &Chain::current());
        set.into_iter().find(|slot| slot.alias() == alias)
    }

    /// Returns everything that is set here, each alias once.
    pub(super) fn visible(&self, registry: u64, chain: &Chain) -> Vec<Arc<Slot>> {
        let mut seen: Vec<Arc<Slot>> = Vec::new();
        let map = self.map.lock();
        for (owner, pins) in chain.inherited() {
            let guards = map.get(&owner).into_iter().flatten().rev().cloned();
            for slot in guards.chain(pins.iter().filter_map(|pin| pinned(registry, pin))) {
                if !seen.iter().any(|known| known.alias() == slot.alias()) {
                    seen.push(slot);
                }
            }
        }
        seen
    }

    fn leave(&self, owner: Owner, slot: &Arc<Slot>) {
        let mut map = self.map.lock();
        if let Some(set) = map.get_mut(&owner) {
            set.retain(|known| !Arc::ptr_eq(known, slot));
            if set.is_empty() {
                map.remove(&owner);
            }
        }
        drop(map);
        self.count.fetch_sub(1, Ordering::Release);
    }
}

/// Returns a pin that sets a slot in the scope of a closure.
pub(super) fn pin(registry: u64, slot: Arc<Slot>) -> Pin {
    Pin::Set { registry, what: slot }
}

fn pinned(registry: u64, pin: &Pin) -> Option<Arc<Slot>> {
    match pin {
        Pin::Set { registry: of, what } if *of == registry => Arc::clone(what).downcast().ok(),
        _ => None,
    }
}

/// A guard that counts as an override until it is dropped.
pub(super) struct CountedOverride(Arc<Registry>);

impl Registry {
    pub(super) fn count(self: &Arc<Self>) -> CountedOverride {
        self.overrides.count.fetch_add(1, Ordering::Release);
        CountedOverride(Arc::clone(self))
    }
}

impl Drop for CountedOverride {
    fn drop(&mut self) {
        self.0.overrides.count.fetch_sub(1, Ordering::Release);
    }
}

/// A guard that sets a database for an alias until it is [reset](Connections::reset) or dropped, for the current task
/// and the futures it [shares](Connections::share) with. Returned by [`Connections::set`].
///
/// If several futures run concurrently in one task, use [`run`](Self::run), which binds to its own future.
#[must_use = "the alias is reset when this is dropped"]
pub struct ConnectionToken {
    registry: Arc<Registry>,
    owner: Owner,
    slot: Arc<Slot>,
}

impl Connections {
    /// Sets `database` for the alias here, until the token is [reset](Self::reset) or dropped. It applies in the
    /// current task (the enclosing `run` or `share`, else the task, else the thread), and in futures it shares with by
    /// [`share`](Self::share), nowhere else. The alias need not be in the configuration. Such an alias is logged as a
    /// warning through `tracing`, since it may be misspelt.
    ///
    /// If the database is not connected, [`get`](Self::get) connects it, and [`close_all`](Self::close_all) undoes that
    /// one connect. A database connected by its owner is left open.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Connections, Database};
    ///
    /// let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// let test = Database::connect("sqlite::memory:").await?;
    /// let answer = connections
    ///     .set("default", &test)
    ///     .run(async { connections.get("default").await?.fetch_value::<i64>("SELECT 42", ()).await })
    ///     .await?;
    /// assert_eq!(answer, 42);
    ///
    /// let token = connections.set("default", &test); // the same, for the rest of this task
    /// connections.reset(token)?;
    /// # Ok(()) }
    /// ```
    pub fn set(&self, alias: impl Into<String>, database: &Database) -> ConnectionToken {
        let overrides = &self.registry.overrides;
        let owner = Chain::current().innermost();
        let alias = alias.into();
        if !self.registry.config.aliases().any(|known| known == alias) {
            tracing::warn!(
                "{} (the database is set nevertheless)",
                unknown_alias(&alias, self.registry.config.aliases())
            );
        }
        let slot = Arc::new(Slot::set(alias, database.clone()));
        overrides.map.lock().entry(owner).or_default().push(Arc::clone(&slot));
        overrides.count.fetch_add(1, Ordering::Release);
        ConnectionToken {
            registry: Arc::clone(&self.registry),
            owner,
            slot,
        }
    }

    /// Undoes a [`set`](Self::set): the alias means what it meant before. Databases created, or set for other aliases,
    /// meanwhile stay. Tokens can be reset in any order, and from any task.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if the token is of another registry; it is then reset there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # let other = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let token = connections.set("log", &other);
    /// connections.reset(token)?; // `log` means again what the configuration says
    /// # Ok(()) }
    /// ```
    pub fn reset(&self, token: ConnectionToken) -> Result<()> {
        let own = Arc::ptr_eq(&self.registry, &token.registry);
        let slot = Arc::clone(&token.slot);
        drop(token);
        if own {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            format!("the token for `{}` belongs to another registry", slot.alias()),
        )
        .help("reset it on the `Connections` that `set` was called on"))
    }
}

impl ConnectionToken {
    /// Runs a future in which the alias means the database; it is invisible elsewhere.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// # let other = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let one: i64 = connections
    ///     .set("log", &other)
    ///     .run(async { connections.get("log").await?.fetch_value("SELECT 1", ()).await })
    ///     .await?;
    /// assert_eq!(one, 1);
    /// # Ok(()) }
    /// ```
    pub fn run<F: Future>(self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let (registry, slot) = (Arc::clone(&self.registry), Arc::clone(&self.slot));
        let counted = registry.count();
        // The setting for the whole task is undone at once, before concurrent futures can see it.
        drop(self);
        async move {
            let _counted = counted;
            let scope = Chain::current().enter(vec![pin(registry.id, slot)]);
            scope.run(future).await
        }
    }
}

impl Drop for ConnectionToken {
    fn drop(&mut self) {
        self.registry.overrides.leave(self.owner, &self.slot);
    }
}

impl fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionToken")
            .field("alias", &self.slot.alias())
            .finish_non_exhaustive()
    }
}
