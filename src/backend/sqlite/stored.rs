//! The values that SQLite can store, and the numbers that it stores decimals as.

use rust_decimal::Decimal;

use crate::error::{Error, ErrorKind};
use crate::value::Value;

/// Returns an error if SQLite has no type or no value for the parameter.
pub(in crate::backend) fn refused(value: &Value, place: usize) -> Option<Error> {
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
pub(in crate::backend) enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    pub(in crate::backend) fn of(decimal: &Decimal) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(refused(&Value::Decimal(Decimal::MAX), 1).is_some());
    }
}
