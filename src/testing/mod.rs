//! Databases for tests: creation, existence checks, removal, and [`TestDatabase`], which does all of that.
//!
//! [`TestDatabase`] creates a database next to the one a URL names, connects to it, and drops it at the end.
//! [`create_database`], [`database_exists`] and [`drop_database`] are its steps, for PostgreSQL, MySQL/MariaDB and
//! SQLite alike. The source itself names the database (`postgres://…/this_one`); the server is reached without it where
//! possible.
//!
//! A missing database is an answer (`false`); a server that gives no answer is an error:
//! [`Connect`](crate::ErrorKind::Connect) if it refuses, [`Timeout`](crate::ErrorKind::Timeout) if it is silent,
//! [`Permission`](crate::ErrorKind::Permission) if the user lacks the right,
//! [`Authentication`](crate::ErrorKind::Authentication) if the password is wrong.

mod admin;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod attribute;
mod builder;
mod create;
mod drop;
mod ending;
mod exists;
mod name;
mod test_database;
mod tested;

pub use builder::TestDatabaseBuilder;
pub use create::{CreateDatabase, create_database};
pub use drop::{DropDatabase, drop_database};
pub use exists::{DatabaseExists, database_exists};
pub use test_database::TestDatabase;
