//! The kinds of the errors of SQL Server, by their number. It has no SQLSTATE on the wire.

use crate::error::{Constraint, ConstraintKind, ErrorKind};

/// Returns the kind of an error.
pub(super) fn kind(number: i64) -> ErrorKind {
    match number {
        515 | 547 | 2601 | 2627 => ErrorKind::Constraint,
        1205 => ErrorKind::Deadlock,
        1222 => ErrorKind::LockTimeout,
        // A conflict of snapshots, and those of tables in memory.
        3960 | 41301 | 41302 | 41305 | 41325 => ErrorKind::Serialization,
        3902 | 3903 => ErrorKind::TransactionEnded,
        3930 | 3931 => ErrorKind::TransactionAborted,
        3906 => ErrorKind::ReadOnly,
        229 | 230 | 262 | 297 | 300 | 916 | 5011 | 15151 | 15247 => ErrorKind::Permission,
        18452 | 18456 | 18470 | 18486 | 18487 | 18488 => ErrorKind::Authentication,
        911 | 4060 => ErrorKind::DatabaseNotFound,
        // A table, a column, a function, a procedure, a type, a name with an alias, an index, a constraint, a savepoint.
        195 | 207 | 208 | 243 | 628 | 1088 | 2715 | 2812 | 3701 | 3728 | 4104 | 4121 | 4701 | 4902 | 6401 | 7202 => {
            ErrorKind::UndefinedObject
        }
        1801 | 1913 | 2705 | 2714 | 15023 | 15025 => ErrorKind::DuplicateObject,
        102 | 103 | 105 | 134 | 137 | 141 | 156 | 170 | 178 | 319 => ErrorKind::Syntax,
        201 | 8003 | 8009 | 8023 | 8144 | 8145 | 8178 => ErrorKind::Parameter,
        // The server shuts down, or has ended the session.
        596 | 6005 | 17142 | 40197 | 40501 | 40613 => ErrorKind::ConnectionLost,
        _ => ErrorKind::Database,
    }
}

/// Returns whether the server has ended the whole transaction with an error, or accepts nothing but its end.
pub(super) fn ends_transaction(number: i64) -> bool {
    matches!(
        number,
        628 | 1205 | 3902 | 3903 | 3930 | 3931 | 3960 | 41301 | 41302 | 41305 | 41325
    )
}

/// Returns the constraint that a message names.
#[cfg_attr(not(feature = "mssql"), allow(dead_code, reason = "only the driver receives errors"))]
pub(super) fn constraint(number: i64, message: &str) -> Option<Constraint> {
    let kind = match number {
        2601 | 2627 => ConstraintKind::Unique,
        515 => ConstraintKind::NotNull,
        547 if message.contains("CHECK constraint") => ConstraintKind::Check,
        547 => ConstraintKind::ForeignKey,
        _ => return None,
    };
    let mut constraint = Constraint::new(kind);
    let name = match number {
        547 => between(message, "constraint \"", "\""),
        2601 => between(message, "unique index '", "'"),
        2627 => between(message, "constraint '", "'"),
        _ => None,
    };
    let table = match number {
        547 => between(message, ", table \"", "\""),
        515 => between(message, ", table '", "'"),
        _ => between(message, " in object '", "'").or_else(|| between(message, " row in object '", "'")),
    };
    constraint.name = name.map(str::to_owned);
    // A table is named with its schema, and sometimes with its database.
    constraint.table = table.and_then(|table| table.rsplit('.').next()).map(str::to_owned);
    Some(constraint)
}

/// Returns what stands between two pieces of a message.
fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    let (_, rest) = message.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_errors_that_users_meet_have_their_kind() {
        for (expected, numbers) in [
            (ErrorKind::Constraint, "515 547 2601 2627"),
            (ErrorKind::UndefinedObject, "207 208 2812 3701 4902"),
            (ErrorKind::DuplicateObject, "2714 1801 1913"),
            (ErrorKind::Syntax, "102 156 105"),
            (ErrorKind::LockTimeout, "1222"),
            (ErrorKind::Deadlock, "1205"),
            (ErrorKind::Serialization, "3960"),
            (ErrorKind::Authentication, "18456"),
            (ErrorKind::DatabaseNotFound, "4060 911"),
            (ErrorKind::Permission, "229 262"),
            (ErrorKind::Database, "245 8114 8134 2628"),
        ] {
            for number in numbers.split(' ') {
                assert_eq!(kind(number.parse().unwrap()), expected, "{number}");
            }
        }
    }

    #[test]
    fn b1_a_constraint_is_named() {
        for (number, message, kind, name, table) in [
            (
                2627,
                "Violation of PRIMARY KEY constraint 'PK_note'. Cannot insert duplicate key in object 'dbo.note'. The duplicate key value is (1).",
                ConstraintKind::Unique,
                Some("PK_note"),
                Some("note"),
            ),
            (
                2601,
                "Cannot insert duplicate key row in object 'dbo.note' with unique index 'note_text'. The duplicate key value is (a).",
                ConstraintKind::Unique,
                Some("note_text"),
                Some("note"),
            ),
            (
                547,
                "The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_owner\". The conflict occurred in database \"shop\", table \"dbo.owner\", column 'id'.",
                ConstraintKind::ForeignKey,
                Some("FK_owner"),
                Some("owner"),
            ),
            (
                547,
                "The INSERT statement conflicted with the CHECK constraint \"CK_price\". The conflict occurred in database \"shop\", table \"dbo.note\", column 'price'.",
                ConstraintKind::Check,
                Some("CK_price"),
                Some("note"),
            ),
            (
                515,
                "Cannot insert the value NULL into column 'text', table 'shop.dbo.note'; column does not allow nulls. INSERT fails.",
                ConstraintKind::NotNull,
                None,
                Some("note"),
            ),
        ] {
            let found = constraint(number, message).unwrap();
            assert_eq!(found.kind, kind, "{message}");
            assert_eq!(found.name.as_deref(), name, "{message}");
            assert_eq!(found.table.as_deref(), table, "{message}");
        }
        assert!(constraint(208, "Invalid object name 'x'.").is_none());
    }
}
