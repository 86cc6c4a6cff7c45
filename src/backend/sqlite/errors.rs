//! Mapping of the driver's errors.

use sqlx::sqlite::SqliteError;

use super::answer::of_code;
use super::place::not_opened;
use crate::config::Config;
use crate::error::Error;

/// Converts an error of sqlx.
pub(super) fn error(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(database) = &error else {
        return Error::from_sqlx(error);
    };
    let code = database.try_downcast_ref::<SqliteError>().and_then(code_of);
    match code {
        Some(code) => of_code(code, database.message()).with_source(error),
        None => Error::from_sqlx(error),
    }
}

fn code_of(answer: &SqliteError) -> Option<i32> {
    sqlx::error::DatabaseError::code(answer)?.parse().ok()
}

/// Returns the library's error for a database that could not be opened.
pub(super) fn connect_error(config: &Config, error: sqlx::Error) -> Error {
    not_opened(config, self::error(error))
}
