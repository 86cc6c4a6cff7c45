//! The meaning of an error for the transaction it came in. All errors on a level go through here: those of statements,
//! savepoints, releases, rollbacks, and of the library's own requests.

use std::sync::Arc;

use super::{Level, LevelKind};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Lease;
use crate::session::statement::run::BoundStatement;

/// The request on a level that an error answers.
#[derive(Clone, Copy)]
pub(in crate::session) enum Sent<'w> {
    /// A statement of the user.
    Statement(&'w BoundStatement),
    /// A statement that may have ended the transaction by itself. A probe savepoint set before it shows that.
    Probed(&'w BoundStatement),
    /// The beginning or the end of a level.
    Boundary(&'static str),
}

impl Sent<'_> {
    pub(in crate::session) fn ended_by(self, error: &Error) -> String {
        match self {
            Self::Statement(work) | Self::Probed(work) => work.ended_by(error),
            Self::Boundary(what) => format!("{}, at `{what}`", error.message()),
        }
    }

    /// Returns `true` for a statement that does nothing to transactions and definitions, whatever its result.
    fn is_plain(self) -> bool {
        let Self::Statement(work) = self else { return false };
        work.template.is_plain()
    }

    fn is_probed(self) -> bool {
        matches!(self, Self::Probed(_))
    }
}

/// The state of a transaction after an error in it.
#[derive(Debug)]
pub(in crate::session) enum Verdict {
    Stands,
    /// It has ended; contains the error that reported the end, if that is another one.
    Ended(Option<Error>),
}

impl Level {
    /// Handles the error of a request on this level, and returns whether its transaction still stands.
    pub(in crate::session) async fn heed(self: &Arc<Self>, lease: &mut Lease, error: &Error, sent: Sent<'_>) -> bool {
        matches!(self.verdict(lease, error, sent).await, Verdict::Stands)
    }

    /// Does the same, and returns the reason of an end.
    ///
    /// If the transaction has ended, every level of it is marked. If the error itself does not show that, the server is
    /// asked. This costs a round trip on MySQL, unless the error certainly concerns the statement alone. PostgreSQL
    /// ends no transaction with an error that leaves the connection, and SQLite's answer costs no round trip.
    pub(in crate::session) async fn verdict(
        self: &Arc<Self>,
        lease: &mut Lease,
        error: &Error,
        sent: Sent<'_>,
    ) -> Verdict {
        if error.is_retryable() {
            self.note_retryable();
        }
        if error.is_fatal() {
            lease.lose();
        } else if error.kind() == ErrorKind::SandboxBroken {
            lease.discard();
        }
        if lease.is_lost() {
            self.end_by_server(&sent.ended_by(error));
            return Verdict::Ended(None);
        }
        if self.depth == 0 {
            return Verdict::Stands;
        }
        let mut cause = None;
        if error.ends_transaction() {
            if self.engine.sandbox.is_some() {
                // The next user must not write outside of the transaction it believes in.
                lease.discard();
            }
        } else {
            let stands = self.leaves_open(error, sent)
                || match self.has_transaction(lease, sent.is_probed()).await {
                    Ok(open) => open,
                    Err(conflict) => {
                        cause = Some(self.ended_with(lease, conflict, sent.is_probed()));
                        false
                    }
                };
            if stands {
                self.note_failure(error);
                return Verdict::Stands;
            }
            lease.discard();
        }
        self.end_by_server(&sent.ended_by(error));
        if !sent.is_probed() {
            self.note_undone();
        }
        Verdict::Ended(cause)
    }

    /// Handles an error that came when the server was asked whether the transaction stands; with it the transaction
    /// ended. If the connection was lost after something that `may_have_committed`, it is unknown what stayed.
    pub(in crate::session) fn ended_with(
        self: &Arc<Self>,
        lease: &mut Lease,
        error: Error,
        may_have_committed: bool,
    ) -> Error {
        if error.is_fatal() {
            lease.lose();
        }
        if error.leaves_open() && may_have_committed {
            self.note_unknown(true);
            return error;
        }
        let error = self.judged(error);
        if error.is_retryable() {
            self.note_retryable();
        }
        error
    }

    /// Does the same for the result of the library's own requests on this level.
    pub(in crate::session) async fn heeded<T>(
        self: &Arc<Self>,
        lease: &mut Lease,
        result: Result<T>,
        sent: Sent<'_>,
    ) -> Result<T> {
        if let Err(error) = &result {
            self.heed(lease, error, sent).await;
        }
        result
    }

    /// Returns whether the transaction is certainly still open after an error.
    fn leaves_open(&self, error: &Error, sent: Sent<'_>) -> bool {
        if sent.is_probed() {
            return false;
        }
        // An error without a code comes from this side.
        error.sqlstate().is_none() || self.engine.rules().leaves_open(error, sent.is_plain())
    }

    /// Notes an error where any error aborts a transaction. PostgreSQL answers a later COMMIT with ROLLBACK and no error.
    fn note_failure(&self, error: &Error) {
        if self.engine.transactions.aborted.is_some() && error.sqlstate().is_some() {
            let mut state = self.state.lock();
            state.failed.get_or_insert_with(|| error.message().to_owned());
        }
    }

    /// Notes that the server has rolled this level and those below it back.
    pub(in crate::session) fn note_undone(self: &Arc<Self>) {
        let mut level = Arc::clone(self);
        loop {
            let mut state = level.state.lock();
            state.undone = true;
            let Some(parent) = state.parent.clone() else { return };
            drop(state);
            level = parent;
        }
    }

    /// Returns whether the server has already rolled back what is to be rolled back.
    pub(in crate::session) fn is_undone(&self) -> bool {
        matches!(self.kind, LevelKind::Transaction { .. }) && self.state.lock().undone
    }
}
