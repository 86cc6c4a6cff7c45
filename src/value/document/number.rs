//! The definition of whole numbers in a JSON document.
//!
//! JSON has decimal numbers of any length. A number is *whole* as an integer type if it is an integer of its range. It
//! is whole as a floating-point type if the shortest decimal of the float it is read as is the same number. Then
//! reading and writing it again gives the same number. 0.1 is whole, although no float is exactly a tenth. 2⁶⁴ and
//! 0.1000000000000000055 are not, although one float is exactly the first, and one is the nearest to the second.

use std::io::{self, Write};

use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::{Error, Visitor};

use crate::value::same_type::is;

const ROUNDED: &str = "a number in the JSON document has more digits, or is larger, than";

pub(super) fn is_rounding(error: &serde_json::Error) -> bool {
    error.is_data() && error.to_string().starts_with(ROUNDED)
}

/// Passes a number to the visitor as the requested type, or else as its own.
pub(super) fn read<'de, V: Visitor<'de>, E: Error>(token: &str, visitor: V) -> Result<V::Value, E> {
    if is::<V::Value, f64>() {
        return visitor.visit_f64(double(token)?);
    }
    if is::<V::Value, f32>() {
        return visitor.visit_f32(single(token)?);
    }
    if is::<V::Value, Decimal>() {
        return visitor.visit_str(&decimal(token)?.to_string());
    }
    if token == "-0" {
        return visitor.visit_f64(-0.0);
    }
    if let Ok(value) = token.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = token.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    if is::<V::Value, i128>()
        && let Ok(value) = token.parse()
    {
        return visitor.visit_i128(value);
    }
    if is::<V::Value, u128>()
        && let Ok(value) = token.parse()
    {
        return visitor.visit_u128(value);
    }
    visitor.visit_f64(double(token)?)
}

fn double<E: Error>(token: &str) -> Result<f64, E> {
    let value: f64 = token.parse().map_err(E::custom)?;
    is_whole(token, value)
        .then_some(value)
        .ok_or_else(|| E::custom(format_args!("{ROUNDED} an f64 can hold")))
}

/// Reads an `f32`, which may have been widened to an `f64` before it was written.
fn single<E: Error>(token: &str) -> Result<f32, E> {
    let value: f32 = token.parse().map_err(E::custom)?;
    let widened = || double::<E>(token).is_ok_and(|wide| wide.to_bits() == f64::from(value).to_bits());
    // Between 2²⁴ and 10¹⁶ `serde_json` writes all digits of an `f32`, while the shortest form ends in zeros.
    (is_whole(token, value) || Digits::of(token) == Digits::of(&value.to_string()) || widened())
        .then_some(value)
        .ok_or_else(|| E::custom(format_args!("{ROUNDED} an f32 can hold")))
}

fn decimal<E: Error>(token: &str) -> Result<Decimal, E> {
    let value = Decimal::from_str_exact(token).or_else(|_| Decimal::from_scientific(token));
    value
        .ok()
        .filter(|value| Digits::of(token) == Digits::of(&value.to_string()))
        .ok_or_else(|| E::custom(format_args!("{ROUNDED} a Decimal can hold")))
}

/// Returns whether the shortest form of `value` is the number of `token`. Infinity is written as `null`.
fn is_whole(token: &str, value: impl Serialize) -> bool {
    let mut shortest = Short::default();
    let written = serde_json::to_writer(&mut shortest, &value).is_ok();
    written
        && shortest.as_str() != "null"
        && (shortest.as_str() == token || Digits::of(token) == Digits::of(shortest.as_str()))
}

/// Returns whether `serde_json` itself reads every number of the text exactly. The result is arbitrary for a text that
/// is not JSON.
pub(super) fn are_plain(text: &str) -> bool {
    all_numbers(text, |token, digits| {
        let fraction = token.contains(['.', 'e', 'E']);
        // With so few digits there is only one rounding, in a division of exact numbers.
        let few = digits <= 15 && !token.contains(['e', 'E']);
        let integer = !fraction && (digits <= 18 || token.parse::<u64>().is_ok() || token.parse::<i64>().is_ok());
        // If the value that it reads is written as this number, it is the nearest one to it.
        few || integer || serde_json::from_str::<f64>(token).is_ok_and(|value| is_whole(token, value))
    })
}

/// Returns whether every number of the text is whole as one of `i64`, `u64` and `f64`.
pub(super) fn are_whole(text: &str) -> bool {
    all_numbers(text, |token, _| {
        token.parse::<u64>().is_ok() || token.parse::<i64>().is_ok() || double::<serde_json::Error>(token).is_ok()
    })
}

/// Returns whether `holds` is true of each number of a JSON text. It receives the number and its count of digits.
fn all_numbers(text: &str, holds: impl Fn(&str, usize) -> bool) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let start = at - 1;
                let mut digits = usize::from(byte != b'-');
                while let Some(&next) = bytes.get(at) {
                    match next {
                        b'0'..=b'9' => digits += 1,
                        b'.' | b'e' | b'E' | b'+' | b'-' => {}
                        _ => break,
                    }
                    at += 1;
                }
                if !text.get(start..at).is_some_and(|token| holds(token, digits)) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Returns whether objects and arrays of the text are nested too deeply. Text that is read piece by piece bypasses
/// `serde_json`'s own limit, which protects the stack.
pub(super) fn is_deep(text: &str) -> bool {
    const MOST: usize = 127;
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'{' | b'[' if depth >= MOST => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Returns the end of a string that started before `at`.
fn behind_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(step) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        at += step + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// A number as its digits without leading and trailing zeros, and the power of ten of the first digit.
struct Digits<'t> {
    negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    power: i64,
}

impl<'t> Digits<'t> {
    fn of(token: &'t str) -> Self {
        let (mantissa, power) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        // An exponent that is too long for a number is too large for a float as well.
        let below = if power.starts_with('-') {
            i64::MIN / 2
        } else {
            i64::MAX / 2
        };
        let power = power.parse().unwrap_or(below);
        let unsigned = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Self {
            negative: mantissa.starts_with('-'),
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            power,
        }
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = u8> + Clone {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// Returns the position of the first digit that is not zero.
    fn first(&self) -> Option<usize> {
        self.all().position(|digit| digit != b'0')
    }

    fn significant(&self) -> impl Iterator<Item = u8> {
        let behind = self.all().rev().take_while(|digit| *digit == b'0').count();
        let first = self.first().unwrap_or(0);
        let count = (self.whole.len() + self.fraction.len()).saturating_sub(first + behind);
        self.all().skip(first).take(count)
    }
}

/// Returns whether two texts are the same number.
#[cfg(test)]
pub(super) fn same(one: &str, other: &str) -> bool {
    Digits::of(one) == Digits::of(other)
}

impl PartialEq for Digits<'_> {
    fn eq(&self, other: &Self) -> bool {
        let power = |it: &Self| {
            it.first()
                .map(|first| it.power.saturating_add(it.whole.len() as i64 - first as i64))
        };
        let zero = power(self).is_none();
        power(self) == power(other)
            && (zero || (self.negative == other.negative && self.significant().eq(other.significant())))
    }
}

/// A buffer for the shortest form of a float.
#[derive(Default)]
struct Short {
    text: [u8; 32],
    len: usize,
}

impl Short {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

impl Write for Short {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let room = self.text.get_mut(self.len..self.len + text.len());
        room.ok_or(io::ErrorKind::WriteZero)?.copy_from_slice(text);
        self.len += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
