//! What runs after a transaction has really ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use super::{Anchor, Chain, Ended, Finish, Ground, Kind, Node, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;

/// Something to do once, after the end of a transaction.
pub(crate) type Callback = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A callback that waits for the end of its transaction.
pub(super) struct Registered {
    /// Counts all of them, so that those of an inner level find their place among those of the outer one.
    number: u64,
    end: Finish,
    callback: Callback,
}

impl Node {
    /// Has something done after this level's work was committed or rolled back.
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

    /// Hands the callbacks of a level that has ended on: to the level below where that decides, else to be run now.
    pub(super) fn take_callbacks(&self, below: Option<&Arc<Self>>) -> Vec<Callback> {
        let (ended, callbacks) = {
            let mut state = self.state.lock();
            if state.callbacks.is_empty() {
                return Vec::new();
            }
            (state.ended.clone(), std::mem::take(&mut state.callbacks))
        };
        let happened = match ended {
            Some(Ended::Committed(_)) => Finish::Commit,
            Some(Ended::RolledBack(_) | Ended::Dropped | Ended::ByServer(_) | Ended::Closed) => Finish::Rollback,
            // Nobody knows which of them should run.
            Some(Ended::Interrupted(_)) | None => return Vec::new(),
        };
        if happened == Finish::Commit
            && let Some(below) = below.filter(|below| matches!(below.kind, Kind::Transaction { .. }))
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

impl Ground {
    /// Runs callbacks after a commit in their order, unless a test wants to see them.
    pub(super) async fn run_callbacks(&self, how: Finish, callbacks: Vec<Callback>) {
        let mut callbacks = VecDeque::from(callbacks);
        if how == Finish::Commit
            && let Some(sandbox) = &self.sandbox
            && let Some(captured) = &mut *sandbox.captured.lock()
        {
            captured.extend(callbacks.drain(..));
        }
        Remaining(callbacks).run().await;
    }

    /// Begins or ends keeping the callbacks of commits instead of running them.
    pub(crate) fn capture(&self, on: bool) -> Result<()> {
        let Some(sandbox) = &self.sandbox else {
            return Err(
                Error::new(ErrorKind::Unsupported, "callbacks can be captured in a sandbox only")
                    .help("use `database.sandbox()` or `force_rollback(true)`"),
            );
        };
        let mut captured = sandbox.captured.lock();
        if on && captured.is_some() {
            return Err(Error::new(
                ErrorKind::ConcurrentUse,
                "the callbacks of this sandbox are captured already",
            )
            .help("one `capture_on_commit` at a time"));
        }
        let before = std::mem::replace(&mut *captured, on.then(Vec::new));
        // What users dropped with it may come back here.
        drop(captured);
        drop(before);
        Ok(())
    }

    /// The callbacks captured so far are counted, or taken out.
    pub(crate) fn captured(&self) -> usize {
        let captured = self.sandbox.as_ref().map(|sandbox| sandbox.captured.lock());
        captured.and_then(|kept| kept.as_ref().map(Vec::len)).unwrap_or(0)
    }

    pub(crate) async fn run_captured(&self) {
        let callbacks = self
            .sandbox
            .as_ref()
            .and_then(|sandbox| sandbox.captured.lock().as_mut().map(std::mem::take));
        Remaining(callbacks.unwrap_or_default().into()).run().await;
    }
}

/// Those that have not run yet. Dropped half-way, they are run in a task: the transaction has ended, and what follows
/// from that is due.
pub(super) struct Remaining(pub(super) VecDeque<Callback>);

impl Remaining {
    pub(super) async fn run(mut self) {
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
            // Not this type again: a runtime that shuts down drops the task at once, and would be asked for another.
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
    /// The transaction that a callback is meant for; `None` if there is none here.
    pub(crate) fn transaction(&self, asker: Asker) -> Result<Option<Arc<Node>>> {
        let level = self.level(&Chain::current(), asker)?;
        Ok(level.filter(|node| matches!(node.kind, Kind::Transaction { .. })))
    }
}

impl Anchor {
    /// The callbacks that the end of the level calls for, after it was dropped.
    pub(super) fn drop_callbacks(&self) {
        drop(Remaining(self.node.take_callbacks(None).into()));
    }
}
