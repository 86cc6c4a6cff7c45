//! The options of a transaction.

use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};

/// The time at which SQLite takes its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Deferred,
    Immediate,
    Exclusive,
}

/// The requested properties of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeginOptions {
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) rollback_only: bool,
}

impl BeginOptions {
    /// Returns whether the transaction is to be the one that writes.
    pub(crate) fn writes(self) -> bool {
        matches!(self.mode, Some(Mode::Immediate | Mode::Exclusive))
            || (!self.read_only && self.mode != Some(Mode::Deferred))
    }

    /// Refuses exclusive transactions, for a server without them. `help` has the words for it on that server.
    pub(crate) fn refuse_exclusive(self, server: &str, help: &'static str) -> Result<()> {
        if self.mode == Some(Mode::Exclusive) {
            return Err(unsupported(server, "EXCLUSIVE transactions", help));
        }
        Ok(())
    }
}

/// Returns a level in the words of the SQL standard.
pub(crate) fn level_words(level: IsolationLevel, server: &str) -> Result<&'static str> {
    match level {
        IsolationLevel::ReadUncommitted => Ok("READ UNCOMMITTED"),
        IsolationLevel::ReadCommitted => Ok("READ COMMITTED"),
        IsolationLevel::RepeatableRead => Ok("REPEATABLE READ"),
        IsolationLevel::Serializable => Ok("SERIALIZABLE"),
        #[allow(unreachable_patterns)]
        other => Err(unsupported(
            server,
            &format!("isolation level {other}"),
            "use one of the four levels of the SQL standard",
        )),
    }
}

/// Returns the error for a property that a server does not have.
pub(crate) fn unsupported(server: &str, what: &str, help: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{server} does not support {what}")).help(help)
}
