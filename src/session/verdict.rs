//! What an error means for the transaction it came in. Errors of everything that is sent on a level go through here: of
//! statements, savepoints, releases, rollbacks, and of what the library asks for its own ends.

use std::sync::Arc;

use super::{Kind, Node, Work};
use crate::error::{Error, Result};
use crate::pool::Lease;
use crate::sql::Dialect;

/// What was sent on a level when an error came.
#[derive(Clone, Copy)]
pub(super) enum Sent<'w> {
    /// A statement of the user.
    Statement(&'w Work),
    /// A statement that may have ended the transaction by itself. A savepoint that was set before tells.
    Witnessed(&'w Work),
    /// What begins or ends a level.
    Boundary(&'static str),
}

impl Sent<'_> {
    pub(super) fn ended_by(self, error: &Error) -> String {
        match self {
            Self::Statement(work) | Self::Witnessed(work) => work.ended_by(error),
            Self::Boundary(what) => format!("{}, at `{what}`", error.message()),
        }
    }

    /// True for a statement that does nothing to transactions and definitions, whatever comes of it.
    fn is_plain(self) -> bool {
        let Self::Statement(work) = self else { return false };
        work.template.is_plain()
    }

    fn is_witnessed(self) -> bool {
        matches!(self, Self::Witnessed(_))
    }
}

/// What became of a transaction in which an error came.
#[derive(Debug)]
pub(super) enum Verdict {
    Stands,
    /// It has ended; with the error that told so, where that is another one.
    Ended(Option<Error>),
}

impl Node {
    /// Takes in an error of what was sent on this level, and tells whether its transaction still stands.
    pub(super) async fn heed(self: &Arc<Self>, lease: &mut Lease, error: &Error, sent: Sent<'_>) -> bool {
        matches!(self.verdict(lease, error, sent).await, Verdict::Stands)
    }

    /// The same, with the reason of an end.
    ///
    /// If the transaction has ended, every level of it is marked. Where the error itself does not tell, the server is asked:
    /// that costs a round trip on MySQL, unless the error is certainly the statement's alone. PostgreSQL ends no transaction
    /// with an error that leaves the connection, and SQLite's answer costs none.
    pub(super) async fn verdict(self: &Arc<Self>, lease: &mut Lease, error: &Error, sent: Sent<'_>) -> Verdict {
        if error.is_retryable() {
            self.note_retryable();
        }
        if error.is_fatal() {
            lease.lose();
        }
        if lease.is_lost() {
            self.end_by_server(&sent.ended_by(error));
            return Verdict::Ended(None);
        }
        if self.depth == 0 {
            return Verdict::Stands;
        }
        let mut heard = None;
        if error.ends_transaction() {
            if self.ground.sandbox.is_some() {
                // Whoever gets it next must not write outside of the transaction it believes in.
                lease.discard();
            }
        } else {
            let stands = self.leaves_open(error, sent)
                || match self.has_transaction(lease, sent.is_witnessed()).await {
                    Ok(open) => open,
                    Err(conflict) => {
                        heard = Some(self.ended_with(lease, conflict, sent.is_witnessed()));
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
        if !sent.is_witnessed() {
            self.note_undone();
        }
        Verdict::Ended(heard)
    }

    /// Takes in the error that came where the server was asked whether the transaction stands: that is how it ended. Where the
    /// connection was lost after something that `may_have_committed`, nobody knows what stayed.
    pub(super) fn ended_with(self: &Arc<Self>, lease: &mut Lease, error: Error, may_have_committed: bool) -> Error {
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

    /// The same for the result of what the library sends for its own ends on this level.
    pub(super) async fn heeded<T>(self: &Arc<Self>, lease: &mut Lease, result: Result<T>, sent: Sent<'_>) -> Result<T> {
        if let Err(error) = &result {
            self.heed(lease, error, sent).await;
        }
        result
    }

    /// Whether it is certain that the transaction is still open after an error.
    fn leaves_open(&self, error: &Error, sent: Sent<'_>) -> bool {
        if sent.is_witnessed() {
            return false;
        }
        // Without a code it is an error of this side.
        error.sqlstate().is_none()
            || match self.ground.dialect() {
                Dialect::Postgres => true,
                // Of a definition, or of a savepoint that is gone, the same error may be the sign of an end.
                Dialect::MySql => sent.is_plain() && error.is_of_statement(),
                Dialect::Sqlite => false,
            }
    }

    /// PostgreSQL aborts a transaction with any error, and answers a later COMMIT with ROLLBACK and no error.
    fn note_failure(&self, error: &Error) {
        if self.ground.dialect() == Dialect::Postgres && error.sqlstate().is_some() {
            let mut state = self.state.lock();
            state.failed.get_or_insert_with(|| error.message().to_owned());
        }
    }

    /// Notes that the server has rolled this level and those below it back.
    pub(super) fn note_undone(self: &Arc<Self>) {
        let mut node = Arc::clone(self);
        loop {
            let mut state = node.state.lock();
            state.undone = true;
            let Some(parent) = state.parent.clone() else { return };
            drop(state);
            node = parent;
        }
    }

    /// Whether the server has rolled back what is to be rolled back already.
    pub(super) fn is_undone(&self) -> bool {
        matches!(self.kind, Kind::Transaction { .. }) && self.state.lock().undone
    }
}
