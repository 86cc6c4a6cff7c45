#![doc = include_str!("guides/links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What only one backend needs lies in the common modules; without that backend nobody calls it.
#![cfg_attr(
    not(all(
        feature = "postgres",
        feature = "mysql",
        feature = "sqlite",
        feature = "sqlx-interop"
    )),
    allow(dead_code, unused_imports)
)]
// Without any backend nothing can be reached.
#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(unreachable_code, unused_variables)
)]

mod backend;
mod config;
mod connection;
mod connections;
mod database;
mod error;
mod force_rollback;
pub mod guides;
mod interop;
mod pool;
pub mod query;
mod retry;
mod router;
mod schema;
mod session;
mod sql;
pub mod stream;
mod telemetry;
pub mod testing;
mod transaction;
mod url;
mod value;

#[cfg(feature = "sqlx-interop")]
pub use backend::SqlxDatabase;
pub use backend::{Done, FromRow};
pub use config::{
    AppConfig, Config, ConnectionsConfig, IntoConfig, IsolationLevel, IsolationPolicy, ReadYourWrites, Settings,
    SqliteMode, SslMode,
};
pub use connection::Connection;
pub use connections::{Atomic, ConnectionToken, Connections, InTransaction, Route};
pub use database::{CapturedCallbacks, Database, HookError, IntoDatabase, NewConnection, OpenSandbox};
#[cfg(feature = "macros")]
#[doc = include_str!("testing/attribute.md")]
pub use ebbtide_macros::test;
pub use error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
pub use force_rollback::ForceRollback;
#[cfg(feature = "sqlx-interop")]
pub use interop::{Sqlx, SqlxTransaction};
pub use pool::PoolStatus;
pub use query::{DoneMany, Query};
pub use retry::Retry;
pub use router::{Alias, Router};
pub use schema::{App, DbConnection, Ddl, Schema, SchemaTarget};
pub use session::{Bookmark, Recorded, ReplicaStatus};
pub use sql::{Dialect, IntoSql};
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
pub use stream::RowStream;
pub use transaction::{Begin, EndTransaction, Transaction};
pub use url::DatabaseUrl;
pub use value::{Array, Bind, ColumnIndex, FromValue, Interval, IntoParams, Json, Params, Row, Value, bind};
