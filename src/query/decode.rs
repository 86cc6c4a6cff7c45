//! The decoders of rows.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::any::{AnyRow, FromRow};
use crate::backend::OfferedRow;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{FromValue, RawRow, Row, deserialize_row};

/// A decoder of rows. Implemented by the markers of this module; [`Query::decode`](super::Query::decode) and similar
/// methods choose one.
///
/// It cannot be implemented outside of this crate. As a bound it makes a query of any decoder awaitable:
///
/// ```
/// use ebbtide::Result;
/// use ebbtide::query::{All, Decoder, Query};
///
/// async fn last<D: Decoder>(query: Query<All<D>>) -> Result<Option<D::Output>> {
///     Ok(query.await?.pop())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// let numbers = database.fetch_all("SELECT 1 UNION SELECT 2", ());
/// assert_eq!(last(numbers.value::<i64>()).await?, Some(2));
/// # Ok(()) }
/// ```
pub trait Decoder: Send + 'static {
    /// The type of one decoded row.
    type Output: Send + 'static;

    /// Reads a row. The type of the argument has no public name, so the trait is sealed.
    #[doc(hidden)]
    fn decode(row: Offered<'_>) -> Result<Self::Output>;
}

/// A row that is read or taken.
#[expect(missing_debug_implementations, reason = "it has no public name")]
pub struct Offered<'r>(pub(super) &'r mut dyn OfferedRow);

/// Rows as they are: [`Row`].
#[derive(Debug)]
pub struct AsRow;

/// Rows as a type with `#[derive(sqlx::FromRow)]`, or a tuple.
#[derive(Debug)]
pub struct Decoded<T>(PhantomData<fn() -> T>);

/// Rows of the backend `DB` as a type with `#[derive(sqlx::FromRow)]`, or a tuple.
#[derive(Debug)]
pub struct DecodedOn<DB, T>(PhantomData<fn() -> (DB, T)>);

/// Rows as a `serde::Deserialize` type.
#[derive(Debug)]
pub struct Deserialized<T>(PhantomData<fn() -> T>);

/// The first column of each row.
#[derive(Debug)]
pub struct FirstColumn<T>(PhantomData<fn() -> T>);

fn taken() -> Error {
    Error::new(ErrorKind::Driver, "a row was taken twice").help("this is a bug in ebbtide; please report it")
}

impl Decoder for AsRow {
    type Output = Row;

    fn decode(row: Offered<'_>) -> Result<Row> {
        row.0.take().map(Row::new).ok_or_else(taken)
    }
}

impl<T: FromRow + Send + 'static> Decoder for Decoded<T> {
    type Output = T;

    fn decode(row: Offered<'_>) -> Result<T> {
        decode(&AnyRow::new(row.0.take().ok_or_else(taken)?))
    }
}

impl<DB, T> Decoder for DecodedOn<DB, T>
where
    DB: sqlx::Database,
    T: for<'r> sqlx::FromRow<'r, DB::Row> + Send + 'static,
{
    type Output = T;

    fn decode(row: Offered<'_>) -> Result<T> {
        decode_on::<DB, T>(row.0.look().ok_or_else(taken)?)
    }
}

impl<T: DeserializeOwned + Send + 'static> Decoder for Deserialized<T> {
    type Output = T;

    fn decode(row: Offered<'_>) -> Result<T> {
        deserialize_row(row.0.look().ok_or_else(taken)?)
    }
}

impl<T: FromValue + Send + 'static> Decoder for FirstColumn<T> {
    type Output = T;

    fn decode(row: Offered<'_>) -> Result<T> {
        AsRow::decode(row)?.get(0)
    }
}

/// Reads a row of the backend `DB`.
pub(crate) fn decode_on<DB, T>(row: &dyn RawRow) -> Result<T>
where
    DB: sqlx::Database,
    T: for<'r> sqlx::FromRow<'r, DB::Row>,
{
    let Some(row) = row.native().downcast_ref::<DB::Row>() else {
        let message = format!(
            "`decode_on` names sqlx's driver of {}, but the row comes from another one",
            DB::NAME
        );
        return Err(Error::new(ErrorKind::Unsupported, message).help(
            "name the backend of the database, and its driver in the URL (`postgresql+sqlx://…`), or read the row with \
             `.decode()` or `.deserialize()`",
        ));
    };
    T::from_row(row).map_err(undecodable::<T>)
}

/// Reads a row of any backend.
pub(crate) fn decode<T: FromRow>(row: &AnyRow) -> Result<T> {
    T::from_any(row).map_err(undecodable::<T>)
}

/// Returns the library's error for a row that does not fit a type with `#[derive(FromRow)]`.
#[cold]
fn undecodable<T>(error: sqlx::Error) -> Error {
    let name = std::any::type_name::<T>();
    let (index, why) = match error {
        sqlx::Error::ColumnDecode { index, source } => (index, source),
        error => {
            let message = match &error {
                sqlx::Error::ColumnNotFound(name) => format!("there is no column named {name} in the row"),
                other => other.to_string(),
            };
            return Error::new(ErrorKind::Decode, format!("{name}: {message}"))
                .help("compare the fields of the type with the columns and their SQL types")
                .with_source(error);
        }
    };
    match why.downcast::<Error>() {
        Ok(own) => own.context(name),
        Err(source) => Error::new(ErrorKind::Decode, format!("{name}: column {index} cannot be read: {source}"))
            .help("compare the fields of the type with the columns and their SQL types: a column that can be NULL needs an Option, and sqlx requires integers of the column's own width, which `.decode()` and `.deserialize()` convert")
            .with_source(sqlx::Error::ColumnDecode { index, source }),
    }
}
