//! The kinds of SQLite's errors, by their extended result code, and by their message where the code says only "error".

use crate::error::{ConstraintKind, ErrorKind};

/// Code of the error that another connection wrote since this transaction took its snapshot.
pub(super) const BUSY_SNAPSHOT: i32 = 517;

/// Returns the primary code, which is the lower byte of the extended one.
pub(super) fn primary(code: i32) -> i32 {
    code & 0xff
}

/// Returns the kind of an error.
pub(super) fn kind(code: i32, message: &str) -> ErrorKind {
    if constraint_kind(code).is_some() {
        return ErrorKind::Constraint;
    }
    match (code, primary(code)) {
        (BUSY_SNAPSHOT, _) => ErrorKind::Serialization,
        (_, 5 | 6) => ErrorKind::LockTimeout,
        (_, 8) => ErrorKind::ReadOnly,
        (_, 14 | 26) => ErrorKind::DatabaseNotFound,
        (_, 3 | 23) => ErrorKind::Permission,
        (_, 1) => by_message(message),
        _ => ErrorKind::Database,
    }
}

/// Returns the kind of an error whose code says only "error".
pub(super) fn by_message(message: &str) -> ErrorKind {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["no such ", "has no column named", "unknown database"]) {
        ErrorKind::UndefinedObject
    } else if says(&[
        "already exists",
        "there is already",
        "duplicate column name",
        "is already in use",
    ]) {
        ErrorKind::DuplicateObject
    } else if says(&["syntax error", "incomplete input", "unrecognized token"]) {
        ErrorKind::Syntax
    } else {
        ErrorKind::Database
    }
}

/// Returns the kind of the constraint that was violated, if one was.
pub(super) fn constraint_kind(code: i32) -> Option<ConstraintKind> {
    Some(match code {
        // UNIQUE, PRIMARY KEY, ROWID.
        2067 | 1555 | 2579 => ConstraintKind::Unique,
        787 => ConstraintKind::ForeignKey,
        1299 => ConstraintKind::NotNull,
        275 => ConstraintKind::Check,
        _ => return None,
    })
}
