//! What becomes of work whose answer does not come: it is known that nothing stays, or nobody knows.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::hold::Hold;
use super::report::shown;
use super::{Chain, Ended, Finish, Node, Work, limited};
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
    pub(super) fn exposes(&self, work: &Work) -> bool {
        let effect = work.template.effect();
        if effect.reads {
            return false;
        }
        match self {
            Self::Pooled { .. } => true,
            // The server undoes what is in a transaction, unless a procedure of MySQL has committed it.
            Self::Level { node, .. } => node.ground.sandbox.is_none() && (node.depth == 0 || effect.opaque),
        }
    }

    /// The error of a statement, with what it means for what the statement did.
    pub(super) fn judged(&self, error: Error, work: &Work, exposed: bool) -> Error {
        if !error.leaves_open() {
            return error;
        }
        if exposed {
            if let Self::Level { node, .. } = self {
                node.note_unknown();
            }
            return error.unknown(&work.named(), work.asker.place);
        }
        let sandboxed = matches!(self, Self::Level { node, .. } if node.ground.sandbox.is_some());
        error.undone(sandboxed)
    }
}

impl Work {
    fn named(&self) -> String {
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
    fn note_unknown(&self) {
        self.state.lock().unknown = true;
        let mut below = self.below();
        while let Some(node) = below {
            node.state.lock().unknown = true;
            below = node.below();
        }
    }
}
