//! The reasons why a plain call has no connection, though it was bound to one.

use std::panic::Location;
use std::sync::Weak;

use super::handle::LevelHandle;
use crate::error::{Error, ErrorKind};
use crate::pool::Caller;

/// The reason why a caller that was bound to a level no longer is, and must not run anywhere else.
#[derive(Clone, Debug)]
pub(crate) enum Unbound {
    /// The level shared with the caller has ended.
    Ended,
    /// Another owner uses the guard.
    Away {
        handle: Weak<LevelHandle>,
        opened: Caller,
        taken: Option<Caller>,
    },
}

impl Unbound {
    /// Returns the error of a call at `place`.
    #[cold]
    pub(crate) fn error(&self, place: &Location<'_>) -> Error {
        let Self::Away { opened, taken, .. } = self else {
            return ended();
        };
        let taken = taken.map_or_else(|| "another task".to_owned(), |taken| taken.to_string());
        Error::new(
            ErrorKind::ConcurrentUse,
            format!(
                "the call at {place} would run in the transaction begun at {}, but the transaction is now bound to \
                 {taken}, which has used its guard since; nothing was sent",
                opened.place
            ),
        )
        .help(
            "use the guard itself here (`transaction.…`), which restores its binding, or wait until it has ended; run \
             independent work in a task of its own",
        )
    }
}

/// Returns the error of a future that shares a transaction which has ended.
fn ended() -> Error {
    Error::new(ErrorKind::TransactionEnded, "the shared transaction or connection has ended").help(
        "await the futures that share a transaction before it is committed, rolled back or dropped; nothing was run outside of the transaction",
    )
}
