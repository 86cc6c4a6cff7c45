//! Writing of parameters, each in the form in which the database takes it without loss.

use chrono::{Datelike, SecondsFormat, SubsecRound};

use super::written::{bytes, text};
use crate::backend::{mysql, sqlite};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::value::{NullType, Value};

/// Number of digits of a second that PostgreSQL, MySQL and MariaDB count. They would round up what is finer.
const MICROSECONDS: u16 = 6;
/// Number of digits of a second that a value has.
const NANOSECONDS: u16 = 9;

/// The tags of values.
pub(super) mod tag {
    pub(in crate::backend::sidecar) const NULL: u8 = 0;
    pub(in crate::backend::sidecar) const BOOL: u8 = 1;
    pub(in crate::backend::sidecar) const I64: u8 = 2;
    pub(in crate::backend::sidecar) const U64: u8 = 3;
    pub(in crate::backend::sidecar) const F32: u8 = 4;
    pub(in crate::backend::sidecar) const F64: u8 = 5;
    pub(in crate::backend::sidecar) const DECIMAL: u8 = 6;
    pub(in crate::backend::sidecar) const TEXT: u8 = 7;
    pub(in crate::backend::sidecar) const BYTES: u8 = 8;
    pub(in crate::backend::sidecar) const DATE: u8 = 9;
    pub(in crate::backend::sidecar) const TIME: u8 = 10;
    pub(in crate::backend::sidecar) const DATETIME: u8 = 11;
    pub(in crate::backend::sidecar) const TIMESTAMP: u8 = 12;
    pub(in crate::backend::sidecar) const UUID: u8 = 13;
    pub(in crate::backend::sidecar) const JSON: u8 = 14;
    pub(in crate::backend::sidecar) const UNTYPED: u8 = 15;
    pub(in crate::backend::sidecar) const INTERVAL: u8 = 16;
    pub(in crate::backend::sidecar) const INET: u8 = 17;
    pub(in crate::backend::sidecar) const ARRAY: u8 = 18;
    pub(in crate::backend::sidecar) const UNREADABLE: u8 = 19;
    pub(in crate::backend::sidecar) const I16: u8 = 20;
    pub(in crate::backend::sidecar) const I32: u8 = 21;
    pub(in crate::backend::sidecar) const CALENDAR: u8 = 22;
}

/// Writes a parameter. Places count from 1.
pub(super) fn value(dialect: Dialect, value: &Value, place: usize, out: &mut Vec<u8>) -> Result<()> {
    match dialect {
        Dialect::Sqlite => match sqlite::refused(value, place) {
            Some(refused) => Err(refused),
            None => stored(value, out),
        },
        Dialect::MySql => match (mysql::refused(value, place), value) {
            (Some(refused), _) => Err(refused),
            // As the driver of sqlx sends it.
            (None, Value::Uuid(it)) => tagged_bytes(out, it.as_bytes()),
            (None, value) => typed(value, MICROSECONDS, out),
        },
        Dialect::Postgres => typed(value, MICROSECONDS, out),
        #[allow(unreachable_patterns, reason = "there are more dialects with more features")]
        _ => typed(value, NANOSECONDS, out),
    }
}

/// Writes a value of SQLite: a storage class.
fn stored(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null | Value::NullOf(_) => out.extend_from_slice(&[tag::NULL, 0]),
        Value::Bool(it) => integer(out, i64::from(*it)),
        Value::I16(it) => integer(out, i64::from(*it)),
        Value::I32(it) => integer(out, i64::from(*it)),
        Value::F32(it) => double(out, f64::from(*it)),
        Value::Decimal(it) => match sqlite::Number::of(it) {
            Some(sqlite::Number::Whole(whole)) => integer(out, whole),
            Some(sqlite::Number::Fraction(fraction)) => double(out, fraction),
            None => return Err(Error::new(ErrorKind::Parameter, "a decimal has too many digits")),
        },
        Value::U64(it) => match i64::try_from(*it) {
            Ok(it) => integer(out, it),
            Err(_) => return Err(Error::new(ErrorKind::Parameter, "an integer is too large")),
        },
        Value::Untyped(it) => return tagged(out, tag::TEXT, it),
        Value::Date(it) => return tagged(out, tag::TEXT, &it.format("%F").to_string()),
        Value::Time(it) => return tagged(out, tag::TEXT, &it.format("%T%.f").to_string()),
        Value::DateTime(it) => return tagged(out, tag::TEXT, &it.format("%F %T%.f").to_string()),
        Value::Timestamp(it) => return tagged(out, tag::TEXT, &it.to_rfc3339_opts(SecondsFormat::AutoSi, false)),
        Value::Uuid(it) => return tagged_bytes(out, it.as_bytes()),
        Value::Json(it) => return tagged(out, tag::TEXT, &it.to_string()),
        Value::I64(_)
        | Value::F64(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Interval(_)
        | Value::Inet(_)
        | Value::Array(_)
        | Value::List(_) => return typed(value, NANOSECONDS, out),
    }
    Ok(())
}

/// Writes a value with the tag of its type. `finest` is the number of digits of a second.
fn typed(value: &Value, finest: u16, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => out.extend_from_slice(&[tag::NULL, 0]),
        Value::NullOf(kind) => out.extend_from_slice(&[tag::NULL, tag_of(*kind)]),
        Value::Bool(it) => out.extend_from_slice(&[tag::BOOL, u8::from(*it)]),
        Value::I16(it) => fixed(out, tag::I16, it.to_be_bytes()),
        Value::I32(it) => fixed(out, tag::I32, it.to_be_bytes()),
        Value::I64(it) => integer(out, *it),
        Value::U64(it) => fixed(out, tag::U64, it.to_be_bytes()),
        Value::F32(it) => fixed(out, tag::F32, it.to_be_bytes()),
        Value::F64(it) => double(out, *it),
        Value::Decimal(it) => return tagged(out, tag::DECIMAL, &it.to_string()),
        Value::Text(it) => return tagged(out, tag::TEXT, it),
        Value::Untyped(it) => return tagged(out, tag::UNTYPED, it),
        Value::Bytes(it) => return tagged_bytes(out, it),
        Value::Date(it) => return tagged(out, tag::DATE, &dated(*it, "")),
        Value::Time(it) => {
            return tagged(out, tag::TIME, &it.trunc_subsecs(finest).format("%T%.f").to_string());
        }
        Value::DateTime(it) => {
            let it = it.trunc_subsecs(finest);
            return tagged(out, tag::DATETIME, &dated(it.date(), &it.format(" %T%.f").to_string()));
        }
        Value::Timestamp(it) => {
            let it = it.trunc_subsecs(finest);
            let text = dated(it.date_naive(), &it.format(" %T%.fZ").to_string());
            return tagged(out, tag::TIMESTAMP, &text);
        }
        Value::Uuid(it) => return tagged(out, tag::UUID, &it.to_string()),
        Value::Json(it) => return tagged(out, tag::JSON, &it.to_string()),
        Value::Interval(it) => {
            fixed(out, tag::INTERVAL, it.months.to_be_bytes());
            out.extend_from_slice(&it.days.to_be_bytes());
            out.extend_from_slice(&it.microseconds.to_be_bytes());
        }
        Value::Inet(it) => return tagged(out, tag::INET, &it.to_string()),
        Value::Array(members) | Value::List(members) => {
            let count = u32::try_from(members.len())
                .map_err(|_| Error::new(ErrorKind::Parameter, "an array has more than 4,294,967,295 members"))?;
            fixed(out, tag::ARRAY, count.to_be_bytes());
            return members.iter().try_for_each(|member| typed(member, finest, out));
        }
    }
    Ok(())
}

/// Writes a date followed by `rest`. PostgreSQL, and ISO 8601, differ from `chrono` in years of other eras and of more
/// than four digits.
fn dated(date: chrono::NaiveDate, rest: &str) -> String {
    let year = date.year();
    if (1..=9999).contains(&year) {
        return format!("{}{rest}", date.format("%F"));
    }
    let (year, era) = if year < 1 { (1 - year, " BC") } else { (year, "") };
    format!("{year:04}-{}{rest}{era}", date.format("%m-%d"))
}

fn tag_of(kind: NullType) -> u8 {
    #[allow(unreachable_patterns, reason = "it is not exhaustive outside of this crate")]
    match kind {
        NullType::Bool => tag::BOOL,
        NullType::I16 => tag::I16,
        NullType::I32 => tag::I32,
        NullType::I64 => tag::I64,
        NullType::U64 => tag::U64,
        NullType::F32 => tag::F32,
        NullType::F64 => tag::F64,
        NullType::Decimal => tag::DECIMAL,
        NullType::Text => tag::TEXT,
        NullType::Bytes => tag::BYTES,
        NullType::Date => tag::DATE,
        NullType::Time => tag::TIME,
        NullType::DateTime => tag::DATETIME,
        NullType::Timestamp => tag::TIMESTAMP,
        NullType::Uuid => tag::UUID,
        NullType::Json => tag::JSON,
        NullType::Interval => tag::INTERVAL,
        NullType::Inet => tag::INET,
    }
}

fn fixed<const N: usize>(out: &mut Vec<u8>, tag: u8, value: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&value);
}

fn integer(out: &mut Vec<u8>, value: i64) {
    fixed(out, tag::I64, value.to_be_bytes());
}

fn double(out: &mut Vec<u8>, value: f64) {
    fixed(out, tag::F64, value.to_be_bytes());
}

fn tagged(out: &mut Vec<u8>, tag: u8, value: &str) -> Result<()> {
    out.push(tag);
    text(out, value)
}

fn tagged_bytes(out: &mut Vec<u8>, value: &[u8]) -> Result<()> {
    out.push(tag::BYTES);
    bytes(out, value)
}
