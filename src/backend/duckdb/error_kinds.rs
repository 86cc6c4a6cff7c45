//! The kinds of the errors of DuckDB. It has no codes; a message begins with the class of its error.

use crate::error::ErrorKind;

/// Returns the kind of an error.
pub(super) fn kind(_code: &str, message: &str) -> ErrorKind {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let class = message.split(" Error:").next().unwrap_or_default();
    match class.rsplit([' ', ':', '.']).next().unwrap_or_default() {
        "Constraint" => ErrorKind::Constraint,
        "Catalog" if says(&["already exists"]) => ErrorKind::DuplicateObject,
        "Catalog" if says(&["does not exist", "not found"]) => ErrorKind::UndefinedObject,
        "Binder" if says(&["not found", "does not have a column"]) => ErrorKind::UndefinedObject,
        "Binder" | "Parser" | "Syntax" => ErrorKind::Syntax,
        "Transaction" | "TransactionContext" if says(&["is aborted"]) => ErrorKind::TransactionAborted,
        "Transaction" | "TransactionContext" if says(&["onflict"]) => ErrorKind::Serialization,
        "Transaction" | "TransactionContext" | "Input" if says(&["read-only"]) => ErrorKind::ReadOnly,
        "Input" if says(&["parameter"]) => ErrorKind::Parameter,
        "IO" if says(&["does not exist", "No such file"]) => ErrorKind::DatabaseNotFound,
        "IO" if says(&["lock"]) => ErrorKind::Connect,
        "Connection" => ErrorKind::ConnectionLost,
        "Permission" => ErrorKind::Permission,
        "Implemented" | "implemented" => ErrorKind::Unsupported,
        "INTERRUPT" | "Interrupt" => ErrorKind::Timeout,
        _ => ErrorKind::Database,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b8_errors_that_users_meet_have_their_kind() {
        for (expected, message) in [
            (
                ErrorKind::Constraint,
                "Constraint Error: Duplicate key \"id: 1\" violates primary key constraint.",
            ),
            (ErrorKind::Syntax, "Parser Error: syntax error at or near \"selec\""),
            (
                ErrorKind::UndefinedObject,
                "Catalog Error: Table with name missing does not exist!",
            ),
            (
                ErrorKind::UndefinedObject,
                "Binder Error: Referenced column \"nocol\" not found in FROM clause!",
            ),
            (
                ErrorKind::DuplicateObject,
                "Catalog Error: Table with name \"t\" already exists!",
            ),
            (
                ErrorKind::ReadOnly,
                "TransactionContext Error: Cannot write to database \"memory\" - transaction is launched in read-only mode",
            ),
            (
                ErrorKind::TransactionAborted,
                "TransactionContext Error: Current transaction is aborted (please ROLLBACK)",
            ),
            (
                ErrorKind::Serialization,
                "TransactionContext Error: Catalog write-write conflict on create with \"k1\"",
            ),
            (
                ErrorKind::DatabaseNotFound,
                "IO Error: Cannot open file \"/nonexistent/x.db\": No such file or directory",
            ),
            (
                ErrorKind::ConnectionLost,
                "Connection Error: Connection already closed!",
            ),
            (
                ErrorKind::Database,
                "Conversion Error: Could not convert string 'x' to INT32",
            ),
        ] {
            assert_eq!(kind("", message), expected, "{message}");
        }
    }
}
