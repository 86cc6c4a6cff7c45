//! The kinds of the errors of HSQLDB, by their SQLSTATE.

use crate::backend::rules::kind_by_standard;
use crate::error::ErrorKind;

/// Returns the kind of an error.
pub(super) fn kind(code: &str, message: &str) -> ErrorKind {
    match code {
        // It gives one code for both, so that nobody learns what exists.
        "42501" if message.contains("object not found") => ErrorKind::UndefinedObject,
        "42501" | "42507" => ErrorKind::Permission,
        "42504" => ErrorKind::DuplicateObject,
        // The driver has no code of its own for these.
        "S1000" if message.contains("does not exist") => ErrorKind::DatabaseNotFound,
        "S1000" if message.contains("lock") => ErrorKind::Connect,
        "HY008" | "HYT00" => ErrorKind::Timeout,
        "25006" => ErrorKind::ReadOnly,
        "3B001" | "3B002" => ErrorKind::UndefinedObject,
        "42575" => ErrorKind::Parameter,
        _ => kind_by_standard(code, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_errors_that_users_meet_have_their_kind() {
        for (expected, codes) in [
            (ErrorKind::Constraint, "23505 23502 23513 23503"),
            (ErrorKind::DuplicateObject, "42504"),
            (ErrorKind::Syntax, "42581 42590 42574"),
            (ErrorKind::Serialization, "40001"),
            (ErrorKind::Authentication, "28501"),
            (ErrorKind::ReadOnly, "25006"),
            (ErrorKind::UndefinedObject, "3F000 3B001"),
            (ErrorKind::ConnectionLost, "08003"),
            (ErrorKind::Database, "22001 22012"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(kind(code, ""), expected, "{code}");
            }
        }
        let missing = "user lacks privilege or object not found: T";
        assert_eq!(kind("42501", missing), ErrorKind::UndefinedObject);
        assert_eq!(
            kind("S1000", "Database does not exists: x"),
            ErrorKind::DatabaseNotFound
        );
    }
}
