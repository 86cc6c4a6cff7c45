//! Connecting and disconnecting, which are counted.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::pools::Pools;
use super::replicas;
use super::{Core, Database, IntoDatabase};
use crate::backend;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::Ground;

/// What there is while the database is connected.
pub(super) struct Live {
    pub(super) pools: Arc<Pools>,
    pub(super) plain: Arc<Ground>,
    /// Inside the outer transaction that never commits; it begins at its first use.
    pub(super) sandboxed: Arc<Ground>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) count: usize,
    pub(super) live: Option<Arc<Live>>,
}

impl Database {
    /// Connects: makes the pool, and checks that the server answers unless `lazy` is set.
    ///
    /// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. Connecting the same
    /// database again only counts up; it then takes as many calls of [`disconnect`](Self::disconnect) to close it.
    /// Concurrent first calls wait for the one that connects.
    ///
    /// # Errors
    ///
    /// [`Url`](ErrorKind::Url) and [`Config`](ErrorKind::Config) for the source; [`Connect`](ErrorKind::Connect),
    /// [`Authentication`](ErrorKind::Authentication), [`DatabaseNotFound`](ErrorKind::DatabaseNotFound) and
    /// [`Timeout`](ErrorKind::Timeout) for the server; [`Hook`](ErrorKind::Hook). The count is then as before, and the
    /// next try works.
    ///
    /// # Panics
    ///
    /// On a tokio runtime that was built without a clock or without I/O; `enable_all()` on its builder gives both, as
    /// `#[tokio::main]` and `#[tokio::test]` do. So does every later call that waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing was connected or counted.
    #[track_caller]
    pub fn connect<S: IntoDatabase>(source: S) -> impl Future<Output = Result<Self>> + Send + use<S> {
        let asker = Asker::at(Location::caller());
        let database = source.into_database();
        async move {
            let database = database?;
            database.core.connect(asker).await?;
            Ok(database)
        }
    }

    /// Connects on behalf of someone else.
    pub(crate) async fn connect_for(&self, asker: Asker) -> Result<()> {
        self.core.connect(asker).await
    }

    /// Counts down, and closes the pool with the last; returns `true` if it did.
    ///
    /// With force rollback, everything done in the sandbox is undone now. Connections in use are closed when they are
    /// given back.
    ///
    /// # Errors
    ///
    /// [`Hook`](ErrorKind::Hook) from `on_disconnect`, after everything was closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the database is disconnected all the same; sockets are then closed without a good-bye.
    pub async fn disconnect(&self) -> Result<bool> {
        self.core.disconnect(false).await
    }

    /// Closes the pool whatever the count is, and warns if others still counted on it. Returns `true` if it was
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
    async fn connect(&self, asker: Asker) -> Result<()> {
        let _changing = self.changing.lock().await;
        {
            let mut state = self.state.write();
            if state.live.is_some() {
                state.count += 1;
                return Ok(());
            }
        }
        if let (Some(parent), Some(berth)) = (&self.parent, &self.berth) {
            let live = parent.berth(berth)?;
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
        self.hooks.run_on_connect().await?;
        let lazy = settings.lazy;
        let pools = Pools::new(connector, &self.config, &self.hooks, replicas);
        if !lazy && let Err(error) = pools.check(asker).await {
            // What failed says more than what may fail at tidying up.
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
                "the database was disconnected although it had been connected several times"
            );
        }
        let end = async {
            live.sandboxed.end_sandbox().await;
            // A sandbox leaves the connections to the database it came from.
            if self.parent.is_none() {
                live.pools.close().await
            } else {
                Ok(())
            }
        };
        let closed = live.sandboxed.within(end).await;
        drop(live);
        self.hooks.run_on_disconnect().await?;
        closed.map(|()| true)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The sandbox and its level point at each other.
        self.sandboxed.drop_sandbox();
    }
}

/// An error of a hook.
pub(super) fn hook_failed(hook: &str, error: super::HookError) -> Error {
    Error::new(ErrorKind::Hook, format!("the hook `{hook}` failed: {error}")).with_source(error)
}

pub(super) fn not_connected() -> Error {
    Error::new(ErrorKind::NotConnected, "the database is not connected")
        .help("await `Database::connect(&database)` (or `connect(url)`) before using it, and use it before the last `disconnect`")
}
