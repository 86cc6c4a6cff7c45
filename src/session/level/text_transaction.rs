//! A transaction that was begun as SQL text.

use std::sync::Arc;

use crate::pool::Claim;
use crate::session::scope::chain::Owner;

/// A transaction on a connection that was begun as SQL text and ends as SQL text.
pub(in crate::session) struct Text {
    pub(super) claim: Arc<Claim>,
    pub(super) has_turn: bool,
}

impl Text {
    pub(super) fn new(owner: Owner) -> Self {
        Self {
            claim: Arc::new(Claim(owner)),
            has_turn: false,
        }
    }
}
