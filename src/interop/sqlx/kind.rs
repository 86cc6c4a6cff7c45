//! The databases for which there is a view.

use futures::stream::BoxStream;
use sqlx::{Database, Either, SqlStr};
use sqlx_core::describe::Describe;

use super::view::check;
use super::{Answer, Sqlx};
use crate::any::{Any, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use crate::backend::{Parts, SqlxDatabase};
use crate::error::Result;
use crate::interop::any::{Sending, Sent};
use crate::sql::Dialect;

mod sealed {
    pub trait Sealed {}
}

/// The text of a statement and its values, or why it has none.
type Given<DB> = Result<Parts<DB>, sqlx::Error>;
/// The items of a stream.
type Steps<DB> = BoxStream<'static, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// A database for which [`Database::sqlx`](crate::Database::sqlx) has a view: that of one backend (a [`SqlxDatabase`]),
/// or [`Any`] for every backend.
///
/// ```
/// use ebbtide::any::{Any, AnyQueryResult};
/// use ebbtide::{Database, SqlxView};
///
/// async fn clear(database: &Database) -> ebbtide::Result<AnyQueryResult> {
///     fn view<DB: SqlxView>(database: &Database) -> ebbtide::Result<ebbtide::Sqlx<DB>> {
///         database.sqlx::<DB>()
///     }
///     Ok(sqlx::query("DELETE FROM note").execute(view::<Any>(database)?).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = Database::connect("sqlite::memory:").await?;
/// database.execute("CREATE TABLE note (id INTEGER); INSERT INTO note VALUES (1)", ()).await?;
/// assert_eq!(clear(&database).await?.rows_affected(), 1);
/// # Ok(()) }
/// ```
pub trait SqlxView: Database + sealed::Sealed {
    #[doc(hidden)]
    fn check_dialect(dialect: Dialect) -> Result<()>;

    #[doc(hidden)]
    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Self::QueryResult>;

    #[doc(hidden)]
    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> Steps<Self>;

    #[doc(hidden)]
    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<Self::Row>>;

    #[doc(hidden)]
    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<Self::Row>>;

    #[doc(hidden)]
    fn prepare(view: &Sqlx<Self>, sql: SqlStr, types: &[Self::TypeInfo]) -> Answer<'static, Self::Statement>;

    #[doc(hidden)]
    fn describe(view: &Sqlx<Self>, sql: SqlStr) -> Answer<'static, Describe<Self>>;
}

impl<DB: SqlxDatabase> sealed::Sealed for DB {}

/// On the driver's own connection.
impl<DB: SqlxDatabase> SqlxView for DB {
    fn check_dialect(dialect: Dialect) -> Result<()> {
        check::<DB>(dialect)
    }

    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Self::QueryResult> {
        view.execute_parts(parts)
    }

    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> Steps<Self> {
        view.steps(parts)
    }

    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<Self::Row>> {
        view.fetch_all_parts(parts)
    }

    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<Self::Row>> {
        view.fetch_optional_parts(parts)
    }

    fn prepare(view: &Sqlx<Self>, sql: SqlStr, types: &[Self::TypeInfo]) -> Answer<'static, Self::Statement> {
        view.prepare_parts(&sql, types)
    }

    fn describe(view: &Sqlx<Self>, sql: SqlStr) -> Answer<'static, Describe<Self>> {
        view.describe_parts(&sql)
    }
}

impl sealed::Sealed for Any {}

fn sent(parts: Given<Any>) -> Sent {
    parts.map(|parts| (parts.sql, parts.arguments))
}

impl Sqlx<Any> {
    fn sending(&self) -> Sending {
        Sending::new(self.source.addressee(), self.place)
    }
}

/// On whatever connection a verb would run.
impl SqlxView for Any {
    fn check_dialect(_dialect: Dialect) -> Result<()> {
        Ok(())
    }

    fn execute(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, AnyQueryResult> {
        view.sending().execute(sent(parts))
    }

    fn fetch_many(view: &Sqlx<Self>, parts: Given<Self>) -> Steps<Self> {
        view.sending().steps(sent(parts))
    }

    fn fetch_all(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Vec<AnyRow>> {
        view.sending().fetch_all(sent(parts))
    }

    fn fetch_optional(view: &Sqlx<Self>, parts: Given<Self>) -> Answer<'static, Option<AnyRow>> {
        view.sending().fetch_optional(sent(parts))
    }

    fn prepare(view: &Sqlx<Self>, sql: SqlStr, _types: &[AnyTypeInfo]) -> Answer<'static, AnyStatement> {
        view.sending().prepare(sql)
    }

    fn describe(view: &Sqlx<Self>, _sql: SqlStr) -> Answer<'static, Describe<Self>> {
        view.sending().describe()
    }
}
