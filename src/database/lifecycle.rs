//! Connecting, which is counted.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use super::pools::{Live, Pools};
use super::{Core, Database, IntoDatabase, replicas};
use crate::backend;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;

#[derive(Default)]
pub(super) struct LifecycleState {
    pub(super) count: usize,
    pub(super) live: Option<Arc<Live>>,
    /// The state of a database that is disconnecting and waits for work in progress.
    pub(super) closing: Option<Arc<Live>>,
}

/// The part of a [`Database`] that connects it as a method.
///
/// [`Database::connect`] creates and connects a database from any source. On a database itself, `database.connect()` is
/// a method: a database dereferences to this type.
#[derive(Clone)]
pub struct Lifecycle {
    pub(super) core: Arc<Core>,
}

impl Lifecycle {
    /// Connects this database, or increments its count if it is connected. The same as
    /// [`Database::connect(&database)`](Database::connect).
    ///
    /// # Errors
    ///
    /// Those of [`Database::connect`].
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was connected or counted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// let database = ebbtide::Database::new("sqlite::memory:")?;
    /// database.connect().await?;
    /// database.connect().await?;
    /// assert!(!database.disconnect().await?, "one connect is left");
    /// assert!(database.disconnect().await?);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn connect(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let (core, caller) = (Arc::clone(&self.core), Caller::at(Location::caller()));
        async move { core.connect(caller).await }
    }
}

impl Deref for Database {
    type Target = Lifecycle;

    fn deref(&self) -> &Lifecycle {
        &self.lifecycle
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").finish_non_exhaustive()
    }
}

impl Database {
    /// Connects: creates the pool, and checks that the server answers unless `lazy` is set.
    ///
    /// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. Connecting the
    /// same database again only increments a count; closing it then takes as many calls of
    /// [`disconnect`](Self::disconnect). Concurrent first calls wait for the one that connects.
    ///
    /// # Errors
    ///
    /// [`Url`](ErrorKind::Url) and [`Config`](ErrorKind::Config) for the source; [`Connect`](ErrorKind::Connect),
    /// [`Authentication`](ErrorKind::Authentication), [`DatabaseNotFound`](ErrorKind::DatabaseNotFound) and
    /// [`Timeout`](ErrorKind::Timeout) for the server; [`Hook`](ErrorKind::Hook). The count is then unchanged, and
    /// another call can succeed.
    ///
    /// # Panics
    ///
    /// On a tokio runtime without a clock or without I/O; `enable_all()` on its builder enables both, as
    /// `#[tokio::main]` and `#[tokio::test]` do. So does every later call that waits.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing was connected or counted.
    #[track_caller]
    pub fn connect<S: IntoDatabase>(source: S) -> impl Future<Output = Result<Self>> + Send + use<S> {
        let caller = Caller::at(Location::caller());
        let database = source.into_database();
        async move {
            let database = database?;
            database.core.connect(caller).await?;
            Ok(database)
        }
    }

    /// Connects on behalf of another caller.
    pub(crate) async fn connect_for(&self, caller: Caller) -> Result<()> {
        self.core.connect(caller).await
    }
}

impl Core {
    pub(super) async fn connect(&self, caller: Caller) -> Result<()> {
        let _changing = self.changing.lock().await;
        {
            let mut state = self.state.write();
            if state.live.is_some() {
                state.count += 1;
                return Ok(());
            }
        }
        if let (Some(parent), Some(options)) = (&self.parent, &self.options) {
            let live = parent.open_sandbox(options)?;
            let mut state = self.state.write();
            state.live = Some(Arc::new(live));
            state.count = 1;
            return Ok(());
        }
        let settings = self.config.settings();
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let connector = backend::connector(&self.config)?;
        let replicas = replicas::connectors(&self.config)?;
        self.run_on_connect().await?;
        let lazy = settings.lazy;
        let pools = Pools::new(connector, &self.config, &self.hooks.lock(), replicas);
        if !lazy && let Err(error) = pools.check(caller).await {
            // The first error is more useful than one of this cleanup.
            pools.close().await;
            let _ = pools.join().await;
            return Err(error);
        }
        let mut state = self.state.write();
        state.live = Some(Arc::new(pools.live()));
        state.count = 1;
        Ok(())
    }
}

pub(super) fn not_connected() -> Error {
    Error::new(ErrorKind::NotConnected, "the database is not connected")
        .help("await `Database::connect(&database)` (or `connect(url)`) before using it, and use it before the last `disconnect`")
}
