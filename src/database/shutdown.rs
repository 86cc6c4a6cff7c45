//! Disconnecting, which is counted, and the end of work in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::pools::Live;
use super::{Core, Database};
use crate::error::Result;
use crate::session::Chain;

/// The extent of a disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// It undoes one connect.
    Counted,
    /// It undoes all of them.
    Whole,
    /// It undoes all of them, and waits for nothing.
    Now,
}

impl Database {
    /// Decrements the count of connects, and closes the pool with the last; returns `true` if it did.
    ///
    /// Work in progress may end: transactions, connections and statements that are in use. From the call on, everything
    /// else fails with [`NotConnected`](crate::ErrorKind::NotConnected), also callers that wait for a connection. This
    /// waits until the work has ended, but no longer than `disconnect_timeout`, and not for what its own caller has
    /// open. What is then still in use is named in a warning of `tracing` with its place in the source; it is closed
    /// when it is given back, and [`disconnect_now`](Self::disconnect_now) closes it at once.
    ///
    /// With force rollback, everything done in the sandbox is undone now.
    ///
    /// [`guides::lifecycle`](crate::guides::lifecycle) has a recipe for the shutdown of a server.
    ///
    /// # Errors
    ///
    /// [`Hook`](crate::ErrorKind::Hook) from `on_disconnect`, after everything was closed.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the database is still disconnected, but sockets are closed without notifying the server.
    pub async fn disconnect(&self) -> Result<bool> {
        self.core.disconnect(Extent::Counted).await
    }

    /// Closes the pool and all connections, whatever the count is and whatever they are used for. Returns `true` if it was
    /// connected.
    ///
    /// Open transactions are rolled back, and the next use of their guards, and of connections that are held, fails with
    /// [`NotConnected`](crate::ErrorKind::NotConnected). Statements that are under way may end. What was in use is named
    /// in a warning, and so are other connects. A [`disconnect`](Self::disconnect) that waits for work stops waiting.
    ///
    /// # Errors
    ///
    /// As [`disconnect`](Self::disconnect).
    ///
    /// # Cancel safety
    ///
    /// As [`disconnect`](Self::disconnect).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let transaction = database.transaction().await?;
    /// assert!(database.disconnect_now().await?);
    /// assert!(transaction.commit().await.is_err(), "it was rolled back");
    /// # Ok(()) }
    /// ```
    pub async fn disconnect_now(&self) -> Result<bool> {
        self.core.disconnect(Extent::Now).await
    }

    /// Closes the pool whatever the count is, and waits for work in progress as [`disconnect`](Self::disconnect) does.
    pub(crate) async fn disconnect_whole(&self) -> Result<bool> {
        self.core.disconnect(Extent::Whole).await
    }
}

impl Core {
    async fn disconnect(&self, extent: Extent) -> Result<bool> {
        let now = extent == Extent::Now;
        let _hurry = now.then(|| self.hurry.begin());
        let _changing = self.changing.lock().await;
        let (live, count) = {
            let mut state = self.state.write();
            if state.count > 1 && extent == Extent::Counted {
                state.count -= 1;
                return Ok(false);
            }
            let live = state.live.take();
            state.closing.clone_from(&live);
            (live, std::mem::take(&mut state.count))
        };
        let Some(live) = live else { return Ok(false) };
        if count > 1 {
            tracing::warn!(
                connects = count,
                "the database was disconnected completely, although `connect` had been called several times"
            );
        }
        let closing = Closing(self);
        let end = async {
            live.sandboxed.end_sandbox(now).await;
            // A sandbox leaves the connections to its parent database.
            if self.parent.is_some() {
                return Ok(());
            }
            live.pools.close().await;
            self.wait_for_work(&live, now).await;
            live.pools.join().await
        };
        let closed = live.sandboxed.within(end).await;
        drop(closing);
        drop(live);
        self.run_on_disconnect().await?;
        closed.map(|()| true)
    }

    /// Waits for the connections that are in use, and reports those that stay so.
    async fn wait_for_work(&self, live: &Live, now: bool) {
        let limit = self.config.settings().disconnect_timeout;
        let hurried = now || !self.is_finished(live, limit).await && self.hurry.is_wanted();
        let left = live.pools.left();
        if hurried {
            live.plain.close_levels();
        }
        let Some(left) = left else { return };
        if hurried {
            tracing::warn!("the database was disconnected at once, and closed what was in use: {left}");
        } else {
            tracing::warn!(
                "the database was disconnected, and these are still in use after `disconnect_timeout` ({limit:?}), or by \
                 the caller itself: {left}; they are closed when they are given back, `disconnect_now` closes them at once"
            );
        }
    }

    /// Waits until nothing is in use, except by the caller itself; returns `false` if that takes longer than `limit`, or
    /// if somebody wants it at once.
    async fn is_finished(&self, live: &Live, limit: Duration) -> bool {
        let own = live.plain.holders(&Chain::current());
        let mut finished = std::pin::pin!(live.pools.drained(&own));
        if finished.as_mut().now_or_never().is_some() {
            return true;
        }
        // Without a runtime there is no clock.
        if limit.is_zero() || Handle::try_current().is_err() {
            return false;
        }
        tokio::select! {
            biased;
            () = finished => true,
            () = self.hurry.wanted() => false,
            () = tokio::time::sleep(limit) => false,
        }
    }
}

/// A guard that forgets the state of a database that has disconnected, or stopped waiting for it.
struct Closing<'c>(&'c Core);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let closing = self.0.state.write().closing.take();
        drop::<Option<Arc<Live>>>(closing);
    }
}

/// The callers who want the end of work in progress at once.
#[derive(Debug, Default)]
pub(super) struct Hurry {
    callers: AtomicUsize,
    came: Notify,
}

impl Hurry {
    /// Registers a caller until the returned value is dropped.
    fn begin(&self) -> Hurrying<'_> {
        self.callers.fetch_add(1, Ordering::AcqRel);
        self.came.notify_waiters();
        Hurrying(self)
    }

    fn is_wanted(&self) -> bool {
        self.callers.load(Ordering::Acquire) > 0
    }

    /// Waits for such a caller.
    async fn wanted(&self) {
        let mut came = std::pin::pin!(self.came.notified());
        came.as_mut().enable();
        if !self.is_wanted() {
            came.await;
        }
    }
}

struct Hurrying<'h>(&'h Hurry);

impl Drop for Hurrying<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::AcqRel);
    }
}
