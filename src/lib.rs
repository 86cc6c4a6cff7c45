#![doc = include_str!("guides/links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Code for a single backend or feature in the common modules is unused without it.
#![cfg_attr(
    not(all(
        feature = "postgres",
        feature = "mysql",
        feature = "sqlite",
        feature = "schema",
        feature = "sqlx-interop"
    )),
    allow(dead_code, unused_imports)
)]
// Without any backend most code is unreachable.
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "rusqlite")),
    allow(unreachable_code, unused_variables)
)]

pub mod any;
mod backend;
mod caller;
mod config;
mod connection;
#[cfg(feature = "registry")]
mod connections;
mod copy;
mod database;
mod error;
mod force_rollback;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guides;
mod interop;
mod pool;
pub mod query;
mod queryable;
mod retry;
#[cfg(feature = "registry")]
mod router;
#[cfg(feature = "schema")]
mod schema;
mod session;
mod sql;
pub mod stream;
mod telemetry;
pub mod testing;
mod transaction;
pub mod types;
mod url;
mod value;

pub use any::FromRow;
#[cfg(feature = "sqlx-interop")]
pub use backend::SqlxDatabase;
pub use backend::{Notification, QueryResult};
#[cfg(feature = "registry")]
pub use config::{AppConfig, ConnectionsConfig};
pub use config::{
    BridgeSettings, Config, DbApiPool, IntoConfig, IsolationLevel, IsolationPolicy, ReadYourWrites, Settings,
    SqliteMode, SslMode,
};
pub use connection::Connection;
#[cfg(feature = "registry")]
pub use connections::{Atomic, ConnectionToken, Connections, InTransaction, Route, connections, in_transaction};
pub use copy::{CopyIn, CopyOut};
pub use database::{
    CapturedCallbacks, Database, HookError, IntoDatabase, Lifecycle, ListenEvent, NewConnection, Notifications,
    SandboxBuilder,
};
#[cfg(feature = "derive")]
/// Makes an enum or a newtype a type that rows and statements of every backend have: `Type`, `Decode` and `Encode` for
/// `ebbtide::any::Any`.
///
/// It stands beside `#[derive(sqlx::Type)]`, in either order, reads sqlx's attributes, and adds what that leaves out
/// for `Any`. For enums by name (`#[sqlx(type_name = …, rename_all = …)]`, `#[sqlx(rename = …)]` at a variant), enums by
/// number (`#[repr(i32)]`), and newtypes (`#[sqlx(transparent)]`). A `Vec` of such a type is an array.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// #[derive(Debug, PartialEq, sqlx::Type, ebbtide::Type)]
/// #[sqlx(type_name = "mood", rename_all = "snake_case")]
/// enum Mood {
///     VeryHappy,
///     Calm,
/// }
///
/// #[derive(Debug, PartialEq, sqlx::Type, ebbtide::Type)]
/// #[sqlx(transparent)]
/// struct UserId(i64);
///
/// let sql = "SELECT 7 AS id, 'very_happy' AS mood";
/// let read: (UserId, Mood) = database.fetch_one(sql, ()).decode().await?;
/// assert_eq!(read, (UserId(7), Mood::VeryHappy));
/// # Ok(()) }
/// ```
///
/// A composite type is PostgreSQL's alone: read rows with one by `.decode_on::<sqlx::Postgres, _>()`.
pub use ebbtide_macros::Type;
#[cfg(all(feature = "derive", feature = "registry"))]
/// Runs the body of an `async fn` in a transaction of a database of the [installed](Connections::install) registry:
/// `#[ebbtide::atomic("default")]`, or `#[ebbtide::atomic]` if there is only one.
///
/// It is [`transactional`] with [`in_transaction`] for the database, and has the same options. The body's statements are
/// those of the database of that alias, wherever it comes from: `connections()?.get("default")`.
///
/// ```
/// use ebbtide::{Connections, Result, params};
///
/// #[ebbtide::atomic("default", retry)]
/// async fn add(texts: &[&str]) -> Result<()> {
///     let database = ebbtide::connections()?.get("default").await?;
///     for text in texts {
///         database.execute("INSERT INTO note VALUES (:text)", params! { text: *text }).await?;
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// Connections::init("sqlite::memory:")?.install()?;
/// let database = ebbtide::connections()?.get("default").await?;
/// database.execute("CREATE TABLE note (text TEXT UNIQUE)", ()).await?;
/// add(&["a", "b"]).await?;
/// assert!(add(&["c", "a"]).await.is_err()); // there is an `a` already: `c` is undone too
/// assert_eq!(database.fetch_value::<i64>("SELECT count(*) FROM note", ()).await?, 2);
/// # Ok(()) }
/// ```
pub use ebbtide_macros::atomic;
#[cfg(feature = "macros")]
#[doc = include_str!("testing/attribute.md")]
pub use ebbtide_macros::test;
#[cfg(feature = "derive")]
#[doc = include_str!("guides/transactional.md")]
pub use ebbtide_macros::transactional;
pub use error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
pub use force_rollback::ForceRollback;
#[cfg(feature = "sqlx-interop")]
pub use interop::{Sqlx, SqlxTransaction, SqlxView};
pub use pool::PoolStatus;
pub use query::{BatchResult, Query};
pub use queryable::Queryable;
pub use retry::Retry;
#[cfg(feature = "registry")]
pub use router::{Alias, Router};
#[cfg(feature = "schema")]
pub use schema::{App, DbConnection, Ddl, Schema, SchemaTarget};
pub use session::{Bookmark, OpenHandle, OpenHandleKind, RecordedStatement, ReplicaStatus};
pub use sql::{Dialect, IntoSql};
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
pub use stream::RowStream;
pub use transaction::{EndTransaction, Transaction, TransactionBuilder};
pub use url::{Bridge, DatabaseUrl};
pub use value::{
    Array, Bind, ColumnIndex, FromValue, Interval, IntoParams, Json, Mismatch, NullType, Params, Row, Value, ValueRef,
    bind,
};
