//! serde's `Serialize` for one parameter.
//!
//! serde knows neither dates nor UUIDs nor bytes in a `Vec`: they come as text and sequences. The name of the Rust
//! type, which every field provides, distinguishes them again. If the name is unknown, text just stays text.

use std::any::type_name;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::ser::{self, Serialize};
use uuid::Uuid;

use super::document::{ROUNDED, keeps_numbers};
use super::wrappers::{ARRAY, JSON};
use super::{Array, Interval, Value};
use crate::error::{Error, ErrorKind};

/// The reason why a value cannot be written.
#[derive(Debug)]
pub(super) enum EncodeError {
    /// A nested value that only JSON can hold; the caller writes it again as JSON.
    Nested,
    Message(String),
}

impl From<EncodeError> for Error {
    fn from(fault: EncodeError) -> Self {
        let why = match fault {
            EncodeError::Nested => "parameters must be a struct, a map, a tuple or a sequence".into(),
            EncodeError::Message(message) => message,
        };
        Self::new(ErrorKind::Parameter, why)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nested => "nested value",
            Self::Message(message) => message,
        })
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}

impl EncodeError {
    /// Adds the parameter to the error.
    pub(super) fn at(self, which: &dyn fmt::Display) -> Self {
        match self {
            Self::Nested => Self::Message(format!("the parameter {which} cannot be bound")),
            Self::Message(message) => Self::Message(format!("the parameter {which} cannot be bound: {message}")),
        }
    }
}

/// Returns whether `T` is the type `O`, or a reference to it.
fn is<T: ?Sized, O: ?Sized>() -> bool {
    type_name::<T>().trim_start_matches('&') == type_name::<O>()
}

/// Returns whether `T` is a chrono `DateTime` of any zone.
fn is_date_time<T: ?Sized>() -> bool {
    let head = |name: &'static str| name.split_once('<').map(|(head, _)| head);
    let wanted = head(type_name::<DateTime<Utc>>());
    wanted.is_some() && head(type_name::<T>().trim_start_matches('&')) == wanted
}

/// The place of a value.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum ParameterPlace {
    /// In a field of a struct, where a `serde_json::Value` is a document.
    Field,
    /// In a map or a sequence, where a `serde_json::Value` is what it holds.
    Entry,
}

/// Writes one parameter.
pub(super) fn value<T: Serialize + ?Sized>(value: &T, place: ParameterPlace) -> Result<Value, EncodeError> {
    if place == ParameterPlace::Field && is::<T, serde_json::Value>() {
        return document(value);
    }
    if is::<T, Interval>() {
        return structured::<T, Interval>(value);
    }
    if is::<T, Duration>() {
        return structured::<T, Duration>(value);
    }
    let bytes = is::<T, Vec<u8>>() || is::<T, [u8]>();
    match value.serialize(ParameterSerializer { place, bytes }) {
        Err(EncodeError::Nested) => document(value),
        Ok(Value::Untyped(text)) => Ok(typed::<T>(text)),
        Ok(Value::Null) => Ok(Value::null_as::<T>()),
        other => other,
    }
}

fn document<T: Serialize + ?Sized>(value: &T) -> Result<Value, EncodeError> {
    let document = serde_json::to_value(value).map_err(|error| EncodeError::Message(error.to_string()))?;
    if keeps_numbers(value, &document) {
        Ok(Value::Json(document))
    } else {
        Err(EncodeError::Message(ROUNDED.to_owned()))
    }
}

/// Restores a type that serde writes as a struct.
fn structured<T: Serialize + ?Sized, O: DeserializeOwned + Into<Value>>(value: &T) -> Result<Value, EncodeError> {
    let written = serde_json::to_value(value).and_then(serde_json::from_value::<O>);
    written
        .map(Into::into)
        .map_err(|error| EncodeError::Message(error.to_string()))
}

/// Restores the type that a text had before serde.
fn typed<T: ?Sized>(text: String) -> Value {
    let value = if is::<T, String>() || is::<T, str>() {
        None
    } else if is_date_time::<T>() {
        text.parse::<DateTime<Utc>>().ok().map(Value::Timestamp)
    } else if is::<T, Uuid>() {
        text.parse().ok().map(Value::Uuid)
    } else if is::<T, Decimal>() {
        text.parse().ok().map(Value::Decimal)
    } else if is::<T, NaiveDateTime>() {
        text.parse().ok().map(Value::DateTime)
    } else if is::<T, NaiveDate>() {
        text.parse().ok().map(Value::Date)
    } else if is::<T, NaiveTime>() {
        text.parse().ok().map(Value::Time)
    } else if is::<T, IpAddr>() || is::<T, Ipv4Addr>() || is::<T, Ipv6Addr>() {
        text.parse::<IpAddr>().ok().map(Value::from)
    } else {
        None
    };
    value.unwrap_or(Value::Untyped(text))
}

type Never = ser::Impossible<Value, EncodeError>;

/// A serializer for one parameter: a scalar or a sequence of scalars.
#[derive(Clone, Copy)]
pub(super) struct ParameterSerializer {
    pub(super) place: ParameterPlace,
    /// Set if the value is known to be bytes, though it comes as a sequence.
    pub(super) bytes: bool,
}

macro_rules! scalars {
    ($($method:ident: $from:ty;)*) => {$(
        fn $method(self, value: $from) -> Result<Value, EncodeError> {
            Ok(value.into())
        }
    )*};
}

impl ser::Serializer for ParameterSerializer {
    type Ok = Value;
    type Error = EncodeError;
    type SerializeSeq = SequenceSerializer;
    type SerializeTuple = SequenceSerializer;
    type SerializeTupleStruct = SequenceSerializer;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    scalars! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_f32: f32;
        serialize_f64: f64;
        serialize_char: char;
        serialize_bytes: &[u8];
    }

    fn serialize_i128(self, value: i128) -> Result<Value, EncodeError> {
        whole(
            i64::try_from(value)
                .map(Value::I64)
                .or_else(|_| u64::try_from(value).map(Value::U64))
                .ok(),
            || Decimal::try_from_i128_with_scale(value, 0),
        )
    }

    fn serialize_u128(self, value: u128) -> Result<Value, EncodeError> {
        whole(u64::try_from(value).map(Value::U64).ok(), || {
            i128::try_from(value)
                .map_err(|_| rust_decimal::Error::ExceedsMaximumPossibleValue)
                .and_then(|value| Decimal::try_from_i128_with_scale(value, 0))
        })
    }

    fn serialize_str(self, value: &str) -> Result<Value, EncodeError> {
        Ok(Value::Untyped(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<Value, EncodeError> {
        value(inner, self.place)
    }

    fn serialize_unit(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, EncodeError> {
        Ok(Value::Untyped(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        inner: &T,
    ) -> Result<Value, EncodeError> {
        match name {
            JSON => document(inner),
            ARRAY => array(inner),
            _ => value(inner, self.place),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Value, EncodeError> {
        Err(EncodeError::Nested)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<SequenceSerializer, EncodeError> {
        Ok(SequenceSerializer {
            values: Vec::new(),
            bytes: self.bytes,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<SequenceSerializer, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<SequenceSerializer, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never, EncodeError> {
        Err(EncodeError::Nested)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Never, EncodeError> {
        Err(EncodeError::Nested)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Never, EncodeError> {
        Err(EncodeError::Nested)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, EncodeError> {
        Err(EncodeError::Nested)
    }
}

/// Returns a large integer as an integer if it fits, else as a decimal.
fn whole(
    integer: Option<Value>,
    decimal: impl FnOnce() -> Result<Decimal, rust_decimal::Error>,
) -> Result<Value, EncodeError> {
    match integer {
        Some(value) => Ok(value),
        None => decimal().map(Value::Decimal).map_err(|_| {
            EncodeError::Message("the integer has more than 96 bits, which no supported type can hold".into())
        }),
    }
}

/// Writes the content of an [`Array`].
fn array<T: Serialize + ?Sized>(inner: &T) -> Result<Value, EncodeError> {
    match value(inner, ParameterPlace::Entry)? {
        Value::List(members) => Ok(Value::Array(members)),
        Value::Bytes(bytes) => Ok(Array(bytes).into()),
        _ => Err(EncodeError::Message(
            "an Array holds scalars only; wrap nested values into Json".into(),
        )),
    }
}

/// A serializer that collects a sequence of scalars.
pub(super) struct SequenceSerializer {
    values: Vec<Value>,
    bytes: bool,
}

impl SequenceSerializer {
    fn push<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), EncodeError> {
        if self.values.is_empty() {
            // `[u8; 16]` and similar types, which are not known by name.
            self.bytes |= is::<T, u8>();
        }
        match value(member, ParameterPlace::Entry)? {
            Value::Json(_) | Value::List(_) | Value::Array(_) | Value::Bytes(_) => Err(EncodeError::Nested),
            scalar => {
                self.values.push(scalar);
                Ok(())
            }
        }
    }

    fn finish(self) -> Value {
        if !self.bytes {
            return Value::List(self.values);
        }
        let byte = |value: &Value| match value {
            Value::I16(byte) => u8::try_from(*byte).ok(),
            _ => None,
        };
        match self.values.iter().map(byte).collect() {
            Some(bytes) => Value::Bytes(bytes),
            None => Value::List(self.values),
        }
    }
}

macro_rules! sequence {
    ($target:ty, $ok:ty; $($name:ident $method:ident)*) => {$(
        impl ser::$name for $target {
            type Ok = $ok;
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), EncodeError> {
                self.push(member)
            }

            fn end(self) -> Result<$ok, EncodeError> {
                Ok(self.finish())
            }
        }
    )*};
}

pub(super) use sequence;

sequence! { SequenceSerializer, Value;
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
}
