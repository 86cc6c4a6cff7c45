//! The handle that closes a connection that is checked out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::Pool;
use crate::backend::CloseFn;

/// A handle that closes a leased connection from outside, however its lease was lost.
pub(crate) struct CloseHandle {
    pub(super) close: CloseFn,
    pub(super) closed: Arc<AtomicBool>,
    pub(super) pool: Weak<Pool>,
    pub(super) holder: usize,
}

impl CloseHandle {
    pub(crate) fn close(self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            (self.close)();
            if let Some(pool) = self.pool.upgrade() {
                pool.forget_holder(self.holder);
            }
        }
    }
}
