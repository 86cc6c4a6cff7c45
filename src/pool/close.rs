//! The end of a pool.

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::runtime_key::RuntimeKey;
use super::{CLEANUP_LIMIT, Lease, Pool};
use crate::backend::RawConnection;

impl Pool {
    /// Closes the idle connections and refuses all waiters; connections in use are closed when they are given back.
    pub(crate) async fn close(&self) {
        self.ended.send_replace(true);
        let here = Handle::try_current().ok().map(|handle| self.runtime_key(&handle));
        let (idle, watches) = self.state.lock().close();
        watches.iter().for_each(AbortHandle::abort);
        let mut closing = Vec::new();
        for idle in idle {
            // A socket of another runtime cannot be used from here; its drop closes it.
            if idle.runtime_key == RuntimeKey::Any || Some(idle.runtime_key) == here {
                closing.push(timeout(CLEANUP_LIMIT, idle.raw.close()));
            }
        }
        futures::future::join_all(closing).await;
    }

    /// Waits until the connections that were in use when the pool was closed are given back, except those of `holders`.
    pub(crate) async fn drained(&self, holders: &[usize]) {
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            given_back.as_mut().enable();
            if self.state.lock().in_use_by_others(holders) == 0 {
                return;
            }
            given_back.await;
        }
    }

    /// Describes the connections that are still in use: their number, and who has them; `None` if there are none.
    pub(crate) fn left(&self) -> Option<String> {
        let (count, holders) = {
            let state = self.state.lock();
            (state.in_use_by_others(&[]), state.holders())
        };
        let connections = if count == 1 { "connection" } else { "connections" };
        (count > 0).then(|| format!("{count} {connections} of {}, {holders}", self.connector.place()))
    }
}

impl Lease {
    /// Returns the number of the holder, if the connection belongs to `pool`.
    pub(crate) fn holder_in(&self, pool: &Pool) -> Option<usize> {
        std::ptr::eq(&raw const **self.pool(), pool).then_some(self.holder)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let (idle, watches) = self.state.lock().close();
        watches.iter().for_each(AbortHandle::abort);
        drop(idle);
    }
}

/// Closes a connection on its own runtime; if that is gone, the socket is just closed.
pub(super) fn close_in_background(raw: Box<dyn RawConnection>, handle: &Handle) {
    handle.spawn(async move {
        // No caller is left to report a failure to.
        let _ = timeout(CLEANUP_LIMIT, raw.close()).await;
    });
}
