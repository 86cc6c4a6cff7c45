//! The databases of sqlx that can be used through this library.

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::{Connection, Database, Either, Execute, Executor, SqlStr};

use crate::error::Error;
use crate::sql::Dialect;

mod sealed {
    pub trait Sealed {}
}

/// The items that sqlx yields while a statement runs: rows, and the result of each statement.
type Steps<'c, DB> = BoxStream<'c, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// A statement of sqlx, split into its parts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Parts<DB: Database> {
    pub(crate) sql: SqlStr,
    /// `None` if the text is sent without being prepared.
    pub(crate) arguments: Option<DB::Arguments>,
    pub(crate) persistent: bool,
}

impl<DB: SqlxDatabase> Clone for Parts<DB> {
    fn clone(&self) -> Self {
        Self {
            sql: self.sql.clone(),
            arguments: self.arguments.clone(),
            persistent: self.persistent,
        }
    }
}

/// A database of sqlx that ebbtide is built with: `sqlx::Postgres`, `sqlx::MySql` or `sqlx::Sqlite`, each with the
/// Cargo feature of its backend.
pub trait SqlxDatabase: Database<Arguments: Clone> + sealed::Sealed {
    /// The dialect of the database.
    const DIALECT: Dialect;

    #[doc(hidden)]
    fn explain(error: sqlx::Error) -> Error;

    #[doc(hidden)]
    fn survives_anywhere() -> bool;

    #[doc(hidden)]
    fn affected(result: &Self::QueryResult) -> super::QueryResult;

    #[doc(hidden)]
    fn fetch_many(connection: &mut Self::Connection, parts: Parts<Self>) -> Steps<'_, Self>;

    #[doc(hidden)]
    fn fetch_optional(
        connection: &mut Self::Connection,
        parts: Parts<Self>,
    ) -> BoxFuture<'_, Result<Option<Self::Row>, sqlx::Error>>;

    #[doc(hidden)]
    fn prepare_with<'c>(
        connection: &'c mut Self::Connection,
        sql: SqlStr,
        types: &'c [Self::TypeInfo],
    ) -> BoxFuture<'c, Result<Self::Statement, sqlx::Error>>;

    #[doc(hidden)]
    fn settle(connection: &mut Self::Connection) -> BoxFuture<'_, Result<(), sqlx::Error>>;

    #[doc(hidden)]
    fn describe(
        connection: &mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'_, Result<sqlx_core::describe::Describe<Self>, sqlx::Error>>;
}

impl<DB: Database> Parts<DB> {
    /// Splits a statement into its parts. Fails if a value cannot be encoded.
    pub(crate) fn of<'q>(mut query: impl Execute<'q, DB>) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let persistent = query.persistent();
        Ok(Self {
            sql: query.sql(),
            arguments,
            persistent,
        })
    }
}

/// Converts an error of sqlx, for code that uses both sqlx and this crate. An error of this crate that went through
/// sqlx's comes back unchanged.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// use ebbtide::ErrorKind;
/// let missing = sqlx::query("SELECT * FROM missing").fetch_all(database.sqlx::<sqlx::Sqlite>()?).await;
/// assert_eq!(ebbtide::Error::from(missing.unwrap_err()).kind(), ErrorKind::UndefinedObject);
/// # Ok(()) }
/// ```
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let error = match own(error) {
            Ok(own) => return own,
            Err(error) => error,
        };
        #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
        if let sqlx::Error::Database(answer) = &error {
            use super::sqlx::Native;
            #[cfg(feature = "postgres")]
            if answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                return <sqlx::Postgres as Native>::error(error);
            }
            #[cfg(feature = "mysql")]
            if answer.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some() {
                return <sqlx::MySql as Native>::error(error);
            }
            #[cfg(feature = "sqlite")]
            if answer.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                return <sqlx::Sqlite as Native>::error(error);
            }
        }
        Self::from_sqlx(error)
    }
}

/// The error of this crate that has gone through one of sqlx.
fn own(error: sqlx::Error) -> Result<Error, sqlx::Error> {
    match error {
        sqlx::Error::Configuration(inner) => match inner.downcast::<Error>() {
            Ok(own) => Ok(*own),
            Err(inner) => Err(sqlx::Error::Configuration(inner)),
        },
        other => Err(other),
    }
}

macro_rules! database {
    ($feature:literal, $database:ty, $dialect:expr) => {
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $database {}

        #[cfg(feature = $feature)]
        impl SqlxDatabase for $database {
            const DIALECT: Dialect = $dialect;

            fn explain(error: sqlx::Error) -> Error {
                // One of this crate's own comes from another connection, which the closure used besides.
                own(error).map_or_else(<Self as super::sqlx::Native>::error, Error::passed_on)
            }

            fn survives_anywhere() -> bool {
                <Self as super::sqlx::Native>::survives_interruption(false)
            }

            fn affected(result: &Self::QueryResult) -> super::QueryResult {
                <Self as super::sqlx::Native>::done(result)
            }

            fn fetch_many(connection: &mut Self::Connection, parts: Parts<Self>) -> Steps<'_, Self> {
                match parts.arguments {
                    Some(arguments) => {
                        connection.fetch_many(sqlx::query_with(parts.sql, arguments).persistent(parts.persistent))
                    }
                    None => connection.fetch_many(parts.sql),
                }
            }

            fn fetch_optional(
                connection: &mut Self::Connection,
                parts: Parts<Self>,
            ) -> BoxFuture<'_, Result<Option<Self::Row>, sqlx::Error>> {
                Box::pin(async move {
                    let row = match parts.arguments {
                        Some(arguments) => {
                            let query = sqlx::query_with(parts.sql, arguments).persistent(parts.persistent);
                            connection.fetch_optional(query).await?
                        }
                        None => connection.fetch_optional(parts.sql).await?,
                    };
                    if <Self as super::sqlx::Native>::COUNTS_ANSWERS {
                        // An error may follow the row; it must not reach the next statement.
                        connection.flush().await?;
                    }
                    Ok(row)
                })
            }

            fn prepare_with<'c>(
                connection: &'c mut Self::Connection,
                sql: SqlStr,
                types: &'c [Self::TypeInfo],
            ) -> BoxFuture<'c, Result<Self::Statement, sqlx::Error>> {
                connection.prepare_with(sql, types)
            }

            fn settle(connection: &mut Self::Connection) -> BoxFuture<'_, Result<(), sqlx::Error>> {
                Box::pin(async move {
                    connection.flush().await?;
                    if <Self as super::sqlx::Native>::COUNTS_ANSWERS {
                        Ok(())
                    } else {
                        connection.ping().await
                    }
                })
            }

            fn describe(
                connection: &mut Self::Connection,
                sql: SqlStr,
            ) -> BoxFuture<'_, Result<sqlx_core::describe::Describe<Self>, sqlx::Error>> {
                connection.describe(sql)
            }
        }
    };
}

database!("postgres", sqlx::Postgres, Dialect::Postgres);
database!("mysql", sqlx::MySql, Dialect::MySql);
database!("sqlite", sqlx::Sqlite, Dialect::Sqlite);

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn broken() -> sqlx::Error {
        sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into())
    }

    #[test]
    fn q9_what_may_be_run_again_says_so_behind_an_error_of_sqlx() {
        let lost = Error::from_sqlx(broken()).undone(false);
        assert!(lost.is_retryable());
        let sqlx = sqlx::Error::from(lost);
        assert!(matches!(sqlx, sqlx::Error::Configuration(_)), "{sqlx:?}");
        let back = Error::from(sqlx);
        assert_eq!((back.kind(), back.is_retryable()), (ErrorKind::ConnectionLost, true));
        assert!(std::error::Error::source(&back).is_some_and(<dyn std::error::Error>::is::<sqlx::Error>));
        // Where the driver's error says as much, it is itself again.
        let lost = sqlx::Error::from(Error::from_sqlx(broken()));
        assert!(matches!(lost, sqlx::Error::Io(_)), "{lost:?}");
        let missing = sqlx::Error::from(Error::from_sqlx(sqlx::Error::RowNotFound));
        assert!(matches!(missing, sqlx::Error::RowNotFound), "{missing:?}");
    }

    #[test]
    fn q9_an_error_of_another_connection_says_nothing_of_the_one_it_is_passed_on_to() {
        let deadlock = Error::new(ErrorKind::Deadlock, "elsewhere")
            .ending_transaction()
            .fatal();
        let passed = <sqlx::Sqlite as SqlxDatabase>::explain(deadlock.into());
        assert_eq!((passed.kind(), passed.message()), (ErrorKind::Deadlock, "elsewhere"));
        assert!(passed.is_retryable() && !passed.is_fatal() && !passed.ends_transaction());
    }
}
