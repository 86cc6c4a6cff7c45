//! A deserializer of `serde_json` that reads every number whole.

use std::fmt;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::value::RawValue;

use super::float::Float;
use super::{any_raw, number};
use crate::value::same_type::is;

/// A wrapper of a `serde_json` deserializer that reads text, and of everything in that text.
pub(crate) struct Exact<D> {
    pub(super) inner: D,
    /// Set if `serde_json` itself reads every number of the text exactly, so that few need a check.
    pub(super) plain: bool,
}

impl<'de, D: Deserializer<'de>> Exact<D> {
    /// Returns the text of the next value.
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
        // Under such a name `serde_json` passes the unchanged text to its own visitors.
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

/// A wrapped visitor, access to the members of a value, or reader of one of them.
pub(super) struct Wrapped<T> {
    pub(super) inner: T,
    /// See [`Exact`].
    pub(super) plain: bool,
}

macro_rules! visit {
    ($($method:ident: $argument:ty),*) => {$(
        fn $method<E: serde::de::Error>(self, value: $argument) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Wrapped<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_borrowed_str: &'de str,
        visit_string: String
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Exact {
            inner: deserializer,
            plain: self.plain,
        })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Exact {
            inner: deserializer,
            plain: self.plain,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Wrapped {
            inner: members,
            plain: self.plain,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Wrapped {
            inner: members,
            plain: self.plain,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variants: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Wrapped {
            inner: variants,
            plain: self.plain,
        })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Wrapped<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Exact {
            inner: deserializer,
            plain: self.plain,
        })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Wrapped<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Wrapped {
            inner: seed,
            plain: self.plain,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Wrapped<A> {
    type Error = A::Error;

    /// Reads a key. Keys are text; `serde_json` reads numbers from them if they are integers that fit.
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Wrapped {
            inner: seed,
            plain: self.plain,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Wrapped<A> {
    type Error = A::Error;
    type Variant = Wrapped<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let plain = self.plain;
        let (name, inner) = self.inner.variant_seed(seed)?;
        Ok((name, Wrapped { inner, plain }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Wrapped<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Wrapped {
            inner: seed,
            plain: self.plain,
        })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(
            len,
            Wrapped {
                inner: visitor,
                plain: self.plain,
            },
        )
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(
            fields,
            Wrapped {
                inner: visitor,
                plain: self.plain,
            },
        )
    }
}
