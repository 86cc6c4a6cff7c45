//! What is noted with a connection where there are replicas: who has written over it, and how far its server is.

use super::{Lease, Who};
use crate::backend::Position;

impl Lease {
    /// Marks that somebody wrote in the transaction that is open.
    pub(crate) fn note_writer(&mut self, who: Who) {
        if !self.writers.contains(&who) {
            self.writers.push(who);
        }
    }

    /// Those who wrote in the transaction that is open, which is about to end.
    pub(crate) fn take_writers(&mut self) -> Vec<Who> {
        std::mem::take(&mut self.writers)
    }

    /// How far the server was when it was last asked over this connection.
    pub(crate) fn reached(&self) -> Option<&Position> {
        self.idle.as_ref()?.reached.as_deref()
    }

    /// Notes how far the server is.
    pub(crate) fn set_reached(&mut self, position: Position) {
        if let Some(idle) = &mut self.idle {
            idle.reached = Some(Box::new(position));
        }
    }
}
