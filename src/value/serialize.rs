//! serde's `Serialize` for a whole set of parameters.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{self, Serialize};

use super::Value;
use super::parameter::{EncodeError, ParameterPlace, ParameterSerializer, sequence, value};
use super::params::{IntoParams, ParamValues, Params};
use crate::error::{Error, Result};

/// Parameters from a `Serialize` value, created by [`bind`].
#[derive(Clone, Copy)]
pub struct Bind<T>(T);

/// Takes the parameters from the fields of a struct, or of anything else that serde can write.
/// [`Params::from_serialize`] describes the conversion.
///
/// ```
/// use ebbtide::IntoParams;
///
/// #[derive(serde::Serialize)]
/// struct Note { id: i64, text: &'static str }
///
/// # fn main() -> ebbtide::Result<()> {
/// let params = ebbtide::bind(&Note { id: 1, text: "milk" }).into_params()?;
/// assert_eq!(params.len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn bind<T: Serialize>(value: T) -> Bind<T> {
    Bind(value)
}

impl<T: Serialize> IntoParams for Bind<T> {
    fn into_params(self) -> Result<Params> {
        params(&self.0)
    }
}

impl Params {
    /// Creates parameters from any value that serde can write. A struct or a map gives them by name, a tuple or a
    /// sequence by position.
    ///
    /// Unit variants of enums become text. Nested structs, maps and sequences become JSON; a plain sequence of scalars
    /// becomes a list (`IN (:ids)`). Dates, times, UUIDs and decimals of the crates `chrono`, `uuid` and `rust_decimal`
    /// keep their type. Any other text takes the type that the server expects at that place. To choose otherwise, wrap
    /// a field into [`Json`](crate::Json) or [`Array`](crate::Array).
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`](crate::ErrorKind::Parameter) if the value is a scalar, or a field cannot be bound; the message names the field.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct Note { id: i64, text: Option<String> }
    ///
    /// # fn main() -> ebbtide::Result<()> {
    /// let params = ebbtide::Params::from_serialize(&Note { id: 1, text: None })?;
    /// assert_eq!(params, ebbtide::params! { id: 1_i64, text: None::<String> });
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        params(value)
    }
}

impl IntoParams for serde_json::Value {
    fn into_params(self) -> Result<Params> {
        params(&self)
    }
}

impl IntoParams for serde_json::Map<String, serde_json::Value> {
    fn into_params(self) -> Result<Params> {
        params(&self)
    }
}

impl<T> fmt::Debug for Bind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind").finish_non_exhaustive()
    }
}

pub(super) fn params<T: Serialize + ?Sized>(value: &T) -> Result<Params> {
    value.serialize(Root).map(Params).map_err(Error::from)?.into_params()
}

/// A serializer for a whole set of parameters.
struct Root;

type NoRoot = ser::Impossible<ParamValues, EncodeError>;

macro_rules! no_roots {
    ($($method:ident($($argument:ty),*) -> $out:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$out, EncodeError> {
            Err(EncodeError::Nested)
        }
    )*};
}

impl ser::Serializer for Root {
    type Ok = ParamValues;
    type Error = EncodeError;
    type SerializeSeq = Positional;
    type SerializeTuple = Positional;
    type SerializeTupleStruct = Positional;
    type SerializeTupleVariant = NoRoot;
    type SerializeMap = Named;
    type SerializeStruct = Named;
    type SerializeStructVariant = NoRoot;

    no_roots! {
        serialize_bool(bool) -> ParamValues;
        serialize_i8(i8) -> ParamValues;
        serialize_i16(i16) -> ParamValues;
        serialize_i32(i32) -> ParamValues;
        serialize_i64(i64) -> ParamValues;
        serialize_u8(u8) -> ParamValues;
        serialize_u16(u16) -> ParamValues;
        serialize_u32(u32) -> ParamValues;
        serialize_u64(u64) -> ParamValues;
        serialize_f32(f32) -> ParamValues;
        serialize_f64(f64) -> ParamValues;
        serialize_char(char) -> ParamValues;
        serialize_str(&str) -> ParamValues;
        serialize_bytes(&[u8]) -> ParamValues;
        serialize_none() -> ParamValues;
        serialize_unit_variant(&'static str, u32, &'static str) -> ParamValues;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> NoRoot;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> NoRoot;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<ParamValues, EncodeError> {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Result<ParamValues, EncodeError> {
        Ok(ParamValues::Empty)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<ParamValues, EncodeError> {
        Ok(ParamValues::Empty)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        inner: &T,
    ) -> Result<ParamValues, EncodeError> {
        inner.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<ParamValues, EncodeError> {
        Err(EncodeError::Nested)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Positional, EncodeError> {
        Ok(Positional(Vec::new()))
    }

    fn serialize_tuple(self, len: usize) -> Result<Positional, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Positional, EncodeError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Named, EncodeError> {
        Ok(Named {
            pairs: Vec::new(),
            key: Cow::Borrowed(""),
        })
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Named, EncodeError> {
        Ok(Named {
            pairs: Vec::with_capacity(len),
            key: Cow::Borrowed(""),
        })
    }
}

struct Positional(Vec<Value>);

impl Positional {
    fn push<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), EncodeError> {
        let number = self.0.len() + 1;
        self.0
            .push(value(member, ParameterPlace::Entry).map_err(|fault| fault.at(&format_args!("number {number}")))?);
        Ok(())
    }

    fn finish(self) -> ParamValues {
        if self.0.is_empty() {
            ParamValues::Empty
        } else {
            ParamValues::Positional(self.0)
        }
    }
}

sequence! { Positional, ParamValues;
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
}

struct Named {
    pairs: Vec<(Cow<'static, str>, Value)>,
    /// The key whose value comes next.
    key: Cow<'static, str>,
}

impl Named {
    fn push<T: Serialize + ?Sized>(
        &mut self,
        key: Cow<'static, str>,
        field: &T,
        place: ParameterPlace,
    ) -> Result<(), EncodeError> {
        let value = value(field, place).map_err(|fault| fault.at(&format_args!("`{key}`")))?;
        self.pairs.push((key, value));
        Ok(())
    }
}

impl ser::SerializeStruct for Named {
    type Ok = ParamValues;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, field: &T) -> Result<(), EncodeError> {
        self.push(Cow::Borrowed(key), field, ParameterPlace::Field)
    }

    fn end(self) -> Result<ParamValues, EncodeError> {
        Ok(ParamValues::named(self.pairs))
    }
}

impl ser::SerializeMap for Named {
    type Ok = ParamValues;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        match key.serialize(ParameterSerializer {
            place: ParameterPlace::Entry,
            bytes: false,
        })? {
            Value::Untyped(name) | Value::Text(name) => {
                self.key = Cow::Owned(name);
                Ok(())
            }
            _ => Err(EncodeError::Message(
                "the keys of a map of parameters must be text: they are the names".into(),
            )),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, field: &T) -> Result<(), EncodeError> {
        let key = std::mem::take(&mut self.key);
        self.push(key, field, ParameterPlace::Entry)
    }

    fn end(self) -> Result<ParamValues, EncodeError> {
        Ok(ParamValues::named(self.pairs))
    }
}
