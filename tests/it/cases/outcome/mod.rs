//! X12: whether it was done is unknown where an answer is lost after the last request, and never before.

mod limits;
mod lost;
mod ways;

use crate::support::Case;

/// The cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [lost::cases(), limits::cases()].concat()
}
