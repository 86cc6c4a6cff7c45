//! The effect of a text on its transaction.

/// The effect of a text on its transaction; for a script, the strongest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Control {
    /// Has no effect.
    None,
    /// Releases a savepoint.
    Release,
    /// Sets a savepoint, or rolls back to one.
    Savepoint,
    /// Commits implicitly, as MySQL does for the definition of tables.
    Implicit,
    /// Starts a transaction.
    Begin,
    /// Rolls the transaction back.
    Rollback,
    /// Commits the transaction, or prepares it for a later commit.
    Commit,
}
