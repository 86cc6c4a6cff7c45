//! The texts that end what a commit ends.

/// The texts that end what a commit ends, for a virtual commit, which only releases a savepoint. Each ends with `; `.
#[derive(Debug)]
pub(crate) struct AtCommitRules {
    /// Closes the cursors that a commit closes.
    pub(crate) close_cursors: &'static str,
    /// The query for the oid of the temporary table whose name, written as in SQL, is its parameter.
    pub(crate) table: &'static str,
    /// Returns the text that empties those of the tables with these oids that still exist.
    pub(crate) empty_tables: fn(&[i64]) -> String,
    /// Returns the text that drops those that still exist.
    pub(crate) drop_tables: fn(&[i64]) -> String,
    /// Restores the time at which each constraint is checked, as it is defined.
    pub(crate) usual_constraints: &'static str,
    /// Defers the constraints that are deferred as defined, without a check. Those that are created after
    /// `usual_constraints` in the same transaction are not.
    pub(crate) deferred_constraints: &'static str,
    /// The query for the value of the setting with a name, which is its parameter.
    pub(crate) setting: &'static str,
    /// Returns the text that sets the setting with a name to a value until the transaction ends.
    pub(crate) set: fn(&str, &str) -> String,
}
