//! The notes on a connection: when its request was sent, what may be open on it, the turn to write that it has, and, where there are replicas, who
//! has written over it and the position of its server.

use std::time::{Duration, Instant};

use super::gate::Turn;
use super::{Lease, TaskOrThread};
use crate::backend::Position;

impl Lease {
    /// Notes a writer in the open transaction.
    pub(crate) fn note_writer(&mut self, who: TaskOrThread) {
        if !self.writers.contains(&who) {
            self.writers.push(who);
        }
    }

    /// Takes the tasks and threads that wrote in the open transaction, which is about to end.
    pub(crate) fn take_writers(&mut self) -> Vec<TaskOrThread> {
        std::mem::take(&mut self.writers)
    }

    /// Returns the position of the server when it was last asked over this connection.
    pub(crate) fn reached(&self) -> Option<&Position> {
        self.idle.as_ref()?.reached.as_deref()
    }

    /// Notes the position of the server.
    pub(crate) fn set_reached(&mut self, position: Position) {
        if let Some(idle) = &mut self.idle {
            idle.reached = Some(Box::new(position));
        }
    }
}

impl Lease {
    /// Notes that a request is sent now.
    pub(crate) fn note_sent(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.sent = Some(Instant::now());
        }
    }

    /// Returns the time since the request was sent, once.
    pub(crate) fn take_sent(&mut self) -> Option<Duration> {
        let sent = self.idle.as_mut()?.sent.take()?;
        Some(sent.elapsed())
    }
}

impl Lease {
    /// Returns whether SQL text may have begun a transaction on it since it was acquired.
    pub(crate) fn may_be_in_text(&self) -> bool {
        self.may_have_transaction
    }

    /// Returns whether a read-only transaction is open that is one by a setting of the session.
    pub(crate) fn is_read_only(&self) -> bool {
        self.undo.is_some()
    }
}

impl Lease {
    pub(crate) fn has_turn(&self) -> bool {
        self.turn().is_some()
    }

    /// Keeps the turn to write until no transaction is open, or the connection is given back.
    pub(crate) fn keep_turn(&mut self, turn: Turn) {
        if let Some(idle) = &mut self.idle {
            idle.turn = Some(turn);
        }
    }

    /// Returns the turn to write, if the connection has it.
    pub(crate) fn turn(&self) -> Option<&Turn> {
        self.idle.as_ref()?.turn.as_ref()
    }

    /// Passes the turn to write to the next in the queue.
    pub(crate) fn end_turn(&mut self) {
        drop(self.idle.as_mut().and_then(|idle| idle.turn.take()));
    }
}
