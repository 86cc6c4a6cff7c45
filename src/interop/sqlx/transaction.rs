//! Transactions as executors of sqlx.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use futures::future::BoxFuture;

use super::view::Source;
use super::{Sqlx, SqlxView};
use crate::transaction::{EndTransaction, Transaction};

/// A transaction of a [`Sqlx`] view, used like [`sqlx::Transaction`]: `&mut *transaction` is an executor, and so are
/// `&transaction` and `&mut transaction`. If it is dropped before its end, it is rolled back.
///
/// It wraps a [`Transaction`] and binds its task in the same way.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// let mut transaction = database.sqlx::<sqlx::Sqlite>()?.begin().await?;
/// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
/// transaction.rollback().await?;
/// # Ok(()) }
/// ```
pub struct SqlxTransaction<DB> {
    view: Sqlx<DB>,
    transaction: Transaction,
}

impl<DB: SqlxView> Sqlx<DB> {
    /// Begins a transaction, or a savepoint inside one. It is rolled back when it is dropped.
    ///
    /// Statements through `&mut *transaction` run in it, as in sqlx, and so do plain calls of the same task.
    ///
    /// # Errors
    ///
    /// Those of [`Database::transaction`](crate::Database::transaction), inside of [`sqlx::Error`].
    ///
    /// # Cancel safety
    ///
    /// As for [`TransactionBuilder`](crate::TransactionBuilder).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let sqlx = database.sqlx::<sqlx::Sqlite>()?;
    /// let mut transaction = sqlx.begin().await?;
    /// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn begin(&self) -> BoxFuture<'static, Result<SqlxTransaction<DB>, sqlx::Error>> {
        let place = Location::caller();
        let begin = match &self.source {
            Source::Database(database) => database.transaction(),
            Source::Connection(connection) => connection.transaction(),
        };
        Box::pin(async move { Ok(SqlxTransaction::new(begin.await?, place)) })
    }
}

impl<DB: SqlxView> SqlxTransaction<DB> {
    pub(super) fn new(transaction: Transaction, place: &'static Location<'static>) -> Self {
        let view = Sqlx::of_connection(transaction.connection(), place);
        Self { view, transaction }
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// Those of [`Transaction::commit`], inside of [`sqlx::Error`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Transaction::commit`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let mut transaction = database.sqlx::<sqlx::Sqlite>()?.begin().await?;
    /// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
    /// transaction.commit().await?;
    /// assert_eq!(database.fetch_value::<i64>("SELECT count(*) FROM note", ()).await?, 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn commit(self) -> EndTransaction<'static, sqlx::Error> {
        self.transaction.into_end(true)
    }

    /// Rolls back.
    ///
    /// # Errors
    ///
    /// Those of [`Transaction::rollback`], inside of [`sqlx::Error`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Transaction::rollback`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let mut transaction = database.sqlx::<sqlx::Sqlite>()?.begin().await?;
    /// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
    /// transaction.rollback().await?;
    /// assert_eq!(database.fetch_value::<i64>("SELECT count(*) FROM note", ()).await?, 0);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn rollback(self) -> EndTransaction<'static, sqlx::Error> {
        self.transaction.into_end(false)
    }

    /// Returns the transaction itself, for the verbs of this crate.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let mut transaction = database.sqlx::<sqlx::Sqlite>()?.begin().await?;
    /// sqlx::query("INSERT INTO note VALUES ('hello')").execute(&mut *transaction).await?;
    /// let count: i64 = transaction.transaction().fetch_value("SELECT count(*) FROM note", ()).await?;
    /// assert_eq!(count, 1);
    /// # Ok(()) }
    /// ```
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }
}

impl<DB> Deref for SqlxTransaction<DB> {
    type Target = Sqlx<DB>;

    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<DB> DerefMut for SqlxTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.view
    }
}

impl<DB: SqlxView> fmt::Debug for SqlxTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlxTransaction").field(&DB::NAME).finish()
    }
}
