//! Operations under way on a level, and waiters for its connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{Level, LevelKind};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::scope::chain::{Chain, Owner};
use crate::sql::Statement;

/// An operation under way on a level.
#[derive(Clone, Debug)]
pub(in crate::session) struct Operation {
    id: u64,
    pub(in crate::session) owner: Owner,
    pub(in crate::session) caller: Caller,
    pub(in crate::session) what: &'static str,
    /// Known in a sandbox only, which reports who keeps others waiting.
    pub(in crate::session) since: Option<Instant>,
}

impl Level {
    /// Enters an operation; it is under way until the returned value is dropped.
    pub(in crate::session) fn enter(self: &Arc<Self>, chain: &Chain, caller: Caller, what: &'static str) -> UnderWay {
        let owner = chain.innermost();
        let mut state = self.state.lock();
        if let Some(text) = &mut state.text {
            text.is_used_by(chain);
        }
        state.next_operation += 1;
        let id = state.next_operation;
        let since = self.engine.sandbox.as_ref().map(|_| Instant::now());
        state.operations.push_back(Operation {
            id,
            owner,
            caller,
            what,
            since,
        });
        UnderWay {
            level: Arc::clone(self),
            id,
        }
    }

    /// Notes the statement that is about to run, for reports to waiters.
    pub(in crate::session) fn runs(&self, statement: &Arc<Statement>) {
        if let Some(sandbox) = &self.engine.sandbox {
            self.state.lock().last = Some(Arc::clone(statement));
            *sandbox.latest.lock() = Some(Arc::clone(statement));
        }
    }

    /// Registers a waiter until the returned value is dropped.
    pub(in crate::session) fn wait(self: &Arc<Self>, caller: Caller) -> Waiting {
        let mut state = self.state.lock();
        state.next_operation += 1;
        let id = state.next_operation;
        state.waiting.push_back((id, caller, Instant::now()));
        Waiting {
            level: Arc::clone(self),
            id,
        }
    }

    /// The beginning of a transaction.
    pub(in crate::session) const BEGINNING: &'static str = "beginning a transaction";

    /// An operation that gives way to others, and so does not count as one under way.
    pub(in crate::session) const STREAM: &'static str = "an open stream";

    /// Returns an error if the same owner has an operation under way: only a concurrent sibling can call this then.
    pub(in crate::session) fn idle_for(&self, owner: Owner, caller: Caller) -> Result<()> {
        let state = self.state.lock();
        let sibling = |operation: &&Operation| operation.owner == owner && operation.what != Self::STREAM;
        match state.operations.iter().find(sibling) {
            None => Ok(()),
            Some(other) => Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "a transaction was begun at {} while {} of the same task, at {}, is in progress on its connection",
                    caller.place, other.what, other.caller.place
                ),
            )
            .help("futures that run concurrently in one task (`join!`, `select!`, `FuturesUnordered`) each need `transaction().run(…)`, which binds to its own future")),
        }
    }
}

/// An operation under way; see [`Level::enter`].
#[derive(Debug)]
pub(in crate::session) struct UnderWay {
    pub(in crate::session) level: Arc<Level>,
    pub(in crate::session) id: u64,
}

impl UnderWay {
    /// Returns whether it has the turn to write for itself.
    pub(in crate::session) fn has_turn(&self) -> bool {
        self.level.state.lock().turns.iter().any(|(id, _)| *id == self.id)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let (ended, turn, in_text) = {
            let mut state = self.level.state.lock();
            remove(&mut state.operations, self.id, |operation| operation.id);
            let turn = state.turns.iter().position(|(id, _)| *id == self.id);
            let turn = turn.map(|at| state.turns.swap_remove(at));
            (state.ended.is_some(), turn, state.text.is_some())
        };
        drop(turn);
        if in_text {
            // A COMMIT that was cut off may have ended it.
            self.level.clean_soon();
        }
        // The guard was dropped while this went on; now the connection can be released.
        if ended {
            if let LevelKind::Transaction { .. } = self.level.kind {
                self.level.let_go();
            } else {
                self.level.close_late();
            }
        }
    }
}

/// A place in the queue; see [`Level::wait`].
pub(in crate::session) struct Waiting {
    level: Arc<Level>,
    id: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        remove(&mut self.level.state.lock().waiting, self.id, |(id, ..)| *id);
    }
}

/// Removes an entry from a list that is in the order of `id`. Most entries leave it in the order in which they came.
fn remove<T>(list: &mut VecDeque<T>, id: u64, id_of: impl FnMut(&T) -> u64) {
    if let Ok(at) = list.binary_search_by_key(&id, id_of) {
        list.remove(at);
    }
}
