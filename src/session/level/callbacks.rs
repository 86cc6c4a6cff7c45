//! Callbacks that run after a transaction has really ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::{Ended, Finish, Level, LevelKind};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::engine::Engine;
use crate::session::scope::chain::Chain;
use crate::session::scope::handle::LevelHandle;
use crate::session::statement::run::Target;

/// A function to call once, after the end of a transaction.
pub(crate) type Callback = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A callback that waits for the end of its transaction.
pub(in crate::session) struct Registered {
    /// Number among all registrations, by which those of an inner level find their place among those of the outer one.
    number: u64,
    end: Finish,
    callback: Callback,
}

impl Level {
    /// Registers a callback for the time after this level was committed or rolled back.
    pub(crate) fn after(self: &Arc<Self>, end: Finish, callback: Callback) -> Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.usable()?;
        self.state.lock().callbacks.push(Registered {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            end,
            callback,
        });
        Ok(())
    }

    /// Takes the callbacks of a level that has ended. Hands them to the level below if that one decides, else returns
    /// those to run now.
    pub(in crate::session) fn take_callbacks(&self, below: Option<&Arc<Self>>) -> Vec<Callback> {
        let (ended, callbacks) = {
            let mut state = self.state.lock();
            if state.callbacks.is_empty() && state.messages.is_empty() {
                return Vec::new();
            }
            (state.ended.clone(), std::mem::take(&mut state.callbacks))
        };
        let happened = match ended {
            Some(Ended::Committed(_)) => Finish::Commit,
            Some(Ended::RolledBack(_) | Ended::Dropped | Ended::ByServer(_) | Ended::Closed) => Finish::Rollback,
            // It is unknown which of them should run.
            Some(Ended::Interrupted(_)) | None => return Vec::new(),
        };
        let below = below.filter(|below| matches!(below.kind, LevelKind::Transaction { .. }));
        self.pass_messages(happened == Finish::Commit, below.map(|below| &**below));
        if happened == Finish::Commit
            && let Some(below) = below
        {
            let mut below = below.state.lock();
            below.callbacks.extend(callbacks);
            below.callbacks.sort_by_key(|registered| registered.number);
            return Vec::new();
        }
        callbacks
            .into_iter()
            .filter_map(|registered| (registered.end == happened).then_some(registered.callback))
            .collect()
    }
}

impl Engine {
    /// Runs callbacks in their order. Those of a commit are kept instead while a test captures them.
    pub(in crate::session) async fn run_callbacks(&self, how: Finish, callbacks: Vec<Callback>) {
        let mut callbacks = VecDeque::from(callbacks);
        if how == Finish::Commit
            && let Some(sandbox) = &self.sandbox
            && let Some(captured) = &mut *sandbox.captured.lock()
        {
            captured.extend(callbacks.drain(..));
        }
        Remaining(callbacks).run().await;
    }

    /// Starts or stops keeping the callbacks of commits instead of running them.
    pub(crate) fn capture(&self, on: bool) -> Result<()> {
        let Some(sandbox) = &self.sandbox else {
            return Err(
                Error::new(ErrorKind::Unsupported, "callbacks can be captured only in a sandbox")
                    .help("use `database.sandbox()` or `force_rollback(true)`"),
            );
        };
        let mut captured = sandbox.captured.lock();
        if on && captured.is_some() {
            return Err(Error::new(
                ErrorKind::ConcurrentUse,
                "the callbacks of this sandbox are already being captured",
            )
            .help("drop the earlier `CapturedCallbacks` before another `capture_on_commit`"));
        }
        let before = std::mem::replace(&mut *captured, on.then(Vec::new));
        // Values of users that are dropped with it may call this function again.
        drop(captured);
        drop(before);
        Ok(())
    }

    /// Returns the number of callbacks captured so far.
    pub(crate) fn captured(&self) -> usize {
        let captured = self.sandbox.as_ref().map(|sandbox| sandbox.captured.lock());
        captured.and_then(|kept| kept.as_ref().map(Vec::len)).unwrap_or(0)
    }

    /// Runs the callbacks captured so far, and removes them.
    pub(crate) async fn run_captured(&self) {
        let callbacks = self
            .sandbox
            .as_ref()
            .and_then(|sandbox| sandbox.captured.lock().as_mut().map(std::mem::take));
        Remaining(callbacks.unwrap_or_default().into()).run().await;
    }
}

/// Callbacks that have not run yet. Dropped half-way, they run in a task: the transaction has ended, and its callbacks
/// are due.
pub(in crate::session) struct Remaining(pub(in crate::session) VecDeque<Callback>);

impl Remaining {
    pub(in crate::session) async fn run(mut self) {
        while let Some(callback) = self.0.pop_front() {
            callback().await;
        }
    }
}

impl Drop for Remaining {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.0);
        if rest.is_empty() {
            return;
        }
        if let Ok(handle) = Handle::try_current() {
            // Not this type again: a runtime that shuts down drops the task at once, which would request another task.
            handle.spawn(async move {
                for callback in rest {
                    callback().await;
                }
            });
        } else {
            tracing::warn!(
                callbacks = rest.len(),
                "callbacks of a transaction were lost, because it was dropped outside of a tokio runtime"
            );
        }
    }
}

impl Target {
    /// Returns the transaction that a callback is meant for; `None` if there is none here.
    pub(crate) fn transaction(&self, caller: Caller) -> Result<Option<Arc<Level>>> {
        let level = self.level(&Chain::current(), caller)?;
        Ok(level.filter(|level| matches!(level.kind, LevelKind::Transaction { .. })))
    }
}

impl LevelHandle {
    /// Runs the callbacks that the end of the level calls for, after it was dropped.
    pub(in crate::session) fn drop_callbacks(&self) {
        drop(Remaining(self.level.take_callbacks(None).into()));
    }
}
