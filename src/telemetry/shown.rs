//! Values and messages, as far as they may be shown.

use std::borrow::Cow;
use std::fmt::Write;

use crate::error::{Error, ErrorKind};
use crate::value::Value;

/// Largest number of values of a statement that are shown.
const VALUES: usize = 100;

/// Largest number of bytes of one value that are shown.
const VALUE: usize = 256;

/// Formats the values of a statement, if they were requested: `[1, 'ada', NULL]`.
pub(crate) fn values(values: &[Value]) -> String {
    let mut out = String::from("[");
    for (index, value) in values.iter().take(VALUES).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        let one = one(value);
        out.push_str(&one[..one.floor_char_boundary(VALUE)]);
        if one.len() > VALUE {
            out.push('…');
        }
    }
    if values.len() > VALUES {
        let _ = write!(out, ", {} more", values.len() - VALUES);
    }
    out + "]"
}

fn one(value: &Value) -> String {
    match value {
        Value::Null | Value::NullOf(_) => "NULL".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::Text(text) | Value::Untyped(text) => format!("'{}'", &text[..text.floor_char_boundary(VALUE)]),
        Value::Bytes(bytes) => format!("<{} bytes>", bytes.len()),
        Value::Date(value) => value.to_string(),
        Value::Time(value) => value.to_string(),
        Value::DateTime(value) => value.to_string(),
        Value::Timestamp(value) => value.to_string(),
        Value::Uuid(value) => value.to_string(),
        Value::Json(value) => value.to_string(),
        Value::Interval(value) => format!("{value:?}"),
        Value::Inet(value) => value.to_string(),
        Value::Array(items) | Value::List(items) => values(items),
    }
}

/// Returns the message that may be shown of an error where values must not be. Servers quote values in messages about
/// constraints and conversions (`Duplicate entry 'ada' for key …`).
pub(crate) fn said(error: &Error, values_too: bool) -> Cow<'_, str> {
    let silent = matches!(
        error.kind(),
        ErrorKind::Connect
            | ErrorKind::ConnectionLost
            | ErrorKind::Deadlock
            | ErrorKind::LockTimeout
            | ErrorKind::Permission
            | ErrorKind::ReadOnly
            | ErrorKind::Serialization
            | ErrorKind::UndefinedObject
    );
    if values_too || silent {
        return error.message().into();
    }
    match error.finest_code() {
        Some(code) => format!("{:?} ({code})", error.kind()).into(),
        None => format!("{:?}", error.kind()).into(),
    }
}
