//! `Array` and `Json`, which determine how a Rust value is stored.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The names of the wrappers in serde, where only a name distinguishes them from any other newtype.
pub(super) const JSON: &str = "$ebbtide::Json";
pub(super) const ARRAY: &str = "$ebbtide::Array";

/// A value for, or from, a PostgreSQL array column.
///
/// A bare `Vec` is bound as a list, which takes the place of many parameters in `IN (:ids)`, and elsewhere is an array
/// on PostgreSQL; `Array` is always one parameter. Both read array columns. Other backends have no arrays; binding one
/// there is an error.
///
/// ```
/// use ebbtide::{Array, Value};
///
/// assert_eq!(Value::from(Array(vec![1, 2])), Value::Array(vec![Value::I32(1), Value::I32(2)]));
/// assert_eq!(Value::from(vec![1, 2]), Value::List(vec![Value::I32(1), Value::I32(2)]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Array<T>(
    /// The members.
    pub Vec<T>,
);

/// A value that is stored as a JSON document.
///
/// It is written through serde and read back the same way, from JSON columns and, where a backend keeps JSON as text,
/// from text.
///
/// ```
/// use ebbtide::{Json, Value};
///
/// assert_eq!(Value::from(Json(vec![1, 2])), Value::Json(serde_json::json!([1, 2])));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Json<T>(
    /// The value itself.
    pub T,
);

impl<T: Serialize> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ARRAY, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

impl<T: Serialize> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(JSON, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Json<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON document")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<T>, D::Error> {
                T::deserialize(deserializer).map(Json)
            }
        }

        deserializer.deserialize_newtype_struct(JSON, Visitor(std::marker::PhantomData))
    }
}
