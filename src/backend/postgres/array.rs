//! Arrays of PostgreSQL, of any number of dimensions: an array of two dimensions is an array of arrays here.

use super::oid;
use super::value_errors::broken;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// The largest number of dimensions; PostgreSQL has the same limit.
const MOST_DIMENSIONS: usize = 6;

/// Reads the binary format, which includes the type of the members; `member` reads one of them.
pub(super) fn binary(bytes: &[u8], member: &dyn Fn(u32, &[u8]) -> Result<Value>) -> Result<Value> {
    let mut rest = bytes;
    let dimensions = word(&mut rest)? as usize;
    let _has_nulls = word(&mut rest)?;
    let oid = word(&mut rest)? as u32;
    if dimensions == 0 {
        return Ok(Value::Array(Vec::new()));
    }
    if dimensions > MOST_DIMENSIONS {
        return Err(broken("an array with too many dimensions"));
    }
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(word(&mut rest)? as usize);
        let first = word(&mut rest)?;
        // The vectors of the system tables begin at index 0; other arrays do so only on demand.
        if first != 1 && !matches!((first, oid), (0, oid::INT2 | oid::OID)) {
            return Err(shifted());
        }
    }
    level(&mut rest, &lengths, &|bytes| member(oid, bytes))
}

fn level(rest: &mut &[u8], lengths: &[usize], member: &dyn Fn(&[u8]) -> Result<Value>) -> Result<Value> {
    let Some((length, inner)) = lengths.split_first() else {
        return match word(rest)? {
            -1 => Ok(Value::Null),
            size => {
                let split = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
                let (bytes, after) = split.ok_or_else(|| broken("an array that is cut off"))?;
                *rest = after;
                member(bytes)
            }
        };
    };
    // Each member takes at least four bytes, so a wrong length cannot reserve much memory.
    if *length > rest.len() / 4 {
        return Err(broken("an array that is cut off"));
    }
    let members: Result<Vec<Value>> = (0..*length).map(|_| level(rest, inner, member)).collect();
    members.map(Value::Array)
}

fn word(rest: &mut &[u8]) -> Result<i32> {
    let (word, after) = rest
        .split_first_chunk()
        .ok_or_else(|| broken("an array that is cut off"))?;
    *rest = after;
    Ok(i32::from_be_bytes(*word))
}

fn shifted() -> Error {
    Error::new(
        ErrorKind::Decode,
        "an array does not begin at the index 1, which a Rust vector cannot represent",
    )
    .help("cast it to text in the SQL (`column::text`) and read a String")
}

/// Reads the text format: `{1,NULL,"a b"}`; `member` reads one member.
pub(super) fn textual(array: u32, text: &str, member: &dyn Fn(&str) -> Result<Value>) -> Result<Value> {
    if matches!(array, oid::INT2VECTOR | oid::OIDVECTOR) {
        let members: Result<Vec<Value>> = text.split_ascii_whitespace().map(member).collect();
        return members.map(Value::Array);
    }
    if text.starts_with('[') {
        return Err(shifted());
    }
    let mut rest = text;
    let value = braces(&mut rest, member, 0)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(broken("an array with text after its end"))
    }
}

fn braces(rest: &mut &str, member: &dyn Fn(&str) -> Result<Value>, depth: usize) -> Result<Value> {
    let wrong = || broken("an array without its braces");
    if depth > MOST_DIMENSIONS {
        return Err(broken("an array with too many dimensions"));
    }
    *rest = rest.strip_prefix('{').ok_or_else(wrong)?;
    let mut members = Vec::new();
    if let Some(after) = rest.strip_prefix('}') {
        *rest = after;
        return Ok(Value::Array(members));
    }
    loop {
        members.push(if rest.starts_with('{') {
            braces(rest, member, depth + 1)?
        } else {
            word_of_text(rest, member)?
        });
        if let Some(after) = rest.strip_prefix(',') {
            *rest = after;
        } else {
            *rest = rest.strip_prefix('}').ok_or_else(wrong)?;
            return Ok(Value::Array(members));
        }
    }
}

fn word_of_text(rest: &mut &str, member: &dyn Fn(&str) -> Result<Value>) -> Result<Value> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut word = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    *rest = &quoted[at + 1..];
                    return member(&word);
                }
                '\\' => word.extend(letters.next().map(|(_, letter)| letter)),
                letter => word.push(letter),
            }
        }
        return Err(broken("an array with a quote that does not end"));
    }
    let end = rest
        .find([',', '}'])
        .ok_or_else(|| broken("an array without its braces"))?;
    let (word, after) = rest.split_at(end);
    *rest = after;
    if word.eq_ignore_ascii_case("null") {
        Ok(Value::Null)
    } else {
        member(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::postgres::textual as server_text;

    fn textual(array: u32, of: u32, text: &str) -> Result<Value> {
        super::textual(array, text, &|word| {
            server_text::textual(of, word).and_then(Value::of_member)
        })
    }

    fn read(text: &str) -> Value {
        textual(1009, oid::TEXT, text).unwrap()
    }

    fn texts(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::Text((*word).to_owned())).collect())
    }

    #[test]
    fn q4_arrays_in_text_are_read_with_quotes_and_nulls() {
        assert_eq!(read("{}"), texts(&[]));
        assert_eq!(
            read(r#"{a,"b c","d\"e\\f","{}","NULL",""}"#),
            texts(&["a", "b c", "d\"e\\f", "{}", "NULL", ""])
        );
        assert_eq!(read("{NULL}"), Value::Array(vec![Value::Null]));
        assert_eq!(
            read("{{a,b},{c,d}}"),
            Value::Array(vec![texts(&["a", "b"]), texts(&["c", "d"])])
        );
        assert_eq!(
            textual(1007, oid::INT4, "{1,-2}").unwrap(),
            Value::Array(vec![Value::I64(1), Value::I64(-2)])
        );
    }

    #[test]
    fn q4_arrays_that_cannot_be_read_are_errors() {
        for wrong in ["", "{", "{a", "{\"a", "a", "{a}}", "{a,}x"] {
            assert!(textual(1009, oid::TEXT, wrong).is_err(), "{wrong}");
        }
        assert!(
            textual(1007, oid::INT4, "[0:1]={1,2}")
                .unwrap_err()
                .to_string()
                .contains("index 1")
        );
        assert!(
            binary(
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 127, 255, 255, 255, 0, 0, 0, 1],
                &|_, _| Ok(Value::Null)
            )
            .is_err()
        );
    }
}
