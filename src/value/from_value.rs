//! `FromValue`: converts one column into one Rust value.

use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::convert::Member;
use super::mismatch::Mismatch;
use super::{Array, Interval, Json, Value, ValueRef, document, number, text};

/// A Rust type that one column can be read as.
///
/// | Rust | reads |
/// |---|---|
/// | `bool` | booleans, the integers 0 and 1 |
/// | `i8` to `i128`, `u8` to `u128`, `isize`, `usize` | integers that fit, decimals without a fraction |
/// | `f32`, `f64` | floating-point numbers, integers and decimals, if nothing is lost |
/// | `rust_decimal::Decimal` | decimals, integers, text with as many digits as it can hold, floating-point numbers of at most 15 digits (`f32`: 6) |
/// | `String`, `char` | text |
/// | `Vec<u8>` | bytes |
/// | `chrono`: `NaiveDate`, `NaiveTime`, `NaiveDateTime` | dates and times without a zone, and ISO text |
/// | `chrono::DateTime<Utc>`, `DateTime<FixedOffset>` | points in time; text, where no zone means UTC |
/// | `uuid::Uuid` | UUIDs, 16 bytes, text |
/// | `serde_json::Value`, [`Json<T>`] | JSON, and text that is JSON, if no number in it is rounded |
/// | `Box<serde_json::value::RawValue>` | the same as it is written, with any numbers |
/// | `IpNetwork`, `IpAddr` | `inet`, `cidr`, text |
/// | [`Interval`] | intervals |
/// | [`Array<T>`], `Vec<T>` of any of these but `u8` | PostgreSQL arrays |
/// | `Option<T>` | `NULL` too |
/// | [`Value`] | anything |
///
/// A conversion that would lose something is an error.
///
/// Your own types implement it on top of these; [the guide](crate::guides::types#your-own-types) has an example. A type
/// that can be read can also be read as an `Option<T>` and as an `Array<T>`.
///
/// ```
/// use ebbtide::{FromValue, Mismatch, ValueRef};
///
/// struct UserId(i64);
///
/// impl FromValue for UserId {
///     fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
///         i64::from_value(value).map(Self)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// let row = database.fetch_one("SELECT 7 AS id", ()).await?;
/// assert_eq!(row.get::<UserId>("id")?.0, 7);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a column cannot be read as `{Self}`",
    note = "implement `ebbtide::FromValue` for it, or read the whole row with `.deserialize::<T>()`"
)]
pub trait FromValue: Sized {
    /// Converts the value of a column.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if the value does not fit. The error that the caller gets adds the column and both types.
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch>;
}

/// Returns the mismatch for text that is not what it should be.
fn unreadable(what: &str, error: impl std::fmt::Display) -> Mismatch {
    Mismatch::new(format!("its text is not {what}: {error}")).help("read it as String")
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        impl FromValue for $name {
            fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
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
        impl FromValue for $name {
            fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
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

/// Implements [`FromValue`] for types that are one kind of value, or else text that parses.
macro_rules! parsed {
    ($($name:ident, $($pattern:pat => $value:expr),+; $what:literal, $parse:expr;)*) => {$(
        impl FromValue for $name {
            fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
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

impl FromValue for DateTime<Utc> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Timestamp(value) => Ok(value),
            ValueRef::Text(text) => {
                text::parse_timestamp(text).ok_or_else(|| unreadable("a point in time", NO_TIMESTAMP))
            }
            value => Err(Mismatch::kind(&value)),
        }
    }
}

/// Reads the offset of a text. Otherwise the offset is zero, because the databases keep points in time without one.
impl FromValue for DateTime<FixedOffset> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Text(text) => text::rfc3339(text)
                .and_then(|text| text.as_str().parse().ok())
                .ok_or_else(|| unreadable("a point in time", NO_TIMESTAMP)),
            value => DateTime::<Utc>::from_value(value).map(|value| value.fixed_offset()),
        }
    }
}

impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Text(text) => Ok(text.to_owned()),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl FromValue for char {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
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

impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Bytes(bytes) => Ok(bytes.to_vec()),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl FromValue for Interval {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Interval(value)) => Ok(value),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl FromValue for serde_json::Value {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Json(value)) => Ok(value),
            ValueRef::Json(text) | ValueRef::Text(text) => document::parse(text),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

/// Reads the document as it is written.
impl FromValue for Box<RawValue> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Json(text) | ValueRef::Text(text) => document::typed(text),
            ValueRef::Owned(Value::Json(value)) => {
                serde_json::value::to_raw_value(&value).map_err(|error| document::mismatch(&error))
            }
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Owned(Value::Json(value)) => document::typed(&value.to_string()).map(Json),
            ValueRef::Json(text) | ValueRef::Text(text) => document::typed(text).map(Json),
            value => Err(Mismatch::kind(&value)),
        }
    }
}

impl<T: FromValue> FromValue for Array<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        let ValueRef::Owned(Value::Array(members)) = value else {
            return Err(Mismatch::kind(&value));
        };
        let members = members.iter().enumerate().map(|(index, member)| {
            T::from_value(member.into()).map_err(|mismatch| Mismatch {
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

impl<T: FromValue + Member> FromValue for Vec<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        Array::from_value(value).map(|array| array.0)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        match value {
            ValueRef::Null | ValueRef::Owned(Value::Null | Value::NullOf(_)) => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
        value.try_into()
    }
}
