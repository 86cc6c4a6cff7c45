//! The kinds of the errors of Derby, by their SQLSTATE; its numbers are the same for all errors.

use crate::backend::rules::kind_by_standard;
use crate::error::ErrorKind;

/// Returns the kind of an error.
pub(super) fn kind(code: &str, message: &str) -> ErrorKind {
    match code {
        // A deadlock is told by the message only.
        "40001" => ErrorKind::Deadlock,
        "40XL1" | "40XL2" => ErrorKind::LockTimeout,
        "40XC0" | "40XD0" | "40XT0" | "08003" | "08006" => ErrorKind::ConnectionLost,
        "XJ004" | "XJ041" => ErrorKind::DatabaseNotFound,
        // Another process has it, or it does not start.
        "XJ040" | "XSDB6" | "08001" | "08004" if !message.contains("uthentication") => ErrorKind::Connect,
        "08004" | "28502" => ErrorKind::Authentication,
        "XCL52" => ErrorKind::Timeout,
        "25502" | "25503" | "25505" => ErrorKind::ReadOnly,
        "42500" | "42502" | "42504" | "42506" | "42507" | "42508" | "42509" => ErrorKind::Permission,
        "42X04" | "42X05" | "42X14" | "42X65" | "42X94" | "42Y03" | "42Y07" | "42Y55" | "42Z50" | "3B001" | "X0X05"
        | "X0Y99" => ErrorKind::UndefinedObject,
        "X0Y32" | "X0Y68" | "42X12" | "42Z91" | "X0Y80" => ErrorKind::DuplicateObject,
        "07000" | "XCL13" => ErrorKind::Parameter,
        "0A000" | "42Z60" | "XJ022" => ErrorKind::Unsupported,
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
            (ErrorKind::UndefinedObject, "42X05 42X04 42Y55 42Y07 42X65 42Y03 42X14"),
            (ErrorKind::DuplicateObject, "X0Y32 X0Y68"),
            (ErrorKind::Syntax, "42X01 42X02 42818"),
            (ErrorKind::Deadlock, "40001"),
            (ErrorKind::LockTimeout, "40XL1"),
            (ErrorKind::ReadOnly, "25502"),
            (ErrorKind::DatabaseNotFound, "XJ004"),
            (ErrorKind::Connect, "XJ040"),
            (ErrorKind::ConnectionLost, "08003 08006"),
            (ErrorKind::Parameter, "07000"),
            (ErrorKind::Database, "22001 22018"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(kind(code, ""), expected, "{code}");
            }
        }
    }
}
