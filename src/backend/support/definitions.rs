//! Which definitions of tables were changed since, as far as it is known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sql::Defines;

/// How long the database is not asked again for the changes of other programs: the question is a way to its thread and back.
const TRUSTED: Duration = Duration::from_millis(100);

/// What one connection knows of it. A statement kept prepared is for the tables as they were, so whoever finds a change
/// prepares anew.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// The changes made through any connection that counts with this one.
    changes: Arc<AtomicU64>,
    known: u64,
    /// Something was changed that only this connection sees.
    own: bool,
    /// What was changed in a transaction that is still open; its end is one more change.
    open: Defines,
    /// The version that the database itself told last, where it has one.
    version: Option<i64>,
    /// When it was asked.
    asked: Option<Instant>,
}

impl Definitions {
    /// For a new connection, which has nothing prepared.
    pub(crate) fn new(changes: &Arc<AtomicU64>) -> Self {
        Self {
            changes: Arc::clone(changes),
            known: changes.load(Ordering::Acquire),
            ..Self::default()
        }
    }

    /// The count of changes, if there was one that this connection has not followed.
    pub(super) fn unfollowed(&self) -> Option<u64> {
        let now = self.changes.load(Ordering::Acquire);
        (now != self.known || self.own).then_some(now)
    }

    /// Nothing is prepared any more for tables as they were at that count.
    pub(super) fn follow(&mut self, count: u64) {
        self.known = count;
        self.own = false;
        self.asked = None;
    }

    /// Whether the database is to be asked for its version.
    pub(super) fn are_to_be_asked(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.duration_since(asked) >= TRUSTED)
    }

    /// Whether that is another version than the one that was followed last.
    pub(super) fn is_new(&self, version: i64) -> bool {
        self.version != Some(version)
    }

    /// Nothing is prepared any more for another version than this one, of which the database told when it was `asked`.
    pub(super) fn follow_version(&mut self, version: i64, asked: Instant) {
        self.version = Some(version);
        self.asked = Some(asked);
    }

    /// A statement that changes something was sent.
    pub(super) fn change(&mut self, what: Defines, in_transaction: bool) {
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

    /// A level has ended, and `depth` are left: what was changed is now there for all, or as it was before.
    pub(super) fn level_ended(&mut self, depth: usize) {
        let open = std::mem::take(&mut self.open);
        self.change(open, depth > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there was something to follow; it is followed.
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
