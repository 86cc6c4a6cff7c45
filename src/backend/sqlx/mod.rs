//! Connections of sqlx behind the backend traits, implemented once for every database that sqlx supports.

mod answer;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "rusqlite"))]
mod bind;
mod bulk;
mod connection;
mod connector;
mod interruption;
mod keeping;
mod last_insert_id;
mod levels;
mod notified;
mod pooled;
mod question;
mod raw_connection;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod raw_row;
pub(crate) mod schema_changes;
mod search_path;
mod sent_texts;
mod tls_files;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod variants;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use sqlx::{AssertSqlSafe, Connection, Database, IntoArguments, SqlSafeStr, SqlStr};
use sqlx_core::database::HasStatementCache;

use super::{
    CopyRequest, Interrupt, NativeJob, NotificationSource, OfferedRow, QueryResult, RowSink, copy, notification,
};
use crate::error::{Error, Result};
use crate::sql::{BulkInsert, RowsForm, Server, Statement};
use crate::value::{RawRow, Value};

#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) use bind::bind_all;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "rusqlite"))]
pub(crate) use bind::check_all;
pub(crate) use connection::SqlxConnection;
pub(crate) use connector::SqlxConnector;
pub(crate) use keeping::Keeping;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub(crate) use raw_row::raw_row;
pub(crate) use tls_files::TlsFiles;
#[cfg(feature = "tokio-postgres")]
pub(crate) use {
    answer::DriverRow,
    question::{FirstTexts, is_question_unknown},
    search_path::SearchPath,
};

/// The options of a connection.
pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as Connection>::Options;

/// The properties of a sqlx database that this library needs.
pub(crate) trait Native:
    HasStatementCache + Database<Row: RawRow, Arguments: IntoArguments<Self>> + Sized
{
    /// What a connection knows of the types that the server expects, where the values leave them open.
    type Answers: Debug + Default + Send + Sync;

    /// Returns the arguments in the driver's own form, and the text to send with them.
    fn arguments(statement: &Statement, values: &[Value], answers: &Self::Answers)
    -> Result<(SqlStr, Self::Arguments)>;

    /// Returns a question for the server about the types of the values, if its answer is not among `answers`.
    fn question(_statement: &Statement, _values: &[Value], _answers: &Self::Answers) -> Option<SqlStr> {
        None
    }

    /// Keeps the rows that the server answered.
    fn answered(_statement: &Statement, _values: &[Value], _answers: &mut Self::Answers, _rows: &[String]) {}

    /// Notes that the server refused the statement, perhaps because of the types of its values.
    fn refused(_statement: &Statement, _values: &[Value], _answers: &mut Self::Answers) {}

    /// Notes that the driver cannot read the types of a statement. Returns `true` if it can be sent in another way.
    fn unreadable(_statement: &Statement, _values: &[Value], _answers: &mut Self::Answers) -> bool {
        false
    }

    /// Returns the text with its values in it, if the driver cannot read the types of the statement.
    fn as_text(_statement: &Statement, _values: &[Value], _answers: &Self::Answers) -> Option<Result<SqlStr>> {
        None
    }

    /// The form in which the rows of one statement are sent.
    const ROWS: RowsForm = RowsForm::Tuples;

    /// Returns the statement that takes one array for each column of many rows, if it means the same as one with the rows
    /// in its text. `sample` is a row with the types of the columns.
    fn of_arrays(
        _bulk: &BulkInsert,
        _sample: &[Value],
        _columns: &[Value],
        _answers: &mut Self::Answers,
    ) -> Option<Arc<Statement>> {
        None
    }

    /// Forgets all answers: the definitions have changed.
    fn forget(_answers: &mut Self::Answers) {}

    /// `true` if the driver itself counts the pending answers, so that flushing reads the rest. (SQLite's driver has a
    /// thread instead, which also counts savepoints.)
    const COUNTS_ANSWERS: bool;

    /// `true` if a session can receive notifications that no statement requested.
    const NOTIFIES: bool = false;

    /// `true` if the driver repeats the result of an earlier statement for a statement without such a result.
    const REPEATS: bool = false;

    /// The behaviour of a prepared statement after a change of its tables.
    const KEPT: KeptStatement;

    /// `true` if an error of COMMIT means that the transaction has ended. `ROLLBACK` would then be a warning.
    const COMMIT_ENDS: bool = false;

    /// The text that removes the statements that the driver has prepared in the server's session, for poolers.
    const DEALLOCATE: &str = "";

    /// The server's own code for a statement that it does not prepare, if there are such statements.
    const UNPREPARED: Option<&str> = None;

    /// The text that ends everything raw SQL may have left open.
    const RESET: &str = "ROLLBACK";

    /// The text that resets the session, without transaction; `None` if there is none.
    const RESET_SESSION: Option<&str> = None;

    /// The cheapest way to get the first row of an answer.
    const ONE: SingleRow = SingleRow::OfMany;

    fn done(result: &Self::QueryResult) -> QueryResult;

    /// Returns a flag that ends the statement under way, if the driver has a thread that can look at one.
    fn interrupt(_connection: &mut Self::Connection) -> BoxFuture<'_, Result<Option<Interrupt>>> {
        Box::pin(ready(Ok(None)))
    }

    /// Sets up a new session with a text, if it needs one, and returns its server. This costs no round trip for the
    /// server alone.
    fn set_up(
        connection: &mut Self::Connection,
        session: Option<SqlStr>,
    ) -> BoxFuture<'_, sqlx::Result<Option<Server>>>;

    /// Converts an error of sqlx.
    fn error(error: sqlx::Error) -> Error;

    /// Returns the options for another attempt to connect, if the first failed with `error` and another way is left.
    fn another_way(_options: &OptionsOf<Self>, _error: &sqlx::Error) -> Option<OptionsOf<Self>> {
        None
    }

    /// Opens a connection that listens to channels.
    fn listen(
        _options: OptionsOf<Self>,
        _channels: Vec<String>,
    ) -> BoxFuture<'static, Result<Box<dyn NotificationSource>>> {
        Box::pin(ready(Err(notification::unsupported())))
    }

    /// Returns the job that runs a COPY.
    fn copy(_request: CopyRequest) -> Result<NativeJob> {
        Err(copy::unsupported())
    }

    /// Returns whether a call dropped half-way leaves the connection usable. `between_rows` is `true` if the drop came
    /// after a row was handed out, while nothing more was being read.
    fn survives_interruption(between_rows: bool) -> bool;
}

/// The behaviour of a prepared statement after a change of its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeptStatement {
    /// It reads the tables as they are.
    Follows,
    /// The server refuses it.
    IsRefused,
    /// It reads the tables as they are, but shows the columns of a `*` as they were.
    Deceives {
        /// The query for the version of the definitions.
        version: &'static str,
        /// The query that makes a connection read the definitions again.
        look: &'static str,
    },
}

/// The way in which sqlx returns one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SingleRow {
    /// Every row has to be read.
    OfMany,
    /// sqlx leaves the other rows on the wire, and flushing reads them. That is faster than taking them, and it also
    /// finds errors after the first row.
    ThenFlush,
    /// sqlx reads the answer to its end by itself.
    AndReadsAll,
}

/// The database of which a connection has a copy.
pub(crate) trait Original<DB: Database>: Debug + Send {
    /// Copies the original into the connection's own database, if the copy is outdated.
    fn renew<'a>(&'a mut self, copy: &'a mut DB::Connection) -> BoxFuture<'a, Result<()>>;

    /// Releases the original.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Returns whether PostgreSQL refused a cached plan because its result has other columns than before, or one of its types
/// was dropped.
pub(crate) fn is_stale_plan(error: &Error) -> bool {
    match error.sqlstate() {
        Some("0A000") => error.message().contains("cached plan"),
        Some("XX000") => error.message().contains("cache lookup failed for type"),
        _ => false,
    }
}

/// Returns whether the driver gave up a statement before it was run, because it cannot look up one of its types.
pub(crate) fn is_unreadable_type(error: &Error) -> bool {
    error.sqlstate().is_none()
        && ["unknown type code", "invalid category code"]
            .iter()
            .any(|said| error.message().contains(said))
}

/// Returns text of this crate itself for the driver, built from constants and quoted identifiers.
pub(crate) fn own_sql(text: impl Into<String>) -> SqlStr {
    AssertSqlSafe(text.into()).into_sql_str()
}

/// A sink for statements whose rows are not wanted.
#[derive(Debug)]
pub(crate) struct Ignore;

impl RowSink for Ignore {
    fn row(&mut self, _row: &mut dyn OfferedRow) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> bool {
        true
    }
}
