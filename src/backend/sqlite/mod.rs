//! SQLite: its rules, what its drivers share, and the driver of sqlx, which has SQLite in it.

mod admin;
#[cfg(any(
    feature = "sqlite",
    feature = "rusqlite",
    feature = "jdbc",
    feature = "dbapi2",
    feature = "odbc"
))]
mod answer;
#[cfg(feature = "sqlite")]
mod arguments;
#[cfg(feature = "sqlite")]
mod copy;
#[cfg(any(
    feature = "sqlite",
    feature = "rusqlite",
    feature = "jdbc",
    feature = "dbapi2",
    feature = "odbc"
))]
mod database_file;
#[cfg(feature = "sqlite")]
mod driver;
mod error_kinds;
#[cfg(feature = "sqlite")]
mod errors;
#[cfg(feature = "sqlite")]
mod file;
#[cfg(any(feature = "sqlite", feature = "rusqlite"))]
mod image;
#[cfg(feature = "sqlite")]
mod memory;
#[cfg(any(feature = "sqlite", feature = "rusqlite"))]
mod memory_name;
#[cfg(feature = "sqlite")]
mod options;
#[cfg(any(feature = "sqlite", feature = "rusqlite"))]
mod place;
#[cfg(any(
    feature = "sqlite",
    feature = "rusqlite",
    feature = "jdbc",
    feature = "dbapi2",
    feature = "odbc"
))]
mod pragma;
mod rules;
#[cfg(any(
    feature = "sqlite",
    feature = "rusqlite",
    feature = "jdbc",
    feature = "dbapi2",
    feature = "odbc"
))]
mod stored;
#[cfg(feature = "sqlite")]
mod types;

#[cfg(feature = "sqlite")]
pub(super) use driver::connector;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(super) use pragma::session;
pub(super) use rules::SqliteRules;
#[cfg(any(feature = "rusqlite", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(super) use {
    answer::of_code,
    database_file::DatabaseFile,
    stored::{Number, refused},
};
#[cfg(feature = "rusqlite")]
pub(super) use {
    image::{not_copied, without_wal},
    memory_name::{MEMORY_VFS, new_memory_name},
    place::not_opened,
    pragma::{copy_pragmas, opening},
};
