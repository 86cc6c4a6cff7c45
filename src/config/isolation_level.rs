//! The isolation level of a transaction.

use super::keyword::spelled;
use super::text::squash;

/// The degree to which a transaction is isolated from concurrent transactions.
///
/// It parses from any of the usual spellings: `read committed`, `READ_COMMITTED`, `read-committed`.
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
    /// Sees uncommitted changes of others (PostgreSQL: the same as [`ReadCommitted`](Self::ReadCommitted)).
    ReadUncommitted,
    /// Each statement sees what was committed before it started.
    ReadCommitted,
    /// All statements see what was committed before the first of them started.
    RepeatableRead,
    /// Transactions behave as if they ran one after the other.
    Serializable,
    /// All statements see one snapshot (SQL Server, in a database that allows it).
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

    /// Returns the level as SQL spells it: `READ COMMITTED`.
    pub fn as_str(self) -> &'static str {
        LEVELS
            .iter()
            .find(|(level, _)| *level == self)
            .map_or("SERIALIZABLE", |(_, name)| name)
    }
}

spelled!(IsolationLevel, "is not an isolation level");
