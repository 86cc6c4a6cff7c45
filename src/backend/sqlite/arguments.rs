//! Parameters for SQLite, which has integers, floats, text and bytes. Other values are sent as one of them, in the
//! forms of sqlx.

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;

use crate::backend::sqlx::{bind_all, check_all};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

pub(super) fn arguments(values: &[Value]) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    check_all(values, refused)?;
    bind_all(arguments, values, |arguments, _, value| add(arguments, value))
}

/// Returns an error if SQLite has no type or no value for the parameter.
fn refused(value: &Value, place: usize) -> Option<Error> {
    let unsupported = |what: &str, help: &'static str| {
        let message = format!("parameter {place} is {what}, a type that SQLite does not have");
        Some(Error::new(ErrorKind::Unsupported, message).help(help))
    };
    match value {
        Value::Interval(_) => unsupported("an interval", "store a number of seconds"),
        Value::Inet(_) => unsupported("a network address", "bind it as text"),
        Value::Array(_) => unsupported("an array", "bind a JSON document, or a Vec for a list in IN (…)"),
        Value::List(_) => unsupported("a list outside of IN (…)", "bind a JSON document"),
        Value::U64(number) if i64::try_from(*number).is_err() => {
            let message = format!(
                "parameter {place} is larger than SQLite's integers, which end at {}",
                i64::MAX
            );
            Some(Error::new(ErrorKind::Parameter, message).help("bind it as a Decimal or as text"))
        }
        Value::F32(number) if number.is_nan() => Some(not_a_number(place)),
        Value::F64(number) if number.is_nan() => Some(not_a_number(place)),
        _ => None,
    }
}

fn not_a_number(place: usize) -> Error {
    let message = format!("parameter {place} is NaN, which SQLite would store as NULL");
    Error::new(ErrorKind::Parameter, message).help("bind NULL if NULL is intended")
}

fn add(arguments: &mut SqliteArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Bool(it) => arguments.add(i64::from(*it)),
        Value::I16(it) => arguments.add(i64::from(*it)),
        Value::I32(it) => arguments.add(i64::from(*it)),
        Value::I64(it) => arguments.add(*it),
        Value::U64(it) => arguments.add(i64::try_from(*it)?),
        Value::F32(it) => arguments.add(f64::from(*it)),
        Value::F64(it) => arguments.add(*it),
        Value::Decimal(it) => arguments.add(it.to_string()),
        Value::Text(it) | Value::Untyped(it) => arguments.add(it.as_str()),
        Value::Bytes(it) => arguments.add(it.as_slice()),
        Value::Date(it) => arguments.add(*it),
        Value::Time(it) => arguments.add(*it),
        Value::DateTime(it) => arguments.add(*it),
        Value::Timestamp(it) => arguments.add(*it),
        Value::Uuid(it) => arguments.add(*it),
        Value::Json(it) => arguments.add(it.to_string()),
        Value::Null | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            arguments.add(None::<i64>)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Interval;

    #[test]
    fn q4_what_sqlite_lacks_is_refused_by_name() {
        let refused = |value: Value| arguments(&[Value::Null, value]).unwrap_err();
        assert_eq!(
            refused(Value::Interval(Interval::default())).kind(),
            ErrorKind::Unsupported
        );
        assert_eq!(refused(Value::Array(vec![])).kind(), ErrorKind::Unsupported);
        assert_eq!(refused(Value::F64(f64::NAN)).kind(), ErrorKind::Parameter);
        assert_eq!(refused(Value::F32(f32::NAN)).kind(), ErrorKind::Parameter);
        let large = refused(Value::U64(u64::MAX));
        assert!(
            large.message().contains("parameter 2") && large.message().contains("9223372036854775807"),
            "{large}"
        );
        assert!(arguments(&[Value::U64(i64::MAX as u64), Value::F64(f64::INFINITY)]).is_ok());
    }
}
