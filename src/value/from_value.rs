//! `FromValue`: one column into one Rust value.

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::convert::Member;
use super::{Array, Interval, Json, Value, ValueRef, document, number, text};
use crate::error::{Error, ErrorKind};

/// Rust types that one column can be read as.
///
/// | Rust | reads |
/// |---|---|
/// | `bool` | booleans, the integers 0 and 1 |
/// | `i8` to `i128`, `u8` to `u128`, `isize`, `usize` | integers that fit, decimals without a fraction |
/// | `f32`, `f64` | floating-point numbers, integers and decimals, if nothing is lost |
/// | `rust_decimal::Decimal` | decimals, integers, text with as many digits as it can hold |
/// | `String`, `char` | text |
/// | `Vec<u8>` | bytes |
/// | `chrono`: `NaiveDate`, `NaiveTime`, `NaiveDateTime` | their like, without a zone, and ISO text |
/// | `chrono::DateTime<Utc>`, `DateTime<FixedOffset>` | points in time; text, where no zone means UTC |
/// | `uuid::Uuid` | UUIDs, 16 bytes, text |
/// | `serde_json::Value`, [`Json<T>`] | JSON, and text that is JSON, if no number in it is rounded |
/// | `Box<serde_json::value::RawValue>` | the same as it is written, whatever its numbers |
/// | `IpNetwork`, `IpAddr` | `inet`, `cidr`, text |
/// | [`Interval`] | intervals |
/// | [`Array<T>`], `Vec<T>` of any of these but `u8` | PostgreSQL arrays |
/// | `Option<T>` | `NULL` too |
/// | [`Value`] | anything |
///
/// What would lose something is an error. The trait cannot be implemented elsewhere: for types of your own there is
/// [`Row::deserialize`](crate::Row::deserialize).
pub trait FromValue: Decode {}

impl<T: Decode> FromValue for T {}

/// The hidden half of [`FromValue`].
pub trait Decode: Sized {
    #[doc(hidden)]
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch>;
}

/// Why a value cannot be read as a type. Whoever knows the column puts that before it.
#[derive(Debug)]
pub struct Mismatch {
    pub(super) reason: Cow<'static, str>,
    pub(super) help: Option<Cow<'static, str>>,
    pub(super) null: bool,
}

impl Mismatch {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
            null: false,
        }
    }

    pub(super) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn fraction() -> Self {
        Self::new("the decimal number has a fraction").help("read it as rust_decimal::Decimal")
    }

    pub(super) fn not_finite() -> Self {
        Self::new("JSON has no NaN and no infinity").help("read it as f64")
    }

    /// The value is of another kind altogether.
    pub(super) fn kind(value: &ValueRef<'_>) -> Self {
        let (holds, reads) = natural(value);
        let mut out = Self::new(format!("it holds {holds}"));
        if matches!(value, ValueRef::Null) {
            out.null = true;
            return out;
        }
        out.help = Some(format!("read it as {reads}").into());
        out
    }
}

/// The driver has a value that it cannot hand over.
impl From<Error> for Mismatch {
    fn from(error: Error) -> Self {
        let help = error.advice().map(|help| help.to_owned().into());
        Self {
            reason: error.message().to_owned().into(),
            help,
            null: false,
        }
    }
}

const JSON_READS: (&str, &str) = ("a JSON document", "serde_json::Value or ebbtide::Json<_>");

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        let error = Self::new(ErrorKind::Decode, mismatch.reason);
        match mismatch.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// What a value is, and the Rust type that reads it, for messages.
fn natural(value: &ValueRef<'_>) -> (&'static str, &'static str) {
    match value {
        ValueRef::Null => ("NULL", "Option<_>"),
        ValueRef::Bool(_) => ("a boolean", "bool"),
        ValueRef::I64(_) => ("an integer", "i64"),
        ValueRef::U64(_) => ("an integer", "u64"),
        ValueRef::F32(_) => ("a floating-point number", "f32"),
        ValueRef::F64(_) => ("a floating-point number", "f64"),
        ValueRef::Decimal(_) => ("a decimal number", "rust_decimal::Decimal"),
        ValueRef::Text(_) => ("text", "String"),
        ValueRef::Json(_) => JSON_READS,
        ValueRef::Bytes(_) => ("bytes", "Vec<u8>"),
        ValueRef::Date(_) => ("a date", "chrono::NaiveDate"),
        ValueRef::Time(_) => ("a time of day", "chrono::NaiveTime"),
        ValueRef::DateTime(_) => ("a date and time, which has no zone", "chrono::NaiveDateTime"),
        ValueRef::Timestamp(_) => ("a point in time", "chrono::DateTime<Utc>"),
        ValueRef::Uuid(_) => ("a UUID", "uuid::Uuid"),
        ValueRef::Owned(value) => match value {
            Value::Json(_) => JSON_READS,
            Value::Interval(_) => ("an interval", "ebbtide::Interval"),
            Value::Inet(_) => ("a network address", "ipnetwork::IpNetwork"),
            Value::Array(_) | Value::List(_) => ("an array", "Vec<_>"),
            Value::Null => ("NULL", "Option<_>"),
            _ => ("a value of another kind", "ebbtide::Value"),
        },
    }
}

/// Text that should be something else and is not.
fn unreadable(what: &str, error: impl std::fmt::Display) -> Mismatch {
    Mismatch::new(format!("its text is not {what}: {error}")).help("read it as String")
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        impl Decode for $name {
            fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
                if let ValueRef::I64(value) = value && let Ok(value) = Self::try_from(value) {
                    return Ok(value);
                }
                match number::integer(&value) {
                    Some(whole) => whole.try_into().map_err(|_| {
                        Mismatch::new(format!("{whole} is out of range ({} to {})", Self::MIN, Self::MAX))
                            .help("read it as a wider integer")
                    }),
                    None => Err(match value {
                        ValueRef::Decimal(_) => Mismatch::fraction(),
                        value => Mismatch::kind(&value),
                    }),
                }
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

macro_rules! numbers {
    ($($name:ident: $read:path;)*) => {$(
        impl Decode for $name {
            fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
                $read(&value)
            }
        }
    )*};
}

numbers! {
    bool: number::boolean;
    f32: number::single;
    f64: number::double;
    Decimal: number::decimal;
}

/// Types that are one kind of value, or else text that parses.
macro_rules! parsed {
    ($($name:ident, $($pattern:pat => $value:expr),+; $what:literal, $parse:expr;)*) => {$(
        impl Decode for $name {
            fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
                match value {
                    $($pattern => $value,)+
                    ValueRef::Text(text) => $parse(text.trim_ascii()).map_err(|error| unreadable($what, error)),
                    value => Err(Mismatch::kind(&value)),
                }
            }
        }
    )*};
}

const NO_DATE_TIME: &str = "expected the form 2026-11-21 10:00:00 without a zone";
const NO_TIMESTAMP: &str = "expected the form 2026-11-21 10:00:00+00:00";

parsed! {
    NaiveDate, ValueRef::Date(value) => Ok(value); "a date", str::parse::<NaiveDate>;
    NaiveTime, ValueRef::Time(value) => Ok(value); "a time of day", str::parse::<NaiveTime>;
    NaiveDateTime, ValueRef::DateTime(value) => Ok(value);
        "a date and time", |text| text::parse_date_time(text).ok_or(NO_DATE_TIME);
    Uuid,
        ValueRef::Uuid(value) => Ok(value),
        ValueRef::Bytes(bytes) => Self::from_slice(bytes)
            .map_err(|_| Mismatch::new(format!("a UUID has 16 bytes, not {}", bytes.len())).help("read it as Vec<u8>"));
        "a UUID", str::parse::<Uuid>;
    IpNetwork, ValueRef::Owned(Value::Inet(value)) => Ok(value); "a network", str::parse::<IpNetwork>;
    IpAddr,
        ValueRef::Owned(Value::Inet(value)) => if value.prefix() == if value.is_ipv4() { 32 } else { 128 } {
            Ok(value.ip())
        } else {
            Err(Mismatch::new("it holds a network, not a single address").help("read it as ipnetwork::IpNetwork"))
        };
        "an IP address", str::parse::<IpAddr>;
}

impl Decode for DateTime<Utc> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Timestamp(value) => Ok(value),
            ValueRef::Text(text) => {
                text::parse_timestamp(text).ok_or_else(|| unreadable("a point in time", NO_TIMESTAMP))
            }
            value => Err(Mismatch::kind(&value)),
        }
    }
}

/// With the offset the text has; elsewhere the databases keep points in time without one, and it is zero.
impl Decode for DateTime<FixedOffset> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Text(text) => text::rfc3339(text)
                .and_then(|text| text.as_str().parse().ok())
                .ok_or_else(|| unreadable("a point in time", NO_TIMESTAMP)),
            value => DateTime::<Utc>::decode(value).map(|value| value.fixed_offset()),
        }
    }
}

impl Decode for String {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Text(text) => Ok(text.to_owned()),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl Decode for char {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        let ValueRef::Text(text) = value else {
            return Err(Mismatch::kind(&value));
        };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Mismatch::new("its text does not have exactly one character").help("read it as String")),
        }
    }
}

impl Decode for Vec<u8> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Bytes(bytes) => Ok(bytes.to_vec()),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl Decode for Interval {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Interval(value)) => Ok(value),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl Decode for serde_json::Value {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Json(value)) => Ok(value),
            ValueRef::Json(text) | ValueRef::Text(text) => document::parse(text),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

/// The document as it is written.
impl Decode for Box<RawValue> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Json(text) | ValueRef::Text(text) => document::typed(text),
            ValueRef::Owned(Value::Json(value)) => {
                serde_json::value::to_raw_value(&value).map_err(|error| document::mismatch(&error))
            }
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl<T: DeserializeOwned> Decode for Json<T> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Json(value)) => document::typed(&value.to_string()).map(Json),
            ValueRef::Json(text) | ValueRef::Text(text) => document::typed(text).map(Json),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl<T: Decode> Decode for Array<T> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        let ValueRef::Owned(Value::Array(members)) = value else {
            return Err(Mismatch::kind(&value));
        };
        let members = members.iter().enumerate().map(|(index, member)| {
            T::decode(member.into()).map_err(|mismatch| Mismatch {
                reason: format!("in member {} of the array, {}", index + 1, mismatch.reason).into(),
                help: if mismatch.null {
                    Some("read the members as Option<_>".into())
                } else {
                    mismatch.help
                },
                null: false,
            })
        });
        members.collect::<Result<_, _>>().map(Array)
    }
}

impl<T: Decode + Member> Decode for Vec<T> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        Array::decode(value).map(|array| array.0)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Null | ValueRef::Owned(Value::Null) => Ok(None),
            value => T::decode(value).map(Some),
        }
    }
}

impl Decode for Value {
    fn decode(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        value.try_into()
    }
}
