//! The seam between the library and the drivers. Everything to the right of this module knows a database
//! only through these traits.

#[cfg(test)]
pub(crate) mod fake;
mod job;
#[cfg(feature = "mysql")]
mod mysql;
mod native;
mod position;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlx-interop")]
mod sqlx_database;
pub(crate) mod support;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::SqlStr;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value};

pub(crate) use job::{NativeJob, Pulse};
pub use native::FromRow;
pub(crate) use position::{Position, Reached};
#[cfg(feature = "sqlx-interop")]
pub(crate) use sqlx_database::Parts;
#[cfg(feature = "sqlx-interop")]
pub use sqlx_database::SqlxDatabase;

/// The connector for what the URL names: the list of drivers.
pub(crate) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let dialect = config.url().dialect();
    match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::connector(config),
        #[cfg(feature = "mysql")]
        Dialect::MySql => mysql::connector(config),
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::connector(config),
        #[allow(unreachable_patterns, reason = "reachable when a backend is left out")]
        _ => Err(left_out(dialect)),
    }
}

#[allow(dead_code, reason = "unused when every backend is compiled in")]
fn left_out(dialect: Dialect) -> Error {
    let feature = match dialect {
        Dialect::Postgres => "postgres",
        Dialect::MySql => "mysql",
        Dialect::Sqlite => "sqlite",
    };
    Error::new(ErrorKind::Config, format!("{dialect} is not compiled in")).help(format!(
        "enable it in Cargo.toml: ebbtide = {{ …, features = [\"{feature}\"] }}"
    ))
}

/// What a finished statement tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// The number of rows inserted, updated or deleted.
    pub rows_affected: u64,
    /// The key of the last inserted row: MySQL's and MariaDB's `AUTO_INCREMENT`, SQLite's `rowid`. `None` if no row was
    /// inserted, if the table has no such key, and where the server does not tell it (PostgreSQL: use `RETURNING`).
    ///
    /// Of statements that insert or update (`ON CONFLICT … DO UPDATE`, `ON DUPLICATE KEY UPDATE`) it is not certain. On
    /// SQLite it is `None` if the last row was updated, and may be `None` although it was inserted, if the row inserted
    /// before, into whatever table, had the same key. MySQL and MariaDB tell the key of the updated row, if it changed.
    /// `RETURNING` is certain, where the server has it.
    ///
    /// MySQL's and MariaDB's servers also tell what an `UPDATE` has set by `LAST_INSERT_ID(expression)`. A key above
    /// `i64::MAX` is `None`: ask for it by `SELECT LAST_INSERT_ID()` on the same connection.
    pub last_insert_id: Option<i64>,
}

impl Done {
    /// Adds what the next statement of a script, or the next batch, tells.
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

/// How many may write to a database at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// The server sees to it.
    Many,
    /// One, and whatever others have the same database.
    Of(One),
    /// One; the database is not there yet. If it cannot be found later either, this is its name.
    Unknown(One),
}

/// A database that has one writer at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "SQLite's are the only ones"))]
pub(crate) enum One {
    /// A file, under whatever names.
    File { device: u64, number: u64 },
    /// A file of which no more is known.
    Path(PathBuf),
    /// A database in memory.
    Memory(String),
}

/// Makes connections of one database.
pub(crate) trait Connector: Debug + Send + Sync {
    fn dialect(&self) -> Dialect;

    /// Whether a connection's socket belongs to the tokio runtime that opened it.
    fn runtime_bound(&self) -> bool;

    /// The runtime that its connections live on, if that is not their users'; what is left to clean is cleaned there.
    fn runtime(&self) -> Result<Option<Handle>> {
        Ok(None)
    }

    /// Opens a connection. The caller sets the time limit.
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>>;

    /// Whether an open `SELECT` of one connection keeps the others from writing.
    fn readers_block_writers(&self) -> bool {
        false
    }

    /// Whether those of its users who write have to take turns.
    fn writers(&self) -> Writers {
        Writers::Many
    }

    /// Makes connections that each see a copy of the database of their own, where two transactions that write would
    /// otherwise wait for each other. `None` where the server keeps them apart. Every call makes the same connector.
    fn private(&self) -> Option<Arc<dyn Connector>> {
        None
    }

    /// Where it connects to, for messages; without the password.
    fn place(&self) -> String;
}

/// One connection of a driver. Every call runs to its end or is dropped half-way; after a drop
/// [`interrupted`](Self::interrupted) tells whether the connection can still be used.
pub(crate) trait RawConnection: Send {
    /// Runs a statement and hands each row to `sink` as it comes.
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<Done>>;

    /// Runs a statement and yields its rows one by one; nothing is read ahead of the consumer beyond the
    /// driver's buffer.
    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>>;

    /// Runs text that holds no parameters, and may hold several statements, without preparing it.
    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Done>>;

    /// Has `job` run on the driver's own connection.
    fn with_native(&mut self, _job: NativeJob) -> BoxFuture<'_, Result<Done>> {
        let error = Error::new(
            ErrorKind::Unsupported,
            "the driver of this connection is not one of sqlx",
        );
        Box::pin(ready(Err(error)))
    }

    /// Whether it lives apart from its users, so that a call that was dropped runs to its end over there.
    fn is_apart(&self) -> bool {
        false
    }

    /// Begins a transaction with `sql`, or, inside one, sets a savepoint (then `sql` is `None`).
    fn begin(&mut self, sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>>;

    /// Commits the innermost level: a savepoint is released, a transaction committed. Before a savepoint is released,
    /// `first` is run, in the same round trip.
    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>>;

    /// Rolls back until `depth` levels are left, in one round trip where the driver can.
    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>>;

    /// How many transaction levels are open: 0 outside of any.
    fn depth(&self) -> usize;

    /// Ends whatever transaction raw SQL may have left open, in one round trip.
    fn reset(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Whether the transaction is still open on the server. Asked where an error may have ended it unsaid.
    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>>;

    /// Reads what is left of a call that was dropped half-way. It may itself be dropped and called again.
    fn settle(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Brings a copy of its own (see [`Connector::private`]) up to date with what was committed to the original. Called
    /// outside of a transaction. After a fatal error the connection is to be replaced by a new one; a call that was dropped
    /// half-way is made up for by the next.
    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(ready(Ok(())))
    }

    /// Asks the server for a sign of life, in one round trip.
    fn ping(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Whether the connection can be used on after a call on it was dropped half-way. If so, the next call
    /// first reads what is left of the dropped one. `between_rows` says that it was dropped while a row had been handed out
    /// and nothing more was being read.
    fn interrupted(&self, between_rows: bool) -> bool;

    /// Has text run before whatever is asked for next, without waiting for its answer. `false`: it was not taken, and has
    /// to be run in the usual way.
    fn post(&mut self, _sql: &'static str) -> bool {
        false
    }

    /// The error of the text that was posted last, once the answer to what followed it is there.
    fn post_failed(&mut self) -> Option<Error> {
        None
    }

    /// What closes the connection from outside, whoever holds it. `None` where it cannot be reached there.
    fn severer(&self) -> Option<Sever> {
        None
    }

    /// Says good-bye to the server.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Closes a connection that is in other hands; see [`RawConnection::severer`].
pub(crate) type Sever = Box<dyn FnOnce() + Send>;

/// Takes the rows of [`RawConnection::run`].
pub(crate) trait Sink: Send {
    /// Takes a row, by reference or for good. An error ends the reading of rows, not the statement.
    fn row(&mut self, row: &mut dyn Offer) -> Result<()>;

    /// Whether it wants the first row only, and not what the statement did.
    fn wants_one(&self) -> bool {
        false
    }

    /// Forgets the rows it was given, so that the statement can be run again. `false`: it cannot.
    fn restart(&mut self) -> bool {
        false
    }
}

/// A row that is offered to a [`Sink`], which may look at it or take it.
pub(crate) trait Offer {
    /// The row, unless it was taken.
    fn look(&self) -> Option<&dyn RawRow>;
    /// The row for good.
    fn take(&mut self) -> Option<Box<dyn RawRow>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u8_a_backend_that_is_left_out_names_its_feature() {
        for (dialect, feature) in [
            (Dialect::Postgres, "features = [\"postgres\"]"),
            (Dialect::MySql, "features = [\"mysql\"]"),
            (Dialect::Sqlite, "features = [\"sqlite\"]"),
        ] {
            let error = left_out(dialect);
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(feature) && text.contains(&dialect.to_string()), "{text}");
        }
    }
}
