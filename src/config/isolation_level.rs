//! The isolation level of a transaction.

use super::spelled::spelled;
use super::text::squash;

/// How far a transaction is shut off from what others do at the same time.
///
/// It is read from text in any of the usual spellings: `read committed`, `READ_COMMITTED`, `read-committed`.
///
/// ```
/// use ebbtide::IsolationLevel;
///
/// assert_eq!("READ_COMMITTED".parse::<IsolationLevel>()?, IsolationLevel::ReadCommitted);
/// assert_eq!(IsolationLevel::RepeatableRead.to_string(), "REPEATABLE READ");
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// Sees what others have not committed yet (PostgreSQL: the same as [`ReadCommitted`](Self::ReadCommitted)).
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first of them.
    RepeatableRead,
    /// As if the transactions ran one after the other.
    Serializable,
    /// All statements see one snapshot. No backend of today has it under this name.
    Snapshot,
}

const LEVELS: [(IsolationLevel, &str); 5] = [
    (IsolationLevel::ReadUncommitted, "READ UNCOMMITTED"),
    (IsolationLevel::ReadCommitted, "READ COMMITTED"),
    (IsolationLevel::RepeatableRead, "REPEATABLE READ"),
    (IsolationLevel::Serializable, "SERIALIZABLE"),
    (IsolationLevel::Snapshot, "SNAPSHOT"),
];

impl IsolationLevel {
    pub(super) const EXPECTED: &'static str =
        "`read uncommitted`, `read committed`, `repeatable read`, `serializable` or `snapshot`";

    pub(super) fn read(text: &str) -> Option<Self> {
        let text = squash(text);
        LEVELS
            .iter()
            .find(|(_, name)| squash(name) == text)
            .map(|(level, _)| *level)
    }

    /// The level as SQL spells it: `READ COMMITTED`.
    pub fn as_str(self) -> &'static str {
        LEVELS
            .iter()
            .find(|(level, _)| *level == self)
            .map_or("SERIALIZABLE", |(_, name)| name)
    }
}

spelled!(IsolationLevel, "is no isolation level");
