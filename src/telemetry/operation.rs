//! The operations that are counted separately. The list is closed, so that no text can create series without end.

/// The values of `db.operation.name` of a metric. The first stands for all that are not in the list.
#[rustfmt::skip]
pub(super) const OPERATIONS: [&str; 57] = [
    "OTHER",
    "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE",
    "BATCH INSERT", "BATCH UPDATE", "BATCH DELETE", "BATCH REPLACE", "BATCH MERGE",
    "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT",
    "VALUES", "TABLE", "CALL", "DO", "EXECUTE", "PREPARE", "DEALLOCATE", "COPY", "EXPLAIN", "ANALYZE", "VACUUM",
    "REINDEX", "OPTIMIZE", "PRAGMA", "SET", "RESET", "SHOW", "USE", "DESCRIBE", "LOCK", "UNLOCK", "GRANT", "REVOKE",
    "LISTEN", "UNLISTEN", "NOTIFY", "TRUNCATE", "TRUNCATE TABLE",
    "CREATE TABLE", "ALTER TABLE", "DROP TABLE", "CREATE INDEX", "DROP INDEX", "CREATE VIEW", "DROP VIEW",
    "ATTACH", "DETACH",
];

/// Returns the index of an operation in the list, regardless of case.
pub(super) fn place(operation: &str) -> usize {
    let found = OPERATIONS
        .iter()
        .position(|known| known.eq_ignore_ascii_case(operation));
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, place};

    #[test]
    fn w2_an_operation_is_one_series_however_it_is_written() {
        assert_eq!(
            (OPERATIONS[place("select")], OPERATIONS[place("Select")]),
            ("SELECT", "SELECT")
        );
        assert_eq!(OPERATIONS[place("BATCH insert")], "BATCH INSERT");
        assert_eq!(OPERATIONS[place("create table")], "CREATE TABLE");
        for unknown in ["", "selekt", "CREATE ROLE", "\u{df}elect"] {
            assert_eq!(OPERATIONS[place(unknown)], "OTHER", "{unknown}");
        }
    }
}
