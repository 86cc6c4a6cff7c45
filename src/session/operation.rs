//! What is under way on a level, and who waits for its connection.

use std::sync::Arc;
use std::time::Instant;

use super::{Kind, Node, Owner};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::sql::Statement;

/// An operation under way on a level.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    id: u64,
    pub(super) owner: Owner,
    pub(super) asker: Asker,
    pub(super) what: &'static str,
    /// Known in a sandbox only, where it is told who keeps others waiting.
    pub(super) since: Option<Instant>,
}

impl Node {
    /// Enters an operation; it is under way until the returned value is dropped.
    pub(super) fn enter(self: &Arc<Self>, owner: Owner, asker: Asker, what: &'static str) -> UnderWay {
        let mut state = self.state.lock();
        state.next_operation += 1;
        let id = state.next_operation;
        let since = self.ground.sandbox.as_ref().map(|_| Instant::now());
        state.operations.push(Operation {
            id,
            owner,
            asker,
            what,
            since,
        });
        UnderWay {
            node: Arc::clone(self),
            id,
        }
    }

    /// Notes the statement that is about to run, for those who wait.
    pub(super) fn runs(&self, statement: &Arc<Statement>) {
        if let Some(sandbox) = &self.ground.sandbox {
            self.state.lock().last = Some(Arc::clone(statement));
            *sandbox.latest.lock() = Some(Arc::clone(statement));
        }
    }

    /// Those who wait are counted until the returned value is dropped.
    pub(super) fn wait(self: &Arc<Self>, asker: Asker) -> Waiting {
        let mut state = self.state.lock();
        state.next_operation += 1;
        let id = state.next_operation;
        state.waiting.push((id, asker, Instant::now()));
        Waiting {
            node: Arc::clone(self),
            id,
        }
    }

    /// An operation that gives way to others, and so does not count as one under way.
    pub(super) const STREAM: &'static str = "an open stream";

    /// An error if the same owner has an operation under way: only a concurrent sibling can ask then.
    pub(super) fn idle_for(&self, owner: Owner, asker: Asker) -> Result<()> {
        let state = self.state.lock();
        let sibling = |operation: &&Operation| operation.owner == owner && operation.what != Self::STREAM;
        match state.operations.iter().find(sibling) {
            None => Ok(()),
            Some(other) => Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "a transaction was begun at {} while {} of the same task, at {}, is under way on its connection",
                    asker.place, other.what, other.asker.place
                ),
            )
            .help("futures that run side by side in one task (`join!`, `select!`, `FuturesUnordered`) each need `transaction().run(…)`, which binds to its own future")),
        }
    }
}

/// An operation under way; see [`Node::enter`].
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) node: Arc<Node>,
    pub(super) id: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let (ended, turn) = {
            let mut state = self.node.state.lock();
            state.operations.retain(|operation| operation.id != self.id);
            let turn = state.turns.iter().position(|(id, _)| *id == self.id);
            (state.ended.is_some(), turn.map(|at| state.turns.swap_remove(at)))
        };
        drop(turn);
        // The guard was dropped while this went on; now the connection can be let go.
        if ended && matches!(self.node.kind, Kind::Transaction { .. }) {
            self.node.let_go();
        }
    }
}

/// A place in the queue; see [`Node::wait`].
pub(super) struct Waiting {
    node: Arc<Node>,
    id: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.node.state.lock().waiting.retain(|(id, ..)| *id != self.id);
    }
}
