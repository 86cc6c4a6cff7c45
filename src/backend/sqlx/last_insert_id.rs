//! The result of a statement, where the driver repeats the result of an earlier one.
//!
//! SQLite keeps the key of the last inserted row and the number of changed rows for each connection. A statement that
//! did neither reports those of an earlier one. The text shows which statements insert. A row count above zero and a
//! new key show that one of them did. If the key is the same, the table is checked: one without keys (`WITHOUT ROWID`)
//! leaves the last key unchanged.

use crate::backend::QueryResult;
use crate::sql::{Act, Statement};

/// The last key on one connection, and which tables have keys.
#[derive(Debug)]
pub(super) struct LastKey {
    /// The key that the driver reported last; `None` if others have used the connection since.
    key: Option<i64>,
    /// Tables that were looked up, each with `true` if it has keys.
    looked_at: Vec<(Box<str>, bool)>,
}

/// Number of tables that are remembered.
const REMEMBERED: usize = 64;

impl LastKey {
    /// Creates the state of a new connection.
    pub(super) fn new() -> Self {
        Self {
            key: Some(0),
            looked_at: Vec::new(),
        }
    }

    /// Returns whether the results of these statements depend on the last reported key, and that key is unknown. For an
    /// insert the table decides as well; a statement that may update instead is recognised by the key alone.
    pub(super) fn is_wanted_by(&self, acts: &[Act]) -> bool {
        self.key.is_none() && acts.contains(&Act::Upserts)
    }

    /// Sets the last key, which the driver has reported.
    pub(super) fn know(&mut self, key: i64) {
        self.key = Some(key);
    }

    /// Forgets the last key, because something unknown was executed.
    pub(super) fn forget(&mut self) {
        self.key = None;
    }

    /// Forgets the tables, because their definitions have changed.
    pub(super) fn forget_tables(&mut self) {
        self.looked_at.clear();
    }

    /// Returns whether a table has keys, if it was looked up.
    pub(super) fn has_keys(&self, table: &str) -> Option<bool> {
        let known = self.looked_at.iter().find(|(known, _)| **known == *table);
        known.map(|(_, has)| *has)
    }

    pub(super) fn remember(&mut self, table: &str, has_keys: bool) {
        if self.looked_at.len() >= REMEMBERED {
            self.looked_at.clear();
        }
        self.looked_at.push((table.into(), has_keys));
    }
}

/// The sum of the results of one text's statements.
#[derive(Debug, Default)]
pub(super) struct Tally<'s> {
    acts: &'s [Act],
    next: usize,
    key: Option<i64>,
    pub(super) done: Option<QueryResult>,
    /// Set when rows have come.
    pub(super) has_rows: bool,
    /// The statement that inserted last, and its key, if that is the one reported before.
    doubtful: Option<(usize, i64)>,
}

impl<'s> Tally<'s> {
    /// Starts the tally of a text that is about to be sent. Until the text has ended, the last reported key is unknown.
    pub(super) fn new(statement: Option<&'s Statement>, last: &mut LastKey) -> Self {
        let acts = statement.map_or(&[][..], Statement::acts);
        let key = last.key;
        if acts.iter().any(|act| *act != Act::Nothing) || statement.is_none() {
            last.forget();
        }
        Self {
            acts,
            next: 0,
            key,
            done: None,
            has_rows: false,
            doubtful: None,
        }
    }

    /// Adds the result of the next statement. It is added unchanged unless the driver repeats results.
    pub(super) fn add(&mut self, reported: QueryResult, repeats: bool) {
        let done = if repeats { self.corrected(reported) } else { reported };
        self.done.get_or_insert_default().absorb(done);
    }

    fn corrected(&mut self, reported: QueryResult) -> QueryResult {
        let act = self.acts.get(self.next).copied().unwrap_or(Act::Nothing);
        self.next += 1;
        let before = std::mem::replace(&mut self.key, reported.last_insert_id);
        let rows_affected = if act == Act::Nothing { 0 } else { reported.rows_affected };
        let inserts = rows_affected > 0 && matches!(act, Act::Inserts | Act::Upserts);
        let Some(key) = reported.last_insert_id.filter(|_| inserts) else {
            return QueryResult {
                rows_affected,
                last_insert_id: None,
            };
        };
        let new = before.is_some_and(|before| before != key);
        self.doubtful = (!new).then_some((self.next - 1, key));
        QueryResult {
            rows_affected,
            last_insert_id: new.then_some(key),
        }
    }

    /// Ends the tally of a complete answer, after which the last reported key is known again. Returns the statement
    /// that inserted last and its key, if that key was reported before. Returns `None` for a statement that may have
    /// updated instead, because then the key is unknown.
    pub(super) fn end(self, last: &mut LastKey) -> Option<(usize, i64)> {
        last.key = self.key;
        self.doubtful
            .filter(|(index, _)| self.acts.get(*index) == Some(&Act::Inserts))
    }
}
