//! Parameters for MySQL, which declares their types anew with each execution.

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySqlArguments;

use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

pub(super) fn arguments(values: &[Value]) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    arguments.reserve(values.len(), values.len() * 16);
    for (place, value) in values.iter().enumerate() {
        let place = place + 1;
        if let Some(error) = refused(value, place) {
            return Err(error);
        }
        add(&mut arguments, value)
            .map_err(|why| Error::new(ErrorKind::Parameter, format!("parameter {place} cannot be sent: {why}")))?;
    }
    Ok(arguments)
}

/// What MySQL has no type or no value for.
fn refused(value: &Value, place: usize) -> Option<Error> {
    let unsupported = |what: &str, help: &'static str| {
        let message = format!("parameter {place} is {what}, a type that MySQL and MariaDB do not have");
        Some(Error::new(ErrorKind::Unsupported, message).help(help))
    };
    let not_a_number = |number: &str| {
        let message = format!("parameter {place} is {number}, which MySQL and MariaDB cannot store");
        Some(Error::new(ErrorKind::Parameter, message).help("store NULL or a text instead"))
    };
    match value {
        Value::Interval(_) => unsupported(
            "an interval",
            "write INTERVAL into the SQL, or store a number of seconds",
        ),
        Value::Inet(_) => unsupported("a network address", "bind its text"),
        Value::Array(_) => unsupported("an array", "bind a JSON document, or a Vec for a list in IN (…)"),
        Value::List(_) => unsupported("a list outside of IN (…)", "bind a JSON document"),
        Value::F32(number) if !number.is_finite() => not_a_number(&number.to_string()),
        Value::F64(number) if !number.is_finite() => not_a_number(&number.to_string()),
        _ => None,
    }
}

fn add(arguments: &mut MySqlArguments, value: &Value) -> Result<(), BoxDynError> {
    match value {
        Value::Bool(it) => arguments.add(*it),
        Value::I16(it) => arguments.add(*it),
        Value::I32(it) => arguments.add(*it),
        Value::I64(it) => arguments.add(*it),
        Value::U64(it) => arguments.add(*it),
        Value::F32(it) => arguments.add(*it),
        Value::F64(it) => arguments.add(*it),
        Value::Decimal(it) => arguments.add(*it),
        Value::Text(it) | Value::Untyped(it) => arguments.add(it.as_str()),
        Value::Bytes(it) => arguments.add(it.as_slice()),
        Value::Date(it) => arguments.add(*it),
        Value::Time(it) => arguments.add(*it),
        Value::DateTime(it) => arguments.add(*it),
        Value::Timestamp(it) => arguments.add(*it),
        Value::Uuid(it) => arguments.add(*it),
        Value::Json(it) => arguments.add(it.to_string()),
        Value::Null | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            arguments.add(None::<&str>)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Interval;

    #[test]
    fn q4_what_mysql_lacks_is_refused_by_name() {
        let refused = |value: Value| arguments(&[Value::Null, value]).unwrap_err();
        for (value, word) in [
            (Value::Interval(Interval::default()), "interval"),
            (Value::Inet("10.0.0.0/8".parse().unwrap()), "network address"),
            (Value::Array(vec![]), "array"),
        ] {
            let error = refused(value);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(
                error.message().contains(word) && error.message().contains("parameter 2"),
                "{error}"
            );
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(refused(Value::F64(number)).kind(), ErrorKind::Parameter);
        }
        assert_eq!(refused(Value::F32(f32::NAN)).kind(), ErrorKind::Parameter);
    }
}
