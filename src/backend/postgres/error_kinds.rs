//! The kinds of the errors of PostgreSQL, by their SQLSTATE.

use crate::error::ErrorKind;

/// Returns the kind of an error.
pub(super) fn kind(code: &str, message: &str) -> ErrorKind {
    match code {
        // The codes of PgBouncer are coarser than its messages.
        "08P01" if message.contains("statement pooling mode") => ErrorKind::Unsupported,
        "08P01" if message.starts_with("no such database") => ErrorKind::DatabaseNotFound,
        "08P01" if message.starts_with("no such user") || message.contains("authentication failed") => {
            ErrorKind::Authentication
        }
        "28000" | "28P01" => ErrorKind::Authentication,
        "3D000" => ErrorKind::DatabaseNotFound,
        // Too many connections, starting up, in recovery.
        "53300" | "57P03" => ErrorKind::Connect,
        // Ended by an administrator, by a crash of another process, by the drop of the database, or by a session limit.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => ErrorKind::ConnectionLost,
        "57014" if message.contains("timeout") => ErrorKind::Timeout,
        "55P03" => ErrorKind::LockTimeout,
        "40001" => ErrorKind::Serialization,
        "40P01" => ErrorKind::Deadlock,
        "42501" | "0LP01" | "0L000" => ErrorKind::Permission,
        "25006" => ErrorKind::ReadOnly,
        "25P02" => ErrorKind::TransactionAborted,
        "0A000" => ErrorKind::Unsupported,
        "42601" | "42602" | "42939" => ErrorKind::Syntax,
        "42P01" | "42703" | "42883" | "42704" | "3F000" | "34000" | "3B001" | "26000" | "0P000" | "HV00R" | "HV00Q" => {
            ErrorKind::UndefinedObject
        }
        "42P07" | "42701" | "42710" | "42723" | "42P04" | "42P06" | "42P05" | "42P03" | "42712" => {
            ErrorKind::DuplicateObject
        }
        "42P02" | "42P08" | "42P18" => ErrorKind::Parameter,
        "23505" | "23503" | "23001" | "23502" | "23514" | "44000" | "23P01" => ErrorKind::Constraint,
        code if code.starts_with("08") => ErrorKind::ConnectionLost,
        _ => ErrorKind::Database,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_users_meet_have_their_kind_found_v8() {
        for (kind, codes) in [
            (ErrorKind::Authentication, "28000 28P01"),
            (ErrorKind::DatabaseNotFound, "3D000"),
            (ErrorKind::Connect, "53300 57P03"),
            (
                ErrorKind::ConnectionLost,
                "57P01 57P02 57P04 57P05 25P03 25P04 08000 08006 08P01",
            ),
            (ErrorKind::LockTimeout, "55P03"),
            (ErrorKind::Serialization, "40001"),
            (ErrorKind::Deadlock, "40P01"),
            (ErrorKind::Permission, "42501 0LP01 0L000"),
            (ErrorKind::ReadOnly, "25006"),
            (ErrorKind::TransactionAborted, "25P02"),
            (ErrorKind::Unsupported, "0A000"),
            (ErrorKind::Syntax, "42601 42602 42939"),
            (
                ErrorKind::UndefinedObject,
                "42P01 42703 42883 42704 3F000 34000 3B001 26000 0P000 HV00R",
            ),
            (
                ErrorKind::DuplicateObject,
                "42P07 42701 42710 42723 42P04 42P06 42P05 42P03 42712",
            ),
            (ErrorKind::Parameter, "42P02 42P08 42P18"),
            (ErrorKind::Constraint, "23505 23503 23001 23502 23514 44000 23P01"),
            (ErrorKind::Database, "22001 22P02 57014 P0001 XX000"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(super::kind(code, ""), kind, "{code}");
            }
        }
        assert_eq!(
            kind("57014", "canceling statement due to statement timeout"),
            ErrorKind::Timeout
        );
        // PgBouncer.
        for (message, expected) in [
            (
                "transaction blocks not allowed in statement pooling mode",
                ErrorKind::Unsupported,
            ),
            ("no such database: shop", ErrorKind::DatabaseNotFound),
            ("no such user: ada", ErrorKind::Authentication),
        ] {
            assert_eq!(kind("08P01", message), expected, "{message}");
        }
    }
}
