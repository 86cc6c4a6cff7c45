//! What comes back: one column of a row, by the storage class of the value itself. A column of SQLite may hold any of
//! them, whatever type it was declared with.

use std::fmt::Display;

use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef as _};

use crate::error::{Error, ErrorKind, Result};
use crate::value::ValueRef;

/// Reads column `index` of `row`.
pub(super) fn value(row: &SqliteRow, index: usize) -> Result<ValueRef<'_>> {
    let raw = row.try_get_raw(index).map_err(super::errors::error)?;
    if raw.is_null() {
        return Ok(ValueRef::Null);
    }
    // sqlx lets the declared type speak only where the value is NULL.
    let class = raw.type_info();
    match class.name() {
        "INTEGER" => read(raw_again(row, index)?).map(ValueRef::I64),
        "REAL" => read(raw_again(row, index)?).map(ValueRef::F64),
        "TEXT" => read(raw_again(row, index)?).map(ValueRef::Text),
        "BLOB" => read(raw_again(row, index)?).map(ValueRef::Bytes),
        class => Err(unreadable(&format!("its storage class {class} is unknown"))),
    }
}

/// The name of the storage class of a value.
pub(super) fn class(row: &SqliteRow, index: usize) -> &'static str {
    match value(row, index) {
        Ok(ValueRef::I64(_)) => "INTEGER",
        Ok(ValueRef::F64(_)) => "REAL",
        Ok(ValueRef::Bytes(_)) => "BLOB",
        Ok(ValueRef::Null) => "NULL",
        _ => "TEXT",
    }
}

/// The type of a value borrows from its handle, and reading consumes the handle.
fn raw_again(row: &SqliteRow, index: usize) -> Result<SqliteValueRef<'_>> {
    row.try_get_raw(index).map_err(super::errors::error)
}

fn read<'r, T: Decode<'r, Sqlite>>(raw: SqliteValueRef<'r>) -> Result<T> {
    T::decode(raw).map_err(|why| unreadable(&why))
}

fn unreadable(why: &dyn Display) -> Error {
    Error::new(ErrorKind::Decode, format!("a value cannot be read: {why}"))
        .help("cast it to a blob in the SQL (`CAST(column AS BLOB)`) and read the bytes")
}
