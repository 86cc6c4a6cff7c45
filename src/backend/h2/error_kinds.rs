//! The kinds of the errors of H2, by their SQLSTATE.

use crate::backend::rules::kind_by_standard;
use crate::error::ErrorKind;

/// Returns the kind of an error. The SQLSTATE is the number of the error where the standard has none.
pub(super) fn kind(code: &str, message: &str) -> ErrorKind {
    match code {
        // A deadlock, and a row that changed after the snapshot; the number is the same.
        "40001" if message.starts_with("Deadlock") => ErrorKind::Deadlock,
        "57014" | "HY000" if message.contains("canceled") || message.contains("cancelled") => ErrorKind::Timeout,
        "90007" | "90067" | "90098" | "90108" | "90121" => ErrorKind::ConnectionLost,
        "90013" | "90146" | "90124" => ErrorKind::DatabaseNotFound,
        "90020" => ErrorKind::Connect,
        "90040" | "90096" => ErrorKind::Permission,
        "90097" => ErrorKind::ReadOnly,
        "90012" => ErrorKind::Parameter,
        "90131" => ErrorKind::Serialization,
        "90022" | "90036" | "90037" | "90042" | "90045" | "90057" | "90063" | "90070" | "90072" | "90077" | "90079"
        | "90087" | "90089" | "90114" | "90120" | "90132" | "42S03" | "42S04" => ErrorKind::UndefinedObject,
        "90033" | "90035" | "90038" | "90041" | "90069" | "90071" | "90076" | "90078" | "90119" => {
            ErrorKind::DuplicateObject
        }
        "21S02" | "HY004" => ErrorKind::Syntax,
        _ => kind_by_standard(code, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_errors_that_users_meet_have_their_kind() {
        for (expected, codes) in [
            (ErrorKind::Constraint, "23505 23502 23513 23506 23503"),
            (
                ErrorKind::UndefinedObject,
                "42S02 42S03 42S04 42S22 42S12 90079 90022 90063",
            ),
            (ErrorKind::DuplicateObject, "42S01 42S11 42S21 90078 90038"),
            (ErrorKind::Syntax, "42000 42001 HY004"),
            (ErrorKind::LockTimeout, "HYT00"),
            (ErrorKind::Serialization, "40001"),
            (ErrorKind::Authentication, "28000"),
            (ErrorKind::DatabaseNotFound, "90146"),
            (ErrorKind::ConnectionLost, "90007 08006"),
            (ErrorKind::Database, "22001 22012 22018"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(kind(code, ""), expected, "{code}");
            }
        }
    }
}
