//! Parameters, in the form in which each driver hands them on without loss.

use crate::failure::Failure;
use crate::frames::Parameter;
use crate::odbc::{Bound, Encoding, SqlDataType};
use crate::product::Product;
use crate::tag;

/// Returns a parameter for a driver.
pub(crate) fn bound(product: Product, value: &Parameter) -> Result<Bound, Failure> {
    if product == Product::Postgres {
        // The driver never tells the server a type. The text has a cast at the place of each value that has one.
        return of_postgres(value);
    }
    Ok(match value {
        Parameter::Null(kind) => Bound::null(null_type(*kind)),
        Parameter::Bool(value) => Bound::integer((*value).into()),
        Parameter::Integer(value) => Bound::integer(*value),
        Parameter::Unsigned(value) => Bound::unsigned(*value),
        Parameter::Float(value) => Bound::float(*value),
        Parameter::Double(value) => Bound::double(*value),
        Parameter::Bytes(bytes) => Bound::bytes(bytes),
        // Sessions run in UTC, and the types of these databases have no zone.
        Parameter::Text(tag::TIMESTAMP, text) => of_text(product, text.trim_end_matches('Z'))?,
        Parameter::Text(_, text) => of_text(product, text)?,
        Parameter::Interval { .. } | Parameter::Array(_) => {
            return Err(Failure::own(
                "unsupported",
                "the driver takes no intervals and no arrays",
            ));
        }
    })
}

fn of_text(product: Product, text: &str) -> Result<Bound, Failure> {
    if text.contains('\0') {
        return Err(Failure::own(
            "unsupported",
            "a parameter holds a NUL character, at which drivers of ODBC end a text",
        ));
    }
    Ok(match product.encoding() {
        Encoding::Wide => Bound::wide(text),
        Encoding::Narrow => Bound::narrow(text),
    })
}

fn null_type(kind: u8) -> SqlDataType {
    match kind {
        tag::BOOL | tag::I16 | tag::I32 | tag::I64 | tag::U64 => SqlDataType::EXT_BIG_INT,
        tag::F32 | tag::F64 => SqlDataType::DOUBLE,
        tag::BYTES => SqlDataType::EXT_VAR_BINARY,
        _ => SqlDataType::VARCHAR,
    }
}

fn of_postgres(value: &Parameter) -> Result<Bound, Failure> {
    match value {
        Parameter::Null(_) => Ok(Bound::null(SqlDataType::VARCHAR)),
        Parameter::Array(members) => {
            let mut text = String::new();
            literal(members, &mut text)?;
            of_text(Product::Postgres, &text)
        }
        value => of_text(Product::Postgres, &text_of(value)),
    }
}

/// Returns the text that PostgreSQL reads as a value.
fn text_of(value: &Parameter) -> String {
    match value {
        Parameter::Null(_) | Parameter::Array(_) => String::new(),
        Parameter::Bool(value) => value.to_string(),
        Parameter::Integer(value) => value.to_string(),
        Parameter::Unsigned(value) => value.to_string(),
        Parameter::Float(value) => number(value.is_infinite(), *value > 0.0, value.to_string()),
        Parameter::Double(value) => number(value.is_infinite(), *value > 0.0, value.to_string()),
        Parameter::Text(_, text) => text.clone(),
        Parameter::Bytes(bytes) => {
            let mut text = String::with_capacity(2 + 2 * bytes.len());
            text.push_str("\\x");
            for byte in bytes {
                text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
            }
            text
        }
        Parameter::Interval {
            months,
            days,
            microseconds,
        } => format!("{months} months {days} days {microseconds} microseconds"),
    }
}

fn number(infinite: bool, positive: bool, finite: String) -> String {
    match (infinite, positive) {
        (true, true) => "Infinity".to_owned(),
        (true, false) => "-Infinity".to_owned(),
        _ => finite,
    }
}

/// Writes an array as PostgreSQL reads it.
fn literal(members: &[Parameter], out: &mut String) -> Result<(), Failure> {
    out.push('{');
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match member {
            Parameter::Null(_) => out.push_str("NULL"),
            Parameter::Array(members) => literal(members, out)?,
            member => {
                out.push('"');
                for letter in text_of(member).chars() {
                    if letter == '"' || letter == '\\' {
                        out.push('\\');
                    }
                    out.push(letter);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    Ok(())
}
