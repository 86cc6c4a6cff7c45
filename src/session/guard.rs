//! What rolls a transaction back when it is dropped unfinished.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::{Anchor, Chain, Ended, Finish, Pin};
use crate::error::Result;

/// Holds a transaction open; dropped, it rolls back what was not ended.
#[derive(Debug)]
pub(crate) struct Guard(Arc<Anchor>);

impl Guard {
    pub(crate) fn new(anchor: Arc<Anchor>) -> Self {
        Self(anchor)
    }

    pub(crate) fn anchor(&self) -> Arc<Anchor> {
        Arc::clone(&self.0)
    }

    /// Whether it was committed or rolled back by hand.
    pub(crate) fn has_ended(&self) -> bool {
        self.0
            .node
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

impl Anchor {
    /// Ends the transaction; one that has ended is no longer bound.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        how: Finish,
        place: &'static Location<'static>,
        limit: Option<Duration>,
    ) -> Result<()> {
        let below = self.node.below();
        let result = {
            let ground = &self.node.ground;
            let chain = Chain::current();
            match ground.limit(limit) {
                // Boxed, as is everything rare on this path.
                Some(limit) => Box::pin(ground.within(self.node.finish_in_time(limit, how, &chain, place))).await,
                None if ground.sandbox.is_some() => Box::pin(ground.within(self.node.finish(how, &chain, place))).await,
                None => self.node.finish(how, &chain, place).await,
            }
        };
        let Some(ended) = self.node.ended() else { return result };
        self.retire();
        let callbacks = self.node.take_callbacks(below.as_ref());
        // A callback may want the connection that this level has given back.
        drop(below);
        if !callbacks.is_empty() {
            let how = if matches!(ended, Ended::Committed(_)) {
                Finish::Commit
            } else {
                Finish::Rollback
            };
            let outside = Chain::current().enter(vec![Pin::Past(Arc::downgrade(self))]);
            Box::pin(outside.run(self.node.ground.run_callbacks(how, callbacks))).await;
        }
        result
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.node.abandon();
        self.0.unbind();
        self.0.drop_callbacks();
    }
}
