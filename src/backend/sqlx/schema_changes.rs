//! The changes of table definitions since statements were prepared, as far as they are known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sql::Defines;

/// Time for which the database is not asked again for the changes of other programs: the question is a round trip to
/// its thread.
const TRUSTED: Duration = Duration::from_millis(100);

/// The definitions as one connection knows them. A prepared statement is for the tables as they were, so a connection
/// that finds a change prepares again.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// Number of changes made through all connections that share this counter.
    changes: Arc<AtomicU64>,
    known: u64,
    /// Set if something was changed that only this connection sees.
    own: bool,
    /// The changes in a transaction that is still open; its end is one more change.
    open: Defines,
    /// The version that the database reported last, where it has one.
    version: Option<i64>,
    /// Time at which the database was last asked for its version.
    asked: Option<Instant>,
}

impl Definitions {
    /// Creates the state of a new connection, which has nothing prepared.
    pub(crate) fn new(changes: &Arc<AtomicU64>) -> Self {
        Self {
            changes: Arc::clone(changes),
            known: changes.load(Ordering::Acquire),
            ..Self::default()
        }
    }

    /// Returns the count of changes, if there was one that this connection has not followed.
    pub(in crate::backend) fn unfollowed(&self) -> Option<u64> {
        let now = self.changes.load(Ordering::Acquire);
        (now != self.known || self.own).then_some(now)
    }

    /// Notes that nothing is prepared any more for tables older than this count.
    pub(in crate::backend) fn follow(&mut self, count: u64) {
        self.known = count;
        self.own = false;
        self.asked = None;
    }

    /// Returns whether the database has to be asked for its version.
    pub(in crate::backend) fn are_to_be_asked(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.duration_since(asked) >= TRUSTED)
    }

    /// Returns whether this version differs from the one that was followed last.
    pub(in crate::backend) fn is_new(&self, version: i64) -> bool {
        self.version != Some(version)
    }

    /// Notes that nothing is prepared any more for other versions than this one, which the database reported when it
    /// was `asked`.
    pub(in crate::backend) fn follow_version(&mut self, version: i64, asked: Instant) {
        self.version = Some(version);
        self.asked = Some(asked);
    }

    /// Notes that a statement that changes something was sent.
    pub(in crate::backend) fn change(&mut self, what: Defines, in_transaction: bool) {
        if what == Defines::Nothing {
            return;
        }
        self.own |= what == Defines::Own;
        if what == Defines::All {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        if in_transaction {
            self.open = self.open.max(what);
        }
    }

    /// Notes that a level has ended and `depth` are left: its changes are now visible to all, or undone.
    pub(in crate::backend) fn level_ended(&mut self, depth: usize) {
        let open = std::mem::take(&mut self.open);
        self.change(open, depth > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the changes; returns whether there were any.
    fn follows(one: &mut Definitions) -> bool {
        let count = one.unfollowed();
        count.inspect(|count| one.follow(*count)).is_some()
    }

    #[test]
    fn a_change_is_followed_once_by_each_connection() {
        let changes = Arc::default();
        let (mut one, mut other) = (Definitions::new(&changes), Definitions::new(&changes));
        assert!(!follows(&mut one));
        one.change(Defines::All, false);
        assert!(one.unfollowed().is_some(), "one that was cut off before it followed");
        assert!(follows(&mut one) && follows(&mut other));
        assert!(!follows(&mut one) && !follows(&mut other));
        one.change(Defines::Own, false);
        assert!(follows(&mut one) && !follows(&mut other) && !follows(&mut one));
        one.change(Defines::Nothing, false);
        assert!(!follows(&mut one));
        assert!(
            !follows(&mut Definitions::new(&changes)),
            "a new one has nothing prepared"
        );
    }

    #[test]
    fn the_end_of_a_transaction_is_a_change_if_there_was_one_in_it() {
        let changes = Arc::default();
        let (mut one, mut other) = (Definitions::new(&changes), Definitions::new(&changes));
        one.level_ended(0);
        assert!(!follows(&mut other));
        one.change(Defines::All, true);
        assert!(follows(&mut other));
        for depth in [1, 0] {
            one.level_ended(depth);
            assert!(follows(&mut other), "{depth} left");
        }
        one.level_ended(0);
        assert!(!follows(&mut other));
    }

    #[test]
    fn a_version_is_new_until_it_is_followed() {
        let (mut one, now) = (Definitions::default(), Instant::now());
        assert!(one.is_new(3) && one.is_new(3));
        one.follow_version(3, now);
        assert!(!one.is_new(3) && one.is_new(4));
    }

    #[test]
    fn the_database_is_asked_now_and_then_and_after_each_change() {
        let (mut one, start) = (Definitions::default(), Instant::now());
        assert!(one.are_to_be_asked(start));
        one.follow_version(3, start);
        assert!(!one.are_to_be_asked(start + TRUSTED / 2));
        assert!(one.are_to_be_asked(start + TRUSTED));
        one.change(Defines::All, false);
        assert!(follows(&mut one) && one.are_to_be_asked(start));
    }
}
