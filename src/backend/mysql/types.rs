//! Reading of one column of a row, by the type that the server names for it.

use std::fmt::Display;

use rust_decimal::Decimal;
use sqlx::mysql::types::MySqlTime;
use sqlx::mysql::{MySqlRow, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Column, Decode, MySql, Row, Type, TypeInfo};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::error::{Error, ErrorKind, Result};
use crate::value::ValueRef;

/// Reads column `index` of `row`.
#[expect(clippy::match_same_arms, reason = "the usual types come first")]
pub(super) fn value(row: &MySqlRow, index: usize) -> Result<ValueRef<'_>> {
    // sqlx's `is_null` is not used: it treats zero dates as NULL.
    let Ok(raw) = row.try_get_raw(index) else {
        return Ok(ValueRef::Null);
    };
    let Ok(bytes) = <&[u8] as Decode<MySql>>::decode(raw.clone()) else {
        return Ok(ValueRef::Null);
    };
    let info = row.column(index).type_info();
    let name = info.name();
    match name {
        "BIGINT" | "INT" | "MEDIUMINT" | "SMALLINT" | "TINYINT" => integer(raw, name),
        // The usual types come first: each comparison of a name takes its time.
        "VARCHAR" | "TEXT" | "CHAR" if is_text(info) => utf8(bytes).map(ValueRef::Text),
        "DOUBLE" => read(raw, name).map(ValueRef::F64),
        "DATETIME" => date_time(raw, bytes, name).map(ValueRef::DateTime),
        "TIMESTAMP" => date_time(raw, bytes, name).map(|moment| ValueRef::Timestamp(moment.and_utc())),
        // TINYINT(1), signed or not.
        "BOOLEAN" if !<u64 as Type<MySql>>::compatible(info) => integer(raw, name),
        "YEAR" => whole(raw, name).map(|year| ValueRef::I64(year as i64)),
        "BOOLEAN" | "BIGINT UNSIGNED" | "INT UNSIGNED" | "MEDIUMINT UNSIGNED" | "SMALLINT UNSIGNED"
        | "TINYINT UNSIGNED" | "BIT" => whole(raw, name).map(ValueRef::U64),
        "FLOAT" => read(raw, name).map(ValueRef::F32),
        "DECIMAL" => decimal(utf8(bytes)?).map(ValueRef::Decimal),
        "DATE" => date(raw, bytes).map(ValueRef::Date),
        "TIME" => time(raw).map(ValueRef::Time),
        "JSON" => utf8(bytes).map(ValueRef::Json),
        "NULL" => Ok(ValueRef::Null),
        _ if is_text(info) => utf8(bytes).map(ValueRef::Text),
        _ => Ok(ValueRef::Bytes(bytes)),
    }
}

/// Returns whether a column of letters or bytes holds letters: the collation shows it, the name does not.
fn is_text(info: &MySqlTypeInfo) -> bool {
    <str as Type<MySql>>::compatible(info) || matches!(info.name(), "ENUM" | "SET")
}

fn read<'r, T: Decode<'r, MySql>>(raw: MySqlValueRef<'r>, name: &str) -> Result<T> {
    T::decode(raw).map_err(|why| unreadable(name, &why))
}

fn integer<'r>(raw: MySqlValueRef<'r>, name: &str) -> Result<ValueRef<'r>> {
    read(raw, name).map(ValueRef::I64)
}

fn whole(raw: MySqlValueRef<'_>, name: &str) -> Result<u64> {
    read(raw, name)
}

fn unreadable(name: &str, why: &dyn Display) -> Error {
    Error::new(ErrorKind::Decode, format!("a {name} cannot be read: {why}"))
        .help("cast it in the SQL (`CAST(column AS CHAR)`) and read a String")
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|why| {
        Error::new(
            ErrorKind::Decode,
            format!("the server sent text that is not UTF-8: {why}"),
        )
        .help("is the character set of the connection `utf8mb4`?")
    })
}

/// Reads a decimal number without rounding it; zeros at its end may be dropped.
fn decimal(text: &str) -> Result<Decimal> {
    let mut rest = text;
    loop {
        if let Ok(value) = Decimal::from_str_exact(rest) {
            return Ok(value);
        }
        let shorter = rest.strip_suffix('0').or_else(|| rest.strip_suffix('.'));
        rest = match shorter.filter(|_| rest.contains('.')) {
            Some(shorter) => shorter,
            None => return Err(unreadable("DECIMAL", &"it has more digits than Decimal holds (28)")),
        };
    }
}

/// Returns whether a value is a zero date, which MySQL allows and no calendar has.
fn is_zero_date(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0) || bytes.starts_with(b"0000-00-00")
}

fn zero_date(name: &str) -> Error {
    unreadable(name, &"it is 0000-00-00, which is not a date")
        .help("set the sql_mode NO_ZERO_DATE and store NULL instead, or read `NULLIF(column, '0000-00-00')`")
}

fn date(raw: MySqlValueRef<'_>, bytes: &[u8]) -> Result<NaiveDate> {
    if is_zero_date(bytes) {
        return Err(zero_date("DATE"));
    }
    read(raw, "DATE")
}

fn date_time(raw: MySqlValueRef<'_>, bytes: &[u8], name: &str) -> Result<NaiveDateTime> {
    if is_zero_date(bytes) {
        return Err(zero_date(name));
    }
    read(raw, name)
}

/// Reads a TIME. On MySQL it is a span of up to 839 hours, positive or negative. Only spans within a day are times of
/// day.
fn time(raw: MySqlValueRef<'_>) -> Result<NaiveTime> {
    let span: MySqlTime = read(raw, "TIME")?;
    let (minute, second) = (span.minutes().into(), span.seconds().into());
    let time = NaiveTime::from_hms_micro_opt(span.hours(), minute, second, span.microseconds());
    time.filter(|_| span.is_valid_time_of_day())
        .ok_or_else(|| unreadable("TIME", &format!("{span} is not a time of day")))
}

/// Returns the name of a column's type.
pub(super) fn type_name(row: &MySqlRow, index: usize) -> &str {
    row.column(index).type_info().name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q4_decimals_are_read_exactly_or_not_at_all() {
        assert_eq!(decimal("1.50").unwrap().to_string(), "1.50");
        assert_eq!(
            decimal("1.500000000000000000000000000000").unwrap(),
            Decimal::new(15, 1)
        );
        assert_eq!(decimal("-79228162514264337593543950335").unwrap(), Decimal::MIN);
        for long in [
            "0.1234567890123456789012345678901",
            "79228162514264337593543950336",
            "",
            "x",
        ] {
            assert_eq!(decimal(long).unwrap_err().kind(), ErrorKind::Decode, "{long}");
        }
    }

    #[test]
    fn q4_zero_dates_are_distinguished_from_null() {
        assert!(is_zero_date(&[0]));
        assert!(is_zero_date(b"0000-00-00 00:00:00"));
        assert!(!is_zero_date(b"2026-11-21"));
    }
}
