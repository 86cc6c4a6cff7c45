//! serde's `Deserialize` for rows. Every row that is read into a struct passes through here, so this code allocates
//! nothing itself: keys are the borrowed names of the columns, and columns that no field requests are not decoded.

use std::any::type_name;

use rust_decimal::Decimal;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, Visitor};

use super::columns::{columns_counted, unique};
use super::decode_error::DecodeError;
use super::mismatch::Mismatch;
use super::same_type::is;
use super::value_deserializer::{RowLender, ValueDeserializer};
use super::wrappers::JSON;
use super::{RawRow, Value, ValueRef};
use crate::error::{Error, ErrorKind, Result};

/// Reads a whole row. [`Row::deserialize`](super::Row::deserialize) describes the conversions.
pub(crate) fn deserialize_row<'r, T: Deserialize<'r>>(row: &'r dyn RawRow) -> Result<T> {
    T::deserialize(Whole { row }).map_err(|fault| fault.into_error(row, type_name::<T>()))
}

/// A deserializer of a whole row.
#[derive(Clone, Copy)]
struct Whole<'r> {
    row: &'r dyn RawRow,
}

impl<'r> Whole<'r> {
    /// Returns the only column, for types that are one value.
    fn only(self) -> Result<Column<'r>, DecodeError> {
        if self.row.len() == 1 {
            return Ok(Column {
                row: self.row,
                index: 0,
                documents: true,
            });
        }
        let count = columns_counted(self.row.len());
        Err(Error::new(
            ErrorKind::Decode,
            format!("a single value is requested, but the row has {count}"),
        )
        .help("select one column, or read the row as a tuple or a struct")
        .into())
    }

    fn by_name<V: Visitor<'r>>(self, documents: bool, visitor: V) -> Result<V::Value, DecodeError> {
        let mut columns = Columns {
            row: self.row,
            next: 0,
            documents,
        };
        visitor.visit_map(&mut columns)
    }

    fn by_position<V: Visitor<'r>>(self, documents: bool, visitor: V) -> Result<V::Value, DecodeError> {
        let mut columns = Columns {
            row: self.row,
            next: 0,
            documents,
        };
        visitor.visit_seq(&mut columns)
    }

    /// Reads a tuple, which must have as many members as there are columns, so that nothing is dropped silently.
    fn counted<V: Visitor<'r>>(self, len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        if len == self.row.len() {
            return self.by_position(true, visitor);
        }
        let count = columns_counted(self.row.len());
        Err(Error::new(
            ErrorKind::Decode,
            format!("the row has {count}, but the tuple has {len}"),
        )
        .help("select as many columns as the tuple has members")
        .into())
    }
}

/// Defines methods that read the only column.
macro_rules! only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let row = self.row;
            self.only()?.$method(visitor).map_err(|fault| fault.at(row, 0, type_name::<V::Value>()))
        }
    )*};
}

impl<'r> Deserializer<'r> for Whole<'r> {
    type Error = DecodeError;

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    /// Passes the row as an object, except to a type that is known to be a scalar.
    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if is::<V::Value, Decimal>() {
            let row = self.row;
            return self
                .only()?
                .deserialize_any(visitor)
                .map_err(|fault| fault.at(row, 0, type_name::<Decimal>()));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        unique(self.row)?;
        self.by_name(false, visitor)
    }

    fn deserialize_struct<V: Visitor<'r>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.by_name(true, visitor)
    }

    fn deserialize_tuple<V: Visitor<'r>>(self, len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        // `[u8; 16]` and similar types are also requested as tuples.
        if self.row.len() == 1 && len != 1 {
            let column = self.only()?;
            if column.is_sequence() {
                return column
                    .deserialize_seq(visitor)
                    .map_err(|fault| fault.at(self.row, 0, type_name::<V::Value>()));
            }
        }
        self.counted(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'r>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.counted(len, visitor)
    }

    /// Reads the columns in order; or the content of a single column, if that is a sequence itself.
    fn deserialize_seq<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.row.len() == 1 {
            let column = self.only()?;
            if column.is_sequence() {
                return column
                    .deserialize_seq(visitor)
                    .map_err(|fault| fault.at(self.row, 0, type_name::<V::Value>()));
            }
        }
        self.by_position(false, visitor)
    }

    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.row.len() == 1 && matches!(self.row.value(0), Ok(ValueRef::Null)) {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == JSON || name.starts_with("$serde_json::") {
            let row = self.row;
            return self
                .only()?
                .deserialize_newtype_struct(name, visitor)
                .map_err(|fault| fault.at(row, 0, type_name::<V::Value>()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'r>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let row = self.row;
        self.only()?
            .deserialize_enum(name, variants, visitor)
            .map_err(|fault| fault.at(row, 0, type_name::<V::Value>()))
    }

    fn deserialize_unit<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'r>>(self, _name: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

/// Access to the columns, by name or in order.
struct Columns<'r> {
    row: &'r dyn RawRow,
    next: usize,
    documents: bool,
}

impl<'r> Columns<'r> {
    fn read<S: DeserializeSeed<'r>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let index = self.next;
        self.next += 1;
        seed.deserialize(Column {
            row: self.row,
            index,
            documents: self.documents,
        })
        .map_err(|fault| fault.at(self.row, index, type_name::<S::Value>()))
    }
}

impl<'r> de::MapAccess<'r> for &mut Columns<'r> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'r>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        if self.next < self.row.len() {
            seed.deserialize(BorrowedStrDeserializer::new(self.row.name(self.next)))
                .map(Some)
        } else {
            Ok(None)
        }
    }

    fn next_value_seed<S: DeserializeSeed<'r>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        self.read(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.next)
    }
}

impl<'r> de::SeqAccess<'r> for &mut Columns<'r> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'r>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        if self.next < self.row.len() {
            self.read(seed).map(Some)
        } else {
            Ok(None)
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.next)
    }
}

/// A column that is decoded when the requested type is known.
#[derive(Clone, Copy)]
struct Column<'r> {
    row: &'r dyn RawRow,
    index: usize,
    /// See [`ValueDeserializer`].
    documents: bool,
}

impl<'r> Column<'r> {
    #[inline]
    fn cell(self) -> Result<ValueDeserializer<'r, RowLender>, DecodeError> {
        Ok(ValueDeserializer::new(
            self.row.value(self.index).map_err(Mismatch::from)?,
            self.documents,
        ))
    }

    /// Returns the cell for a reader that takes any kind of value.
    fn any_cell(self) -> Result<ValueDeserializer<'r, RowLender>, DecodeError> {
        Ok(ValueDeserializer::new(
            self.row.any_value(self.index).map_err(Mismatch::from)?,
            self.documents,
        ))
    }

    /// Returns whether the column holds a boolean that the driver reads as a number.
    #[inline]
    fn is_boolean(self) -> bool {
        self.row.is_boolean(self.index)
            && matches!(
                self.row.value(self.index),
                Ok(ValueRef::I64(0 | 1) | ValueRef::U64(0 | 1))
            )
    }

    /// Returns whether the column holds what serde calls a sequence.
    fn is_sequence(self) -> bool {
        match self.row.value(self.index) {
            Ok(ValueRef::Bytes(_) | ValueRef::Owned(Value::Array(_) | Value::Bytes(_))) => true,
            Ok(ValueRef::Json(text)) => text.trim_ascii_start().starts_with('['),
            Ok(ValueRef::Owned(Value::Json(document))) => document.is_array(),
            _ => false,
        }
    }
}

macro_rules! cells {
    ($($method:ident($($name:ident: $argument:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'r>>(self, $($name: $argument,)* visitor: V) -> Result<V::Value, DecodeError> {
            self.cell()?.$method($($name,)* visitor)
        }
    )*};
}

impl<'r> Deserializer<'r> for Column<'r> {
    type Error = DecodeError;

    cells! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_unit()
        deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.any_cell()?.deserialize_any(visitor)
    }

    // What is inside of an option or a newtype is known only when it asks.

    #[inline]
    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.is_boolean() {
            return visitor.visit_some(self);
        }
        self.cell()?.deserialize_option(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if self.is_boolean() && name != JSON && !name.starts_with("$serde_json::") {
            return visitor.visit_newtype_struct(self);
        }
        self.cell()?.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}
