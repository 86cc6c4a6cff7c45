//! Mapping of the driver's errors.

use crate::backend::sqlite::of_code;
use crate::error::{Error, ErrorKind, LOST};

/// Converts an error of rusqlite.
pub(super) fn error(error: rusqlite::Error) -> Error {
    let mapped = match &error {
        rusqlite::Error::SqliteFailure(failure, Some(message)) => of_code(failure.extended_code, message),
        rusqlite::Error::SqliteFailure(failure, None) => of_code(failure.extended_code, &failure.to_string()),
        rusqlite::Error::SqlInputError { error, msg, .. } => of_code(error.extended_code, msg),
        other => Error::new(ErrorKind::Driver, other.to_string()),
    };
    mapped.with_source(error)
}

/// Returns the error of a call that has ended with the thread.
pub(super) fn ended() -> Error {
    let message = "a panic on the connection's thread ended the connection; standard error has its message";
    Error::new(ErrorKind::ConnectionLost, message).help(LOST).fatal()
}
