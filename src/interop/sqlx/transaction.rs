//! A transaction as code written for sqlx wants it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::Sqlx;
use crate::backend::SqlxDatabase;
use crate::transaction::{EndTransaction, Transaction};

/// A transaction of a [`Sqlx`] view, to be used as [`sqlx::Transaction`] is: `&mut *transaction` is an executor, and so are
/// `&transaction` and `&mut transaction`. Dropped without an end, it is rolled back.
///
/// It binds its task as [`Transaction`] does, of which it is another face.
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

impl<DB: SqlxDatabase> SqlxTransaction<DB> {
    pub(super) fn new(transaction: Transaction, place: &'static Location<'static>) -> Self {
        let view = Sqlx::of_connection((*transaction).clone(), place);
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
    /// As that of [`Transaction::commit`].
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
    /// As that of [`Transaction::rollback`].
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

    /// The transaction itself, for the verbs of this crate.
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

impl<DB: SqlxDatabase> fmt::Debug for SqlxTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlxTransaction").field(&DB::NAME).finish()
    }
}
