//! SQLite: its rules, and its driver, which is sqlx's and has SQLite in it.

mod admin;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2"))]
mod answer;
#[cfg(feature = "sqlite")]
mod arguments;
#[cfg(feature = "sqlite")]
mod copy;
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
mod rules;
#[cfg(any(feature = "sqlite", feature = "jdbc", feature = "dbapi2"))]
mod stored;
#[cfg(feature = "sqlite")]
mod types;

#[cfg(feature = "sqlite")]
pub(super) use driver::connector;
pub(super) use rules::SqliteRules;
#[cfg(any(feature = "jdbc", feature = "dbapi2"))]
pub(super) use {
    answer::of_code,
    stored::{Number, refused},
};
