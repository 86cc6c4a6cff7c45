//! Transactions: how they begin, nest and end, and what happens to dropped ones.

mod begin;
mod dropped;
mod ended;
mod levels;
mod locks;
mod nested;
mod text;

use ebbtide::{Database, Error};

use crate::cases::tasks::{config, notes_with};
use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        begin::cases(),
        nested::cases(),
        dropped::cases(),
        ended::cases(),
        levels::cases(),
        locks::cases(),
        text::cases(),
    ]
    .concat()
}

/// Returns a database whose one connection every caller has to use, so that any state left on it is seen.
pub(super) async fn narrow(t: &Test) -> Database {
    notes_with(t, config(t).pool_size(1_u32)).await
}

pub(super) fn undo() -> Error {
    ebbtide::Config::from_url("undo://nothing").expect_err("there is no such scheme")
}
