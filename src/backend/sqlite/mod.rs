//! SQLite: its rules, and its driver, which is sqlx's and has SQLite in it.

mod admin;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod answer;
#[cfg(feature = "sqlite")]
mod arguments;
#[cfg(feature = "sqlite")]
mod copy;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod database_file;
#[cfg(feature = "sqlite")]
mod driver;
mod error_kinds;
#[cfg(feature = "sqlite")]
mod errors;
#[cfg(feature = "sqlite")]
mod file;
#[cfg(feature = "sqlite")]
mod memory;
#[cfg(feature = "sqlite")]
mod options;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod pragma;
mod rules;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod stored;
#[cfg(feature = "sqlite")]
mod types;

#[cfg(feature = "sqlite")]
pub(super) use driver::connector;
pub(super) use rules::SqliteRules;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(super) use {
    answer::of_code,
    database_file::DatabaseFile,
    pragma::session,
    stored::{Number, refused},
};
