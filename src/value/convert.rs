//! Conversions from Rust types into `Value`. All are lossless, except as noted at `Duration`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::document::{ROUNDED, keeps_numbers};
use super::{Array, Interval, Json, Value};

/// The mark of the values that [`unfit`] creates.
const UNFIT: &str = "$ebbtide::Unfit";

/// Returns a value that stands for a failed conversion, because `From` cannot fail. It has the shape of a list in an
/// array, which cannot be bound anyway; [`refusal`] turns it into an error before a backend can see it.
pub(super) fn unfit(why: String) -> Value {
    Value::Array(vec![Value::List(vec![Value::Text(UNFIT.to_owned()), Value::Text(why)])])
}

/// Returns the reason why `value` cannot be bound on any backend.
pub(super) fn refusal(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Untyped(text) if text.contains('\0') => {
            Some("its text contains a NUL character; bind it as bytes")
        }
        Value::Array(members) => members.iter().find_map(|member| match member {
            Value::List(inner) => match inner.as_slice() {
                [Value::Text(mark), Value::Text(why)] if mark == UNFIT => Some(why.as_str()),
                _ => Some("an Array holds scalars only; wrap nested values into Json"),
            },
            member => refusal(member),
        }),
        Value::List(members) => members.iter().find_map(refusal),
        _ => None,
    }
}

/// A type whose `Vec` is a list of parameters or an array: every scalar but `u8`, whose `Vec` is bytes.
pub trait Member {}

macro_rules! scalars {
    ($($from:ty => |$value:ident| $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        }
        impl Member for $from {}
    )*};
}

scalars! {
    bool => |value| Value::Bool(value);
    i8 => |value| Value::I16(value.into());
    i16 => |value| Value::I16(value);
    i32 => |value| Value::I32(value);
    i64 => |value| Value::I64(value);
    isize => |value| Value::I64(value as i64);
    u16 => |value| Value::I32(value.into());
    u32 => |value| Value::I64(value.into());
    u64 => |value| Value::U64(value);
    usize => |value| Value::U64(value as u64);
    f32 => |value| Value::F32(value);
    f64 => |value| Value::F64(value);
    Decimal => |value| Value::Decimal(value);
    char => |value| Value::Text(value.into());
    String => |value| Value::Text(value);
    Box<str> => |value| Value::Text(value.into());
    Rc<str> => |value| Value::Text((*value).into());
    Arc<str> => |value| Value::Text((*value).into());
    NaiveDate => |value| Value::Date(value);
    NaiveTime => |value| Value::Time(value);
    NaiveDateTime => |value| Value::DateTime(value);
    Uuid => |value| Value::Uuid(value);
    serde_json::Value => |value| Value::Json(value);
    Interval => |value| Value::Interval(value);
    IpNetwork => |value| Value::Inet(value);
    Ipv4Network => |value| Value::Inet(value.into());
    Ipv6Network => |value| Value::Inet(value.into());
    IpAddr => |value| Value::Inet(value.into());
    Ipv4Addr => |value| Value::Inet(IpAddr::from(value).into());
    Ipv6Addr => |value| Value::Inet(IpAddr::from(value).into());
    Vec<u8> => |value| Value::Bytes(value);
}

impl From<u8> for Value {
    fn from(value: u8) -> Self {
        Self::I16(value.into())
    }
}

/// Converts into whole microseconds; anything finer is cut off, because a PostgreSQL `interval` cannot hold more.
/// Binding more than 292,471 years is an error.
impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        match i64::try_from(value.as_micros()) {
            Ok(microseconds) => Self::Interval(Interval {
                microseconds,
                ..Interval::default()
            }),
            Err(_) => unfit("a Duration of more than 292,471 years does not fit into an interval".into()),
        }
    }
}
impl Member for Duration {}

impl<Tz: TimeZone> From<DateTime<Tz>> for Value {
    fn from(value: DateTime<Tz>) -> Self {
        Self::Timestamp(value.with_timezone(&Utc))
    }
}
impl<Tz: TimeZone> Member for DateTime<Tz> {}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl Member for &str {}

impl From<Cow<'_, str>> for Value {
    fn from(value: Cow<'_, str>) -> Self {
        Self::Text(value.into_owned())
    }
}
impl Member for Cow<'_, str> {}

impl From<Cow<'_, [u8]>> for Value {
    fn from(value: Cow<'_, [u8]>) -> Self {
        Self::Bytes(value.into_owned())
    }
}
impl Member for Cow<'_, [u8]> {}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

/// Clones the value, so that a reference to anything that can be bound can be bound itself.
impl<T: Clone> From<&T> for Value
where
    Value: From<T>,
{
    fn from(value: &T) -> Self {
        Self::from(value.clone())
    }
}
impl<T: Member> Member for &T {}

/// Converts `None` into `NULL`, of the type of `T` if that is one of those that can be bound by themselves.
impl<T> From<Option<T>> for Value
where
    Value: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::null_of::<T>, Self::from)
    }
}
impl<T: Member> Member for Option<T> {}

/// Converts into a list, which takes the place of as many parameters in `IN (:ids)`. Elsewhere it is an array on
/// PostgreSQL.
impl<T: Member> From<Vec<T>> for Value
where
    Value: From<T>,
{
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Self::from).collect())
    }
}

impl<T: Member + Clone> From<&[T]> for Value
where
    Value: From<T>,
{
    fn from(values: &[T]) -> Self {
        Self::List(values.iter().cloned().map(Self::from).collect())
    }
}

impl<T: Member, const N: usize> From<[T; N]> for Value
where
    Value: From<T>,
{
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Self::from).collect())
    }
}

impl<T> From<Array<T>> for Value
where
    Value: From<T>,
{
    fn from(values: Array<T>) -> Self {
        Self::Array(values.0.into_iter().map(Self::from).collect())
    }
}

/// Converts the document as written. Its place must be one for JSON: on PostgreSQL a column, or
/// `CAST(:document AS jsonb)`.
impl From<&RawValue> for Value {
    fn from(value: &RawValue) -> Self {
        Self::Untyped(value.get().to_owned())
    }
}

impl From<Box<RawValue>> for Value {
    fn from(value: Box<RawValue>) -> Self {
        Self::from(&*value)
    }
}

/// Binding a value that serde cannot write as JSON (a map whose keys are not text) is an error.
impl<T: Serialize> From<Json<T>> for Value {
    fn from(value: Json<T>) -> Self {
        match serde_json::to_value(&value.0) {
            Ok(document) if !keeps_numbers(&value.0, &document) => unfit(ROUNDED.to_owned()),
            Ok(document) => Self::Json(document),
            Err(error) => unfit(format!("it cannot be written as JSON: {error}")),
        }
    }
}
impl<T> Member for Json<T> {}
impl Member for Value {}
