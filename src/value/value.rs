//! `Value`, the closed set of values that a parameter or a column can hold.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::null_type::NullType;

/// A PostgreSQL interval. Months, days and microseconds are kept apart, as on the server, because months and days have
/// no fixed length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// Microseconds.
    pub microseconds: i64,
}

/// A value bound to a parameter or read from a column.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL `NULL`; its type is left to the server.
    Null,
    /// SQL `NULL` that was the `None` of a known type. PostgreSQL is told this type, unless it accepts only another
    /// one at that place; the other servers need none.
    NullOf(NullType),
    /// A boolean.
    Bool(bool),
    /// A 16-bit integer.
    I16(i16),
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// An unsigned 64-bit integer.
    U64(u64),
    /// A single-precision number.
    F32(f32),
    /// A double-precision number.
    F64(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Text.
    Text(String),
    /// Text whose SQL type was lost (a `Serialize` struct writes dates, UUIDs and decimals as strings). It is converted
    /// to the type that the server expects at its place.
    Untyped(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A calendar date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A date and time without a zone.
    DateTime(NaiveDateTime),
    /// A point in time.
    Timestamp(DateTime<Utc>),
    /// A UUID.
    Uuid(Uuid),
    /// A JSON document.
    Json(serde_json::Value),
    /// A PostgreSQL interval.
    Interval(Interval),
    /// A PostgreSQL `inet` or `cidr`.
    Inet(IpNetwork),
    /// An array, for PostgreSQL; its members have one type, or are null.
    Array(Vec<Value>),
    /// A list, which takes the place of several parameters in `IN (:ids)`. Elsewhere it is an array on PostgreSQL.
    List(Vec<Value>),
}

/// The value of a column, which borrows text and bytes from the row if the driver allows it.
///
/// Implementations of [`FromValue`](crate::FromValue) pass it on to one of another type, or match on it to read text
/// without a copy:
///
/// ```
/// use ebbtide::{FromValue, Mismatch, ValueRef};
///
/// #[derive(Debug, PartialEq)]
/// enum Mood { Calm, Happy }
///
/// impl FromValue for Mood {
///     fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
///         match value {
///             ValueRef::Text("calm") => Ok(Self::Calm),
///             ValueRef::Text("happy") => Ok(Self::Happy),
///             _ => Err(Mismatch::new("it is neither `calm` nor `happy`").help("read it as String")),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// assert_eq!(database.fetch_value::<Mood>("SELECT 'happy'", ()).await?, Mood::Happy);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'r> {
    /// SQL `NULL`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any width.
    I64(i64),
    /// An unsigned integer, if the column is unsigned.
    U64(u64),
    /// A single-precision number.
    F32(f32),
    /// A double-precision number.
    F64(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Text.
    Text(&'r str),
    /// The text of a JSON document, which is parsed when the requested type is known.
    Json(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
    /// A calendar date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A date and time without a zone.
    DateTime(NaiveDateTime),
    /// A point in time.
    Timestamp(DateTime<Utc>),
    /// A UUID.
    Uuid(Uuid),
    /// A value that must be built as a whole: an interval, a network, an array, a JSON document in an array.
    Owned(Value),
}

impl Value {
    /// Returns whether it is `NULL`, of whatever type.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullOf(_))
    }

    /// Returns the name of the variant. Messages and logs may show it, but not the value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null | Self::NullOf(_) => "Null",
            Self::Bool(_) => "Bool",
            Self::I16(_) => "I16",
            Self::I32(_) => "I32",
            Self::I64(_) => "I64",
            Self::U64(_) => "U64",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
            Self::Decimal(_) => "Decimal",
            Self::Text(_) => "Text",
            Self::Untyped(_) => "Untyped",
            Self::Bytes(_) => "Bytes",
            Self::Date(_) => "Date",
            Self::Time(_) => "Time",
            Self::DateTime(_) => "DateTime",
            Self::Timestamp(_) => "Timestamp",
            Self::Uuid(_) => "Uuid",
            Self::Json(_) => "Json",
            Self::Interval(_) => "Interval",
            Self::Inet(_) => "Inet",
            Self::Array(_) => "Array",
            Self::List(_) => "List",
        }
    }
}

impl<'r> From<&'r Value> for ValueRef<'r> {
    fn from(value: &'r Value) -> Self {
        match value {
            Value::Null | Value::NullOf(_) => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::I16(value) => Self::I64((*value).into()),
            Value::I32(value) => Self::I64((*value).into()),
            Value::I64(value) => Self::I64(*value),
            Value::U64(value) => Self::U64(*value),
            Value::F32(value) => Self::F32(*value),
            Value::F64(value) => Self::F64(*value),
            Value::Decimal(value) => Self::Decimal(*value),
            Value::Text(value) | Value::Untyped(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Date(value) => Self::Date(*value),
            Value::Time(value) => Self::Time(*value),
            Value::DateTime(value) => Self::DateTime(*value),
            Value::Timestamp(value) => Self::Timestamp(*value),
            Value::Uuid(value) => Self::Uuid(*value),
            Value::Json(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
                Self::Owned(value.clone())
            }
        }
    }
}
