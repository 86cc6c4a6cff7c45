//! Running one statement: from its text and values to its rows, on the connection that is meant.

mod bridged;
pub(super) mod checkout;
pub(super) mod copy;
pub(super) mod handoff;
pub(super) mod internal;
pub(super) mod lend;
pub(super) mod observe;
pub(super) mod outcome;
mod pipeline;
pub(super) mod refuse;
pub(super) mod run;
mod slow;
pub(super) mod stream;
