//! What is known of the statements that a session has run.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rusqlite::{Statement as Prepared, StatementStatus};

use super::columns::ColumnSet;
use super::gate::Placement;
use crate::sql::Statement;

/// Number of runs on the thread after the first that was too long for its caller; each further one doubles it.
const FIRST_PAUSE: u32 = 16;

/// Largest number of runs on the thread before its caller tries again.
const LONGEST_PAUSE: u32 = 1_024;

/// Number of slow runs in a row after which a statement pauses. One alone may be the scheduler's.
const SLOW_RUNS: u8 = 3;

/// What is known of the statements of a session, as many as may stay prepared.
#[derive(Debug, Default)]
pub(super) struct KnownStatements {
    statements: HashMap<Box<str>, KnownStatement, RandomState>,
    /// The number of changes of tables since which they were judged.
    changes: u64,
}

/// What is known of a statement.
#[derive(Debug)]
pub(super) struct KnownStatement {
    pub(super) placement: Placement,
    /// The columns of its rows, once it had some.
    pub(super) columns: Option<Arc<ColumnSet>>,
    /// The number of runs left on the thread.
    paused: u32,
    pause: u32,
    slow: u8,
}

impl KnownStatements {
    pub(super) fn get(&mut self, sql: &str) -> Option<&mut KnownStatement> {
        self.statements.get_mut(sql)
    }

    /// Forgets what was judged before this many changes of tables.
    pub(super) fn follow(&mut self, changes: u64) {
        if self.changes != changes {
            self.statements.clear();
            self.changes = changes;
        }
    }

    /// Forgets all, because the session has changed.
    pub(super) fn clear(&mut self) {
        self.statements.clear();
    }

    pub(super) fn insert(&mut self, sql: &str, placement: Placement, capacity: usize) {
        if self.statements.len() >= capacity {
            self.statements.clear();
        }
        let known = KnownStatement {
            placement,
            columns: None,
            paused: 0,
            pause: FIRST_PAUSE,
            slow: 0,
        };
        self.statements.insert(sql.into(), known);
    }

    /// Forgets a statement, which is prepared for other tables than before.
    pub(super) fn forget(&mut self, sql: &str) {
        self.statements.remove(sql);
    }
}

impl KnownStatement {
    /// Returns whether its caller may run it now.
    pub(super) fn may_run_inline(&mut self) -> bool {
        if self.placement == Placement::OnThread {
            return false;
        }
        match self.paused.checked_sub(1) {
            Some(left) => {
                self.paused = left;
                false
            }
            None => true,
        }
    }

    /// Notes that it took too many steps.
    pub(super) fn was_long(&mut self) {
        (self.paused, self.slow) = (self.pause, 0);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Notes a run to its end.
    pub(super) fn has_run(&mut self, slow: bool) {
        if !slow {
            (self.slow, self.pause) = (0, FIRST_PAUSE);
        } else if self.slow + 1 < SLOW_RUNS {
            self.slow += 1;
        } else {
            self.was_long();
        }
    }
}

/// Returns the text under which a statement stays prepared, and under which it is known: texts that differ only in the
/// blanks around them share one prepared statement.
pub(super) fn statement_key(statement: &Statement) -> &str {
    statement.text().trim()
}

/// Returns whether a prepared statement is the one that was judged, for the tables as they were. A statement that has not
/// run yet was prepared just now.
pub(super) fn is_judged(prepared: &Prepared<'_>) -> bool {
    prepared.get_status(StatementStatus::Run) > 0 && prepared.get_status(StatementStatus::RePrepare) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownStatements {
        let mut known = KnownStatements::default();
        known.insert("SELECT 1", Placement::Reads, 2);
        known
    }

    #[test]
    fn d1_a_statement_that_was_too_long_pauses_and_is_tried_again() {
        let mut statements = known();
        let one = statements.get("SELECT 1").unwrap();
        assert!(one.may_run_inline());
        one.was_long();
        let runs = (0..10_000).take_while(|_| !one.may_run_inline()).count();
        assert_eq!(runs, FIRST_PAUSE as usize);
        one.was_long();
        let runs = (0..10_000).take_while(|_| !one.may_run_inline()).count();
        assert_eq!(runs, 2 * FIRST_PAUSE as usize);
    }

    #[test]
    fn d1_one_slow_run_is_no_reason() {
        let mut statements = known();
        let one = statements.get("SELECT 1").unwrap();
        for slow in [true, true, false, true, true] {
            one.has_run(slow);
            assert!(one.may_run_inline());
        }
        one.has_run(true);
        assert!(!one.may_run_inline());
    }

    #[test]
    fn d1_a_change_of_tables_makes_all_unknown_once() {
        let mut statements = known();
        statements.follow(0);
        assert!(statements.get("SELECT 1").is_some());
        statements.follow(1);
        assert!(statements.get("SELECT 1").is_none());
        statements.insert("SELECT 1", Placement::Reads, 2);
        statements.follow(1);
        assert!(statements.get("SELECT 1").is_some());
    }

    #[test]
    fn d1_no_more_statements_are_known_than_stay_prepared() {
        let mut statements = known();
        statements.insert("SELECT 2", Placement::Reads, 2);
        statements.insert("SELECT 3", Placement::Reads, 2);
        assert!(statements.get("SELECT 1").is_none() && statements.get("SELECT 3").is_some());
    }
}
