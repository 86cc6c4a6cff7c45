//! Reading of one value in the text format, by the number of its type.

use super::value_errors::cast;
use super::{array, numeric, oid, text};
use crate::error::Result;
use crate::value::{Value, ValueRef};

/// Reads a value in the text format, in which unprepared statements answer.
pub(in crate::backend) fn textual(oid: u32, text: &str) -> Result<ValueRef<'_>> {
    let read = match oid {
        oid::BOOL => text::boolean(text).map(ValueRef::Bool),
        oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::XID | oid::CID => text.parse().ok().map(ValueRef::I64),
        oid::XID8 => text.parse().ok().map(ValueRef::U64),
        oid::FLOAT4 => text.parse().ok().map(ValueRef::F32),
        oid::FLOAT8 => text.parse().ok().map(ValueRef::F64),
        oid::NUMERIC => {
            let value = numeric::parse(text).map(ValueRef::Decimal);
            return value.ok_or_else(|| {
                cast(
                    "numeric",
                    "is NaN or infinite, or has more digits than Decimal holds (28)",
                )
            });
        }
        oid::BYTEA => text::bytes(text).map(|bytes| ValueRef::Owned(Value::Bytes(bytes))),
        oid::DATE => text::date(text).map(ValueRef::Date),
        oid::TIME => text::time(text).map(ValueRef::Time),
        oid::TIMESTAMP => text::date_time(text).map(ValueRef::DateTime),
        oid::TIMESTAMPTZ => text::timestamp(text).map(ValueRef::Timestamp),
        oid::UUID => text.parse().ok().map(ValueRef::Uuid),
        oid::JSON | oid::JSONB => Some(ValueRef::Json(text)),
        oid::INTERVAL => text::interval(text).map(|it| ValueRef::Owned(Value::Interval(it))),
        oid::INET | oid::CIDR => text.parse().ok().map(|it| ValueRef::Owned(Value::Inet(it))),
        oid::VOID => Some(ValueRef::Null),
        oid => match oid::element_of(oid) {
            Some(member) => {
                let member = |word: &str| textual(member, word).and_then(Value::of_member);
                return array::textual(oid, text, &member).map(ValueRef::Owned);
            }
            None => Some(ValueRef::Text(text)),
        },
    };
    read.ok_or_else(|| cast("value", "is out of range for its Rust type"))
}
