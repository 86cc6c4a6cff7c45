//! Values as JSON, for rows that leave the program unchanged.

use super::document;
use super::mismatch::Mismatch;
use super::text::Buffer;
use super::{Value, ValueRef};

/// Writes a value as JSON the way serde writes its Rust type: decimals, dates and UUIDs as text, bytes as an array of
/// numbers. Fails for numbers that JSON does not have.
pub(super) fn to_json(value: ValueRef<'_>) -> Result<serde_json::Value, Mismatch> {
    let mut buffer = Buffer::new();
    match value {
        ValueRef::Null => return Ok(serde_json::Value::Null),
        ValueRef::Bool(value) => return Ok(value.into()),
        ValueRef::I64(value) => return Ok(value.into()),
        ValueRef::U64(value) => return Ok(value.into()),
        ValueRef::F32(value) => return finite(value.into()),
        ValueRef::F64(value) => return finite(value),
        ValueRef::Text(value) => return Ok(value.into()),
        ValueRef::Json(text) => return document::parse(text),
        ValueRef::Bytes(value) => return Ok(value.into()),
        ValueRef::Decimal(value) => buffer.decimal(value),
        ValueRef::Date(value) => buffer.date(value),
        ValueRef::Time(value) => buffer.time(value),
        ValueRef::DateTime(value) => buffer.date_time(value),
        ValueRef::Timestamp(value) => buffer.timestamp(value),
        ValueRef::Uuid(value) => buffer.uuid(value),
        ValueRef::Owned(value) => match value {
            Value::Json(value) => return Ok(value),
            Value::Array(values) | Value::List(values) => {
                return values.iter().map(|value| to_json(value.into())).collect();
            }
            Value::Interval(value) => {
                return Ok(serde_json::json!({
                    "months": value.months, "days": value.days, "microseconds": value.microseconds,
                }));
            }
            Value::Inet(value) => buffer.network(value),
            other => return to_json(ValueRef::from(&other)),
        },
    }
    Ok(buffer.as_str().into())
}

fn finite(value: f64) -> Result<serde_json::Value, Mismatch> {
    serde_json::Number::from_f64(value)
        .map(Into::into)
        .ok_or_else(Mismatch::not_finite)
}
