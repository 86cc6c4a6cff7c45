//! The decoders of rows.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::backend::{FromRow, OfferedRow};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{FromValue, Row, deserialize_row};

/// A decoder of rows. Implemented by the markers of this module; [`Query::decode`](super::Query::decode) and similar methods choose one.
pub trait Decoder: sealed::Sealed {
    /// The type of one decoded row.
    type Output: Send + 'static;
}

mod sealed {
    pub trait Sealed: Send + 'static {}
}

/// The conversion of a row into a result.
pub(crate) trait DecodeRow: Decoder {
    fn decode(row: &mut dyn OfferedRow) -> Result<Self::Output>;
}

/// Rows as they are: [`Row`].
#[derive(Debug)]
pub struct AsRow;

/// Rows as a type with `#[derive(sqlx::FromRow)]`, or a tuple.
#[derive(Debug)]
pub struct As<T>(PhantomData<fn() -> T>);

/// Rows as a `serde::Deserialize` type.
#[derive(Debug)]
pub struct Deserialized<T>(PhantomData<fn() -> T>);

/// The first column of each row.
#[derive(Debug)]
pub struct FirstColumn<T>(PhantomData<fn() -> T>);

fn taken() -> Error {
    Error::new(ErrorKind::Driver, "a row was taken twice").help("this is a bug in ebbtide; please report it")
}

impl sealed::Sealed for AsRow {}

impl Decoder for AsRow {
    type Output = Row;
}

impl DecodeRow for AsRow {
    fn decode(row: &mut dyn OfferedRow) -> Result<Row> {
        row.take().map(Row::new).ok_or_else(taken)
    }
}

impl<T: FromRow + Send + 'static> sealed::Sealed for As<T> {}

impl<T: FromRow + Send + 'static> Decoder for As<T> {
    type Output = T;
}

impl<T: FromRow + Send + 'static> DecodeRow for As<T> {
    fn decode(row: &mut dyn OfferedRow) -> Result<T> {
        let row = row.look().ok_or_else(taken)?;
        T::from_native(row.native()).map_err(undecodable::<T>)
    }
}

impl<T: DeserializeOwned + Send + 'static> sealed::Sealed for Deserialized<T> {}

impl<T: DeserializeOwned + Send + 'static> Decoder for Deserialized<T> {
    type Output = T;
}

impl<T: DeserializeOwned + Send + 'static> DecodeRow for Deserialized<T> {
    fn decode(row: &mut dyn OfferedRow) -> Result<T> {
        deserialize_row(row.look().ok_or_else(taken)?)
    }
}

impl<T: FromValue + Send + 'static> sealed::Sealed for FirstColumn<T> {}

impl<T: FromValue + Send + 'static> Decoder for FirstColumn<T> {
    type Output = T;
}

impl<T: FromValue + Send + 'static> DecodeRow for FirstColumn<T> {
    fn decode(row: &mut dyn OfferedRow) -> Result<T> {
        AsRow::decode(row)?.get(0)
    }
}

/// Returns the library's error for a row that does not fit a type with `#[derive(FromRow)]`.
pub(crate) fn undecodable<T>(error: sqlx::Error) -> Error {
    let message = match &error {
        sqlx::Error::ColumnDecode { index, source } => format!("column {index} cannot be read: {source}"),
        sqlx::Error::ColumnNotFound(name) => format!("there is no column named {name} in the row"),
        other => other.to_string(),
    };
    Error::new(ErrorKind::Decode, format!("{}: {message}", std::any::type_name::<T>()))
        .help("compare the fields of the type with the columns and their SQL types: a column that can be NULL needs an Option, and sqlx requires integers of the column's own width, which `.deserialize()` converts")
        .with_source(error)
}
