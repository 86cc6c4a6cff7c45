//! A database of sqlx that stands for every backend: [`Any`].
//!
//! `sqlx::Postgres` means rows and values of PostgreSQL's driver; [`Any`] means those of the backend that the URL names.
//! What is read is the driver's own row, one column at a time, by the conversions of [`FromValue`](crate::FromValue). So a type with
//! `#[derive(sqlx::FromRow)]` reads the rows of every backend, whichever are compiled in, and functions written for
//! sqlx can be given any database:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ebbtide::any::AnyRow;
//! use sqlx::Row;
//!
//! #[derive(sqlx::FromRow)]
//! struct Note {
//!     id: i64,
//!     price: rust_decimal::Decimal,
//! }
//!
//! fn text(row: &AnyRow) -> Result<Option<&str>, sqlx::Error> {
//!     row.try_get("text")
//! }
//!
//! let database = ebbtide::Database::connect("sqlite::memory:").await?;
//! let note: Note = database.fetch_one("SELECT 1 AS id, 2.5 AS price", ()).decode().await?;
//! assert_eq!((note.id, note.price.to_string()), (1, "2.5".to_owned()));
//! # Ok(()) }
//! ```
//!
//! The names are those of `sqlx::any`, with which this module has nothing else in common: no drivers are installed, and
//! every type can be bound and read that a verb of [`Database`](crate::Database) binds and reads.
#![cfg_attr(
    feature = "sqlx-interop",
    doc = "[`Database::sqlx::<Any>()`](crate::Database::sqlx) is an executor for it."
)]

mod arguments;
mod column;
mod decode;
mod encode;
mod from_row;
mod member;
mod query_result;
mod row;
mod statement;
mod type_info;
mod value;

pub use arguments::{AnyArgumentBuffer, AnyArguments};
pub use column::AnyColumn;
pub use from_row::FromRow;
pub use member::AnyMember;
#[doc(hidden)]
pub use member::{DerivedBySqlx, is_derived_by_sqlx};
pub use query_result::AnyQueryResult;
pub use row::AnyRow;
pub use statement::AnyStatement;
pub use type_info::AnyTypeInfo;
pub use value::{AnyValue, AnyValueRef};

/// The database of any backend, for the generic parameters of sqlx; see the [module](self).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sqlx::Error> {
/// use ebbtide::any::{Any, AnyConnection};
/// use sqlx::Connection;
///
/// let mut connection = AnyConnection::connect("sqlite::memory:").await?;
/// let sum: i64 = sqlx::query_scalar::<Any, _>("SELECT ? + ?").bind(40).bind(2).fetch_one(&mut connection).await?;
/// assert_eq!(sum, 42);
/// connection.close().await
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Any;

/// A connection to any database, for code that wants one of its own: `AnyConnection::connect(url)`.
///
/// Its options are those of a [`Config`](crate::Config); [`Database`](crate::Database) has a pool.
pub type AnyConnection = <Any as sqlx::Database>::Connection;

/// The options of an [`AnyConnection`]: a URL, or any [`Config`](crate::Config).
pub type AnyConnectOptions = <AnyConnection as sqlx::Connection>::Options;

/// The transactions of an [`AnyConnection`].
pub type AnyTransactionManager = <Any as sqlx::Database>::TransactionManager;
