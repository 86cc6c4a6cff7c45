//! The outcome of a statement or commit whose answer does not arrive: either nothing stays, or it is unknown.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::checkout::Checkout;
use super::run::BoundStatement;
use crate::error::{Error, ErrorKind, Result};
use crate::session::engine::Engine;
use crate::session::level::{Ended, Finish, Level};
use crate::session::limit::limited;
use crate::session::scope::chain::Chain;
use crate::sql::excerpt;

/// A flag that is set while a statement is under way whose effects may stay, even if its answer is lost.
#[derive(Debug, Default)]
pub(crate) struct Exposed(AtomicBool);

impl Exposed {
    pub(in crate::session) fn set(&self, exposed: bool) {
        self.0.store(exposed, Ordering::Relaxed);
    }

    pub(in crate::session) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Checkout {
    /// Returns whether the statement may write something that stays although its answer is lost.
    pub(in crate::session) fn exposes(&self, engine: &Engine, work: &BoundStatement) -> bool {
        let effect = work.template.effect();
        if effect.reads {
            return false;
        }
        match self {
            // A replica takes no writes.
            Self::Pooled { lease, .. } => Arc::ptr_eq(lease.pool(), &engine.pool),
            // The server undoes what is in a transaction, unless a procedure of MySQL has committed it.
            Self::Level { level, .. } => level.engine.sandbox.is_none() && (level.depth == 0 || effect.opaque),
        }
    }

    /// Assumes that the outcome is unknown, before something is sent that may stay. If its answer never arrives,
    /// because of a time limit or a drop, its transaction is not run again. Returns whether the answer makes the
    /// outcome known.
    pub(in crate::session) fn presume_unknown(&self, exposed: bool) -> bool {
        match self {
            Self::Level { level, .. } if exposed && level.depth > 0 => !level.note_unknown(true),
            _ => false,
        }
    }

    /// Notes that the answer has arrived.
    pub(in crate::session) fn answered(&self, known: bool) {
        if let (Self::Level { level, .. }, true) = (self, known) {
            level.note_unknown(false);
        }
    }

    /// Returns the error of a statement, with its meaning for what the statement did.
    pub(in crate::session) fn judged(&self, error: Error, work: &BoundStatement, exposed: bool) -> Error {
        if !error.leaves_open() {
            return error;
        }
        if exposed {
            if let Self::Level { level, .. } = self {
                level.note_unknown(true);
            }
            return error.unknown(&work.named(), work.caller.place);
        }
        let sandboxed = matches!(self, Self::Level { level, .. } if level.engine.sandbox.is_some());
        error.undone(sandboxed)
    }
}

impl BoundStatement {
    pub(in crate::session) fn named(&self) -> String {
        format!("`{}`", excerpt(self.text()))
    }

    /// Returns the error of a call that was given up after its time, with its meaning for what was sent.
    pub(crate) fn given_up(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Timeout && self.exposed.get() {
            return error.unknown(&self.named(), self.caller.place);
        }
        error
    }
}

impl Level {
    /// Returns whether a lost connection leaves the outcome of this level's commit unknown. That of a sandbox has depth 1
    /// and is never committed.
    pub(in crate::session) fn really_commits(&self) -> bool {
        self.depth == 1
    }

    /// Returns the error of a request to begin or end a level. Nothing of it stays, except after a commit.
    pub(in crate::session) fn judged(&self, error: Error) -> Error {
        if error.leaves_open() {
            error.undone(self.engine.sandbox.is_some())
        } else {
            error
        }
    }

    /// Returns the error of a request to end this level.
    pub(in crate::session) fn judged_end(&self, how: Finish, error: Error, place: &'static Location<'static>) -> Error {
        if how == Finish::Commit && error.leaves_open() && self.really_commits() {
            error.unknown(&self.commit(), place)
        } else {
            self.judged(error)
        }
    }

    /// Returns the error of an end that was given up after its time.
    pub(crate) fn given_up(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Timeout {
            return error;
        }
        match self.ended() {
            Some(Ended::Interrupted(place)) if self.really_commits() => {
                error.unknown(&self.commit(), place)
            }
            Some(Ended::Interrupted(_)) => {
                error.help("its changes may remain in the outer transaction, which is still open: commit or roll back the outer one")
            }
            Some(Ended::RolledBack(_)) if self.depth == 1 => error.help(
                "its connection was closed, so the server rolls the transaction back as soon as it notices; its locks may be held until then",
            ),
            _ => error,
        }
    }

    /// Commits or rolls back this level, unless that takes too long.
    pub(in crate::session) async fn finish_in_time(
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
    pub(in crate::session) fn note_unknown(&self, unknown: bool) -> bool {
        let mut before = std::mem::replace(&mut self.state.lock().unknown, unknown);
        let mut below = self.below();
        while let Some(level) = below {
            before |= std::mem::replace(&mut level.state.lock().unknown, unknown);
            below = level.below();
        }
        before
    }
}
