//! What names mean in the session, so that nothing is kept that was prepared for other objects of the same name.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::backend::Request;
use crate::sql::PathChange;

/// What decides which objects names mean, as a number: the statements that have changed it. The same statements in the
/// same order make the same number, so transactions that begin alike keep what was prepared.
#[derive(Debug, Default)]
pub(crate) struct SearchPath {
    now: u64,
    /// That for which the connection has prepared statements.
    kept: u64,
    /// That to which the end of the transaction returns, if the transaction has changed it.
    before: Option<u64>,
    /// Set if the change may outlive its transaction.
    lasts: bool,
    unknown: u64,
    hasher: RandomState,
}

impl SearchPath {
    /// Notes a statement that is sent, inside of a transaction or not.
    pub(crate) fn sent(&mut self, request: Request<'_>, inside: bool) {
        let change = request.statement.effect().path;
        if change == PathChange::None {
            return;
        }
        let values = format!("{:?}", request.values);
        let next = self.hasher.hash_one((self.now, request.statement.text(), values));
        self.change(change, inside, next);
    }

    /// Notes that it was sent in a way that does not show what it has changed, or has failed.
    pub(crate) fn lost(&mut self, change: PathChange, inside: bool) {
        if change != PathChange::None {
            let next = self.another();
            self.change(change, inside, next);
        }
    }

    fn change(&mut self, change: PathChange, inside: bool, next: u64) {
        if inside {
            self.before.get_or_insert(self.now);
            self.lasts |= change == PathChange::Session;
        }
        self.now = next;
    }

    /// Notes that a level has ended and `depth` are left.
    pub(crate) fn level_ended(&mut self, depth: usize) {
        let Some(before) = self.before else { return };
        self.now = if depth > 0 || self.lasts {
            self.another()
        } else {
            before
        };
        if depth == 0 {
            self.before = None;
            self.lasts = false;
        }
    }

    /// Returns the number of the path, if the connection has prepared statements for another one.
    pub(crate) fn unfollowed(&self) -> Option<u64> {
        (self.now != self.kept).then_some(self.now)
    }

    /// Notes that nothing is prepared any more for another path than this one.
    pub(crate) fn follow(&mut self, path: u64) {
        self.kept = path;
    }

    /// Returns a number that no path had before.
    fn another(&mut self) -> u64 {
        self.unknown += 1;
        self.hasher.hash_one(self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sql::{Dialect, Template};

    fn send(path: &mut SearchPath, sql: &str, inside: bool) {
        let template = Template::parse(Dialect::Postgres, sql).unwrap();
        let statement = Arc::clone(template.statement());
        path.sent(
            Request {
                statement: &statement,
                values: &[],
            },
            inside,
        );
    }

    /// Follows the path; returns whether it was another.
    fn follows(path: &mut SearchPath) -> bool {
        let next = path.unfollowed();
        next.inspect(|next| path.follow(*next)).is_some()
    }

    #[test]
    fn q4_transactions_that_begin_alike_keep_what_was_prepared_found_w4() {
        let mut path = SearchPath::default();
        send(&mut path, "SELECT 1", false);
        assert!(!follows(&mut path));
        for expected in [true, false] {
            send(&mut path, "SET LOCAL search_path = a", true);
            assert_eq!(follows(&mut path), expected);
            path.level_ended(0);
        }
        assert!(follows(&mut path) && !follows(&mut path), "outside of the transaction");
        send(&mut path, "SET LOCAL search_path = b", true);
        assert!(follows(&mut path));
        // A savepoint may have restored the path.
        path.level_ended(1);
        assert!(follows(&mut path));
        path.level_ended(0);
        assert!(follows(&mut path));
        // A rollback ends what a commit does not.
        send(&mut path, "SET search_path = b", true);
        assert!(follows(&mut path));
        path.level_ended(0);
        assert!(follows(&mut path));
        path.level_ended(0);
        assert!(!follows(&mut path));
        for _ in 0..2 {
            path.lost(PathChange::Session, false);
            assert!(follows(&mut path));
        }
    }
}
