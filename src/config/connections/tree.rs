//! The contents of a configuration file, read without losing anything.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The key of the table as which TOML passes a date.
const DATE: &str = "$__toml_private_datetime";

/// The key of the table as which `serde_json` passes a number if any crate enables its feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// A value in which no table has a duplicate key: [`Value`] would silently keep the last one.
pub(super) struct Tree(pub(super) Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false, a list or a table")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// Turns NaN and infinity into text, which the option then refuses.
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(if value.is_finite() {
            value.into()
        } else {
            value.to_string().into()
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Tree(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                DATE => return entries.next_value::<String>().map(Value::String),
                NUMBER => {
                    let number = entries.next_value::<String>()?;
                    return number.parse().map(Value::Number).map_err(A::Error::custom);
                }
                _ if table.contains_key(&key) => {
                    return Err(A::Error::custom(format_args!("the key `{key}` is given twice")));
                }
                _ => {}
            }
            let Tree(value) = entries.next_value()?;
            table.insert(key, value);
        }
        Ok(table.into())
    }
}
