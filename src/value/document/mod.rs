//! JSON documents, read without changing any number in them.
//!
//! `serde_json` reads a number that is neither an `i64` nor a `u64` as an `f64`: long integers and decimals are
//! rounded, and some decimals that are an `f64` come out one bit off. Its remedy, the feature `arbitrary_precision`,
//! would apply to the whole program. Here a number is read as the requested type if it is *whole* there ([`number`]),
//! and is an error otherwise.

mod exact;
mod float;
mod number;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use super::decode_error::DecodeError;
use super::mismatch::Mismatch;
use super::same_type::is;
use exact::{Exact, Wrapped};

/// The advice for a number that is not whole.
const EXACT: &str = "read it as Box<serde_json::value::RawValue>, with i128 or rust_decimal::Decimal fields in a struct, or cast it \
                     to text in the statement and read a String";

/// Reads a whole document.
pub(crate) fn parse(text: &str) -> Result<serde_json::Value, Mismatch> {
    let read = if number::are_plain(text) {
        serde_json::from_str(text)
    } else {
        from_text(text, |document| serde_json::Value::deserialize(document))
    };
    read.map_err(|error| mismatch(&error))
}

/// Reads a type from a document.
pub(crate) fn typed<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Mismatch> {
    from_text(text, |document| T::deserialize(document)).map_err(|error| mismatch(&error))
}

/// Passes a document to a visitor.
pub(super) fn any<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, serde_json::Error> {
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return any_raw(serde_json::from_str(text)?, visitor);
    }
    let plain = number::are_plain(text);
    if !plain && number::is_deep(text) {
        return Err(serde::de::Error::custom("recursion limit exceeded"));
    }
    let mut document = serde_json::Deserializer::from_str(text);
    let out = if plain && is::<V::Value, serde_json::Value>() {
        document.deserialize_any(visitor)?
    } else {
        document.deserialize_any(Wrapped { inner: visitor, plain })?
    };
    document.end()?;
    Ok(out)
}

/// Passes the document to `read`, and checks that nothing follows it.
pub(super) fn from_text<'de, T>(
    text: &'de str,
    read: impl FnOnce(Exact<&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>>) -> Result<T, serde_json::Error>,
) -> Result<T, serde_json::Error> {
    let mut document = serde_json::Deserializer::from_str(text);
    let out = read(Exact {
        inner: &mut document,
        plain: number::are_plain(text),
    })?;
    document.end()?;
    Ok(out)
}

/// Passes a text that is known to be JSON to a visitor.
fn any_raw<'de, V: Visitor<'de>>(raw: &'de RawValue, visitor: V) -> Result<V::Value, serde_json::Error> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => number::read(text, visitor),
        Some(b'{' | b'[') => any(text, visitor),
        _ => serde_json::Deserializer::from_str(text).deserialize_any(visitor),
    }
}

/// Returns the error for a document that cannot be read.
pub(super) fn mismatch(error: &serde_json::Error) -> Mismatch {
    if number::is_rounding(error) {
        return Mismatch::new(error.to_string()).help(EXACT);
    }
    let out = Mismatch::new(if error.is_data() {
        format!("the JSON document does not fit: {error}")
    } else {
        format!("its text is not JSON: {error}")
    });
    out.help(if error.is_data() {
        "read it as serde_json::Value to see all of it"
    } else {
        "read it as String"
    })
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        if number::is_rounding(&error) {
            return mismatch(&error).into();
        }
        Mismatch::new(format!("the JSON in it does not fit: {error}")).into()
    }
}

/// The error if [`keeps_numbers`] returns `false`.
pub(super) const ROUNDED: &str = "it holds a number with more digits than a serde_json::Value can hold; bind the text of the \
                                  document, or a RawValue by itself";

/// Returns whether a document that was created from a Rust value has the numbers of that value. The digits of a
/// [`RawValue`] in it are rounded when it becomes a `serde_json::Value`.
pub(super) fn keeps_numbers<T: serde::Serialize + ?Sized>(value: &T, document: &serde_json::Value) -> bool {
    !has_fractions(document) || serde_json::to_string(value).is_ok_and(|text| number::are_whole(&text))
}

fn has_fractions(document: &serde_json::Value) -> bool {
    match document {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(members) => members.iter().any(has_fractions),
        serde_json::Value::Object(members) => members.values().any(has_fractions),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
