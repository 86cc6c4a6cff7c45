//! The rows of the drivers, for types with `#[derive(sqlx::FromRow)]`.

use std::any::Any;

/// A type that can be read from a row of every compiled-in backend. It is implemented for every type with
/// `#[derive(sqlx::FromRow)]`, whose derive is generic over the row, and for tuples of sqlx's types.
///
/// The URL decides at run time whose rows are read, so each field must have a type that every compiled-in backend
/// supports. Some types are not: sqlx reads arrays from PostgreSQL only, and `Decimal` not from SQLite. Cargo unites the
/// features of all packages, so another package may enable a backend that yours does not use. A library therefore
/// names the backend of such a type ([`decode_on`](crate::Query::decode_on)), or reads it with
/// [`deserialize`](crate::Query::deserialize); both work whatever is compiled in.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// #[derive(sqlx::FromRow)]
/// struct Note {
///     id: i64,
///     text: String,
/// }
/// let note: Note = database.fetch_one("SELECT 1 AS id, 'hello' AS text", ()).decode().await?;
/// assert_eq!((note.id, note.text.as_str()), (1, "hello"));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the rows of every backend that is compiled in",
    note = "derive `sqlx::FromRow`; the type of each field must be one that every enabled backend supports: for a type that only one has, \
            such as an array, call `.decode_on::<sqlx::Postgres, _>()`; or read it with `.deserialize()`"
)]
pub trait FromRow: Sized {
    #[doc(hidden)]
    fn from_native(row: &dyn Any) -> Result<Self, sqlx::Error>;
}

/// Defines the trait for rows of one backend. Without the backend, every type implements it and nothing is ever read.
macro_rules! rows {
    ($trait:ident, $feature:literal, $row:path) => {
        #[cfg(feature = $feature)]
        #[doc(hidden)]
        pub trait $trait: Sized {
            fn read(row: &dyn Any) -> Option<Result<Self, sqlx::Error>>;
        }

        #[cfg(feature = $feature)]
        impl<T: for<'r> sqlx::FromRow<'r, $row>> $trait for T {
            fn read(row: &dyn Any) -> Option<Result<Self, sqlx::Error>> {
                row.downcast_ref::<$row>().map(T::from_row)
            }
        }

        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        pub trait $trait: Sized {
            fn read(_row: &dyn Any) -> Option<Result<Self, sqlx::Error>> {
                None
            }
        }

        #[cfg(not(feature = $feature))]
        impl<T> $trait for T {}
    };
}

rows!(FromPostgres, "postgres", sqlx::postgres::PgRow);
rows!(FromMySql, "mysql", sqlx::mysql::MySqlRow);
rows!(FromSqlite, "sqlite", sqlx::sqlite::SqliteRow);

impl<T: FromPostgres + FromMySql + FromSqlite> FromRow for T {
    fn from_native(row: &dyn Any) -> Result<Self, sqlx::Error> {
        <T as FromPostgres>::read(row)
            .or_else(|| <T as FromMySql>::read(row))
            .or_else(|| <T as FromSqlite>::read(row))
            .unwrap_or_else(|| {
                Err(sqlx::Error::Decode(
                    "the driver of the row does not support `FromRow`".into(),
                ))
            })
    }
}
