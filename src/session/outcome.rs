//! What becomes of work whose answer does not come: it is known that nothing stays, or nobody knows.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::hold::Hold;
use super::report::shown;
use super::{Chain, Ended, Finish, Ground, Node, Work, limited};
use crate::error::{Error, ErrorKind, Result};

/// Whether a statement is on its way that may stay, whoever hears of it.
#[derive(Debug, Default)]
pub(crate) struct Exposed(AtomicBool);

impl Exposed {
    pub(super) fn set(&self, exposed: bool) {
        self.0.store(exposed, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Hold {
    /// Whether the statement may write something that stays although its answer is lost.
    pub(super) fn exposes(&self, ground: &Ground, work: &Work) -> bool {
        let effect = work.template.effect();
        if effect.reads {
            return false;
        }
        match self {
            // A replica takes no writes.
            Self::Pooled { lease, .. } => Arc::ptr_eq(lease.pool(), &ground.pool),
            // The server undoes what is in a transaction, unless a procedure of MySQL has committed it.
            Self::Level { node, .. } => node.ground.sandbox.is_none() && (node.depth == 0 || effect.opaque),
        }
    }

    /// Before what may stay is sent: should its answer never be heard, by a time limit or a drop, its transaction is not run
    /// again. Returns whether the answer makes that known.
    pub(super) fn presume_unknown(&self, exposed: bool) -> bool {
        match self {
            Self::Level { node, .. } if exposed && node.depth > 0 => !node.note_unknown(true),
            _ => false,
        }
    }

    /// The answer is there.
    pub(super) fn answered(&self, known: bool) {
        if let (Self::Level { node, .. }, true) = (self, known) {
            node.note_unknown(false);
        }
    }

    /// The error of a statement, with what it means for what the statement did.
    pub(super) fn judged(&self, error: Error, work: &Work, exposed: bool) -> Error {
        if !error.leaves_open() {
            return error;
        }
        if exposed {
            if let Self::Level { node, .. } = self {
                node.note_unknown(true);
            }
            return error.unknown(&work.named(), work.asker.place);
        }
        let sandboxed = matches!(self, Self::Level { node, .. } if node.ground.sandbox.is_some());
        error.undone(sandboxed)
    }
}

impl Work {
    pub(super) fn named(&self) -> String {
        format!("`{}`", shown(self.text()))
    }

    /// The error of a call that was given up after its time, with what it means for what was sent.
    pub(crate) fn given_up(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Timeout && self.exposed.get() {
            return error.unknown(&self.named(), self.asker.place);
        }
        error
    }
}

impl Node {
    /// Whether a lost connection leaves open what became of the commit of this level.
    pub(super) fn really_commits(&self) -> bool {
        self.depth == 1 && self.ground.sandbox.is_none()
    }

    /// The error of what was sent to begin or end a level; nothing of it stays but after a commit.
    pub(super) fn judged(&self, error: Error) -> Error {
        if error.leaves_open() {
            error.undone(self.ground.sandbox.is_some())
        } else {
            error
        }
    }

    /// The error of what was sent to end this level.
    pub(super) fn judged_end(&self, how: Finish, error: Error, place: &'static Location<'static>) -> Error {
        if how == Finish::Commit && error.leaves_open() && self.really_commits() {
            error.unknown(&self.commit(), place)
        } else {
            self.judged(error)
        }
    }

    /// The error of an end that was given up after its time.
    pub(crate) fn given_up(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Timeout {
            return error;
        }
        match self.ended() {
            Some(Ended::Interrupted(place)) if self.really_commits() => {
                error.unknown(&self.commit(), place)
            }
            Some(Ended::Interrupted(_)) => {
                error.help("what was done in it may stay with the outer transaction, which is still open: commit or roll back that one")
            }
            Some(Ended::RolledBack(_)) if self.depth == 1 => error.help(
                "its connection was closed, so the server undoes the transaction as soon as it notices; its locks may stand until then",
            ),
            _ => error,
        }
    }

    /// Commits or rolls back this level, unless that takes too long.
    pub(super) async fn finish_in_time(
        self: &Arc<Self>,
        limit: Duration,
        how: Finish,
        chain: &Chain,
        place: &'static Location<'static>,
    ) -> Result<()> {
        self.state.lock().hurried = true;
        let finished = limited(limit, place, self.finish(how, chain, place)).await;
        finished.map_err(|error| self.given_up(error))
    }

    fn commit(&self) -> String {
        format!("the commit of the transaction begun at {}", self.opened.place)
    }

    /// Notes that something in this transaction may have been kept, so that it is not run again.
    /// Returns whether that was noted before, here or below.
    pub(super) fn note_unknown(&self, unknown: bool) -> bool {
        let mut before = std::mem::replace(&mut self.state.lock().unknown, unknown);
        let mut below = self.below();
        while let Some(node) = below {
            before |= std::mem::replace(&mut node.state.lock().unknown, unknown);
            below = node.below();
        }
        before
    }
}
