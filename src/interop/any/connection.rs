//! A connection to any database, as sqlx uses one.

#[cfg(feature = "sqlx-interop")]
use std::panic::Location;

use futures::future::{BoxFuture, ready};
use sqlx::{Acquire, Transaction as SqlxOwn};
use sqlx_core::connection::Connection as SqlxConnection;

use super::options::AnyConnectOptions;
#[cfg(feature = "sqlx-interop")]
use super::sending::AnySending;
use crate::any::Any;
use crate::config::Config;
use crate::connection::Connection;
use crate::database::Database;
use crate::error::Result;
use crate::transaction::Transaction;

/// A connection to any database, for code that wants one of its own.
///
/// It is a [`Database`] with one connection, which is opened at once. `&mut connection` is an executor (with the feature
/// `sqlx-interop`), and `begin` begins transactions and savepoints, as on every connection of sqlx.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sqlx::Error> {
/// use ebbtide::any::{Any, AnyConnection};
/// use sqlx::Connection;
///
/// let mut connection = AnyConnection::connect("sqlite::memory:").await?;
/// sqlx::query::<Any>("CREATE TABLE note (text TEXT)").execute(&mut connection).await?;
/// let mut transaction = connection.begin().await?;
/// sqlx::query::<Any>("INSERT INTO note VALUES ($1)").bind("hello").execute(&mut *transaction).await?;
/// transaction.rollback().await?;
/// let count: i64 = sqlx::query_scalar::<Any, _>("SELECT count(*) FROM note").fetch_one(&mut connection).await?;
/// assert_eq!(count, 0);
/// connection.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct AnyConnection {
    /// The open levels, outermost first. Before the connection, so that they end first.
    open: Vec<Transaction>,
    /// Set if the innermost level of sqlx's is none of `open`: its begin failed or was dropped, or so was its end.
    astray: bool,
    connection: Connection,
    database: Database,
}

impl AnyConnection {
    /// Opens a connection.
    pub(super) async fn open(config: Config) -> Result<Self> {
        let database = Database::connect(config.pool_size(1).max_overflow(0)).await?;
        let mut connection = Self {
            open: Vec::new(),
            astray: false,
            connection: database.connection(),
            database,
        };
        connection.reach().await?;
        Ok(connection)
    }

    /// Asks the server for an answer.
    async fn reach(&mut self) -> Result<()> {
        self.connection().execute("SELECT 1", ()).await.map(drop)
    }

    /// Returns the innermost level.
    fn connection(&self) -> Connection {
        self.open
            .last()
            .map_or_else(|| self.connection.clone(), Transaction::connection)
    }

    /// Returns where statements are sent.
    #[cfg(feature = "sqlx-interop")]
    pub(super) fn sending(&self, place: &'static Location<'static>) -> AnySending {
        AnySending::new(self.connection().addressee(), place)
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Begins a level.
    pub(super) async fn push(&mut self) -> Result<()> {
        self.astray = true;
        let begun = self.connection().transaction().await?;
        self.open.push(begun);
        self.astray = false;
        Ok(())
    }

    /// Notes that a level of sqlx's does not begin.
    pub(super) fn refuse_level(&mut self) {
        self.astray = true;
    }

    /// Ends the innermost level.
    pub(super) async fn pop(&mut self, commits: bool) -> Result<(), sqlx::Error> {
        let Some(ended) = self.open.pop() else { return Ok(()) };
        self.astray = true;
        if commits {
            ended.commit().await?;
        } else {
            ended.rollback().await?;
        }
        self.astray = false;
        Ok(())
    }

    /// Gives up the innermost level of sqlx's. What is dropped is rolled back before the connection is used again.
    pub(super) fn give_up(&mut self) {
        if !std::mem::take(&mut self.astray) {
            self.open.pop();
        }
    }

    async fn end(mut self, waits: bool) -> Result<(), sqlx::Error> {
        while self.open.pop().is_some() {}
        drop(self.connection);
        if waits {
            self.database.disconnect().await?;
        } else {
            self.database.disconnect_now().await?;
        }
        Ok(())
    }
}

impl SqlxConnection for AnyConnection {
    type Database = Any;
    type Options = AnyConnectOptions;

    async fn close(self) -> Result<(), sqlx::Error> {
        self.end(true).await
    }

    async fn close_hard(self) -> Result<(), sqlx::Error> {
        self.end(false).await
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        Ok(self.reach().await?)
    }

    async fn begin(&mut self) -> Result<SqlxOwn<'_, Any>, sqlx::Error> {
        SqlxOwn::begin(self, None).await
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Returns `false`: what is left of an answer is read before the next statement.
    fn should_flush(&self) -> bool {
        false
    }
}

impl<'c> Acquire<'c> for &'c mut AnyConnection {
    type Database = Any;
    type Connection = &'c mut AnyConnection;

    fn acquire(self) -> BoxFuture<'c, Result<&'c mut AnyConnection, sqlx::Error>> {
        Box::pin(ready(Ok(self)))
    }

    fn begin(self) -> BoxFuture<'c, Result<SqlxOwn<'c, Any>, sqlx::Error>> {
        SqlxOwn::begin(self, None)
    }
}
