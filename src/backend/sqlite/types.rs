//! Reading of one column of a row, by the storage class of the value itself. A column of SQLite may hold any class,
//! whatever its declared type.

use std::fmt::Display;

use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Column, Decode, Row, Sqlite, TypeInfo, ValueRef as _};

use crate::error::{Error, ErrorKind, Result};
use crate::value::ValueRef;

/// Reads column `index` of `row`.
pub(super) fn value(row: &SqliteRow, index: usize) -> Result<ValueRef<'_>> {
    let raw = row.try_get_raw(index).map_err(super::errors::error)?;
    if raw.is_null() {
        return Ok(ValueRef::Null);
    }
    // sqlx returns the declared type only if the value is NULL.
    let class = raw.type_info();
    match class.name() {
        "INTEGER" => read(raw_again(row, index)?).map(ValueRef::I64),
        "REAL" => read(raw_again(row, index)?).map(ValueRef::F64),
        "TEXT" => read(raw_again(row, index)?).map(ValueRef::Text),
        "BLOB" => read(raw_again(row, index)?).map(ValueRef::Bytes),
        class => Err(unreadable(&format!("its storage class {class} is unknown"))),
    }
}

/// Returns the name of the storage class of a value.
fn class(row: &SqliteRow, index: usize) -> &'static str {
    match value(row, index) {
        Ok(ValueRef::I64(_)) => "INTEGER",
        Ok(ValueRef::F64(_)) => "REAL",
        Ok(ValueRef::Bytes(_)) => "BLOB",
        Ok(ValueRef::Null) => "NULL",
        _ => "TEXT",
    }
}

/// Returns the raw value again. Its type borrows from its handle, and reading consumes the handle.
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

/// Returns the name of a column's type: the declared one, or that of the value if the column is none of a table.
pub(super) fn type_name(row: &SqliteRow, index: usize) -> &str {
    match row.column(index).type_info().name() {
        "NULL" => class(row, index),
        declared => declared,
    }
}
