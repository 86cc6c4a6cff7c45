//! Connecting and disconnecting, which are counted.

use std::future::Future;
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

    /// Decrements the count of connects, and closes the pool with the last; returns `true` if it did.
    ///
    /// With force rollback, everything done in the sandbox is undone now. Connections in use are closed when they are
    /// returned.
    ///
    /// # Errors
    ///
    /// [`Hook`](ErrorKind::Hook) from `on_disconnect`, after everything was closed.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the database is still disconnected, but sockets are closed without notifying the server.
    pub async fn disconnect(&self) -> Result<bool> {
        self.core.disconnect(false).await
    }

    /// Closes the pool whatever the count is, and logs a warning if there were other connects. Returns `true` if it was
    /// connected.
    ///
    /// # Errors
    ///
    /// As [`disconnect`](Self::disconnect).
    pub async fn disconnect_now(&self) -> Result<bool> {
        self.core.disconnect(true).await
    }
}

impl Core {
    async fn connect(&self, caller: Caller) -> Result<()> {
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
            let _ = pools.close().await;
            return Err(error);
        }
        let mut state = self.state.write();
        state.live = Some(Arc::new(pools.live()));
        state.count = 1;
        Ok(())
    }

    async fn disconnect(&self, now: bool) -> Result<bool> {
        let _changing = self.changing.lock().await;
        let (live, count) = {
            let mut state = self.state.write();
            if state.count > 1 && !now {
                state.count -= 1;
                return Ok(false);
            }
            (state.live.take(), std::mem::take(&mut state.count))
        };
        let Some(live) = live else { return Ok(false) };
        if count > 1 {
            tracing::warn!(
                connects = count,
                "the database was disconnected completely, although `connect` had been called several times"
            );
        }
        let end = async {
            live.sandboxed.end_sandbox().await;
            // A sandbox leaves the connections to its parent database.
            if self.parent.is_none() {
                live.pools.close().await
            } else {
                Ok(())
            }
        };
        let closed = live.sandboxed.within(end).await;
        drop(live);
        self.run_on_disconnect().await?;
        closed.map(|()| true)
    }
}

pub(super) fn not_connected() -> Error {
    Error::new(ErrorKind::NotConnected, "the database is not connected")
        .help("await `Database::connect(&database)` (or `connect(url)`) before using it, and use it before the last `disconnect`")
}
