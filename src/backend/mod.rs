//! The interface between the library and the drivers. The modules built on it know a database only through these
//! traits.

mod begin;
mod copy;
#[cfg(feature = "dbapi2")]
mod dbapi2;
mod derby;
mod drivers;
mod duckdb;
#[cfg(test)]
pub(crate) mod fake;
mod h2;
mod hsqldb;
pub(crate) mod internal;
mod interrupt;
#[cfg(feature = "jdbc")]
mod jdbc;
mod mssql;
mod mysql;
mod native_job;
mod notification;
#[cfg(feature = "odbc")]
mod odbc;
mod position;
mod postgres;
pub(crate) mod rules;
#[cfg(feature = "rusqlite")]
mod rusqlite;
mod sandbox;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod sidecar;
mod sqlite;
pub(crate) mod sqlx;
#[cfg(feature = "sqlx-interop")]
mod sqlx_database;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;
pub(crate) mod worker;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use ::sqlx::SqlStr;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Product, RowsForm, SeenServer, Server, Statement};
use crate::value::{RawRow, Value};

pub(crate) use begin::Begin;
pub(crate) use copy::{CopyData, CopyPiece, CopyRequest};
pub(crate) use drivers::connector;
pub(crate) use interrupt::{Armed, Interrupt, Interruptible};
pub(crate) use native_job::{NativeJob, Pulse};
pub use notification::Notification;
pub(crate) use notification::NotificationSource;
pub(crate) use position::{Position, Reached};
pub(crate) use rules::ServerRules;
pub(crate) use sandbox::{Deferred, OuterTransaction, SandboxedConnection};
#[cfg(feature = "sqlx-interop")]
pub(crate) use sqlx_database::Parts;
#[cfg(feature = "sqlx-interop")]
pub use sqlx_database::SqlxDatabase;

impl Dialect {
    /// Returns the rules that hold on each product of the dialect, for a place without a connector.
    pub(crate) fn rules(self) -> &'static dyn ServerRules {
        self.rules_of(None)
    }

    /// Returns the rules of a server of this dialect.
    pub(crate) fn rules_of(self, server: Option<Server>) -> &'static dyn ServerRules {
        match (self, server.map(|server| server.product)) {
            (Self::Postgres, _) => &postgres::PostgresRules,
            (Self::MySql, Some(Product::MariaDb)) => &mysql::MariaDbRules,
            (Self::MySql, _) => &mysql::MySqlRules,
            (Self::Sqlite, _) => &sqlite::SqliteRules,
            (Self::SqlServer, _) => &mssql::SqlServerRules,
            (Self::Generic, Some(Product::H2)) => &h2::RULES,
            (Self::Generic, Some(Product::Hsqldb)) => &hsqldb::RULES,
            (Self::Generic, Some(Product::Derby)) => &derby::RULES,
            (Self::Generic, Some(Product::DuckDb)) => &duckdb::RULES,
            (Self::Generic, _) => &rules::STANDARD_SQL,
        }
    }
}

/// The result of a finished statement.
#[doc(alias = "Done")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryResult {
    /// The number of rows inserted, updated or deleted.
    pub rows_affected: u64,
    /// The key of the last inserted row: `AUTO_INCREMENT` on MySQL and MariaDB, `rowid` on SQLite. `None` if no row was
    /// inserted, if the table has no such key, or if the server does not report it (PostgreSQL: use `RETURNING`).
    ///
    /// The key is not reliable after statements that insert or update (`ON CONFLICT … DO UPDATE`,
    /// `ON DUPLICATE KEY UPDATE`). On SQLite it is `None` if the last row was updated. It may also be `None` after an
    /// insert, if the row inserted before, into any table, had the same key. MySQL and MariaDB report the key of the
    /// updated row if that row changed. `RETURNING` is reliable, where the server has it.
    ///
    /// MySQL and MariaDB also report the value that an `UPDATE` has set with `LAST_INSERT_ID(expression)`. A key above
    /// `i64::MAX` is `None`: query it with `SELECT LAST_INSERT_ID()` on the same connection.
    pub last_insert_id: Option<i64>,
}

impl QueryResult {
    /// Adds the result of the next statement of a script, or of the next batch.
    pub(crate) fn absorb(&mut self, next: Self) {
        self.rows_affected += next.rows_affected;
        self.last_insert_id = next.last_insert_id.or(self.last_insert_id);
    }
}

/// One statement with its parameters, in the order of the backend's placeholders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) statement: &'a Arc<Statement>,
    pub(crate) values: &'a [Value],
}

/// The number of writers that a database allows at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// Any number; the server coordinates them.
    Many,
    /// One, among all that use the same database.
    Of(DatabaseIdentity),
    /// One; the database does not exist yet. This is its name if it cannot be found later either.
    Unknown(DatabaseIdentity),
}

/// A database that has one writer at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(dead_code, reason = "SQLite's are the only ones")]
pub(crate) enum DatabaseIdentity {
    /// A file, under any of its names.
    File { device: u64, number: u64 },
    /// A file of which only the path is known.
    Path(PathBuf),
    /// A database in memory.
    Memory(String),
}

/// A factory of connections to one database.
pub(crate) trait Connector: Debug + Send + Sync {
    fn dialect(&self) -> Dialect;

    /// Returns the rules of the server seen last. Before the first connection they hold on each product of its dialect.
    fn rules(&self) -> &'static dyn ServerRules {
        self.dialect().rules_of(self.seen().get())
    }

    /// Returns the server to which the last connection was opened.
    fn seen(&self) -> &SeenServer;

    /// Returns the most parameters that the driver takes; `None` if it takes as many as the server.
    fn max_parameters(&self) -> Option<u16> {
        None
    }

    /// Returns whether a connection's socket belongs to the tokio runtime that opened it.
    fn runtime_bound(&self) -> bool;

    /// Returns the runtime of the connections if it is not that of their users; cleanup runs there.
    fn runtime(&self) -> Result<Option<Handle>> {
        Ok(None)
    }

    /// Opens a connection. The caller sets the time limit.
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>>;

    /// Returns whether an open `SELECT` of one connection keeps the others from writing.
    fn readers_block_writers(&self) -> bool {
        false
    }

    /// Returns the form in which its connections take the rows of one statement.
    fn rows_form(&self) -> RowsForm {
        RowsForm::Tuples
    }

    /// Returns whether users that write have to take turns.
    fn writers(&self) -> Writers {
        Writers::Many
    }

    /// Returns the connector of private copies, where two writing transactions would otherwise wait for each other.
    /// Each of its connections sees its own copy of the database. `None` where the server isolates them. Every call
    /// returns the same connector.
    fn private(&self) -> Option<Arc<dyn Connector>> {
        None
    }

    /// Opens a connection that listens to these channels.
    fn listen(&self, _channels: Vec<String>) -> BoxFuture<'_, Result<Box<dyn NotificationSource>>> {
        Box::pin(ready(Err(notification::unsupported())))
    }

    /// Returns the job that runs a COPY on one of its connections.
    fn copy(&self, _request: CopyRequest) -> Result<NativeJob> {
        Err(copy::unsupported())
    }

    /// Returns the address that it connects to, without the password, for messages.
    fn place(&self) -> String;
}

/// One connection of a driver. A call runs to its end or is dropped half-way. After a drop,
/// [`interrupted`](Self::interrupted) returns whether the connection is still usable.
pub(crate) trait RawConnection: Send {
    /// Runs a statement and passes each row to `sink` as it arrives.
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>>;

    /// Runs a statement and yields its rows one by one. Nothing is read ahead of the consumer beyond the driver's
    /// buffer.
    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>>;

    /// Runs text without parameters, without preparing it. The text may hold several statements.
    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>>;

    /// Has the next request send a text of the library's own first, in the same round trip, whatever the request is. If
    /// the text fails, the request fails with its error, nothing of it is run, and
    /// [`ahead_failed`](Self::ahead_failed) returns `true`. Returns `false`, and does nothing, if the driver cannot.
    fn send_ahead(&mut self, _text: &'static str) -> bool {
        false
    }

    /// Returns whether the last request failed with the text that was sent ahead of it.
    fn ahead_failed(&self) -> bool {
        false
    }

    /// Runs `job` on the driver's own connection.
    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        let error = Error::new(ErrorKind::Unsupported, "this connection does not use a driver of sqlx")
            .help("this is a bug in ebbtide; please report it");
        Box::pin(ready(Err(error)))
    }

    /// Returns whether the connection is isolated from its users, so that a dropped call still runs to its end.
    fn is_apart(&self) -> bool {
        false
    }

    /// Begins a transaction, a plain one without `begin`; inside one, sets a savepoint (then `begin` is `None`).
    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>>;

    /// Commits the innermost level: releases a savepoint, or commits the transaction. Runs `first` before the release
    /// of a savepoint, in the same round trip.
    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>>;

    /// Rolls back until `depth` levels are left, in one round trip where the driver can.
    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>>;

    /// Returns the number of open transaction levels: 0 outside of a transaction.
    fn depth(&self) -> usize;

    /// Ends any transaction that raw SQL may have left open, in one round trip.
    fn reset(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Resets the session to what it was when it was opened, outside of transactions, and ends one that raw SQL may have
    /// left open. Returns `false` if the session cannot be reset.
    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>>;

    /// Returns whether the transaction is still open on the server. Called where an error may have ended it silently.
    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>>;

    /// Reads the rest of a call that was dropped half-way. It may itself be dropped and called again.
    fn settle(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Updates the connection's own copy (see [`Connector::private`]) with what was committed to the original, and what
    /// a sandbox knows of the database's definitions. Called before the outer transaction of a sandbox begins. After a fatal error the connection must be replaced by a new one. The next call
    /// completes one that was dropped half-way.
    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(Ok(())))
    }

    /// Pings the server, in one round trip.
    fn ping(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Returns whether the connection is still usable after a call on it was dropped half-way. If so, the next call
    /// first reads the rest of the dropped one. `between_rows` is `true` if the drop came after a row was handed out,
    /// while nothing more was being read.
    fn interrupted(&self, between_rows: bool) -> bool;

    /// Returns the flag that ends the statement under way, if the driver has one. A statement that only reads may be
    /// ended at any time; another one only where everything that is open on the connection is undone, because SQLite
    /// undoes the whole transaction with it. [`settle`](Self::settle) lowers the flag.
    fn interrupt(&self) -> Option<&Interrupt> {
        None
    }

    /// Returns a function that closes the connection from outside, even while it is checked out. `None` if it cannot be
    /// reached.
    fn close_handle(&self) -> Option<CloseFn> {
        None
    }

    /// Returns the connection in a sandbox. Its next beginning is that of the outer transaction.
    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection>;

    /// Returns the connection without its sandbox, whose outer transaction has ended.
    fn plain(self: Box<Self>) -> Box<dyn RawConnection>;

    /// Notifies the server and closes the connection.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// A function that closes a connection that is checked out; see [`RawConnection::close_handle`].
pub(crate) type CloseFn = Box<dyn FnOnce() + Send>;

/// A receiver of the rows of [`RawConnection::run`].
pub(crate) trait RowSink: Send {
    /// Receives a row and may take it. An error ends the delivery of rows, not the statement.
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()>;
    /// Returns whether it wants only the first row, and not the result of the statement.
    fn wants_one(&self) -> bool {
        false
    }
    /// Discards the rows it received, so that the statement can be run again. Returns `false` if it cannot.
    fn restart(&mut self) -> bool {
        false
    }
}

/// A row that is offered to a [`RowSink`], which may read it or take it.
pub(crate) trait OfferedRow {
    /// Returns the row, unless it was taken.
    fn look(&self) -> Option<&dyn RawRow>;
    /// Takes the row, unless it was taken.
    fn take(&mut self) -> Option<Box<dyn RawRow>>;
}

/// The properties of `fuzz/` that are about one backend.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    #[cfg(feature = "postgres")]
    pub use super::postgres::fuzzing::*;
    #[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
    pub use super::sidecar::fuzzing::*;
}
