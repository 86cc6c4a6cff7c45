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
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(unreachable_code, unused_variables)
)]

mod backend;
mod caller;
mod config;
mod connection;
#[cfg(feature = "registry")]
mod connections;
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

#[cfg(feature = "sqlx-interop")]
pub use backend::SqlxDatabase;
pub use backend::{FromRow, QueryResult};
#[cfg(feature = "registry")]
pub use config::{AppConfig, ConnectionsConfig};
pub use config::{
    Config, DbApiPool, IntoConfig, IsolationLevel, IsolationPolicy, ReadYourWrites, Settings, SqliteMode, SslMode,
};
pub use connection::Connection;
#[cfg(feature = "registry")]
pub use connections::{Atomic, ConnectionToken, Connections, InTransaction, Route};
pub use database::{CapturedCallbacks, Database, HookError, IntoDatabase, Lifecycle, NewConnection, SandboxBuilder};
#[cfg(feature = "macros")]
#[doc = include_str!("testing/attribute.md")]
pub use ebbtide_macros::test;
pub use error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
pub use force_rollback::ForceRollback;
#[cfg(feature = "sqlx-interop")]
pub use interop::{Sqlx, SqlxTransaction};
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
