//! Floats from documents whose numbers `serde_json` reads exactly.

use std::fmt;

use serde::de::{Error, Visitor};

use super::number;
use crate::value::same_type::is;

/// A visitor of an `f64` or `f32` that receives only numbers that are whole as such.
pub(super) struct Float<V>(pub(super) V);

/// The limit up to which every integer is whole as an `f64` (below: as an `f32`).
const DOUBLE: u64 = 1 << 53;
const SINGLE: u64 = 1 << 24;

impl<'de, V: Visitor<'de>> Visitor<'de> for Float<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if is::<V::Value, f32>() && f64::from(value as f32).to_bits() != value.to_bits() {
            return number::read(&value.to_string(), self.0);
        }
        self.0.visit_f64(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        if value.unsigned_abs() > if is::<V::Value, f32>() { SINGLE } else { DOUBLE } {
            return number::read(&value.to_string(), self.0);
        }
        self.0.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        if value > if is::<V::Value, f32>() { SINGLE } else { DOUBLE } {
            return number::read(&value.to_string(), self.0);
        }
        self.0.visit_u64(value)
    }
}
