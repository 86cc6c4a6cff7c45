//! Encoding of one parameter in the binary format, as its declared type.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::server_type::ServerType;
use super::{numeric, oid, text};
use crate::value::{Interval, NullType, Value};

/// The mark of a value whose expected type the server has to report before the value can be written.
pub(super) const ASKED: u32 = u32::MAX;

/// The mark of an array with such members.
pub(super) const ASKED_ARRAY: u32 = u32::MAX - 1;

/// The reason why a value cannot be written; the caller adds the number of the parameter.
pub(in crate::backend) type Refusal = String;

/// Returns the type that a value has by itself: [`oid::UNDECLARED`] for `NULL`, [`ASKED`] if the server decides it. Text
/// and arrays of text have it only where the server infers no other.
pub(super) fn own_type(value: &Value) -> u32 {
    match value {
        Value::Null | Value::List(_) => oid::UNDECLARED,
        Value::NullOf(of) => null_type(*of),
        Value::Bool(_) => oid::BOOL,
        Value::I16(_) => oid::INT2,
        Value::I32(_) => oid::INT4,
        Value::I64(_) => oid::INT8,
        Value::U64(value) if i64::try_from(*value).is_ok() => oid::INT8,
        Value::U64(_) | Value::Decimal(_) => oid::NUMERIC,
        Value::F32(_) => oid::FLOAT4,
        Value::F64(_) => oid::FLOAT8,
        Value::Text(_) => oid::TEXT,
        Value::Untyped(_) => ASKED,
        Value::Bytes(_) => oid::BYTEA,
        Value::Date(_) => oid::DATE,
        Value::Time(_) => oid::TIME,
        Value::DateTime(_) => oid::TIMESTAMP,
        Value::Timestamp(_) => oid::TIMESTAMPTZ,
        Value::Uuid(_) => oid::UUID,
        Value::Json(_) => oid::JSONB,
        Value::Interval(_) => oid::INTERVAL,
        Value::Inet(_) => oid::INET,
        Value::Array(members) => match member_type(members) {
            oid::UNDECLARED | ASKED => ASKED_ARRAY,
            member => oid::array_of(member).unwrap_or(ASKED_ARRAY),
        },
    }
}

/// Returns the type of the values that could be in the place of a `NULL`.
fn null_type(of: NullType) -> u32 {
    match of {
        NullType::Bool => oid::BOOL,
        NullType::I16 => oid::INT2,
        NullType::I32 => oid::INT4,
        NullType::I64 | NullType::U64 => oid::INT8,
        NullType::F32 => oid::FLOAT4,
        NullType::F64 => oid::FLOAT8,
        NullType::Decimal => oid::NUMERIC,
        NullType::Text => oid::TEXT,
        NullType::Bytes => oid::BYTEA,
        NullType::Date => oid::DATE,
        NullType::Time => oid::TIME,
        NullType::DateTime => oid::TIMESTAMP,
        NullType::Timestamp => oid::TIMESTAMPTZ,
        NullType::Uuid => oid::UUID,
        NullType::Json => oid::JSONB,
        NullType::Interval => oid::INTERVAL,
        NullType::Inet => oid::INET,
    }
}

/// Returns the type of the members of an array: the widest of them if they are numbers. A `NULL` counts only where there is
/// nothing else.
fn member_type(members: &[Value]) -> u32 {
    let widest = |nulls: bool| {
        let members = members.iter().filter(|member| member.is_null() == nulls);
        members.fold(oid::UNDECLARED, |so_far, member| {
            let own = match member {
                Value::Array(inner) => member_type(inner),
                member => own_type(member),
            };
            wider(so_far, own)
        })
    };
    match widest(false) {
        oid::UNDECLARED => widest(true),
        found => found,
    }
}

/// Returns the type that holds both. If there is none, returns the first, so that the differing member is refused
/// later.
fn wider(one: u32, other: u32) -> u32 {
    const WIDTHS: [u32; 4] = [oid::INT2, oid::INT4, oid::INT8, oid::NUMERIC];
    let width = |oid: u32| WIDTHS.iter().position(|it| *it == oid);
    if one == other {
        return one;
    }
    match (one, other) {
        (oid::UNDECLARED, other) => other,
        (_, ASKED) => ASKED,
        (oid::FLOAT4, oid::FLOAT8) => oid::FLOAT8,
        _ => match (width(one), width(other)) {
            (Some(first), Some(second)) => WIDTHS[first.max(second)],
            _ => one,
        },
    }
}

/// Writes `value` as a value of type `oid`; `found` is what the server reported about it. Returns whether it is `NULL`.
pub(in crate::backend) fn write(
    value: &Value,
    oid: u32,
    found: Option<&ServerType>,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    match value {
        Value::Null | Value::NullOf(_) => return Ok(true),
        Value::Bool(it) => out.push((*it).into()),
        Value::I16(it) => integer((*it).into(), oid, out),
        Value::I32(it) => integer((*it).into(), oid, out),
        Value::I64(it) => integer(*it, oid, out),
        Value::U64(it) => match i64::try_from(*it) {
            Ok(it) => integer(it, oid, out),
            Err(_) => numeric::encode_integer(*it, out),
        },
        Value::F32(it) if oid == oid::FLOAT8 => out.extend_from_slice(&f64::from(*it).to_be_bytes()),
        Value::F32(it) => out.extend_from_slice(&it.to_be_bytes()),
        Value::F64(it) => out.extend_from_slice(&it.to_be_bytes()),
        Value::Decimal(it) => numeric::encode(*it, out),
        Value::Text(it) => letters(it, out)?,
        Value::Untyped(it) => untyped(it, oid, found, out)?,
        Value::Bytes(it) => out.extend_from_slice(it),
        Value::Date(it) => out.extend_from_slice(&date(*it).to_be_bytes()),
        Value::Time(it) => out.extend_from_slice(&time(*it).to_be_bytes()),
        Value::DateTime(it) => out.extend_from_slice(&moment(*it).to_be_bytes()),
        Value::Timestamp(it) => out.extend_from_slice(&moment(it.naive_utc()).to_be_bytes()),
        Value::Uuid(it) => out.extend_from_slice(it.as_bytes()),
        Value::Json(it) => json(&it.to_string(), oid, out)?,
        Value::Interval(it) => interval(*it, out),
        Value::Inet(it) => network(*it, out),
        Value::Array(members) => array(members, oid, found, out)?,
        Value::List(_) => return Err("is a list, which can only be used in IN (…)".to_owned()),
    }
    Ok(false)
}

/// Returns whether a value of type `own` can be written as a member of type `member`.
fn suits(own: u32, member: u32) -> bool {
    own == member
        || matches!(own, oid::UNDECLARED | ASKED)
        || wider(own, member) == member && wider(member, own) == member
}

fn integer(value: i64, oid: u32, out: &mut Vec<u8>) {
    // The declared type is never narrower than the value's own.
    match oid {
        oid::INT2 => out.extend_from_slice(&(value as i16).to_be_bytes()),
        oid::INT4 => out.extend_from_slice(&(value as i32).to_be_bytes()),
        oid::NUMERIC => numeric::encode(Decimal::from(value), out),
        _ => out.extend_from_slice(&value.to_be_bytes()),
    }
}

fn letters(text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if text.contains('\0') {
        return Err("holds the character U+0000, which PostgreSQL cannot store in text".to_owned());
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn json(text: &str, oid: u32, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if oid != oid::JSON {
        if text.contains("\\u0000") && holds_nul(text) {
            return Err("is JSON that holds the character U+0000, which PostgreSQL cannot store".to_owned());
        }
        out.push(1);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Returns whether the text has the escape of U+0000, and not a backslash before `u0000`.
fn holds_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let slashes = json[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        slashes % 2 == 0
    })
}

/// Returns the number of days after 2000-01-01.
fn date(date: NaiveDate) -> i32 {
    const DAYS: i64 = 10_957;
    let days = date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days() - DAYS;
    days as i32
}

/// Returns the microseconds after midnight. A leap second is the first of the next minute, as in timestamps.
fn time(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000)
}

/// Returns the microseconds after 2000-01-01; finer parts are cut off, because the server has none.
fn moment(moment: NaiveDateTime) -> i64 {
    i64::from(date(moment.date())) * 86_400_000_000 + time(moment.time())
}

fn interval(interval: Interval, out: &mut Vec<u8>) {
    out.extend_from_slice(&interval.microseconds.to_be_bytes());
    out.extend_from_slice(&interval.days.to_be_bytes());
    out.extend_from_slice(&interval.months.to_be_bytes());
}

fn network(network: IpNetwork, out: &mut Vec<u8>) {
    match network.ip() {
        IpAddr::V4(address) => {
            out.extend_from_slice(&[2, network.prefix(), 0, 4]);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.extend_from_slice(&[3, network.prefix(), 0, 16]);
            out.extend_from_slice(&address.octets());
        }
    }
}

fn array(members: &[Value], oid: u32, found: Option<&ServerType>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Some(member) = found.map_or_else(|| oid::element_of(oid), |found| found.element) else {
        let name = found.map_or_else(|| "another type".to_owned(), ServerType::shown);
        return Err(format!("is an array, but the server expects {name}"));
    };
    let mut lengths = Vec::new();
    measure(members, 0, &mut lengths)?;
    let empty = lengths.contains(&0);
    let dimensions = if empty { 0 } else { lengths.len() };
    out.extend_from_slice(&(dimensions as i32).to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&member.to_be_bytes());
    if empty {
        return Ok(());
    }
    for length in &lengths {
        out.extend_from_slice(&(*length as i32).to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    fill(members, member, found.is_some(), out)
}

/// Collects the lengths of all dimensions; the members of one must be equally long.
fn measure(members: &[Value], depth: usize, lengths: &mut Vec<usize>) -> Result<(), Refusal> {
    const UNEVEN: &str = "is an array of arrays of different lengths";
    if depth == lengths.len() {
        lengths.push(members.len());
    } else if lengths[depth] != members.len() {
        return Err(UNEVEN.to_owned());
    }
    let nested = matches!(members.first(), Some(Value::Array(_)));
    for member in members {
        match member {
            Value::Array(inner) if nested => measure(inner, depth + 1, lengths)?,
            Value::Array(_) => return Err(UNEVEN.to_owned()),
            _ if nested => return Err(UNEVEN.to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn fill(members: &[Value], oid: u32, reported: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for value in members {
        if let Value::Array(inner) = value {
            fill(inner, oid, reported, out)?;
            continue;
        }
        // Where the server reported a type, text is of any; otherwise the members decide it and must be alike.
        let is_text = matches!(value, Value::Text(_)) && reported;
        if !value.is_null() && !is_text && !suits(own_type(value), oid) {
            return Err("is an array whose members have different types".to_owned());
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let size = if write(value, oid, None, out)? {
            -1
        } else {
            (out.len() - start - 4) as i32
        };
        out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}

/// Converts text to the type that the server expects for the parameter.
fn untyped(value: &str, oid: u32, found: Option<&ServerType>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let name = || {
        found.map_or_else(
            || oid::name_of(oid).map_or_else(|| format!("the type number {oid}"), str::to_uppercase),
            ServerType::shown,
        )
    };
    let wrong = || format!("is text that is not a value of {}", name());
    match oid {
        oid if oid::is_text(oid) => letters(value, out)?,
        oid::BOOL => out.push(text::boolean(value).ok_or_else(wrong)?.into()),
        oid::INT2 => out.extend_from_slice(&value.parse::<i16>().map_err(|_| wrong())?.to_be_bytes()),
        oid::INT4 => out.extend_from_slice(&value.parse::<i32>().map_err(|_| wrong())?.to_be_bytes()),
        oid::INT8 => out.extend_from_slice(&value.parse::<i64>().map_err(|_| wrong())?.to_be_bytes()),
        oid::OID => out.extend_from_slice(&value.parse::<u32>().map_err(|_| wrong())?.to_be_bytes()),
        oid::FLOAT4 => out.extend_from_slice(&value.parse::<f32>().map_err(|_| wrong())?.to_be_bytes()),
        oid::FLOAT8 => out.extend_from_slice(&value.parse::<f64>().map_err(|_| wrong())?.to_be_bytes()),
        oid::NUMERIC => numeric::encode(numeric::parse(value).ok_or_else(wrong)?, out),
        oid::UUID => out.extend_from_slice(value.parse::<Uuid>().map_err(|_| wrong())?.as_bytes()),
        oid::DATE => out.extend_from_slice(&date(text::date(value).ok_or_else(wrong)?).to_be_bytes()),
        oid::TIME => out.extend_from_slice(&time(text::time(value).ok_or_else(wrong)?).to_be_bytes()),
        oid::TIMESTAMP => out.extend_from_slice(&moment(text::date_time(value).ok_or_else(wrong)?).to_be_bytes()),
        oid::TIMESTAMPTZ => {
            let value = text::timestamp(value).ok_or_else(wrong)?;
            out.extend_from_slice(&moment(value.naive_utc()).to_be_bytes());
        }
        oid::INTERVAL => interval(text::interval(value).ok_or_else(wrong)?, out),
        oid::INET => network(value.parse().map_err(|_| wrong())?, out),
        oid::CIDR => {
            let at = out.len();
            network(value.parse().map_err(|_| wrong())?, out);
            out[at + 2] = 1;
        }
        oid::JSON | oid::JSONB => {
            // Text that is not a JSON document is sent as a JSON string: serde writes strings that way.
            match serde_json::from_str::<serde::de::IgnoredAny>(value) {
                Ok(_) => json(value, oid, out)?,
                Err(_) => json(&serde_json::Value::from(value).to_string(), oid, out)?,
            }
        }
        oid::BYTEA => out.extend_from_slice(&text::bytes(value).ok_or_else(wrong)?),
        _ => return Err(wrong()),
    }
    Ok(())
}

/// Returns whether untyped text is converted here into values of this type.
pub(super) fn converts(to: u32) -> bool {
    let known = matches!(
        to,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::OID
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::NUMERIC
            | oid::UUID
            | oid::DATE
            | oid::TIME
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::INET
            | oid::CIDR
            | oid::JSON
            | oid::JSONB
            | oid::BYTEA
    );
    known || oid::is_text(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::postgres::types::binary;

    fn written(value: &Value, oid: u32) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        write(value, oid, None, &mut out).map(|_| out)
    }

    #[test]
    fn q4_numbers_of_an_array_take_the_widest_type() {
        let mixed = Value::Array(vec![Value::I16(1), Value::Null, Value::I64(i64::MAX)]);
        assert_eq!(own_type(&mixed), 1016);
        let bytes = written(&mixed, 1016).unwrap();
        let read = binary(1016, None::<&sqlx::postgres::PgTypeInfo>, &bytes).unwrap();
        let expected = Value::Array(vec![Value::I64(1), Value::Null, Value::I64(i64::MAX)]);
        assert_eq!(Value::of_member(read).unwrap(), expected);
        assert_eq!(own_type(&Value::Array(vec![Value::U64(1), Value::U64(u64::MAX)])), 1231);
    }

    #[test]
    fn q4_arrays_of_different_types_are_refused() {
        let mixed = Value::Array(vec![Value::I16(1), Value::Text("a".into())]);
        assert!(
            written(&mixed, own_type(&mixed))
                .unwrap_err()
                .contains("different types")
        );
        let uneven = Value::Array(vec![Value::Array(vec![Value::I16(1)]), Value::Array(vec![])]);
        assert!(
            written(&uneven, own_type(&uneven))
                .unwrap_err()
                .contains("different lengths")
        );
    }

    #[test]
    fn q4_text_with_an_embedded_nul_is_refused() {
        assert!(
            written(&Value::Text("a\0b".into()), oid::TEXT)
                .unwrap_err()
                .contains("U+0000")
        );
        let json = |text: &str| written(&Value::Json(text.into()), oid::JSONB);
        assert!(json("a\0b").unwrap_err().contains("U+0000"));
        assert!(json("a\\u0000b").is_ok());
    }

    #[test]
    fn q4_text_that_is_no_value_of_the_expected_type_is_refused() {
        let untyped = |text: &str, oid| written(&Value::Untyped(text.into()), oid);
        for oid in [
            oid::UUID,
            oid::DATE,
            oid::INT4,
            oid::NUMERIC,
            oid::BOOL,
            oid::INET,
            oid::BYTEA,
        ] {
            assert!(untyped("nonsense", oid).unwrap_err().contains("not a value of"));
        }
        assert_eq!(untyped("-7", oid::INT2).unwrap(), (-7_i16).to_be_bytes());
        assert!(untyped("x", 600).is_err());
    }
}
