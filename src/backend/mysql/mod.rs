//! MySQL and MariaDB: their rules, and their driver, which is sqlx's.

mod admin;
#[cfg(any(feature = "mysql", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod answer;
#[cfg(feature = "mysql")]
mod arguments;
#[cfg(feature = "mysql")]
mod driver;
mod error_kinds;
#[cfg(feature = "mysql")]
mod errors;
mod mariadb;
#[cfg(feature = "mysql")]
mod options;
#[cfg(any(feature = "mysql", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod refused;
mod rules;
#[cfg(any(feature = "mysql", feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod session;
#[cfg(feature = "mysql")]
mod types;

#[cfg(feature = "mysql")]
pub(super) use driver::connector;
pub(super) use mariadb::MariaDbRules;
pub(super) use rules::MySqlRules;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(super) use {answer::of_number, refused::refused, session::texts as session};
