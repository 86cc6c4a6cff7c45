//! A deserializer of `serde_json` whose numbers are whole.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use super::super::cell::is;
use super::access::Wrapped;
use super::float::Float;
use super::{any_raw, number};

/// Wraps a deserializer of `serde_json` that reads text, and all that it contains.
pub(crate) struct Exact<D> {
    pub(super) inner: D,
    /// `serde_json` reads every number of the text as what it is, so that few have to be looked at.
    pub(super) plain: bool,
}

impl<'de, D: Deserializer<'de>> Exact<D> {
    /// The text of the value that is next.
    fn raw(self) -> Result<&'de RawValue, D::Error> {
        <&RawValue>::deserialize(self.inner)
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.plain {
            return self.inner.deserialize_f64(Float(visitor));
        }
        let text = self.raw()?.get();
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return number::read(text, visitor);
        }
        let mut value = serde_json::Deserializer::from_str(text);
        value.deserialize_f64(visitor).map_err(D::Error::custom)
    }
}

macro_rules! as_it_is {
    ($($method:ident($($name:ident: $argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $argument,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

macro_rules! wrapped {
    ($($method:ident($($name:ident: $argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $argument,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* Wrapped { inner: visitor, plain: self.plain })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Exact<D> {
    type Error = D::Error;

    as_it_is! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_char() deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_unit() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
    }

    wrapped! {
        deserialize_option() deserialize_seq() deserialize_map()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.plain || is::<V::Value, Decimal>() {
            return any_raw(self.raw()?, visitor).map_err(D::Error::custom);
        }
        if is::<V::Value, serde_json::Value>() {
            return self.inner.deserialize_any(visitor);
        }
        self.inner.deserialize_any(Wrapped {
            inner: visitor,
            plain: true,
        })
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.float(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        // Under such a name `serde_json` hands over the text as it is, to visitors of its own.
        if name.starts_with("$serde_json::") {
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        self.inner.deserialize_newtype_struct(
            name,
            Wrapped {
                inner: visitor,
                plain: self.plain,
            },
        )
    }
}
