//! One task per runtime that uses the pool: it closes connections that rest too long, and its end tells that the
//! runtime has ended.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;

use super::state::Home;
use super::{Pool, farewell};

impl Pool {
    /// Makes sure that the runtime is watched.
    pub(super) fn watch(self: &Arc<Self>, home: Home, handle: &Handle) {
        if !self.state.lock().unwatched(home) {
            return;
        }
        let end = RuntimeEnd {
            pool: Arc::downgrade(self),
            home,
        };
        let task = handle.spawn(watch(end, handle.clone()));
        self.state.lock().watched(home, task.abort_handle());
    }
}

/// Dropped with the task that holds it, when the runtime shuts down.
struct RuntimeEnd {
    pool: Weak<Pool>,
    home: Home,
}

impl Drop for RuntimeEnd {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            let ended = pool.state.lock().runtime_ended(self.home);
            for idle in ended {
                drop(idle);
                pool.vacate();
            }
        }
    }
}

async fn watch(end: RuntimeEnd, handle: Handle) {
    loop {
        let Some(wake) = end.pool.upgrade().and_then(|pool| {
            let limit = pool.limits.idle?;
            let oldest = pool.state.lock().oldest(end.home).unwrap_or_else(Instant::now);
            Some(oldest + limit)
        }) else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(wake.into()).await;
        let Some(pool) = end.pool.upgrade() else { return };
        let Some(limit) = pool.limits.idle else { return };
        if let Some(deadline) = Instant::now().checked_sub(limit) {
            let rested = pool.state.lock().rested_since(end.home, deadline);
            for idle in rested {
                farewell(idle.raw, &handle);
                pool.vacate();
            }
        }
    }
}
