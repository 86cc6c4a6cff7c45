//! The facts about definitions of tables.

use crate::sql::ObjectName;
use crate::value::Params;

/// The facts about a server's definitions of tables.
#[derive(Debug)]
pub(crate) struct SchemaRules {
    /// The effect of a transaction on definitions.
    pub(crate) in_transaction: DefinitionsInTransaction,
    /// The kinds of objects that can be created `IF NOT EXISTS`.
    pub(crate) if_not_exists: &'static [&'static str],
    /// The text that takes the lock with a number (its parameter) until the transaction ends, where `IF NOT EXISTS`
    /// fails if another transaction creates the same table; `None` if no lock is needed.
    pub(crate) lock: Option<&'static str>,
    /// `true` if a table can have a foreign key to a table that does not exist yet.
    pub(crate) keys_to_missing_tables: bool,
    /// The way to drop tables that refer to each other.
    pub(crate) circular_keys: CircularKeys,
    /// Returns the query for a table, and its parameters. The answer is `false` or 0 if there is no such table.
    pub(crate) find_table: fn(&ObjectName) -> (&'static str, Params),
    /// The type of a point in time, in the table of migrations.
    #[cfg_attr(
        not(feature = "macros"),
        allow(dead_code, reason = "only the attribute creates that table")
    )]
    pub(crate) time: &'static str,
    /// The type of bytes, in the table of migrations.
    #[cfg_attr(
        not(feature = "macros"),
        allow(dead_code, reason = "only the attribute creates that table")
    )]
    pub(crate) bytes: &'static str,
}

impl SchemaRules {
    /// The facts about a server of which nothing is known but that it has the views of the standard.
    pub(crate) const STANDARD: Self = Self {
        in_transaction: DefinitionsInTransaction::Commit,
        // Not every product has it.
        if_not_exists: &[],
        lock: None,
        keys_to_missing_tables: false,
        circular_keys: CIRCULAR_KEYS,
        find_table,
        time: "TIMESTAMP",
        bytes: "BLOB",
    };
}

/// Returns the query for a table, and its parameters. Names without quotes are folded to upper case or to lower case.
fn find_table(name: &ObjectName) -> (&'static str, Params) {
    let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE LOWER(table_schema) = \
               LOWER(COALESCE(CAST(? AS VARCHAR(128)), CURRENT_SCHEMA)) AND LOWER(table_name) = LOWER(?)";
    (sql, name.schema_and_table())
}

/// The keys of tables that refer to each other, in the views of the standard.
const CIRCULAR_KEYS: CircularKeys = CircularKeys::Dropped {
    list: "SELECT '\"' || r.constraint_name || '\"' FROM information_schema.referential_constraints r \
               JOIN information_schema.table_constraints k ON k.constraint_schema = r.constraint_schema \
               AND k.constraint_name = r.constraint_name JOIN information_schema.table_constraints u \
               ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name \
               WHERE LOWER(k.table_name) = LOWER(?) AND LOWER(u.table_name) = LOWER(?)",
};

/// The effect of a transaction on definitions of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefinitionsInTransaction {
    /// They are undone with it.
    Undone,
    /// They are undone with it; statements that cannot run in a transaction are ignored silently.
    UndoneOrIgnored,
    /// They commit it.
    Commit,
}

/// The way to drop tables that refer to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CircularKeys {
    /// The keys are dropped first. This query returns the quoted names of those of a table to another.
    Dropped { list: &'static str },
    /// The tables are dropped while keys are not checked.
    Unchecked { off: &'static str, on: &'static str },
    /// The rows are deleted first, while keys are checked late: dropping a table deletes its rows, which must not leave
    /// dangling references.
    Emptied { defer: &'static str, restore: &'static str },
}
