//! Several databases under their aliases.

mod close;
mod installed;
mod route;
mod run;
mod slot;
mod token;
mod transactions;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join_all;
use parking_lot::{Mutex, RwLock};

use crate::config::{Config, ConnectionsConfig, unknown_alias};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::router::Routers;
use crate::session::Chain;

pub use installed::{connections, in_transaction};
pub use route::Route;
use slot::Slot;
use token::AliasOverrides;
pub use token::ConnectionToken;
pub use transactions::{Atomic, InTransaction};

/// A registry of several databases under their aliases, created from one configuration.
///
#[doc = include_str!("../../docs/CONNECTIONS.md")]
#[derive(Clone)]
pub struct Connections {
    registry: Arc<Registry>,
}

struct Registry {
    /// Identifies the registry in the scopes of closures.
    id: u64,
    config: ConnectionsConfig,
    /// Databases created so far; each is created on first use.
    made: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// Databases connected here, and therefore closed here.
    opened: Mutex<Vec<Arc<Slot>>>,
    overrides: AliasOverrides,
    routers: RwLock<Routers>,
}

impl Connections {
    /// Creates a registry of the databases of a configuration: a [`ConnectionsConfig`], a dictionary of the same shape
    /// with its environment variables replaced, or the URL, [`Config`] or [`Database`] of one database, which becomes
    /// `default`. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) or [`Url`](ErrorKind::Url) if the configuration cannot be read.
    ///
    /// ```
    /// use ebbtide::Connections;
    ///
    /// let connections = Connections::init(serde_json::json!({
    ///     "connections": {"default": "sqlite://shop.db", "log": "sqlite://log.db"},
    /// }))?;
    /// assert!(connections.config().aliases().eq(["default", "log"]));
    /// let one = Connections::init("sqlite://shop.db")?;
    /// assert!(one.config().aliases().eq(["default"]));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn init(config: impl TryInto<ConnectionsConfig, Error: Into<Error>>) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let config = config.try_into().map_err(Into::into)?;
        config.check()?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Self {
            registry: Arc::new(Registry {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                config,
                made: Mutex::default(),
                opened: Mutex::default(),
                overrides: AliasOverrides::default(),
                routers: RwLock::default(),
            }),
        })
    }

    /// Returns the configuration it was created from.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert!(connections.config().aliases().eq(["default", "log"]));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn config(&self) -> &ConnectionsConfig {
        &self.registry.config
    }

    /// Returns the configuration of the database of that alias, even if another one is [set](Self::set) for it.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) listing the known aliases if that one is unknown.
    ///
    /// ```
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// assert_eq!(connections.db_config("log")?.settings().pool_size, 10);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn db_config(&self, alias: &str) -> Result<&Config> {
        self.registry.config.get(alias)
    }

    /// Returns the connected database of that alias: the one [set](Self::set) here, else the registry's own. The
    /// registry's own is created once, at the first call, and connected again if it was closed since. Concurrent first
    /// calls wait for the one that connects. If it is already connected, this does no I/O.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) listing the known aliases if that one is unknown; those of [`Database::connect`],
    /// which name the alias. The next call tries again.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was connected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Connections;
    ///
    /// let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// let database = connections.get("default").await?;
    /// assert_eq!(database.fetch_value::<i64>("SELECT 1", ()).await?, 1);
    ///
    /// let error = connections.get("defualt").await.unwrap_err();
    /// assert!(error.to_string().contains("did you mean `default`?"));
    /// connections.close_all().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn get(&self, alias: &str) -> impl Future<Output = Result<Database>> + Send + use<> {
        let caller = Caller::at(Location::caller());
        let slot = self.registry.slot(alias);
        let registry = Arc::clone(&self.registry);
        async move { registry.open(slot?, caller).await }
    }

    /// Returns all databases of the configuration, connected, in alphabetical order of their aliases.
    ///
    /// # Errors
    ///
    /// The first error of [`get`](Self::get). The databases that could be connected stay so.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, some are connected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let connections = ebbtide::Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:", "log": "sqlite::memory:"}}))?;
    /// let all = connections.all().await?;
    /// assert_eq!(all.len(), 2);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn all(&self) -> impl Future<Output = Result<Vec<(String, Database)>>> + Send + use<> {
        let aliases: Vec<String> = self.registry.config.aliases().map(str::to_owned).collect();
        let databases: Vec<_> = aliases.iter().map(|alias| self.get(alias)).collect();
        async move { Ok(aliases.into_iter().zip(try_join_all(databases).await?).collect()) }
    }

    /// Forgets the database created for that alias and returns it as it is: if it is connected, the caller must
    /// disconnect it. The next [`get`](Self::get) creates a new one. Returns `None` if none was created. A
    /// [set](Self::set) one stays.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::Connections;
    /// # let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// assert!(connections.discard("default").is_none());
    /// connections.get("default").await?;
    /// let database = connections.discard("default").expect("it was made");
    /// assert!(database.disconnect().await?);
    /// # Ok(()) }
    /// ```
    pub fn discard(&self, alias: &str) -> Option<Database> {
        let slot = self.registry.made.lock().remove(alias)?;
        self.registry.opened.lock().retain(|opened| !Arc::ptr_eq(opened, &slot));
        Some(slot.database().clone())
    }

    /// Lets a future, usually a spawned one, join the caller. Databases [set](Self::set) here also apply in it, even
    /// after they are reset here. `database.…` calls in it run in the transactions that are open here, on every
    /// database.
    ///
    /// See [`Connection::share`](crate::Connection::share) for what happens when a transaction ends first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::{Connections, Database};
    /// # let connections = Connections::init(serde_json::json!({"connections": {"default": "sqlite://never-made.db"}}))?;
    /// let other = Database::connect("sqlite::memory:").await?;
    /// let token = connections.set("default", &other);
    /// let task = tokio::spawn(connections.share({
    ///     let connections = connections.clone();
    ///     async move { connections.get("default").await?.fetch_value::<i64>("SELECT 1", ()).await }
    /// }));
    /// assert_eq!(task.await.expect("no panic")?, 1);
    /// connections.reset(token)?;
    /// # Ok(()) }
    /// ```
    pub fn share<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let chain = Chain::current();
        let set = self.registry.overrides.visible(self.registry.id, &chain);
        let mut slots: Vec<Arc<Slot>> = self.registry.made.lock().values().cloned().collect();
        slots.extend(self.registry.opened.lock().iter().cloned());
        slots.extend(set.iter().cloned());
        let mut pins: Vec<_> = slots.iter().filter_map(|slot| slot.database().shared(&chain)).collect();
        pins.extend(set.into_iter().map(|slot| token::pin(self.registry.id, slot)));
        let counted = self.registry.count();
        chain.share(pins).run(async move {
            let _counted = counted;
            future.await
        })
    }
}

impl Registry {
    /// Returns the slot that the alias means here. The registry's own is created on first use.
    fn slot(&self, alias: &str) -> Result<Arc<Slot>> {
        if let Some(set) = self.overrides.find(self.id, alias) {
            return Ok(set);
        }
        let mut made = self.made.lock();
        if let Some(slot) = made.get(alias) {
            return Ok(Arc::clone(slot));
        }
        let database = Database::new(self.config.get(alias)?)?;
        let slot = Arc::new(Slot::own(alias, database));
        made.insert(alias.to_owned(), Arc::clone(&slot));
        Ok(slot)
    }

    async fn open(&self, slot: Arc<Slot>, caller: Caller) -> Result<Database> {
        slot.connect(caller, |slot| {
            let mut opened = self.opened.lock();
            if !opened.iter().any(|known| Arc::ptr_eq(known, slot)) {
                opened.push(Arc::clone(slot));
            }
        })
        .await?;
        Ok(slot.database().clone())
    }

    /// Returns the only alias, for a caller that names none. If there are several, `help` advises where to name one of
    /// them.
    fn only(&self, help: impl FnOnce(&str) -> String) -> Result<&str> {
        let aliases: Vec<&str> = self.config.aliases().collect();
        match aliases[..] {
            [only] => Ok(only),
            [] => Err(unknown_alias("default", aliases.into_iter())),
            _ => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "no connection is named, and there are several: `{}`",
                    aliases.join("`, `")
                ),
            )
            .help(help(aliases[0]))),
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aliases: Vec<&str> = self.registry.config.aliases().collect();
        let made = self.registry.made.lock();
        let connected: Vec<&str> = made
            .iter()
            .filter(|(_, slot)| slot.database().is_connected())
            .map(|(alias, _)| alias.as_str())
            .collect();
        f.debug_struct("Connections")
            .field("aliases", &aliases)
            .field("connected", &connected)
            .finish()
    }
}
