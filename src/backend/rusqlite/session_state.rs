//! What may be read of a session while it is in use on its thread.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::hooks::Action;

use crate::backend::Interrupt;

/// Number of steps of SQLite's virtual machine between two looks at what ends a statement: some ten microseconds, of which
/// a look takes a thousandth.
pub(super) const STEPS: i32 = 1_000;

/// Number of looks at which a statement on the thread of its caller ends. SQLite counts the steps of all runs of a
/// statement, so it has had between 2,000 and 3,000 steps then.
const LOOKS: i32 = 3;

/// The number of looks without a limit.
const UNLIMITED: i32 = -1;

/// The state of one session that its hooks write, or that is read from outside.
#[derive(Debug)]
pub(super) struct SessionState {
    depth: AtomicUsize,
    pub(super) interrupt: Interrupt,
    is_abandoned: AtomicBool,
    /// Number of looks that are left.
    looks: AtomicI32,
    last_change: Mutex<LastChange>,
}

/// The last change of a row in a table with row ids.
#[derive(Debug, Default)]
struct LastChange {
    inserted: bool,
    table: String,
}

/// A limit of steps, which ends when this is dropped.
pub(super) struct StepLimit<'a>(&'a SessionState);

impl Drop for StepLimit<'_> {
    fn drop(&mut self) {
        self.0.limit_steps(false);
    }
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            depth: AtomicUsize::new(0),
            interrupt: Interrupt::default(),
            is_abandoned: AtomicBool::new(false),
            looks: AtomicI32::new(UNLIMITED),
            last_change: Mutex::default(),
        }
    }
}

impl SessionState {
    /// Returns the number of open levels after the last call that ended.
    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    pub(super) fn set_depth(&self, depth: usize) {
        self.depth.store(depth, Ordering::Release);
    }

    /// Ends what is under way: its connection is gone, and whoever waited for it was told so.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        self.interrupt.raise();
    }

    /// Returns whether nothing may be committed any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Acquire)
    }

    /// Limits the steps of the statement that runs next, until the guard is dropped: a panic leaves no limit, either.
    pub(super) fn limited(&self, limited: bool) -> StepLimit<'_> {
        self.limit_steps(limited);
        StepLimit(self)
    }

    /// Sets whether the next statement has a limit of steps. Only the thread that runs it looks at the number.
    fn limit_steps(&self, limited: bool) {
        let looks = if limited { LOOKS } else { UNLIMITED };
        self.looks.store(looks, Ordering::Relaxed);
    }

    /// Returns whether the statement has reached its limit.
    pub(super) fn is_out_of_steps(&self) -> bool {
        self.looks.load(Ordering::Relaxed) == 0
    }

    /// Returns whether the statement under way has to end. Called between its steps.
    pub(super) fn is_to_stop(&self) -> bool {
        let looks = self.looks.load(Ordering::Relaxed);
        if looks > 0 {
            self.looks.store(looks - 1, Ordering::Relaxed);
        }
        matches!(looks, 0 | 1) || self.interrupt.is_raised()
    }

    /// Notes a change of a row.
    pub(super) fn changed(&self, action: Action, table: &str) {
        let mut last = self.last_change.lock();
        last.inserted = action == Action::SQLITE_INSERT;
        if last.table != table {
            last.table.clear();
            last.table.push_str(table);
        }
    }

    /// Forgets the last change, before a statement.
    pub(super) fn forget_change(&self) {
        self.last_change.lock().inserted = false;
    }

    /// Returns whether the statement has changed the table last, by an insert of a row with an id.
    pub(super) fn has_inserted_into(&self, table: &str) -> bool {
        let last = self.last_change.lock();
        last.inserted && last.table.eq_ignore_ascii_case(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_a_limited_statement_ends_at_its_last_look_and_another_one_never() {
        let state = SessionState::default();
        assert!((0..10).all(|_| !state.is_to_stop()));
        state.limit_steps(true);
        let looks: Vec<_> = (0..LOOKS).map(|_| state.is_to_stop()).collect();
        assert_eq!(looks, [false, false, true]);
        assert!(state.is_out_of_steps() && state.is_to_stop());
        state.limit_steps(false);
        assert!(!state.is_to_stop());
    }
}
