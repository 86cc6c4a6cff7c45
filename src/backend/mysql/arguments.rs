//! Parameters, and the texts that they are sent with.
//!
//! MySQL keeps the types of the first execution of a prepared statement, and converts later values of other types to
//! them: `SELECT ?` with 7 and then with "text" yields 0. So the types become part of the text
//! ([`variants`](crate::backend::sqlx::variants)), and a `NULL` is sent with the type of its place there. MariaDB reads
//! the types with each execution, so the spelling changes nothing there, and the product need not be known.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments, SqlStr};

use super::refused::refused;
use crate::backend::sqlx::variants::{UNTYPED, Variant, Variants, notes, spelled};
use crate::backend::sqlx::{bind_all, check_all};
use crate::error::Result;
use crate::sql::Statement;
use crate::value::Value;

/// One use of a text.
#[derive(Debug)]
struct Use {
    takes: Box<[u32]>,
    sql: SqlStr,
}

impl Variant for Use {
    fn own_type(value: &Value) -> u32 {
        own_type(value)
    }

    fn takes(&self) -> &[u32] {
        &self.takes
    }
}

/// Encodes the values and chooses the text to send.
pub(super) fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, MySqlArguments)> {
    if values.is_empty() {
        return Ok((statement.sql(), MySqlArguments::default()));
    }
    check_all(values, refused)?;
    let uses = notes::<Variants<Use>>(statement)?;
    let variant = match uses.find(values) {
        Some(known) => known,
        None => first_use(uses, statement, values),
    };
    let arguments = encode(values, &variant.takes)?;
    Ok((variant.sql.clone(), arguments))
}

fn first_use(uses: &Variants<Use>, statement: &Statement, values: &[Value]) -> Arc<Use> {
    let mut takes: Vec<u32> = values.iter().map(own_type).collect();
    uses.type_nulls(&mut takes);
    let sql = spelled(statement.text(), &takes);
    let takes = takes.into();
    uses.add(Use { takes, sql })
}

/// Added to the protocol's number of a type if the type is unsigned.
const UNSIGNED: u32 = 256;

/// The type that sqlx declares for a value: the protocol's number, and [`UNSIGNED`].
fn own_type(value: &Value) -> u32 {
    match value {
        Value::Null | Value::NullOf(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            UNTYPED
        }
        Value::Bool(_) => UNSIGNED | 1,
        Value::I16(_) => 2,
        Value::I32(_) => 3,
        Value::I64(_) => 8,
        Value::U64(_) => UNSIGNED | 8,
        Value::F32(_) => 4,
        Value::F64(_) => 5,
        Value::Decimal(_) => 246,
        Value::Text(_) | Value::Untyped(_) | Value::Json(_) => 253,
        Value::Bytes(_) | Value::Uuid(_) => 252,
        Value::Date(_) => 10,
        Value::Time(_) => 11,
        Value::DateTime(_) => 12,
        Value::Timestamp(_) => 7,
    }
}

/// Encodes the values. Each `NULL` has the type of its place.
fn encode(values: &[Value], takes: &[u32]) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    arguments.reserve(values.len(), values.len() * 16);
    bind_all(arguments, values, |arguments, index, value| match value {
        value if value.is_null() => add_null(arguments, takes[index]),
        value => add(arguments, value),
    })
}

/// Adds a `NULL` of one of the types that [`own_type`] knows.
fn add_null(arguments: &mut MySqlArguments, kind: u32) -> Result<(), BoxDynError> {
    match kind {
        kind if kind == UNSIGNED | 1 => arguments.add(None::<bool>),
        2 => arguments.add(None::<i16>),
        3 => arguments.add(None::<i32>),
        8 => arguments.add(None::<i64>),
        kind if kind == UNSIGNED | 8 => arguments.add(None::<u64>),
        4 => arguments.add(None::<f32>),
        5 => arguments.add(None::<f64>),
        246 => arguments.add(None::<Decimal>),
        252 => arguments.add(None::<&[u8]>),
        10 => arguments.add(None::<NaiveDate>),
        11 => arguments.add(None::<NaiveTime>),
        12 => arguments.add(None::<NaiveDateTime>),
        7 => arguments.add(None::<DateTime<Utc>>),
        _ => arguments.add(None::<&str>),
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
        Value::Null | Value::NullOf(_) | Value::Interval(_) | Value::Inet(_) | Value::Array(_) | Value::List(_) => {
            arguments.add(None::<&str>)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::value::Interval;

    fn text(statement: &Statement, values: &[Value]) -> String {
        arguments(statement, values).unwrap().0.as_str().to_owned()
    }

    #[test]
    fn q4_other_types_make_another_text_found_v1() {
        let statement = || Statement::new("SELECT ?", false);
        let one = statement();
        assert_eq!(text(&one, &[]), one.text());
        let values = [
            Value::Bool(true),
            Value::I16(1),
            Value::I32(1),
            Value::I64(1),
            Value::U64(1),
            Value::F32(1.0),
            Value::F64(1.0),
            Value::Decimal(1.into()),
            Value::Text("1".into()),
            Value::Bytes(vec![1]),
            Value::Date("2026-11-30".parse().unwrap()),
            Value::Time("12:30:00".parse().unwrap()),
            Value::DateTime("2026-11-30T12:30:00".parse().unwrap()),
            Value::Timestamp("2026-11-30T12:30:00Z".parse().unwrap()),
        ];
        let texts: Vec<String> = values
            .iter()
            .map(|value| text(&one, std::slice::from_ref(value)))
            .collect();
        let different: std::collections::HashSet<&String> = texts.iter().collect();
        assert_eq!(different.len(), values.len());
        // On another statement, and in the other order, the texts are the same.
        let other = statement();
        for (value, expected) in values.iter().zip(&texts).rev() {
            assert_eq!(&text(&other, std::slice::from_ref(value)), expected);
            assert_eq!(expected.trim_end(), one.text());
        }
        assert_eq!(
            text(&one, &[Value::Null]),
            texts[0],
            "NULL goes with a type that is there"
        );
        assert_ne!(
            text(&statement(), &[Value::Null]),
            texts[8],
            "and keeps none for others"
        );
        let json = Value::Json(serde_json::Value::Null);
        assert_eq!(text(&one, &[json]), texts[8], "JSON travels as text");
    }

    #[test]
    fn q4_what_mysql_lacks_is_refused_by_name() {
        let refused = |value: Value| check_all(&[Value::Null, value], super::refused).unwrap_err();
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
