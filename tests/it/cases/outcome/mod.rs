//! X12: the outcome is unknown if an answer is lost after the last request, and is never unknown before.

mod ends;
mod limits;
mod lost;
mod standby;
#[cfg(feature = "sqlx-interop")]
mod steps;
mod ways;

use crate::support::Case;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    #[cfg_attr(
        not(feature = "sqlx-interop"),
        expect(unused_mut, reason = "the bridge has cases too")
    )]
    let mut cases = [lost::cases(), ends::cases(), limits::cases(), standby::cases()].concat();
    #[cfg(feature = "sqlx-interop")]
    cases.extend(steps::cases());
    cases
}
