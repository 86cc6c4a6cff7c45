//! The values of a statement: what is sent, and the type that is declared for it.

use std::borrow::Cow;
use std::fmt::Write;

use rust_decimal::Decimal;
use tiberius::{ColumnData, numeric::Numeric};

use super::times;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{NullType, Value};

/// The parameters of one statement.
#[derive(Debug, Default)]
pub(super) struct Parameters<'v> {
    /// Declares those without a value: the driver has no form for NULLs of most types.
    pub(super) nulls: String,
    /// The names and types of the others.
    pub(super) types: String,
    /// The others, with their names.
    pub(super) values: Vec<(String, ColumnData<'v>)>,
}

impl<'v> Parameters<'v> {
    pub(super) fn of(values: &'v [Value]) -> Result<Self> {
        let mut parameters = Self::default();
        for (value, place) in values.iter().zip(1..) {
            match sent(value, place)? {
                EncodedParameter::Null(declared) => {
                    let _ = write!(parameters.nulls, "DECLARE @P{place} {declared}; ");
                }
                EncodedParameter::Value(data, declared) => {
                    let comma = if parameters.types.is_empty() { "" } else { ", " };
                    let _ = write!(parameters.types, "{comma}@P{place} {declared}");
                    parameters.values.push((format!("@P{place}"), data));
                }
            }
        }
        Ok(parameters)
    }
}

/// A value as it is sent, and its declared type.
enum EncodedParameter<'v> {
    Null(&'static str),
    Value(ColumnData<'v>, Cow<'static, str>),
}

fn sent(value: &Value, place: usize) -> Result<EncodedParameter<'_>> {
    let out_of_range = || {
        let message =
            format!("parameter {place} is a date outside of the years 1 to 9999, which SQL Server cannot store");
        Error::new(ErrorKind::Parameter, message).help("store text instead")
    };
    let (data, declared): (_, Cow<'static, str>) = match value {
        // Text is converted to nearly any type.
        Value::Null => return Ok(EncodedParameter::Null("NVARCHAR(4000)")),
        Value::NullOf(kind) => return Ok(EncodedParameter::Null(null_type(*kind))),
        Value::Bool(it) => (ColumnData::Bit(Some(*it)), "BIT".into()),
        Value::I16(it) => (ColumnData::I16(Some(*it)), "SMALLINT".into()),
        Value::I32(it) => (ColumnData::I32(Some(*it)), "INT".into()),
        Value::I64(it) => (ColumnData::I64(Some(*it)), "BIGINT".into()),
        Value::U64(it) => match i64::try_from(*it) {
            Ok(it) => (ColumnData::I64(Some(it)), "BIGINT".into()),
            Err(_) => (
                ColumnData::Numeric(Some(Numeric::new_with_scale((*it).into(), 0))),
                "DECIMAL(20, 0)".into(),
            ),
        },
        Value::F32(it) => (ColumnData::F32(Some(finite(*it, place)?)), "REAL".into()),
        Value::F64(it) => (ColumnData::F64(Some(finite(*it, place)?)), "FLOAT".into()),
        Value::Decimal(it) => decimal(it),
        Value::Text(it) | Value::Untyped(it) => text(it.as_str().into()),
        Value::Json(it) => text(it.to_string().into()),
        Value::Bytes(it) => bytes(it),
        Value::Date(it) => (
            ColumnData::Date(Some(times::date(*it).ok_or_else(out_of_range)?)),
            "DATE".into(),
        ),
        Value::Time(it) => (ColumnData::Time(Some(times::time(*it))), "TIME(7)".into()),
        Value::DateTime(it) => (
            ColumnData::DateTime2(Some(times::date_time(*it).ok_or_else(out_of_range)?)),
            "DATETIME2(7)".into(),
        ),
        Value::Timestamp(it) => (
            ColumnData::DateTimeOffset(Some(times::timestamp(it.naive_utc()).ok_or_else(out_of_range)?)),
            "DATETIMEOFFSET(7)".into(),
        ),
        Value::Uuid(it) => (ColumnData::Guid(Some(*it)), "UNIQUEIDENTIFIER".into()),
        Value::Interval(_) => return Err(unsupported(place, "an interval", "store a number of seconds")),
        Value::Inet(_) => return Err(unsupported(place, "a network address", "bind it as text")),
        Value::Array(_) => {
            let help = "bind a JSON document, or a Vec for a list in IN (…)";
            return Err(unsupported(place, "an array", help));
        }
        Value::List(_) => return Err(unsupported(place, "a list outside of IN (…)", "bind a JSON document")),
    };
    Ok(EncodedParameter::Value(data, declared))
}

fn unsupported(place: usize, what: &str, help: &'static str) -> Error {
    let message = format!("parameter {place} is {what}, a type that SQL Server does not have");
    Error::new(ErrorKind::Unsupported, message).help(help)
}

fn finite<N: Copy + Into<f64> + std::fmt::Display>(number: N, place: usize) -> Result<N> {
    if number.into().is_finite() {
        return Ok(number);
    }
    let message = format!("parameter {place} is {number}, which SQL Server cannot store");
    Err(Error::new(ErrorKind::Parameter, message).help("store NULL or text instead"))
}

fn decimal(it: &Decimal) -> (ColumnData<'static>, Cow<'static, str>) {
    // It has at most 29 digits, of which at most 28 are behind the point.
    let number = Numeric::new_with_scale(it.mantissa(), it.scale() as u8);
    let declared = format!("DECIMAL({}, {})", number.precision(), number.scale());
    (ColumnData::Numeric(Some(number)), declared.into())
}

fn text(it: Cow<'_, str>) -> (ColumnData<'_>, Cow<'static, str>) {
    // The driver sends up to 4,000 bytes as short text.
    let declared = if it.len() <= 4000 {
        "NVARCHAR(4000)"
    } else {
        "NVARCHAR(MAX)"
    };
    (ColumnData::String(Some(it)), declared.into())
}

fn bytes(it: &[u8]) -> (ColumnData<'_>, Cow<'static, str>) {
    let declared = if it.len() <= 8000 {
        "VARBINARY(8000)"
    } else {
        "VARBINARY(MAX)"
    };
    (ColumnData::Binary(Some(it.into())), declared.into())
}

fn null_type(kind: NullType) -> &'static str {
    #[allow(unreachable_patterns, reason = "it is not exhaustive outside of this crate")]
    match kind {
        NullType::Bool => "BIT",
        NullType::I16 => "SMALLINT",
        NullType::I32 => "INT",
        NullType::I64 => "BIGINT",
        NullType::U64 => "DECIMAL(20, 0)",
        NullType::F32 => "REAL",
        NullType::F64 => "FLOAT",
        NullType::Decimal => "DECIMAL(38, 10)",
        NullType::Bytes => "VARBINARY(8000)",
        NullType::Date => "DATE",
        NullType::Time => "TIME(7)",
        NullType::DateTime => "DATETIME2(7)",
        NullType::Timestamp => "DATETIMEOFFSET(7)",
        NullType::Uuid => "UNIQUEIDENTIFIER",
        NullType::Text | NullType::Json | NullType::Interval | NullType::Inet => "NVARCHAR(4000)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_values_are_declared_and_nulls_have_no_value() {
        let values = [
            Value::I64(1),
            Value::Null,
            Value::Text("a".to_owned()),
            Value::NullOf(NullType::Bytes),
            Value::Decimal("0.05".parse().unwrap()),
            Value::U64(u64::MAX),
            Value::Text("x".repeat(4001)),
        ];
        let parameters = Parameters::of(&values).unwrap();
        assert_eq!(
            parameters.types,
            "@P1 BIGINT, @P3 NVARCHAR(4000), @P5 DECIMAL(3, 2), @P6 DECIMAL(20, 0), @P7 NVARCHAR(MAX)"
        );
        assert_eq!(
            parameters.nulls,
            "DECLARE @P2 NVARCHAR(4000); DECLARE @P4 VARBINARY(8000); "
        );
        let names: Vec<_> = parameters.values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["@P1", "@P3", "@P5", "@P6", "@P7"]);
    }

    #[test]
    fn b1_values_that_it_cannot_store_are_refused_before_they_are_sent() {
        for (value, kind) in [
            (Value::F64(f64::NAN), ErrorKind::Parameter),
            (Value::F32(f32::INFINITY), ErrorKind::Parameter),
            (Value::Date(chrono::NaiveDate::MAX), ErrorKind::Parameter),
            (Value::Array(Vec::new()), ErrorKind::Unsupported),
        ] {
            let error = Parameters::of(&[Value::I64(1), value]).unwrap_err();
            assert!(
                error.kind() == kind && error.message().contains("parameter 2"),
                "{error}"
            );
        }
    }
}
