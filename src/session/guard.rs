//! What rolls a transaction back when it is dropped unfinished.

use std::panic::Location;
use std::sync::Arc;

use super::{Anchor, Chain, Ended, Finish};
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

    pub(crate) async fn finish(&self, how: Finish, place: &'static Location<'static>) -> Result<()> {
        self.0.finish(how, place).await
    }
}

impl Anchor {
    /// Ends the transaction; one that has ended is no longer bound.
    pub(crate) async fn finish(&self, how: Finish, place: &'static Location<'static>) -> Result<()> {
        let below = self.node.below();
        let chain = Chain::current();
        let finish = self.node.finish(how, &chain, place);
        let result = if self.node.ground.sandbox.is_some() {
            Box::pin(self.node.ground.within(finish)).await
        } else {
            finish.await
        };
        let Some(ended) = self.node.ended() else { return result };
        self.unbind();
        let callbacks = self.node.take_callbacks(below.as_ref());
        // A callback may want the connection that this level has given back.
        drop(below);
        if !callbacks.is_empty() {
            let how = if matches!(ended, Ended::Committed(_)) {
                Finish::Commit
            } else {
                Finish::Rollback
            };
            Box::pin(self.node.ground.run_callbacks(how, callbacks)).await;
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
