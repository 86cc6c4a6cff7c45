//! The changes of table definitions in this process, after which statements are judged again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::quick_commit::mentions;

/// Number of changes through any session of this driver. It is one for all files: changes are rare, a file has many names,
/// and a session may have attached it.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Returns the number of changes so far.
pub(super) fn count() -> u64 {
    CHANGES.load(Ordering::Acquire)
}

/// Notes a change that other sessions can see.
pub(super) fn note() {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// Returns whether a text that is not plain may change the tables, or how they are searched.
pub(super) fn may_change(sql: &str) -> bool {
    const WORDS: [&str; 6] = ["create", "alter", "drop", "analyze", "reindex", "vacuum"];
    WORDS.into_iter().any(|word| mentions(sql, word))
}
