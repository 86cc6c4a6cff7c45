//! `Queryable`: the verbs, for functions that take any handle.

use crate::query::{All, AsRow, Execute, ExecuteMany, FirstColumn, One, Optional, Query};
use crate::sql::{Dialect, IntoSql};
use crate::stream::{Batches, RowStream};
use crate::transaction::TransactionBuilder;
use crate::value::{FromValue, IntoParams};

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A [`Database`](crate::Database), a [`Connection`](crate::Connection), a [`Transaction`](crate::Transaction), a
/// [`TestDatabase`](crate::testing::TestDatabase), or a reference to one: the parameter of a function whose caller
/// chooses where its statements run.
///
/// The types have the same methods themselves, so only such functions need the trait. A transaction begun in one is a
/// savepoint if the caller is in a transaction already.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::{Database, Queryable, Result, params};
///
/// async fn add(db: &impl Queryable, text: &str) -> Result<u64> {
///     Ok(db.execute("INSERT INTO note VALUES (:text)", params! { text }).await?.rows_affected)
/// }
///
/// async fn add_all(db: &impl Queryable, texts: &[&str]) -> Result<()> {
///     db.transaction()
///         .run(async |transaction| {
///             for text in texts {
///                 add(&transaction, text).await?;
///             }
///             Ok(())
///         })
///         .await
/// }
///
/// let database = Database::connect("sqlite::memory:").await?;
/// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// add(&database, "alone").await?;
/// let transaction = database.transaction().await?;
/// add_all(&transaction, &["undone", "too"]).await?;
/// transaction.rollback().await?;
/// assert_eq!(database.fetch_value::<i64>("SELECT count(*) FROM note", ()).await?, 1);
/// # Ok(()) }
/// ```
///
/// It cannot be implemented outside of this crate.
#[doc(alias = "Executor")]
#[doc(alias = "GenericClient")]
pub trait Queryable: sealed::Sealed + Send + Sync {
    /// See [`Database::dialect`](crate::Database::dialect).
    fn dialect(&self) -> Dialect;

    /// See [`Database::execute`](crate::Database::execute).
    #[track_caller]
    fn execute(&self, sql: impl IntoSql, params: impl IntoParams) -> Query<Execute>;

    /// See [`Database::execute_many`](crate::Database::execute_many).
    #[track_caller]
    fn execute_many<R>(&self, sql: impl IntoSql, rows: R) -> Query<ExecuteMany>
    where
        R: IntoIterator<Item: IntoParams>;

    /// See [`Database::fetch_all`](crate::Database::fetch_all).
    #[track_caller]
    fn fetch_all(&self, sql: impl IntoSql, params: impl IntoParams) -> Query<All<AsRow>>;

    /// See [`Database::fetch_one`](crate::Database::fetch_one).
    #[track_caller]
    fn fetch_one(&self, sql: impl IntoSql, params: impl IntoParams) -> Query<One<AsRow>>;

    /// See [`Database::fetch_optional`](crate::Database::fetch_optional).
    #[track_caller]
    fn fetch_optional(&self, sql: impl IntoSql, params: impl IntoParams) -> Query<Optional<AsRow>>;

    /// See [`Database::fetch_value`](crate::Database::fetch_value).
    #[track_caller]
    fn fetch_value<T>(&self, sql: impl IntoSql, params: impl IntoParams) -> Query<One<FirstColumn<T>>>
    where
        T: FromValue + Send + 'static;

    /// See [`Database::iterate`](crate::Database::iterate).
    #[track_caller]
    fn iterate(&self, sql: impl IntoSql, params: impl IntoParams) -> RowStream;

    /// See [`Database::batched_iterate`](crate::Database::batched_iterate).
    #[track_caller]
    fn batched_iterate(&self, sql: impl IntoSql, params: impl IntoParams, size: usize) -> Batches;

    /// See [`Database::transaction`](crate::Database::transaction) and
    /// [`Connection::transaction`](crate::Connection::transaction).
    #[track_caller]
    fn transaction(&self) -> TransactionBuilder;
}

/// Implements [`Queryable`] by the methods that the type has itself or, if it derefs to another type, that one has.
macro_rules! queryable {
    ($type:ty, by $methods:ty $(, where $of:ident: Queryable)?) => {
        impl$(<$of: $crate::Queryable>)? $crate::queryable::sealed::Sealed for $type {}

        impl$(<$of: $crate::Queryable>)? $crate::Queryable for $type {
            fn dialect(&self) -> $crate::Dialect {
                <$methods>::dialect(self)
            }

            fn execute(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Execute> {
                <$methods>::execute(self, sql, params)
            }

            fn execute_many<R>(&self, sql: impl $crate::IntoSql, rows: R) -> $crate::Query<$crate::query::ExecuteMany>
            where
                R: IntoIterator<Item: $crate::IntoParams>,
            {
                <$methods>::execute_many(self, sql, rows)
            }

            fn fetch_all(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::All<$crate::query::AsRow>> {
                <$methods>::fetch_all(self, sql, params)
            }

            fn fetch_one(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::AsRow>> {
                <$methods>::fetch_one(self, sql, params)
            }

            fn fetch_optional(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Optional<$crate::query::AsRow>> {
                <$methods>::fetch_optional(self, sql, params)
            }

            fn fetch_value<T>(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::FirstColumn<T>>>
            where
                T: $crate::FromValue + Send + 'static,
            {
                <$methods>::fetch_value(self, sql, params)
            }

            fn iterate(&self, sql: impl $crate::IntoSql, params: impl $crate::IntoParams) -> $crate::RowStream {
                <$methods>::iterate(self, sql, params)
            }

            fn batched_iterate(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
                size: usize,
            ) -> $crate::stream::Batches {
                <$methods>::batched_iterate(self, sql, params, size)
            }

            fn transaction(&self) -> $crate::TransactionBuilder {
                <$methods>::transaction(self)
            }
        }
    };
}

pub(crate) use queryable;

queryable!(crate::Connection, by crate::Connection);
queryable!(crate::Transaction, by crate::Connection);
queryable!(&Q, by Q, where Q: Queryable);
