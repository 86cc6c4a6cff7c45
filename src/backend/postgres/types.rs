//! Reading of one column of a row, by the number of its type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime};
use ipnetwork::IpNetwork;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind, PgValueFormat};
use sqlx::{Column, Row, TypeInfo, ValueRef as _};
use uuid::Uuid;

use super::textual::textual;
use super::value_errors::{broken, cast, unreadable};
use super::{array, numeric, oid};
use crate::error::Result;
use crate::value::{Interval, Value, ValueRef};

/// The beginning of PostgreSQL's time, 2000-01-01, in microseconds after the Unix epoch.
const BEGINNING: i64 = 946_684_800_000_000;
/// The sqlx name of a type that it did not look up.
const NOT_LOOKED_UP: &str = "?";

/// What a driver knows of a type that is not the server's own.
pub(in crate::backend) trait ForeignType {
    /// Returns the number of the type.
    fn number(&self) -> u32;

    fn name(&self) -> &str;

    /// Returns how its values are read; `None` if that is not known.
    fn kind(&self) -> Option<ForeignKind<'_, Self>>;
}

/// How the values of a type are read.
pub(in crate::backend) enum ForeignKind<'t, T: ?Sized> {
    /// As text, which the binary format has, too.
    Text,
    /// As those of another type.
    Domain(&'t T),
    /// As an array of members of another type.
    Array(&'t T),
    /// Not at all.
    Other,
}

impl ForeignType for PgTypeInfo {
    fn number(&self) -> u32 {
        self.oid().map_or(oid::UNKNOWN, |Oid(oid)| oid)
    }

    fn name(&self) -> &str {
        TypeInfo::name(self)
    }

    fn kind(&self) -> Option<ForeignKind<'_, Self>> {
        if TypeInfo::name(self) == NOT_LOOKED_UP {
            return None;
        }
        Some(match self.kind() {
            PgTypeKind::Enum(_) => ForeignKind::Text,
            PgTypeKind::Domain(base) => ForeignKind::Domain(base),
            PgTypeKind::Array(member) => ForeignKind::Array(member),
            PgTypeKind::Simple if TypeInfo::name(self).eq_ignore_ascii_case("citext") => ForeignKind::Text,
            _ => ForeignKind::Other,
        })
    }
}

/// Reads column `index` of `row`.
pub(super) fn value(row: &PgRow, index: usize) -> Result<ValueRef<'_>> {
    let raw = row.try_get_raw(index).map_err(super::errors::error)?;
    if raw.is_null() {
        return Ok(ValueRef::Null);
    }
    let bytes = raw.as_bytes().map_err(|error| broken(&error.to_string()))?;
    let info = row.column(index).type_info();
    let oid = info.number();
    match raw.format() {
        PgValueFormat::Binary => binary(oid, Some(info), bytes),
        PgValueFormat::Text => textual(oid, utf8(bytes)?),
    }
}

/// Reads a value in the binary format. `info` is what is known of types that are not the server's own.
pub(in crate::backend) fn binary<'r, T: ForeignType>(
    oid: u32,
    info: Option<&T>,
    bytes: &'r [u8],
) -> Result<ValueRef<'r>> {
    Ok(match oid {
        oid::INT8 => ValueRef::I64(i64::from_be_bytes(fixed(bytes)?)),
        oid::INT4 => ValueRef::I64(i32::from_be_bytes(fixed(bytes)?).into()),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN | oid::XML => ValueRef::Text(utf8(bytes)?),
        oid::BOOL => ValueRef::Bool(fixed::<1>(bytes)?[0] != 0),
        oid::INT2 => ValueRef::I64(i16::from_be_bytes(fixed(bytes)?).into()),
        oid::FLOAT8 => ValueRef::F64(f64::from_be_bytes(fixed(bytes)?)),
        oid::FLOAT4 => ValueRef::F32(f32::from_be_bytes(fixed(bytes)?)),
        oid::TIMESTAMPTZ => ValueRef::Timestamp(moment(bytes, "timestamptz")?.and_utc()),
        oid::TIMESTAMP => ValueRef::DateTime(moment(bytes, "timestamp")?),
        oid::UUID => ValueRef::Uuid(Uuid::from_bytes(fixed(bytes)?)),
        oid::BYTEA => ValueRef::Bytes(bytes),
        oid::NUMERIC => ValueRef::Decimal(numeric::decode(bytes).map_err(|why| cast("numeric", why))?),
        oid::DATE => ValueRef::Date(date(bytes)?),
        oid::TIME => ValueRef::Time(time(bytes)?),
        oid::JSONB => ValueRef::Json(utf8(
            bytes
                .strip_prefix(&[1])
                .ok_or_else(|| broken("JSONB of an unknown version"))?,
        )?),
        oid::JSON => ValueRef::Json(utf8(bytes)?),
        oid::INTERVAL => ValueRef::Owned(Value::Interval(interval(bytes)?)),
        oid::INET | oid::CIDR => ValueRef::Owned(Value::Inet(network(bytes)?)),
        oid::OID | oid::XID | oid::CID => ValueRef::I64(u32::from_be_bytes(fixed(bytes)?).into()),
        oid::XID8 => ValueRef::U64(u64::from_be_bytes(fixed(bytes)?)),
        oid::CHAR => ValueRef::Text(char(bytes)?),
        oid::MACADDR | oid::MACADDR8 => ValueRef::Owned(Value::Text(mac_address(bytes))),
        oid::VOID => ValueRef::Null,
        _ => return other(oid, info, bytes),
    })
}

/// Reads a value of a type that is not among the common ones.
fn other<'r, T: ForeignType>(oid: u32, info: Option<&T>, bytes: &'r [u8]) -> Result<ValueRef<'r>> {
    if oid::element_of(oid).is_some() {
        return array(None::<&T>, bytes).map(ValueRef::Owned);
    }
    let known = info.and_then(|info| Some((info, info.kind()?)));
    let Some((info, kind)) = known else {
        return Err(unreadable(&format!("with the number {oid}")));
    };
    match kind {
        ForeignKind::Text => Ok(ValueRef::Text(utf8(bytes)?)),
        ForeignKind::Domain(base) => binary(base.number(), Some(base), bytes),
        ForeignKind::Array(member) => array(Some(member), bytes).map(ValueRef::Owned),
        ForeignKind::Other => Err(unreadable(info.name())),
    }
}

/// Reads an array; `info` is what is known of the type of its members beyond the number.
fn array<T: ForeignType>(info: Option<&T>, bytes: &[u8]) -> Result<Value> {
    array::binary(bytes, &|oid, bytes| binary(oid, info, bytes).and_then(Value::of_member))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| broken(&format!("{} bytes where {N} were expected", bytes.len())))
}

pub(in crate::backend) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| broken(&format!("text is not UTF-8: {error}")))
}

fn moment(bytes: &[u8], name: &str) -> Result<NaiveDateTime> {
    let micros = i64::from_be_bytes(fixed(bytes)?);
    if micros == i64::MAX || micros == i64::MIN {
        return Err(cast(name, "is infinite"));
    }
    let since_unix = micros.checked_add(BEGINNING);
    let moment = since_unix.and_then(DateTime::from_timestamp_micros);
    moment
        .map(|moment| moment.naive_utc())
        .ok_or_else(|| cast(name, "is too far in the past or the future"))
}

fn date(bytes: &[u8]) -> Result<NaiveDate> {
    const DAYS: i32 = (BEGINNING / 86_400_000_000) as i32;
    let days = i32::from_be_bytes(fixed(bytes)?);
    if days == i32::MAX || days == i32::MIN {
        return Err(cast("date", "is infinite"));
    }
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let date = epoch.checked_add_signed(Duration::days(i64::from(days) + i64::from(DAYS)));
    date.ok_or_else(|| cast("date", "is too far in the past or the future"))
}

fn time(bytes: &[u8]) -> Result<NaiveTime> {
    let micros = i64::from_be_bytes(fixed(bytes)?);
    let seconds = u32::try_from(micros / 1_000_000).ok();
    let nanos = (micros % 1_000_000 * 1000) as u32;
    let time = seconds.and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
    time.ok_or_else(|| cast("time", "is 24:00:00, which a Rust time of day cannot represent"))
}

fn interval(bytes: &[u8]) -> Result<Interval> {
    let bits = u128::from_be_bytes(fixed(bytes)?);
    let interval = Interval {
        months: bits as i32,
        days: (bits >> 32) as i32,
        microseconds: (bits >> 64) as i64,
    };
    // PostgreSQL 17 has infinite intervals: all parts at their extremes.
    match (interval.months, interval.days, interval.microseconds) {
        (i32::MAX, i32::MAX, i64::MAX) | (i32::MIN, i32::MIN, i64::MIN) => Err(cast("interval", "is infinite")),
        _ => Ok(interval),
    }
}

fn network(bytes: &[u8]) -> Result<IpNetwork> {
    const V4: u8 = 2;
    const V6: u8 = 3;
    let (head, address) = bytes
        .split_at_checked(4)
        .ok_or_else(|| broken("a network address without a header"))?;
    let address: IpAddr = match head[0] {
        V4 => Ipv4Addr::from(fixed::<4>(address)?).into(),
        V6 => Ipv6Addr::from(fixed::<16>(address)?).into(),
        family => return Err(broken(&format!("a network address of the unknown family {family}"))),
    };
    IpNetwork::new(address, head[1]).map_err(|error| broken(&error.to_string()))
}

/// Reads the type `"char"`: one byte, or none.
fn char(bytes: &[u8]) -> Result<&str> {
    match bytes {
        [0] => Ok(""),
        _ => utf8(bytes),
    }
}

fn mac_address(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// Returns the name of a column's type.
pub(super) fn type_name(row: &PgRow, index: usize) -> &str {
    TypeInfo::name(row.column(index).type_info())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fails(oid: u32, bytes: &[u8]) -> String {
        binary(oid, None::<&PgTypeInfo>, bytes).unwrap_err().to_string()
    }

    #[test]
    fn q4_infinite_dates_and_times_are_errors_that_name_the_way_out() {
        for (oid, bytes) in [
            (oid::DATE, i32::MAX.to_be_bytes().to_vec()),
            (oid::DATE, i32::MIN.to_be_bytes().to_vec()),
            (oid::TIMESTAMP, i64::MAX.to_be_bytes().to_vec()),
            (oid::TIMESTAMPTZ, i64::MIN.to_be_bytes().to_vec()),
        ] {
            let error = fails(oid, &bytes);
            assert!(error.contains("infinite") && error.contains("::text"), "{error}");
        }
        assert!(fails(oid::TIME, &86_400_000_000_i64.to_be_bytes()).contains("24:00:00"));
        assert!(fails(oid::DATE, &(i32::MAX - 1).to_be_bytes()).contains("too far"));
    }

    #[test]
    fn q4_a_type_without_a_rust_type_is_an_error() {
        assert!(fails(790, &[0; 8]).contains("790"));
        assert!(binary(790, Some(&PgTypeInfo::with_oid(Oid(790))), &[0; 8]).is_err());
    }

    #[test]
    fn q4_times_before_the_beginning_are_exact() {
        let read = |micros: i64| moment(&micros.to_be_bytes(), "timestamp").unwrap().to_string();
        assert_eq!(read(0), "2000-01-01 00:00:00");
        assert_eq!(read(-1), "1999-12-31 23:59:59.999999");
    }

    proptest! {
        #[test]
        fn q4_no_bytes_make_reading_panic(oid in 0_u32..6000, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = binary(oid, None::<&PgTypeInfo>, &bytes);
        }

        #[test]
        fn q4_no_text_makes_reading_panic(oid in 0_u32..6000, text in "\\PC{0,30}") {
            let _ = textual(oid, &text);
        }
    }
}
