//! Parameters for SQLite, which has integers, floats, text and bytes. Other values are sent as one of them, in the
//! forms of sqlx.

use rust_decimal::Decimal;
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
            Some(Error::new(ErrorKind::Parameter, message).help("bind it as text"))
        }
        Value::Decimal(number) if Number::of(number).is_none() => {
            let message = format!(
                "parameter {place} is a decimal of more than {DIGITS} digits, which SQLite would round as a number"
            );
            Some(Error::new(ErrorKind::Parameter, message).help(
                "bind `decimal.to_string()` for a column of type TEXT, which keeps all digits and is read as a Decimal, or \
                 round it first",
            ))
        }
        Value::F32(number) if number.is_nan() => Some(not_a_number(place)),
        Value::F64(number) if number.is_nan() => Some(not_a_number(place)),
        _ => None,
    }
}

/// Number of digits that a floating-point number keeps of every decimal.
const DIGITS: u32 = f64::DIGITS;

/// A decimal as a number of SQLite, from which the same decimal can be read again.
///
/// SQLite compares a text with the number of an expression as text, and a column of numeric affinity makes a number of
/// it anyway.
enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    fn of(decimal: &Decimal) -> Option<Self> {
        let decimal = decimal.normalize();
        let mut digits = decimal.mantissa().unsigned_abs();
        while digits > 0 && digits.is_multiple_of(10) {
            digits /= 10;
        }
        if digits >= 10_u128.pow(DIGITS) {
            let whole = (decimal.scale() == 0).then(|| i64::try_from(decimal.mantissa()).ok());
            return whole.flatten().map(Self::Whole);
        }
        // Whole numbers too, because SQLite divides integers without a remainder.
        // The standard library rounds correctly, which a division by a power of ten would not.
        decimal.to_string().parse().ok().map(Self::Fraction)
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
        Value::Decimal(it) => match Number::of(it) {
            Some(Number::Whole(whole)) => arguments.add(whole),
            Some(Number::Fraction(fraction)) => arguments.add(fraction),
            None => Err("it has too many digits".into()),
        },
        Value::Text(it) | Value::Untyped(it) => arguments.add(it.as_str()),
        Value::Bytes(it) => arguments.add(it.as_slice()),
        Value::Date(it) => arguments.add(*it),
        Value::Time(it) => arguments.add(*it),
        Value::DateTime(it) => arguments.add(*it),
        Value::Timestamp(it) => arguments.add(*it),
        Value::Uuid(it) => arguments.add(*it),
        Value::Json(it) => arguments.add(it.to_string()),
        Value::Null | Value::NullOf(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            arguments.add(None::<i64>)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Interval;

    #[test]
    fn q4_a_decimal_is_the_number_that_it_is_read_from_found_w6() {
        let number = |text: &str| match Number::of(&Decimal::from_str_exact(text).unwrap()) {
            Some(Number::Whole(whole)) => whole.to_string(),
            Some(Number::Fraction(fraction)) => format!("{fraction:?}"),
            None => "none".to_owned(),
        };
        for (text, expected) in [
            ("0.00", "0.0"),
            ("-5.0", "-5.0"),
            ("1234567890123456", "1234567890123456"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "none"),
            ("90.010", "90.01"),
            ("-0.1", "-0.1"),
            ("123456789012.345", "123456789012.345"),
            ("1234567890123.456", "none"),
            ("100000000000000000000", "1e20"),
            ("0.0000000000000000000000000001", "1e-28"),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
        assert!(arguments(&[Value::Decimal(Decimal::MAX)]).is_err());
    }

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
