//! The outcome of an operation.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'e> {
    Done,
    Failed(&'e Error),
    /// The waiter was dropped, or ran out of time.
    Cancelled,
}

impl<'e> Outcome<'e> {
    /// Returns the value of `error.type`.
    pub(super) fn class(self) -> Option<Cow<'e, str>> {
        match self {
            Self::Done => None,
            Self::Failed(error) => Some(error_type(error)),
            Self::Cancelled => Some("cancelled".into()),
        }
    }

    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}

impl<'e> From<Option<&'e Error>> for Outcome<'e> {
    fn from(error: Option<&'e Error>) -> Self {
        error.map_or(Self::Done, Self::Failed)
    }
}

/// Returns the class of an error: the server's code, or else the kind.
pub(super) fn error_type(error: &Error) -> Cow<'_, str> {
    error.finest_code().unwrap_or_else(|| kind(error.kind()).into())
}

/// Returns the name of a kind in the style of the conventions: `connection_lost`.
fn kind(kind: ErrorKind) -> String {
    let mut out = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
