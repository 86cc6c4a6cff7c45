//! serde's `Serialize` into a whole set of parameters.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{self, Serialize};

use super::Value;
use super::parameter::{Fault, One, Place, sequence, value};
use super::params::{Bindings, IntoParams, Params};
use crate::error::{Error, Result};

/// Parameters from a `Serialize` value; [`bind`] makes it.
#[derive(Clone, Copy)]
pub struct Bind<T>(T);

/// Takes the parameters from the fields of a struct, or of anything else that serde can write.
/// [`Params::from_serialize`] says how.
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

impl<T> fmt::Debug for Bind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind").finish_non_exhaustive()
    }
}

pub(super) fn params<T: Serialize + ?Sized>(value: &T) -> Result<Params> {
    value.serialize(Root).map(Params).map_err(Error::from)?.into_params()
}

/// Writes what is a whole set of parameters.
struct Root;

type NoRoot = ser::Impossible<Bindings, Fault>;

macro_rules! no_roots {
    ($($method:ident($($argument:ty),*) -> $out:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$out, Fault> {
            Err(Fault::Nested)
        }
    )*};
}

impl ser::Serializer for Root {
    type Ok = Bindings;
    type Error = Fault;
    type SerializeSeq = Positional;
    type SerializeTuple = Positional;
    type SerializeTupleStruct = Positional;
    type SerializeTupleVariant = NoRoot;
    type SerializeMap = Named;
    type SerializeStruct = Named;
    type SerializeStructVariant = NoRoot;

    no_roots! {
        serialize_bool(bool) -> Bindings;
        serialize_i8(i8) -> Bindings;
        serialize_i16(i16) -> Bindings;
        serialize_i32(i32) -> Bindings;
        serialize_i64(i64) -> Bindings;
        serialize_u8(u8) -> Bindings;
        serialize_u16(u16) -> Bindings;
        serialize_u32(u32) -> Bindings;
        serialize_u64(u64) -> Bindings;
        serialize_f32(f32) -> Bindings;
        serialize_f64(f64) -> Bindings;
        serialize_char(char) -> Bindings;
        serialize_str(&str) -> Bindings;
        serialize_bytes(&[u8]) -> Bindings;
        serialize_none() -> Bindings;
        serialize_unit_variant(&'static str, u32, &'static str) -> Bindings;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> NoRoot;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> NoRoot;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<Bindings, Fault> {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Result<Bindings, Fault> {
        Ok(Bindings::Empty)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Bindings, Fault> {
        Ok(Bindings::Empty)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, inner: &T) -> Result<Bindings, Fault> {
        inner.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Bindings, Fault> {
        Err(Fault::Nested)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Positional, Fault> {
        Ok(Positional(Vec::new()))
    }

    fn serialize_tuple(self, len: usize) -> Result<Positional, Fault> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Positional, Fault> {
        self.serialize_seq(Some(len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Named, Fault> {
        Ok(Named {
            pairs: Vec::new(),
            key: Cow::Borrowed(""),
        })
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Named, Fault> {
        Ok(Named {
            pairs: Vec::with_capacity(len),
            key: Cow::Borrowed(""),
        })
    }
}

struct Positional(Vec<Value>);

impl Positional {
    fn push<T: Serialize + ?Sized>(&mut self, member: &T) -> Result<(), Fault> {
        let number = self.0.len() + 1;
        self.0
            .push(value(member, Place::Entry).map_err(|fault| fault.at(&format_args!("number {number}")))?);
        Ok(())
    }

    fn finish(self) -> Bindings {
        if self.0.is_empty() {
            Bindings::Empty
        } else {
            Bindings::Positional(self.0)
        }
    }
}

sequence! { Positional, Bindings;
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
    fn push<T: Serialize + ?Sized>(&mut self, key: Cow<'static, str>, field: &T, place: Place) -> Result<(), Fault> {
        let value = value(field, place).map_err(|fault| fault.at(&format_args!("`{key}`")))?;
        self.pairs.push((key, value));
        Ok(())
    }
}

impl ser::SerializeStruct for Named {
    type Ok = Bindings;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, field: &T) -> Result<(), Fault> {
        self.push(Cow::Borrowed(key), field, Place::Field)
    }

    fn end(self) -> Result<Bindings, Fault> {
        Ok(Bindings::named(self.pairs))
    }
}

impl ser::SerializeMap for Named {
    type Ok = Bindings;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        match key.serialize(One {
            place: Place::Entry,
            bytes: false,
        })? {
            Value::Untyped(name) | Value::Text(name) => {
                self.key = Cow::Owned(name);
                Ok(())
            }
            _ => Err(Fault::Message(
                "the keys of a map of parameters must be text: they are the names".into(),
            )),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, field: &T) -> Result<(), Fault> {
        let key = std::mem::take(&mut self.key);
        self.push(key, field, Place::Entry)
    }

    fn end(self) -> Result<Bindings, Fault> {
        Ok(Bindings::named(self.pairs))
    }
}
