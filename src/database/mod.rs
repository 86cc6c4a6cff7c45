//! The database: its life cycle, its hooks, its verbs.

mod callbacks;
mod hooks;
mod lifecycle;
mod pools;
mod replicas;
mod sandbox;
mod source;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::config::{Config, IntoConfig};
use crate::connection::{Absent, Connection};
use crate::error::{Error, Result};
use crate::force_rollback::{ForceRollback, Overrides};
use crate::pool::{Asker, PoolStatus};
use crate::query::verbs;
use crate::session::{Anchor, Chain, Kind, Pin, Reads, Target, Unbound, sandbox_closed};
use crate::transaction::Begin;

pub use callbacks::CapturedCallbacks;
use hooks::Hooks;
pub use hooks::{HookError, NewConnection};
use lifecycle::{Live, State, not_connected};
use sandbox::Berth;
pub use sandbox::OpenSandbox;
pub use source::IntoDatabase;

/// A database: the pool of its connections, and everything that is done through them.
///
/// A clone is a handle to the same database; handles are cheap to clone and can be shared between tasks, threads and
/// tokio runtimes. The last one that is dropped closes the connections.
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
    core: Arc<Core>,
    /// Where this handle's reads go.
    reads: Reads,
}

struct Core {
    config: Config,
    hooks: Hooks,
    /// Held while connecting and disconnecting, so that one does it and the others wait.
    changing: tokio::sync::Mutex<()>,
    state: RwLock<State>,
    overrides: Arc<Overrides>,
    /// Of a sandbox: the database whose connections it uses, and what it was asked to be.
    parent: Option<Arc<Core>>,
    berth: Option<Berth>,
}

impl Database {
    /// A database that is not connected yet. Does no I/O.
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
            core: Arc::new(Core {
                config: config.into_config()?,
                hooks: Hooks::default(),
                changing: tokio::sync::Mutex::new(()),
                state: RwLock::default(),
                overrides: Overrides::new(),
                parent: None,
                berth: None,
            }),
            reads: Reads::default(),
        })
    }

    /// The configuration, to look at or to make another database from.
    pub fn config(&self) -> Config {
        self.core.config.clone()
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        self.core.state.read().live.is_some()
    }

    /// The pool in numbers.
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

    /// Why there is no connection to be had, where it is not connected.
    fn absent(&self) -> fn() -> Error {
        if self.core.parent.is_some() {
            sandbox_closed
        } else {
            not_connected
        }
    }

    pub(crate) fn target(&self) -> Result<Target> {
        let sandboxed = self
            .core
            .overrides
            .current()
            .unwrap_or(self.core.config.settings().force_rollback);
        let state = self.core.state.read();
        let live = state.live.as_ref().ok_or_else(self.absent())?;
        let ground = if sandboxed { &live.sandboxed } else { &live.plain };
        Ok(Target::Database(Arc::clone(ground), self.reads))
    }

    /// Whether what the caller does belongs on this database and nowhere else: in a transaction of it, or in a sandbox.
    pub(crate) fn keeps_caller(&self) -> bool {
        if let Ok(target) = self.target() {
            return target.sandboxed().is_some() || target.in_transaction(&Chain::current());
        }
        // Nothing has begun on a database that is not connected, but it may be meant to be a sandbox.
        let meant = self.core.overrides.current();
        meant.unwrap_or(self.core.config.settings().force_rollback)
    }

    /// The connection of the current task, acquired at first use. While a handle to it lives, the task gets the same
    /// one, and its plain `database.…` calls run on it.
    ///
    /// Its use fails with [`NotConnected`](crate::ErrorKind::NotConnected) if the database is not connected.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        let Ok(Target::Database(ground, _)) = self.target() else {
            return Connection::failed(Absent::Reason(self.absent()));
        };
        let chain = Chain::current();
        let asker = Asker::at(Location::caller());
        let bound = match ground.bound(&chain) {
            Ok(bound) => bound,
            Err(why) => return Connection::failed(Absent::Unbound(why, asker.place)),
        };
        let anchor = match bound.filter(|anchor| !anchor.opening) {
            // A closure's transaction is not found from below by a task outside of the closure, to which the connection
            // may be moved; so the connection is that transaction's.
            Some(anchor) if !matches!(anchor.node.kind, Kind::Transaction { .. }) || anchor.node.in_closure() => anchor,
            Some(anchor) => {
                let base = Anchor::new(anchor.node.base());
                base.bind_below(&anchor);
                base
            }
            None => {
                let anchor = ground.connection(asker);
                anchor.bind(chain.innermost());
                anchor
            }
        };
        Connection::new(Target::Connection(anchor))
    }

    /// A transaction: await it for a guard, or give it a closure with [`run`](Begin::run). If the current task already
    /// has one, it is a savepoint inside it.
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
    pub fn transaction(&self) -> Begin {
        Begin::new(self.target(), Location::caller())
    }

    /// Overrides force rollback for the current task until the guard is dropped, or for one future with
    /// [`run`](ForceRollback::run). `false` really writes; `true` uses a sandbox although the database has none.
    pub fn force_rollback(&self, on: bool) -> ForceRollback {
        ForceRollback::new(&self.core.overrides, on)
    }

    /// Lets a future, usually one that is spawned, join the caller's connection and transaction. Without one the future
    /// just gets connections of its own.
    ///
    /// See [`Connection::share`].
    pub fn share<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let chain = Chain::current();
        let pins = self.shared(&chain).into_iter().collect();
        chain.share(pins).run(future)
    }

    /// What there is to share of this database.
    pub(crate) fn shared(&self, chain: &Chain) -> Option<Pin> {
        let Ok(Target::Database(ground, _)) = self.target() else {
            return None;
        };
        let anchor = match ground.bound(chain) {
            // One that is only about to begin is not there to be shared.
            Ok(anchor) => Arc::downgrade(&anchor.filter(|anchor| !anchor.opening)?),
            // Who shares it must not run outside of it either, wherever its guard is.
            Err(Unbound::Away { anchor, .. }) => anchor,
            Err(Unbound::Ended) => return None,
        };
        Some(Pin::Shared {
            ground: ground.id,
            anchor,
        })
    }
}

verbs!(Database);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", self.core.config.url())
            .field("connected", &self.is_connected())
            .field("reads", &self.reads)
            .finish()
    }
}
