//! The texts of the levels of a transaction: of the transaction itself, and of the savepoints in it.

/// The texts of the levels of a transaction. Savepoints are numbered from 1, the level above the transaction.
#[derive(Debug)]
pub(crate) struct LevelTexts {
    /// Commits the transaction.
    #[allow(dead_code, reason = "all drivers commit and roll back themselves")]
    pub(crate) commit: &'static str,
    /// Rolls the transaction back.
    #[allow(dead_code, reason = "all drivers commit and roll back themselves")]
    pub(crate) rollback: &'static str,
    /// Returns the text that sets the savepoint with a number.
    pub(crate) savepoint: fn(usize) -> String,
    /// Returns the text that releases it; an empty text where savepoints are not released.
    pub(crate) release: fn(usize) -> String,
    /// Returns the text that rolls back to it.
    pub(crate) back: fn(usize) -> String,
}

impl LevelTexts {
    /// The texts in standard SQL.
    pub(crate) const STANDARD: Self = Self {
        commit: "COMMIT",
        rollback: "ROLLBACK",
        savepoint: |level| format!("SAVEPOINT ebbtide_{level}"),
        release: |level| format!("RELEASE SAVEPOINT ebbtide_{level}"),
        back: |level| format!("ROLLBACK TO SAVEPOINT ebbtide_{level}"),
    };
}
