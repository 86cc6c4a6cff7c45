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
    /// The changes made through any connection of the database.
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

    /// Whether something was changed since it was asked last.
    pub(super) fn have_changed(&mut self) -> bool {
        let now = self.changes.load(Ordering::Acquire);
        let own = std::mem::take(&mut self.own);
        std::mem::replace(&mut self.known, now) != now || own
    }

    /// Whether the database is to be asked for its version.
    pub(super) fn are_to_be_asked(&self, now: Instant) -> bool {
        self.asked.is_none_or(|asked| now.duration_since(asked) >= TRUSTED)
    }

    /// Whether the database told another version than last time.
    pub(super) fn is_new(&mut self, version: i64, asked: Instant) -> bool {
        self.asked = Some(asked);
        self.version.replace(version) != Some(version)
    }

    /// A statement that changes something was sent.
    pub(super) fn change(&mut self, what: Defines, in_transaction: bool) {
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

    #[test]
    fn a_change_is_noticed_once_by_each_connection() {
        let changes = Arc::default();
        let (mut one, mut other) = (Definitions::new(&changes), Definitions::new(&changes));
        assert!(!one.have_changed());
        one.change(Defines::All, false);
        assert!(one.have_changed() && other.have_changed());
        assert!(!one.have_changed() && !other.have_changed());
        one.change(Defines::Own, false);
        assert!(one.have_changed() && !other.have_changed() && !one.have_changed());
        one.change(Defines::Nothing, false);
        assert!(!one.have_changed());
        assert!(
            !Definitions::new(&changes).have_changed(),
            "a new one has nothing prepared"
        );
    }

    #[test]
    fn the_end_of_a_transaction_is_a_change_if_there_was_one_in_it() {
        let changes = Arc::default();
        let (mut one, mut other) = (Definitions::new(&changes), Definitions::new(&changes));
        one.level_ended(0);
        assert!(!other.have_changed());
        one.change(Defines::All, true);
        assert!(other.have_changed());
        for depth in [1, 0] {
            one.level_ended(depth);
            assert!(other.have_changed(), "{depth} left");
        }
        one.level_ended(0);
        assert!(!other.have_changed());
    }

    #[test]
    fn a_version_is_new_until_it_is_known() {
        let (mut one, now) = (Definitions::default(), Instant::now());
        assert!(one.is_new(3, now) && !one.is_new(3, now) && one.is_new(4, now) && !one.is_new(4, now));
    }

    #[test]
    fn the_database_is_asked_now_and_then() {
        let (mut one, start) = (Definitions::default(), Instant::now());
        assert!(one.are_to_be_asked(start));
        one.is_new(3, start);
        assert!(!one.are_to_be_asked(start + TRUSTED / 2));
        assert!(one.are_to_be_asked(start + TRUSTED));
    }
}
