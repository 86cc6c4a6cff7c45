//! A connection of sqlx behind the seam, once for every database that sqlx knows.

mod connection;
mod connector;
mod told;

use std::fmt::Debug;

use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, Database, IntoArguments, SqlSafeStr, SqlStr};
use sqlx_core::database::HasStatementCache;

use crate::backend::{Done, Offer, Sink};
use crate::error::{Error, Result};
use crate::sql::Statement;
use crate::value::{RawRow, Value};

pub(crate) use connection::SqlxConnection;
pub(crate) use connector::SqlxConnector;

/// What a database of sqlx must tell about itself.
pub(crate) trait Native:
    HasStatementCache + Database<Row: RawRow, Arguments: IntoArguments<Self>> + Sized
{
    /// The arguments in the driver's own form, and the text to send with them.
    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, Self::Arguments)>;

    /// Whether the server has to say first which types it expects ([`Value::Untyped`]); then the types to
    /// declare when asking it.
    fn undeclared(_statement: &Statement, _values: &[Value]) -> Option<Vec<Self::TypeInfo>> {
        None
    }

    /// The text to ask with.
    fn question(statement: &Statement, _declared: &[Self::TypeInfo]) -> SqlStr {
        statement.sql()
    }

    /// Takes notice that the server found fault with the statement, perhaps with the types of its values.
    fn refused(_statement: &Statement, _values: &[Value]) {}

    /// Keeps what the server answered, for [`arguments`](Self::arguments).
    fn declare(_statement: &Statement, _values: &[Value], _types: &[Self::TypeInfo]) {}

    /// Whether the driver itself keeps count of the answers that are still to come, so that flushing reads what is left.
    /// (SQLite's has a thread instead, which also keeps count of savepoints.)
    const COUNTS_ANSWERS: bool;

    /// Whether a session can be sent notifications that no statement has asked for.
    const NOTIFIES: bool = false;

    /// Whether the driver tells of a statement what an earlier one has done, if this one has done nothing of the kind.
    const REPEATS: bool = false;

    /// What becomes of a statement kept prepared when the tables behind it are changed.
    const KEPT: Kept;

    /// The text that ends whatever raw SQL may have left open.
    const RESET: &str = "ROLLBACK";

    /// How the first row of an answer is got at the least cost.
    const ONE: One = One::OfMany;

    fn done(result: &Self::QueryResult) -> Done;

    /// The library's error for one of sqlx.
    fn error(error: sqlx::Error) -> Error;

    /// Whether a call dropped half-way leaves the connection usable; `between_rows` tells that it was dropped while a
    /// row had been handed out and nothing more was being read.
    fn survives_interruption(between_rows: bool) -> bool;
}

/// What becomes of a statement kept prepared when the tables behind it are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is read as the tables are.
    Follows,
    /// The server refuses it.
    IsRefused,
    /// The tables are read as they are, but the columns of a `*` are shown as they were.
    Deceives {
        /// The query that tells the version of the definitions.
        version: &'static str,
        /// The query that makes a connection look at them again.
        look: &'static str,
    },
}

/// How sqlx gives one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum One {
    /// Every row has to be taken from it.
    OfMany,
    /// Asked for one row it leaves the others on the wire, and flushing reads them. That is quicker than taking them, and
    /// errors behind the first row are found as well.
    ThenFlush,
    /// Asked for one row it reads the answer to its end by itself.
    AndReadsAll,
}

/// The database that a connection has a copy of.
pub(crate) trait Original<DB: Database>: Debug + Send {
    /// Copies it into the connection's own database, if that is not as the original is now.
    fn renew<'a>(&'a mut self, copy: &'a mut DB::Connection) -> BoxFuture<'a, Result<()>>;

    /// Lets go of it.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// PostgreSQL keeps no plan whose result has other columns than before.
pub(crate) fn is_stale_plan(error: &Error) -> bool {
    error.sqlstate() == Some("0A000") && error.message().contains("cached plan")
}

/// Text for the driver that this crate wrote itself, out of constants and quoted identifiers.
pub(crate) fn own_sql(text: impl Into<String>) -> SqlStr {
    AssertSqlSafe(text.into()).into_sql_str()
}

/// A sink for statements whose rows nobody asked for.
#[derive(Debug)]
pub(crate) struct Ignore;

impl Sink for Ignore {
    fn row(&mut self, _row: &mut dyn Offer) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> bool {
        true
    }
}
