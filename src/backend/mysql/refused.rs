//! The values that MySQL and MariaDB can store.

use crate::error::{Error, ErrorKind};
use crate::value::Value;

/// Returns an error if MySQL has no type or no value for `value`.
pub(in crate::backend) fn refused(value: &Value, place: usize) -> Option<Error> {
    let unsupported = |what: &str, help: &'static str| {
        let message = format!("parameter {place} is {what}, a type that MySQL and MariaDB do not have");
        Some(Error::new(ErrorKind::Unsupported, message).help(help))
    };
    let not_a_number = |number: &str| {
        let message = format!("parameter {place} is {number}, which MySQL and MariaDB cannot store");
        Some(Error::new(ErrorKind::Parameter, message).help("store NULL or text instead"))
    };
    match value {
        Value::Interval(_) => unsupported(
            "an interval",
            "write INTERVAL into the SQL, or store a number of seconds",
        ),
        Value::Inet(_) => unsupported("a network address", "bind it as text"),
        Value::Array(_) => unsupported("an array", "bind a JSON document, or a Vec for a list in IN (…)"),
        Value::List(_) => unsupported("a list outside of IN (…)", "bind a JSON document"),
        Value::F32(number) if !number.is_finite() => not_a_number(&number.to_string()),
        Value::F64(number) if !number.is_finite() => not_a_number(&number.to_string()),
        _ => None,
    }
}
