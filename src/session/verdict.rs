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

impl Node {
    /// Takes in an error of what was sent on this level, and tells whether its transaction still stands.
    ///
    /// If it does not, every level of it is marked. Where the error itself does not tell, the server is asked: that costs
    /// a round trip on MySQL, unless the error is certainly the statement's alone. PostgreSQL ends no transaction with an
    /// error that leaves the connection, and SQLite's answer costs none.
    pub(super) async fn heed(self: &Arc<Self>, lease: &mut Lease, error: &Error, sent: Sent<'_>) -> bool {
        if error.is_retryable() {
            self.note_retryable();
        }
        if error.is_fatal() {
            lease.lose();
        }
        if lease.is_lost() {
            self.end_by_server(&sent.ended_by(error));
            return false;
        }
        if self.depth == 0 {
            return true;
        }
        if error.ends_transaction() {
            if self.ground.sandbox.is_some() {
                // Whoever gets it next must not write outside of the transaction it believes in.
                lease.discard();
            }
        } else if !self.leaves_open(error, sent) && !self.has_transaction(lease, sent.is_witnessed()).await {
            lease.discard();
        } else {
            self.note_failure(error);
            return true;
        }
        self.end_by_server(&sent.ended_by(error));
        if !sent.is_witnessed() {
            self.note_undone();
        }
        false
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
    fn note_undone(self: &Arc<Self>) {
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
