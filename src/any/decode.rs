//! Reading of values: the conversions of `FromValue`, and what sqlx's own drivers read besides.

use std::any::type_name;
use std::net::IpAddr;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::Decode;
use sqlx::error::BoxDynError;
use sqlx::types::Text;
use sqlx::types::chrono::Local;
use uuid::Uuid;

use super::{Any, AnyMember, AnyValueRef};
use crate::value::{FromValue, Interval, Json, Mismatch, Value, ValueRef, typed};

type Read<T> = Result<T, BoxDynError>;

/// The name of the type of a date and time that is kept in UTC without saying so.
const DATETIME: &str = "DATETIME";
/// Reads a value by the conversions of `FromValue`.
#[inline(never)]
fn read<T: FromValue>(value: AnyValueRef<'_>) -> Read<T> {
    let read = match value.value {
        // Recreated from another form that the server wrote.
        ValueRef::Owned(ref whole @ (Value::Text(_) | Value::Bytes(_))) => T::from_value(whole.into()),
        value => T::from_value(value),
    };
    Ok(read?)
}

/// Returns the error for a value of another kind.
#[cold]
pub(super) fn mismatched<T>(value: &AnyValueRef<'_>) -> Read<T> {
    Err(Mismatch::kind(&value.value).into())
}

/// Implements `Decode`. Values of the type's own kind take the short way, which the compiler can inline.
macro_rules! values {
    ($($type:ty $(, $kind:ident($own:ident) => $read:expr)?;)*) => {$(
        impl Decode<'_, Any> for $type {
            #[inline]
            fn decode(value: AnyValueRef<'_>) -> Read<Self> {
                $(
                    if let ValueRef::$kind($own) = value.value {
                        return $read;
                    }
                )?
                read(value)
            }
        }
    )*};
}

values! {
    bool, Bool(own) => Ok(own);
    i64, I64(own) => Ok(own);
    u64, U64(own) => Ok(own);
    f32, F32(own) => Ok(own);
    f64, F64(own) => Ok(own);
    String, Text(own) => Ok(own.to_owned());
    Decimal, Decimal(own) => Ok(own);
    Uuid, Uuid(own) => Ok(own);
    NaiveDate, Date(own) => Ok(own);
    NaiveTime, Time(own) => Ok(own);
    NaiveDateTime, DateTime(own) => Ok(own);
    i8;
    i16;
    i32;
    u8;
    u16;
    u32;
    Interval;
    IpNetwork;
    IpAddr;
}

impl<'r> Decode<'r, Any> for &'r str {
    fn decode(value: AnyValueRef<'r>) -> Read<Self> {
        match value.value {
            ValueRef::Text(text) => Ok(text),
            ValueRef::Owned(Value::Text(_)) => Err(unborrowed("String")),
            _ => mismatched(&value),
        }
    }
}

impl<'r> Decode<'r, Any> for &'r [u8] {
    fn decode(value: AnyValueRef<'r>) -> Read<Self> {
        match value.value {
            ValueRef::Bytes(bytes) => Ok(bytes),
            ValueRef::Text(text) => Ok(text.as_bytes()),
            ValueRef::Owned(Value::Bytes(_)) => Err(unborrowed("Vec<u8>")),
            _ => mismatched(&value),
        }
    }
}

/// Reads bytes. Those of a text are certain.
pub(super) fn bytes(value: AnyValueRef<'_>) -> Read<Vec<u8>> {
    match value.value {
        ValueRef::Text(text) => Ok(text.as_bytes().to_vec()),
        _ => read(value),
    }
}

#[cold]
fn unborrowed(owned: &'static str) -> BoxDynError {
    Mismatch::new("the server sent it in another form, so it cannot be borrowed from the row")
        .help(format!("read it as {owned}"))
        .into()
}

macro_rules! moments {
    ($($zone:ty => $convert:expr;)*) => {$(
        impl Decode<'_, Any> for DateTime<$zone> {
            #[inline]
            fn decode(value: AnyValueRef<'_>) -> Read<Self> {
                let moment = match value.value {
                    ValueRef::Timestamp(moment) => moment.into(),
                    ValueRef::DateTime(moment) if value.type_name() == Some(DATETIME) => moment.and_utc().into(),
                    _ => read(value)?,
                };
                Ok($convert(moment))
            }
        }
    )*};
}

moments! {
    Utc => |moment: DateTime<Utc>| moment;
    FixedOffset => |moment: DateTime<FixedOffset>| moment;
    Local => |moment: DateTime<Utc>| moment.with_timezone(&Local);
}

impl Decode<'_, Any> for Value {
    fn decode(value: AnyValueRef<'_>) -> Read<Self> {
        match value.value {
            ValueRef::I64(number @ 0..=1) if value.is_boolean() => Ok(Self::Bool(number == 1)),
            ValueRef::U64(number @ 0..=1) if value.is_boolean() => Ok(Self::Bool(number == 1)),
            _ => read(value),
        }
    }
}

impl<'r, T: Deserialize<'r>> Decode<'r, Any> for sqlx::types::Json<T> {
    fn decode(value: AnyValueRef<'r>) -> Read<Self> {
        match value.value {
            ValueRef::Json(text) | ValueRef::Text(text) => Ok(Self(typed(text)?)),
            ValueRef::Owned(Value::Json(document)) => Ok(Self(T::deserialize(document)?)),
            _ => mismatched(&value),
        }
    }
}

impl<T: DeserializeOwned> Decode<'_, Any> for Json<T> {
    fn decode(value: AnyValueRef<'_>) -> Read<Self> {
        read(value)
    }
}

impl<T: FromStr<Err: Into<BoxDynError>>> Decode<'_, Any> for Text<T> {
    fn decode(value: AnyValueRef<'_>) -> Read<Self> {
        let text: String = read(value)?;
        text.parse().map(Self).map_err(|why: T::Err| {
            Mismatch::new(format!("its text is not a {}: {}", type_name::<T>(), why.into()))
                .help("read it as String")
                .into()
        })
    }
}

impl<T: AnyMember + for<'a> Decode<'a, Any>> Decode<'_, Any> for Vec<T> {
    fn decode(value: AnyValueRef<'_>) -> Read<Self> {
        T::read(value)
    }
}
