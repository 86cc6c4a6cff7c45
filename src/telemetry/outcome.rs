//! How something ended that was under way.

use std::borrow::Cow;

use super::span::error_type;
use crate::error::Error;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'e> {
    Done,
    Failed(&'e Error),
    /// Whoever waited for it was dropped, or ran out of time.
    Cancelled,
}

impl<'e> Outcome<'e> {
    /// What is told as `error.type`.
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
