//! The database: its life cycle, hooks and verbs.

mod callbacks;
mod hooks;
mod lifecycle;
mod listen;
mod pools;
mod replicas;
mod sandbox;
mod shutdown;
mod source;
mod with;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use crate::config::{Config, IntoConfig};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::force_rollback::{ForceRollback, Overrides};
use crate::pool::{Caller, PoolStatus};
use crate::query::{Addressee, verbs};
use crate::queryable::queryable;
use crate::session::{Chain, LevelHandle, LevelKind, Pin, Reads, Target, Unbound, sandbox_closed};
use crate::sql::Dialect;
use crate::transaction::TransactionBuilder;
use crate::url::DatabaseUrl;

pub use callbacks::CapturedCallbacks;
use hooks::Hooks;
pub use hooks::{HookError, NewConnection};
pub use lifecycle::Lifecycle;
use lifecycle::{LifecycleState, not_connected};
pub use listen::{ListenEvent, Notifications};
use pools::Live;
pub use sandbox::SandboxBuilder;
use sandbox::SandboxOptions;
use shutdown::Hurry;
pub use source::IntoDatabase;

/// A database: a pool of connections, and all operations on them.
///
/// A clone is a handle to the same database. Handles are cheap to clone and can be shared between tasks, threads and
/// tokio runtimes. Dropping the last one closes the connections.
///
/// Whatever a method returns to be awaited or polled (queries, streams, transactions, and other futures) may be created
/// before the database is connected, and so may a [`Connection`]. The database must be connected at the await, which
/// otherwise fails with [`NotConnected`](crate::ErrorKind::NotConnected). An override of
/// [force rollback](Self::force_rollback) applies as it was at the call. Of the methods that return at once, those that
/// need a connected database say so.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::{Database, params};
///
/// let database = Database::connect("sqlite::memory:").await?;
/// database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)", ()).await?;
/// database.execute("INSERT INTO note (text) VALUES (:text)", params! { text: "hello" }).await?;
/// let text: String = database.fetch_value("SELECT text FROM note WHERE id = :id", params! { id: 1 }).await?;
/// assert_eq!(text, "hello");
/// assert!(database.disconnect().await?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Database {
    lifecycle: Lifecycle,
    /// Destination of this handle's reads.
    reads: Reads,
}

struct Core {
    config: Config,
    hooks: Mutex<Hooks>,
    /// Held while connecting and disconnecting, so that one caller does it and the others wait.
    changing: tokio::sync::Mutex<()>,
    hurry: Hurry,
    state: RwLock<LifecycleState>,
    overrides: Arc<Overrides>,
    /// Parent database, whose connections a sandbox uses, and the sandbox's options.
    parent: Option<Arc<Core>>,
    options: Option<SandboxOptions>,
}

impl Database {
    /// Creates a database that is not connected yet. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`Url`](crate::ErrorKind::Url) or [`Config`](crate::ErrorKind::Config) if the source cannot be read.
    ///
    /// ```
    /// # fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Config, Database};
    /// let database = Database::new(Config::from_url("sqlite::memory:")?.pool_size(4))?;
    /// assert!(!database.is_connected());
    /// let copy = Database::new(database.config().force_rollback(true))?;
    /// # Ok(()) }
    /// ```
    pub fn new(config: impl IntoConfig) -> Result<Self> {
        Ok(Self {
            lifecycle: Lifecycle {
                core: Arc::new(Core {
                    config: config.into_config()?,
                    hooks: Mutex::default(),
                    changing: tokio::sync::Mutex::new(()),
                    hurry: Hurry::default(),
                    state: RwLock::default(),
                    overrides: Overrides::new(),
                    parent: None,
                    options: None,
                }),
            },
            reads: Reads::default(),
        })
    }

    /// Returns the configuration, for inspection or to create another database from.
    pub fn config(&self) -> Config {
        self.core.config.clone()
    }

    /// Returns the URL of the database. `Display` and `Debug` show `***` instead of the password.
    ///
    /// ```
    /// # fn main() -> ebbtide::Result<()> {
    /// let database = ebbtide::Database::new("postgres://ada:secret@localhost/shop")?;
    /// assert_eq!(database.url().to_string(), "postgres://ada:***@localhost/shop");
    /// assert_eq!(database.url().database(), Some("shop"));
    /// # Ok(()) }
    /// ```
    pub fn url(&self) -> &DatabaseUrl {
        self.core.config.url()
    }

    /// Returns the dialect of the database, for statements that differ between servers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use ebbtide::Dialect;
    /// let sql = match database.dialect() {
    ///     Dialect::MySql => "SELECT CAST(:n AS SIGNED)",
    ///     _ => "SELECT CAST(:n AS BIGINT)",
    /// };
    /// assert_eq!(database.fetch_value::<i64>(sql, ebbtide::params! { n: 3 }).await?, 3);
    /// # Ok(()) }
    /// ```
    pub fn dialect(&self) -> Dialect {
        self.core.config.dialect()
    }

    /// Returns whether this database is connected.
    pub fn is_connected(&self) -> bool {
        self.core.state.read().live.is_some()
    }

    /// Returns the status of the pool.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected).
    pub fn status(&self) -> Result<PoolStatus> {
        Ok(self.live()?.pools.main.status())
    }

    fn live(&self) -> Result<Arc<Live>> {
        self.core.state.read().live.clone().ok_or_else(self.absent())
    }

    /// Returns the constructor of the error for a database that is not connected.
    fn absent(&self) -> fn() -> Error {
        if self.core.parent.is_some() {
            sandbox_closed
        } else {
            not_connected
        }
    }

    pub(crate) fn target(&self) -> Result<Target> {
        self.engine_of(self.is_force_rollback())
    }

    fn engine_of(&self, sandboxed: bool) -> Result<Target> {
        let state = self.core.state.read();
        let of = |live: &'_ Arc<Live>| Arc::clone(if sandboxed { &live.sandboxed } else { &live.plain });
        let engine = match (&state.live, &state.closing) {
            (Some(live), _) => of(live),
            // Work in progress may end.
            (None, Some(closing)) => Some(of(closing))
                .filter(|engine| engine.is_used_by(&Chain::current()))
                .ok_or_else(self.absent())?,
            (None, None) => return Err(self.absent()()),
        };
        Ok(Target::Database(engine, self.reads))
    }

    /// Returns the target, or asks for it at each use if the database is not connected yet. Whether that is the sandbox
    /// is decided now.
    pub(crate) fn addressee(&self) -> Addressee {
        let late = |_| {
            let (database, sandboxed) = (self.clone(), self.is_force_rollback());
            Addressee::late(self.dialect(), move || database.engine_of(sandboxed))
        };
        self.target().map_or_else(late, Addressee::Known)
    }

    /// Returns whether the caller's statements belong only on this database: in a transaction of it, or in a sandbox.
    pub(crate) fn keeps_caller(&self) -> bool {
        if let Ok(target) = self.target() {
            return target.sandboxed().is_some() || target.in_transaction(&Chain::current());
        }
        // A database that is not connected has no transaction, but it may be configured as a sandbox.
        self.is_force_rollback()
    }

    /// Returns the connection of the current task, acquired at first use. While a handle to that connection exists, the
    /// task gets the same one, and the task's plain `database.…` calls run on it.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        let caller = Caller::at(Location::caller());
        let Ok(target) = self.target() else {
            return Connection::new(self.late_connection(caller));
        };
        let unbound = |why: Unbound| Addressee::late(self.dialect(), move || Err(why.error(caller.place)));
        Connection::new(task_connection(&target, caller).map_or_else(unbound, Addressee::Known))
    }

    /// Returns the connection of the task that uses it first, once the database is connected.
    fn late_connection(&self, caller: Caller) -> Addressee {
        let (database, sandboxed, made) = (self.clone(), self.is_force_rollback(), OnceLock::<Target>::new());
        Addressee::late(self.dialect(), move || {
            if let Some(made) = made.get() {
                return Ok(made.clone());
            }
            let target = database.engine_of(sandboxed)?;
            let connection = task_connection(&target, caller).map_err(|why| why.error(caller.place))?;
            Ok(made.get_or_init(|| connection).clone())
        })
    }

    /// Returns a transaction: await it for a guard, or pass a closure to [`run`](TransactionBuilder::run). If the
    /// current task already has a transaction, the new one is a savepoint inside it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let transaction = database.transaction().await?;
    /// database.execute("INSERT INTO note VALUES ('inside')", ()).await?; // in the transaction
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn transaction(&self) -> TransactionBuilder {
        TransactionBuilder::new(self.addressee(), Location::caller())
    }

    /// Overrides force rollback for the current task until the guard is dropped, or for one future with
    /// [`run`](ForceRollback::run). `false` really writes; `true` uses a sandbox even if the database has none; `None`
    /// is the setting of the database again, inside of another override.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let tried = database.force_rollback(true);
    /// assert!(database.is_force_rollback());
    /// {
    ///     let _usual = database.force_rollback(None);
    ///     assert!(!database.is_force_rollback());
    /// }
    /// drop(tried);
    /// # Ok(()) }
    /// ```
    pub fn force_rollback(&self, on: impl Into<Option<bool>>) -> ForceRollback {
        let on = on.into().unwrap_or(self.core.config.settings().force_rollback);
        ForceRollback::new(&self.core.overrides, on)
    }

    /// Returns whether the caller's work is rolled back at the end: by the setting `force_rollback`, or by an
    /// [override](Self::force_rollback) that applies here.
    pub fn is_force_rollback(&self) -> bool {
        let overridden = self.core.overrides.current();
        overridden.unwrap_or(self.core.config.settings().force_rollback)
    }

    /// Lets a future, usually a spawned one, join the caller's connection and transaction. Without one, the future gets
    /// its own connections.
    ///
    /// See [`Connection::share`].
    pub fn share<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let chain = Chain::current();
        let pins = self.shared(&chain).into_iter().collect();
        chain.share(pins).run(future)
    }

    /// Returns the part of this database that can be shared.
    pub(crate) fn shared(&self, chain: &Chain) -> Option<Pin> {
        let Ok(Target::Database(engine, _)) = self.target() else {
            return None;
        };
        let handle = match engine.bound(chain) {
            // A transaction that is only about to begin cannot be shared.
            Ok(handle) => Arc::downgrade(&handle.filter(|handle| !handle.opening)?),
            // Sharing futures must not run outside of it either, wherever its guard is.
            Err(Unbound::Away { handle, .. }) => handle,
            Err(Unbound::Ended) => return None,
        };
        Some(Pin::Shared {
            engine: engine.id,
            handle,
        })
    }
}

verbs!(Database);
queryable!(Database, by Database);

/// Returns the connection of the caller's task, which is acquired at first use.
fn task_connection(database: &Target, caller: Caller) -> Result<Target, Unbound> {
    let engine = database.engine();
    let chain = Chain::current();
    let bound = engine.bound(&chain)?;
    let handle = match bound.filter(|handle| !handle.opening) {
        // A task outside of the closure, to which the connection may be moved, cannot find the closure's
        // transaction from the level below. So the connection is that of the transaction.
        Some(handle) if !matches!(handle.level.kind, LevelKind::Transaction { .. }) || handle.level.in_closure() => {
            handle
        }
        Some(handle) => {
            let base = LevelHandle::new(handle.level.base());
            base.bind_below(&handle);
            base
        }
        None => {
            let handle = engine.connection(caller);
            handle.bind(chain.innermost());
            handle
        }
    };
    Ok(Target::Connection(handle))
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", self.lifecycle.core.config.url())
            .field("connected", &self.is_connected())
            .field("reads", &self.reads)
            .finish()
    }
}
