//! A deserializer of one decoded column.
//!
//! serde knows neither dates nor UUIDs; their crates request text. The names of the types that the visitors create show
//! which kind of text is expected, or make text unnecessary: a UUID is passed as bytes.

use std::marker::PhantomData;

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use rust_decimal::Decimal;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use uuid::Uuid;

use super::decode_error::DecodeError;
use super::mismatch::Mismatch;
use super::same_type::is;
use super::text::{self, Buffer};
use super::wrappers::JSON;
use super::{Interval, Value, ValueRef, document, number};

/// A deserializer of a decoded column.
pub(super) struct ValueDeserializer<'v, L> {
    value: ValueRef<'v>,
    /// Set if a requested `serde_json::Value` is a field of that type, so that text is parsed as the document that it
    /// must be. If rows become maps or sequences of such values, text stays text.
    documents: bool,
    lend: PhantomData<L>,
}

/// The lifetime of text and bytes: those of a row live as long as the row, those of an array's members do not.
pub(super) trait Lend<'v, 'de> {
    fn text<V: Visitor<'de>>(text: &'v str, visitor: V) -> Result<V::Value, DecodeError>;
    fn bytes<V: Visitor<'de>>(bytes: &'v [u8], visitor: V) -> Result<V::Value, DecodeError>;
    /// Reads text as a JSON document.
    fn document<V: Visitor<'de>>(text: &'v str, ask: Ask, visitor: V) -> Result<V::Value, DecodeError>;
}

/// A lender of data that belongs to the row.
pub(super) struct RowLender;

impl<'de> Lend<'de, 'de> for RowLender {
    #[inline]
    fn text<V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(text)
    }

    fn bytes<V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_bytes(bytes)
    }

    fn document<V: Visitor<'de>>(text: &'de str, ask: Ask, visitor: V) -> Result<V::Value, DecodeError> {
        Ok(match ask {
            Ask::Any => document::any(text, visitor)?,
            ask => document::from_text(text, |document| ask.of(document, visitor))?,
        })
    }
}

/// A lender of data that is dropped after the call.
pub(super) struct MemberLender;

impl<'de> Lend<'_, 'de> for MemberLender {
    fn text<V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(text)
    }

    fn bytes<V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bytes(bytes)
    }

    fn document<V: Visitor<'de>>(text: &str, ask: Ask, visitor: V) -> Result<V::Value, DecodeError> {
        Ok(ask.of(document::parse(text)?, visitor)?)
    }
}

/// A request to a JSON document. The shape of the document answers all requests but these three.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    Any,
    Newtype(&'static str),
    Enum(&'static str, &'static [&'static str]),
}

impl Ask {
    fn of<'de, D: Deserializer<'de>, V: Visitor<'de>>(self, document: D, visitor: V) -> Result<V::Value, D::Error> {
        match self {
            Self::Any => document.deserialize_any(visitor),
            Self::Newtype(name) => document.deserialize_newtype_struct(name, visitor),
            Self::Enum(name, variants) => document.deserialize_enum(name, variants, visitor),
        }
    }
}

impl<'v, L> ValueDeserializer<'v, L> {
    #[inline]
    pub(super) fn new(value: ValueRef<'v>, documents: bool) -> Self {
        Self {
            value,
            documents,
            lend: PhantomData,
        }
    }

    /// Passes a value as its own kind; bytes as numbers, which every target understands.
    fn natural<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError>
    where
        L: Lend<'v, 'de>,
    {
        let mut buffer = Buffer::new();
        match self.value {
            ValueRef::Null => return visitor.visit_unit(),
            ValueRef::Bool(value) => return visitor.visit_bool(value),
            ValueRef::I64(value) => return visitor.visit_i64(value),
            ValueRef::U64(value) => return visitor.visit_u64(value),
            ValueRef::F32(value) => return visitor.visit_f64(value.into()),
            ValueRef::F64(value) => return visitor.visit_f64(value),
            ValueRef::Text(value) => return L::text(value, visitor),
            ValueRef::Json(text) => return L::document(text, Ask::Any, visitor),
            ValueRef::Bytes(value) => return sequence(value, visitor),
            ValueRef::Decimal(value) => buffer.decimal(value),
            ValueRef::Date(value) => buffer.date(value),
            ValueRef::Time(value) => buffer.time(value),
            ValueRef::DateTime(value) => buffer.date_time(value),
            ValueRef::Timestamp(value) => buffer.timestamp(value),
            ValueRef::Uuid(value) => buffer.uuid(value),
            ValueRef::Owned(Value::Inet(value)) => buffer.network(value),
            ValueRef::Owned(Value::Json(value)) => return Ok(value.deserialize_any(visitor)?),
            ValueRef::Owned(Value::Array(values) | Value::List(values)) => {
                return members(&values, self.documents, visitor);
            }
            ValueRef::Owned(Value::Interval(value)) => return interval(value, visitor),
            ValueRef::Owned(value) => {
                return ValueDeserializer::<MemberLender>::new(ValueRef::from(&value), self.documents).natural(visitor);
            }
        }
        visitor.visit_str(buffer.as_str())
    }

    /// Passes an integer as the widest type that holds it; the visitor checks the range.
    #[inline]
    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError>
    where
        L: Lend<'v, 'de>,
    {
        match &self.value {
            ValueRef::I64(value) => visitor.visit_i64(*value),
            ValueRef::U64(value) => visitor.visit_u64(*value),
            ValueRef::Decimal(_) => match number::integer(&self.value) {
                Some(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                    (Ok(whole), _) => visitor.visit_i64(whole),
                    (_, Ok(whole)) => visitor.visit_u64(whole),
                    _ => visitor.visit_i128(whole),
                },
                None => Err(Mismatch::fraction().into()),
            },
            ValueRef::Json(_) | ValueRef::Owned(Value::Json(_)) => self.natural(visitor),
            value => Err(Mismatch::kind(value).into()),
        }
    }

    /// Passes text to a visitor that requested it.
    #[inline]
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError>
    where
        L: Lend<'v, 'de>,
    {
        let point_in_time = is::<V::Value, DateTime<FixedOffset>>();
        let no_zone = is::<V::Value, NaiveDateTime>();
        match &self.value {
            ValueRef::Text(text) if point_in_time || no_zone => {
                let normal = if no_zone {
                    text::iso_date_time(text)
                } else {
                    text::rfc3339(text)
                };
                match normal {
                    Some(normal) => visitor.visit_str(normal.as_str()),
                    None => visitor.visit_str(text),
                }
            }
            ValueRef::Text(text) => L::text(text, visitor),
            ValueRef::Uuid(value) if is::<V::Value, Uuid>() => visitor.visit_bytes(value.as_bytes()),
            ValueRef::Bytes(bytes) if is::<V::Value, Uuid>() => visitor.visit_bytes(bytes),
            ValueRef::Timestamp(_) if no_zone => Err(Mismatch::kind(&self.value).into()),
            ValueRef::DateTime(_) if point_in_time => Err(Mismatch::kind(&self.value).into()),
            ValueRef::Decimal(_)
            | ValueRef::Date(_)
            | ValueRef::Time(_)
            | ValueRef::DateTime(_)
            | ValueRef::Timestamp(_)
            | ValueRef::Uuid(_)
            | ValueRef::Json(_)
            | ValueRef::Owned(Value::Inet(_) | Value::Json(_)) => self.natural(visitor),
            ValueRef::Owned(whole @ (Value::Text(_) | Value::Bytes(_))) => {
                ValueDeserializer::<MemberLender>::new(whole.into(), self.documents).text(visitor)
            }
            value => Err(Mismatch::kind(value).into()),
        }
    }

    /// Passes a value that only a document, an array or bytes can hold.
    fn nested<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError>
    where
        L: Lend<'v, 'de>,
    {
        match &self.value {
            ValueRef::Text(text) => L::document(text, Ask::Any, visitor),
            ValueRef::Json(_) | ValueRef::Bytes(_) | ValueRef::Owned(_) => self.natural(visitor),
            value => Err(Mismatch::kind(value).into()),
        }
    }

    fn decimal<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = number::decimal(&self.value)?;
        if value.scale() == 0
            && let Ok(whole) = i64::try_from(value.mantissa())
        {
            return visitor.visit_i64(whole);
        }
        let mut buffer = Buffer::new();
        buffer.decimal(value);
        visitor.visit_str(buffer.as_str())
    }
}

/// Passes members one by one, and refuses a target that does not take them all.
fn sequence<'de, V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Result<V::Value, DecodeError> {
    let mut members = SeqDeserializer::<_, DecodeError>::new(bytes.iter().copied());
    let out = visitor.visit_seq(&mut members)?;
    members.end()?;
    Ok(out)
}

fn members<'de, V: Visitor<'de>>(values: &[Value], documents: bool, visitor: V) -> Result<V::Value, DecodeError> {
    let mut members = Members {
        values: values.iter(),
        documents,
    };
    let out = visitor.visit_seq(&mut members)?;
    match members.values.len() {
        0 => Ok(out),
        left => Err(Mismatch::new(format!("the array has {} members, {left} too many", values.len())).into()),
    }
}

fn interval<'de, V: Visitor<'de>>(value: Interval, visitor: V) -> Result<V::Value, DecodeError> {
    let fields = [
        ("months", i64::from(value.months)),
        ("days", value.days.into()),
        ("microseconds", value.microseconds),
    ];
    visitor.visit_map(MapDeserializer::new(fields.into_iter()))
}

struct Members<'v> {
    values: std::slice::Iter<'v, Value>,
    documents: bool,
}

impl<'de> de::SeqAccess<'de> for Members<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        seed.deserialize(ValueDeserializer::<MemberLender>::new(value.into(), self.documents))
            .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

macro_rules! ask {
    ($($method:ident($($argument:ty),*) => $answer:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, DecodeError> {
            self.$answer(visitor)
        }
    )*};
}

impl<'de, 'v, L: Lend<'v, 'de>> Deserializer<'de> for ValueDeserializer<'v, L> {
    type Error = DecodeError;

    ask! {
        deserialize_i8() => integer;
        deserialize_i16() => integer;
        deserialize_i32() => integer;
        deserialize_i64() => integer;
        deserialize_i128() => integer;
        deserialize_u8() => integer;
        deserialize_u16() => integer;
        deserialize_u32() => integer;
        deserialize_u64() => integer;
        deserialize_u128() => integer;
        deserialize_char() => text;
        deserialize_str() => text;
        deserialize_string() => text;
        deserialize_identifier() => text;
        deserialize_seq() => nested;
        deserialize_map() => nested;
        deserialize_tuple(usize) => nested;
        deserialize_tuple_struct(&'static str, usize) => nested;
        deserialize_struct(&'static str, &'static [&'static str]) => nested;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if is::<V::Value, Decimal>() && !matches!(self.value, ValueRef::Json(_)) {
            return self.decimal(visitor);
        }
        if is::<V::Value, serde_json::Value>() {
            match &self.value {
                ValueRef::Text(text) if self.documents => return L::document(text, Ask::Any, visitor),
                ValueRef::F32(value) if !value.is_finite() => return Err(Mismatch::not_finite().into()),
                ValueRef::F64(value) if !value.is_finite() => return Err(Mismatch::not_finite().into()),
                _ => {}
            }
        }
        self.natural(visitor)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Json(_) | ValueRef::Owned(Value::Json(_)) => self.natural(visitor),
            value => visitor.visit_bool(number::boolean(&value)?),
        }
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Json(_) | ValueRef::Owned(Value::Json(_)) => self.natural(visitor),
            value => visitor.visit_f32(number::single(&value)?),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Json(_) | ValueRef::Owned(Value::Json(_)) => self.natural(visitor),
            value => visitor.visit_f64(number::double(&value)?),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Bytes(bytes) => L::bytes(bytes, visitor),
            ValueRef::Owned(Value::Bytes(bytes)) => visitor.visit_byte_buf(bytes),
            value => Err(Mismatch::kind(&value).into()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Null | ValueRef::Owned(Value::Null | Value::NullOf(_)) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Null => visitor.visit_unit(),
            value => Err(Mismatch::kind(&value).into()),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        // Under its own names, `serde_json` requests the unchanged text of a document.
        if name != JSON && !name.starts_with("$serde_json::") {
            return visitor.visit_newtype_struct(self);
        }
        match self.value {
            ValueRef::Json(text) | ValueRef::Text(text) => L::document(text, Ask::Newtype(name), visitor),
            ValueRef::Owned(Value::Json(document)) => Ok(Ask::Newtype(name).of(document, visitor)?),
            value => Err(Mismatch::kind(&value).into()),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            ValueRef::Text(text) if text.starts_with('{') => L::document(text, Ask::Enum(name, variants), visitor),
            ValueRef::Text(text) => visitor.visit_enum(StrDeserializer::new(text)),
            ValueRef::Json(text) => L::document(text, Ask::Enum(name, variants), visitor),
            ValueRef::Owned(Value::Json(document)) => Ok(Ask::Enum(name, variants).of(document, visitor)?),
            value => Err(Mismatch::kind(&value).into()),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}
