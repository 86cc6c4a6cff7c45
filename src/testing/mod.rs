//! Databases for tests: made, asked for, dropped; and a client that has one of its own.
//!
//! [`TestClient`] makes a database beside the one a URL names, connects to it, and drops it at the end.
//! [`create_database`], [`database_exists`] and [`drop_database`] are the steps of it, for PostgreSQL, MySQL/MariaDB and
//! SQLite alike. They are told *which* database by the source itself (`postgres://…/this_one`), and reach the server
//! another way.
//!
//! Their errors are told apart: that a database is missing is an answer, that nobody could be asked is an error.
//! A server that refuses is [`Connect`](crate::ErrorKind::Connect), one that is silent is
//! [`Timeout`](crate::ErrorKind::Timeout), a user without the right is [`Permission`](crate::ErrorKind::Permission),
//! a wrong password is [`Authentication`](crate::ErrorKind::Authentication); never `false`.

mod admin;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod attribute;
mod builder;
mod client;
mod create;
mod drop;
mod ending;
mod exists;
mod mysql;
mod name;
mod postgres;
mod sqlite;

pub use builder::TestClientBuilder;
pub use client::TestClient;
pub use create::{CreateDatabase, create_database};
pub use drop::{DropDatabase, drop_database};
pub use exists::{DatabaseExists, database_exists};
