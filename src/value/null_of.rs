//! The `NULL` that the `None` of a Rust type is.

use std::any::type_name;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::null_type::NullType;
use super::value::{Interval, Value};

macro_rules! types {
    ($name:ident: $($variant:ident = $($type:ty),+;)*) => {
        $($(
            if $name == type_name::<$type>() {
                return Some(NullType::$variant);
            }
        )+)*
    };
}

/// Returns the type of the values into which a Rust type of this name is converted, unless it is a user's own.
fn of_name(name: &'static str) -> Option<NullType> {
    let name = name.trim_start_matches('&');
    types! { name:
        I64 = i64, u32, isize;
        Text = String, str, char, Cow<'static, str>, Box<str>, Rc<str>, Arc<str>;
        I32 = i32, u16;
        Bool = bool;
        F64 = f64;
        Timestamp = DateTime<Utc>;
        Uuid = Uuid;
        Date = NaiveDate;
        DateTime = NaiveDateTime;
        Time = NaiveTime;
        Decimal = Decimal;
        Json = serde_json::Value;
        Bytes = Vec<u8>, [u8], Cow<'static, [u8]>;
        I16 = i16, i8, u8;
        U64 = u64, usize;
        F32 = f32;
        Interval = Interval, Duration;
        Inet = IpNetwork, IpAddr, Ipv4Addr, Ipv6Addr, Ipv4Network, Ipv6Network;
    }
    let head = |name: &'static str| name.split_once('<').map(|(head, _)| head);
    if head(name) == head(type_name::<DateTime<Utc>>()) {
        return Some(NullType::Timestamp);
    }
    inside_option(name).and_then(of_name)
}

/// Returns the name of the type in an `Option`.
fn inside_option(name: &'static str) -> Option<&'static str> {
    let (head, _) = type_name::<Option<()>>().split_once('<')?;
    name.trim_start_matches('&')
        .strip_prefix(head)?
        .strip_prefix('<')?
        .strip_suffix('>')
}

impl Value {
    /// Returns the `NULL` that a `None` of `Option<T>` is.
    pub(super) fn null_of<T: ?Sized>() -> Self {
        of_name(type_name::<T>()).map_or(Self::Null, Self::NullOf)
    }

    /// Returns the `NULL` as which `T` was written. If it is an `Option`, its type is kept.
    pub(super) fn null_as<T: ?Sized>() -> Self {
        let inside = inside_option(type_name::<T>());
        inside.and_then(of_name).map_or(Self::Null, Self::NullOf)
    }
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;
    use crate::value::{Array, Json};

    struct Own;

    #[test]
    fn q4_a_null_keeps_the_type_of_its_option_found_w5() {
        let of = |value: Value| match value {
            Value::NullOf(of) => of,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(Value::null_of::<i64>()), NullType::I64);
        assert_eq!(of(Value::null_of::<&&str>()), NullType::Text);
        assert_eq!(of(Value::null_of::<Option<u16>>()), NullType::I32);
        assert_eq!(of(Value::null_of::<DateTime<FixedOffset>>()), NullType::Timestamp);
        assert_eq!(of(Value::null_of::<Vec<u8>>()), NullType::Bytes);
        assert_eq!(of(Value::null_as::<Option<NaiveDate>>()), NullType::Date);
        assert_eq!(of(Value::null_as::<Option<&String>>()), NullType::Text);
        for unknown in [
            Value::null_of::<Own>(),
            Value::null_of::<Array<i64>>(),
            Value::null_of::<Json<i64>>(),
            Value::null_as::<serde_json::Value>(),
            Value::null_as::<i64>(),
        ] {
            assert_eq!(unknown, Value::Null);
        }
    }
}
