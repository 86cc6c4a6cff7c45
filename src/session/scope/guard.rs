//! The guard that rolls a transaction back when it is dropped unfinished.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::chain::{Chain, Pin};
use super::handle::LevelHandle;
use crate::error::Result;
use crate::session::level::{Ended, Finish};

/// A guard that keeps a transaction open. Dropped, it rolls back what was not ended.
#[derive(Debug)]
pub(crate) struct Guard(Arc<LevelHandle>);

impl Guard {
    pub(crate) fn new(handle: Arc<LevelHandle>) -> Self {
        Self(handle)
    }

    pub(crate) fn handle(&self) -> Arc<LevelHandle> {
        Arc::clone(&self.0)
    }

    /// Returns whether the transaction was committed or rolled back explicitly.
    pub(crate) fn has_ended(&self) -> bool {
        self.0
            .level
            .ended()
            .is_some_and(|ended| matches!(ended, Ended::Committed(_) | Ended::RolledBack(_)))
    }

    pub(crate) fn finish(
        &self,
        how: Finish,
        place: &'static Location<'static>,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<()>> + Send {
        self.0.leave_home();
        self.0.finish(how, place, limit)
    }
}

impl LevelHandle {
    /// Ends the transaction and retires its binding.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        how: Finish,
        place: &'static Location<'static>,
        limit: Option<Duration>,
    ) -> Result<()> {
        let below = self.level.below();
        let result = {
            let engine = &self.level.engine;
            match engine.limit(limit) {
                None if engine.sandbox.is_none() => self.level.finish(how, &Chain::current(), place).await,
                // Boxed, as is everything rare on this path.
                limit => {
                    let level = Arc::clone(&self.level);
                    let end = async move {
                        let chain = Chain::current();
                        match limit {
                            Some(limit) => level.finish_in_time(limit, how, &chain, place).await,
                            None => level.finish(how, &chain, place).await,
                        }
                    };
                    Box::pin(engine.isolate(end)).await
                }
            }
        };
        let Some(ended) = self.level.ended() else { return result };
        self.retire();
        let callbacks = self.level.take_callbacks(below.as_ref());
        // A callback may need the connection that this level has given back.
        drop(below);
        if !callbacks.is_empty() {
            let how = if matches!(ended, Ended::Committed(_)) {
                Finish::Commit
            } else {
                Finish::Rollback
            };
            let outside = Chain::current().enter(vec![Pin::Past(Arc::downgrade(self))]);
            Box::pin(outside.run(self.level.engine.run_callbacks(how, callbacks))).await;
        }
        result
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.level.abandon();
        self.0.unbind();
        self.0.drop_callbacks();
    }
}
