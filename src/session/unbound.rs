//! Why a plain call has no connection, though it was bound to one.

use std::panic::Location;
use std::sync::Weak;

use super::Anchor;
use crate::error::{Error, ErrorKind};
use crate::pool::Asker;

/// Why a caller who was bound to a level is not, and must not run anywhere else.
#[derive(Clone, Debug)]
pub(crate) enum Unbound {
    /// What was shared with the caller has ended.
    Ended,
    /// Somebody else uses the guard.
    Away {
        anchor: Weak<Anchor>,
        opened: Asker,
        taken: Option<Asker>,
    },
}

impl Unbound {
    /// The error of a call at `place`.
    #[cold]
    pub(crate) fn error(&self, place: &Location<'_>) -> Error {
        let Self::Away { opened, taken, .. } = self else {
            return ended();
        };
        let taken = taken.map_or_else(|| "another task".to_owned(), |taken| taken.to_string());
        Error::new(
            ErrorKind::ConcurrentUse,
            format!(
                "the call at {place} would run in the transaction begun at {}, but that went to {taken}, which has used its guard \
                 since; nothing was sent",
                opened.place
            ),
        )
        .help(
            "use the guard itself here (`transaction.…`), which brings its binding back, or wait until it has ended; work beside it \
             belongs into a task of its own",
        )
    }
}

/// The error of a future that shares a transaction which has ended.
fn ended() -> Error {
    Error::new(ErrorKind::TransactionEnded, "the shared transaction or connection has ended").help(
        "await the futures that share a transaction before it is committed, rolled back or dropped; nothing was run outside of it",
    )
}
