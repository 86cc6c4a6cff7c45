//! Mapping of SQLite's errors, by their extended result code, and by their message where the code says only "error".

use super::error_kinds::{BUSY_SNAPSHOT, by_message, constraint_kind, primary};
use super::rules::SqliteRules;
use crate::backend::rules::{ServerAnswer, ServerRules as _};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, NO_COLUMN, SYNTAX};

/// Returns the error with an extended result code.
pub(in crate::backend) fn of_code(code: i32, message: &str) -> Error {
    let shown = code.to_string();
    let kind = SqliteRules.error_kind(ServerAnswer {
        code: &shown,
        number: None,
        message,
    });
    let mut mapped = Error::new(kind, message.to_owned()).with_code(shown);
    if let Some(help) = advice(code, message) {
        mapped = mapped.help(help);
    }
    if let Some(constraint) = constraint(code, message) {
        mapped = mapped.with_constraint(constraint);
    }
    if kind == ErrorKind::LockTimeout {
        mapped = mapped.retryable();
    }
    // Out of memory, a broken disk, a broken file: the state of the transaction is unknown.
    if matches!(primary(code), 7 | 10 | 11 | 26) {
        mapped = mapped.fatal();
        // A broken disk may have kept what it failed to confirm; the other errors come before anything is kept.
        if primary(code) != 10 {
            mapped = mapped.refusing();
        }
    }
    mapped
}

/// Returns the constraint, as far as the message names it: `UNIQUE constraint failed: note.id, note.title`.
fn constraint(code: i32, message: &str) -> Option<Constraint> {
    let mut constraint = Constraint::new(constraint_kind(code)?);
    let detail = message.split_once("constraint failed: ").map(|(_, detail)| detail);
    if constraint.kind != ConstraintKind::Check && detail.is_some_and(|detail| !detail.starts_with("index '")) {
        constraint.table = detail
            .and_then(|detail| detail.split_once('.'))
            .map(|(table, _)| table.to_owned());
    }
    let index = detail.and_then(|detail| detail.strip_prefix("index '")?.strip_suffix('\''));
    constraint.name = index.or(detail).map(str::to_owned);
    Some(constraint)
}

fn advice(code: i32, message: &str) -> Option<&'static str> {
    Some(match (code, primary(code)) {
        (BUSY_SNAPSHOT, _) => {
            "another connection wrote since this transaction began to read; run it again, or begin it without `.deferred()`"
        }
        (_, 5) => {
            "another connection is writing; raise `busy_timeout` to wait longer; that does not help a `.deferred()` transaction that reads first and then writes"
        }
        (_, 6) => "another statement of this process uses the table",
        (_, 8) => "the file, its directory or the URL (`mode=ro`) allows only reading",
        (_, 14) => "does the directory exist, and may this program write to it?",
        (_, 26) => "the file is not a SQLite database",
        (_, 13) => "the disk or the limit of the database is full",
        (787, _) => "a referenced row is missing, or a row is still referenced",
        _ if message.starts_with("no such column") || message.contains("has no column named") => NO_COLUMN,
        _ if by_message(message) == ErrorKind::Syntax => SYNTAX,
        _ if message.starts_with("no such table") => {
            "did the migrations run on this database? each file, and each database in memory, has its own tables"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_from_the_code_or_the_message() {
        for (code, message, kind) in [
            (1, "near \"FORM\": syntax error", ErrorKind::Syntax),
            (1, "incomplete input", ErrorKind::Syntax),
            (1, "no such table: note", ErrorKind::UndefinedObject),
            (1, "table note has no column named title", ErrorKind::UndefinedObject),
            (1, "table note already exists", ErrorKind::DuplicateObject),
            (1, "cannot commit - no transaction is active", ErrorKind::Database),
            (5, "database is locked", ErrorKind::LockTimeout),
            (261, "database is locked", ErrorKind::LockTimeout),
            (517, "database is locked", ErrorKind::Serialization),
            (1032, "attempt to write a readonly database", ErrorKind::ReadOnly),
            (14, "unable to open database file", ErrorKind::DatabaseNotFound),
        ] {
            assert_eq!(of_code(code, message).kind(), kind, "{code} {message}");
        }
    }

    #[test]
    fn x10_busy_databases_may_be_tried_again() {
        for code in [5, 6, 261, 517] {
            assert!(of_code(code, "database is locked").is_retryable(), "{code}");
        }
    }

    #[test]
    fn constraints_name_their_columns() {
        let violated = |code, message: &str| {
            let error = of_code(code, message);
            let constraint = error.constraint().unwrap();
            (
                constraint.name.clone().unwrap_or_default(),
                constraint.table.clone().unwrap_or_default(),
            )
        };
        let pair = |name: &str, table: &str| (name.to_owned(), table.to_owned());
        assert_eq!(
            violated(2067, "UNIQUE constraint failed: note.a, note.b"),
            pair("note.a, note.b", "note")
        );
        assert_eq!(
            violated(2067, "UNIQUE constraint failed: index 'lower_title'"),
            pair("lower_title", "")
        );
        assert_eq!(
            violated(275, "CHECK constraint failed: price > 0.5"),
            pair("price > 0.5", "")
        );
        assert_eq!(violated(787, "FOREIGN KEY constraint failed"), pair("", ""));
        assert_eq!(
            violated(1299, "NOT NULL constraint failed: note.title"),
            pair("note.title", "note")
        );
    }
}
