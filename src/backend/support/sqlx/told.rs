//! What a driver tells of a statement, where it repeats that for the statements that follow.
//!
//! SQLite keeps the key of the last row that was inserted, and the number of rows that were changed, for each connection. A
//! statement that did neither is told those of an earlier one. The text says which statements insert; that one of them did is seen by
//! a number of rows that is not zero and a key that is another than before. Where the key is the same, the table is looked
//! at: one without keys (`WITHOUT ROWID`) leaves the last key as it was.

use crate::backend::Done;
use crate::sql::{Act, Statement};

/// What is known of it on one connection.
#[derive(Debug)]
pub(super) struct LastKey {
    /// The key that the driver told last; `None` where others have used the connection since.
    key: Option<i64>,
    /// Tables that were found to have keys, and such that have none.
    looked_at: Vec<(Box<str>, bool)>,
}

/// How many tables are remembered.
const REMEMBERED: usize = 64;

impl LastKey {
    /// For a new connection.
    pub(super) fn new() -> Self {
        Self {
            key: Some(0),
            looked_at: Vec::new(),
        }
    }

    /// Whether statements are judged by the key told last, which is not known. Of an insert the table tells as well; what
    /// may update instead is told apart by the key alone.
    pub(super) fn is_wanted_by(&self, acts: &[Act]) -> bool {
        self.key.is_none() && acts.contains(&Act::Upserts)
    }

    /// The driver was asked for it.
    pub(super) fn know(&mut self, key: i64) {
        self.key = Some(key);
    }

    /// Something is done of which nothing is known.
    pub(super) fn forget(&mut self) {
        self.key = None;
    }

    /// The definitions of tables have changed.
    pub(super) fn forget_tables(&mut self) {
        self.looked_at.clear();
    }

    /// Whether a table has keys, if it was looked at.
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

/// Adds up what the statements of one text have done.
#[derive(Debug, Default)]
pub(super) struct Tally<'s> {
    acts: &'s [Act],
    next: usize,
    key: Option<i64>,
    pub(super) done: Option<Done>,
    /// Whether rows have come.
    pub(super) has_rows: bool,
    /// The statement that inserted last, and the key, if that is the one told before.
    doubtful: Option<(usize, i64)>,
}

impl<'s> Tally<'s> {
    /// For a text that is about to be sent. Until it has ended, nobody knows what the driver told last.
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

    /// Adds what the next statement has told. Where drivers tell nothing of others, it is true as it is.
    pub(super) fn add(&mut self, told: Done, repeats: bool) {
        let done = if repeats { self.really(told) } else { told };
        self.done.get_or_insert_default().absorb(done);
    }

    fn really(&mut self, told: Done) -> Done {
        let act = self.acts.get(self.next).copied().unwrap_or(Act::Nothing);
        self.next += 1;
        let before = std::mem::replace(&mut self.key, told.last_insert_id);
        let rows_affected = if act == Act::Nothing { 0 } else { told.rows_affected };
        let inserts = rows_affected > 0 && matches!(act, Act::Inserts | Act::Upserts);
        let Some(key) = told.last_insert_id.filter(|_| inserts) else {
            return Done {
                rows_affected,
                last_insert_id: None,
            };
        };
        let new = before.is_some_and(|before| before != key);
        self.doubtful = (!new).then_some((self.next - 1, key));
        Done {
            rows_affected,
            last_insert_id: new.then_some(key),
        }
    }

    /// All of it was told, and the connection knows again what was told last. Yields the statement that inserted last and
    /// its key, where the key is the one told before; of a statement that may have updated instead, nothing can be known then.
    pub(super) fn end(self, last: &mut LastKey) -> Option<(usize, i64)> {
        last.key = self.key;
        self.doubtful
            .filter(|(index, _)| self.acts.get(*index) == Some(&Act::Inserts))
    }
}
