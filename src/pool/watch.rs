//! One task for each runtime that uses the pool. It closes connections that are idle too long, and its end shows that
//! the runtime has ended.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;

use super::Pool;
use super::close::close_in_background;
use super::runtime_key::RuntimeKey;

impl Pool {
    /// Starts watching the runtime, unless it is watched already.
    pub(super) fn watch(self: &Arc<Self>, runtime_key: RuntimeKey, handle: &Handle) {
        if !self.state.lock().unwatched(runtime_key) {
            return;
        }
        let end = RuntimeEnd {
            pool: Arc::downgrade(self),
            runtime_key,
        };
        let task = handle.spawn(watch(end, handle.clone()));
        self.state.lock().watched(runtime_key, task.abort_handle());
    }
}

/// A guard in the task that watches a runtime, dropped when the runtime shuts down.
struct RuntimeEnd {
    pool: Weak<Pool>,
    runtime_key: RuntimeKey,
}

impl Drop for RuntimeEnd {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            let ended = pool.state.lock().runtime_ended(self.runtime_key);
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
            let oldest = pool.state.lock().oldest(end.runtime_key).unwrap_or_else(Instant::now);
            Some(oldest + limit)
        }) else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(wake.into()).await;
        let Some(pool) = end.pool.upgrade() else { return };
        let Some(limit) = pool.limits.idle else { return };
        if let Some(deadline) = Instant::now().checked_sub(limit) {
            let rested = pool.state.lock().rested_since(end.runtime_key, deadline);
            for idle in rested {
                close_in_background(idle.raw, &handle);
                pool.vacate();
            }
        }
    }
}
