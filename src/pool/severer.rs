//! What ends a connection that is in other hands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::Pool;
use crate::backend::Sever;

/// Closes a leased connection from outside, however its lease was lost.
pub(crate) struct Severer {
    pub(super) sever: Sever,
    pub(super) severed: Arc<AtomicBool>,
    pub(super) pool: Weak<Pool>,
    pub(super) holder: usize,
}

impl Severer {
    pub(crate) fn sever(self) {
        if !self.severed.swap(true, Ordering::AcqRel) {
            (self.sever)();
            if let Some(pool) = self.pool.upgrade() {
                pool.forget_holder(self.holder);
            }
        }
    }
}
