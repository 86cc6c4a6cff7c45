//! Cancelling from another thread.

use odbc_sys::{HStmt, SQLCancel};

/// A statement that may be cancelled from another thread.
#[derive(Debug)]
pub(crate) struct CancelHandle(HStmt);

// SAFETY: `SQLCancel` is the one function that ODBC allows while another one is under way on the same statement, and from
// any thread; there is nothing else that this handle can be used for. Its owner takes it back before the statement is freed:
// see `Desk::running`.
unsafe impl Send for CancelHandle {}

impl CancelHandle {
    pub(super) fn new(statement: HStmt) -> Self {
        Self(statement)
    }

    /// Asks the driver to end what is under way. Nothing depends on whether it does.
    pub(crate) fn cancel(&self) {
        // SAFETY: the statement was not freed, because its thread takes this handle back first.
        let _ = unsafe { SQLCancel(self.0) };
    }
}
