//! The kinds of the errors of SQL Server, by their number. It has no SQLSTATE on the wire.

use crate::error::{Constraint, ConstraintKind, ErrorKind};

/// The number of errors that a text raises itself.
const RAISED: i64 = 50_000;

/// The beginning of the error that the text of a commit raises.
const NOT_COMMITTED: &str = "the transaction was rolled back: ";

/// Returns the kind of an error.
pub(super) fn kind(number: i64, message: &str) -> ErrorKind {
    match number {
        515 | 547 | 2601 | 2627 => ErrorKind::Constraint,
        1205 => ErrorKind::Deadlock,
        1222 => ErrorKind::LockTimeout,
        // Conflicts of snapshots, with writes and definitions, and those of tables in memory.
        3960 | 3961 | 41301 | 41302 | 41305 | 41325 => ErrorKind::Serialization,
        3902 | 3903 | 3971 | 3989 | 3998 => ErrorKind::TransactionEnded,
        RAISED if message.starts_with(NOT_COMMITTED) => ErrorKind::TransactionEnded,
        3930 | 3931 => ErrorKind::TransactionAborted,
        3906 => ErrorKind::ReadOnly,
        3952 | 3957 => ErrorKind::Unsupported,
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
pub(super) fn ends_transaction(number: i64, message: &str) -> bool {
    match number {
        628 | 1205 | 3902 | 3903 | 3930 | 3931 | 3960 | 3971 | 3989 | 3998 | 41301 | 41302 | 41305 | 41325 => true,
        _ => number == RAISED && message.starts_with(NOT_COMMITTED),
    }
}

/// Returns the way out of an error that its kind does not tell.
#[cfg_attr(not(feature = "mssql"), allow(dead_code, reason = "only the driver receives errors"))]
pub(super) fn advice(number: i64) -> Option<&'static str> {
    match number {
        3951 => Some("choose the isolation level `snapshot` when the transaction begins"),
        3952 | 3957 => {
            Some("allow the level with ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or choose another one")
        }
        _ => None,
    }
}

/// Returns the constraint that a message names; `None` if it does not tell of which kind it is.
#[cfg_attr(not(feature = "mssql"), allow(dead_code, reason = "only the driver receives errors"))]
pub(super) fn constraint(number: i64, message: &str) -> Option<Constraint> {
    let kind = match number {
        2601 | 2627 => ConstraintKind::Unique,
        515 => ConstraintKind::NotNull,
        547 if says(message, "FOREIGN KEY") || says(message, "REFERENCE") => ConstraintKind::ForeignKey,
        547 if says(message, "CHECK") => ConstraintKind::Check,
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

/// Returns whether a message has a word outside of the names in it. The language of messages is that of the login, but
/// the words of T-SQL are not translated.
fn says(message: &str, word: &str) -> bool {
    message.split('"').step_by(2).any(|text| text.contains(word))
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
            (ErrorKind::Serialization, "3960 3961"),
            (ErrorKind::TransactionEnded, "3902 3971 3989 3998"),
            (ErrorKind::Unsupported, "3952 3957"),
            (ErrorKind::Authentication, "18456"),
            (ErrorKind::DatabaseNotFound, "4060 911"),
            (ErrorKind::Permission, "229 262"),
            (ErrorKind::Database, "245 3702 8114 8134 2628 50000"),
        ] {
            for number in numbers.split(' ') {
                assert_eq!(kind(number.parse().unwrap(), ""), expected, "{number}");
            }
        }
    }

    #[test]
    fn b1_errors_that_end_the_transaction_are_known() {
        for number in [1205, 3902, 3930, 3960, 3971, 3989, 3998] {
            assert!(ends_transaction(number, ""), "{number}");
        }
        for number in [245, 1222, 2627, 3951, 3952, 50_000] {
            assert!(!ends_transaction(number, ""), "{number}");
        }
    }

    #[test]
    fn b1_a_level_that_the_database_does_not_allow_has_advice() {
        assert!(advice(3952).unwrap().contains("ALLOW_SNAPSHOT_ISOLATION ON"));
        assert!(advice(3951).unwrap().contains("begins"));
        assert_eq!(advice(208), None);
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
                547,
                "The DELETE statement conflicted with the REFERENCE constraint \"FK_CHECK\". The conflict occurred in database \"shop\", table \"dbo.note\", column 'owner'.",
                ConstraintKind::ForeignKey,
                Some("FK_CHECK"),
                Some("note"),
            ),
            (
                547,
                "Die INSERT-Anweisung steht in Konflikt mit der CHECK-Einschränkung \"REFERENCE_price\".",
                ConstraintKind::Check,
                None,
                None,
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
        assert!(constraint(547, "Etwas steht in Konflikt mit \"CHECK\".").is_none());
    }
}
