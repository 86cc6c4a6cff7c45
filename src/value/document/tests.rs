//! Tests of numbers of every kind, as every type.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{number, parse, typed};
use crate::value::mismatch::Mismatch;
use crate::value::{Json, Value};

#[track_caller]
fn rounds<T: std::fmt::Debug>(read: Result<T, Mismatch>) {
    let mismatch = read.unwrap_err();
    assert!(mismatch.reason.contains("more digits"), "{}", mismatch.reason);
    assert!(mismatch.help.is_some());
}

#[test]
fn q4_numbers_that_are_whole_are_read_as_ever_found_w8() {
    for text in [
        "0",
        "-0.0",
        "0.1",
        "1.50",
        "-12.5e3",
        "1e22",
        "1E-7",
        "18446744073709551615",
        "-9223372036854775808",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014E-308",
        "0e5",
        "0.0000001",
        "9007199254740993",
        "122.416294033786585e0",
        "100000000000000000000",
        "0.30000000000000004",
    ] {
        let whole = text != "122.416294033786585e0";
        let document = format!(r#"{{"a": [{text}, "12345678901234567890123 \" 1e400"], "b": {{"c": {text} }} }}"#);
        for text in [text.to_owned(), document] {
            let read = parse(&text);
            assert_eq!(read.is_ok(), whole, "{text}");
            if let Ok(read) = read {
                assert_eq!(read, text.parse::<serde_json::Value>().unwrap(), "{text}");
                assert_eq!(parse(&read.to_string()).unwrap(), read, "{text}");
            }
        }
    }
}

#[test]
fn q4_numbers_that_would_be_rounded_are_errors_found_w8() {
    for number in [
        "12345678901234567890123",
        "18446744073709551616",
        "-9223372036854775809",
        "0.1000000000000000055",
        "0.10000000000000001",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "3.141592653589793238462643",
        "1234567890.12345678901",
    ] {
        rounds(parse(number));
        rounds(typed::<Json<f64>>(number));
        rounds(parse(&format!(r#"{{"a": [1, {{"b": {number}}}]}}"#)));
        rounds(typed::<Vec<Option<serde_json::Value>>>(&format!("[null, {number}]")));
        rounds(typed::<BTreeMap<String, f64>>(&format!(r#"{{"a": {number}}}"#)));
        let raw: Box<RawValue> = typed(number).unwrap();
        assert_eq!(raw.get(), number);
    }
    rounds(typed::<f64>("9007199254740993"));
    rounds(typed::<f32>("16777217"));
    rounds(typed::<f32>("3.14159265358979"));
    rounds(typed::<Decimal>("0.12345678901234567890123456789"));
    rounds(typed::<Decimal>("1e-40"));
    for broken in [
        "",
        "{",
        "[1,]",
        "1 2",
        "12a",
        "nan",
        "[01]",
        "[1.]",
        "{\"a\": 1e400",
        "[1e400] x",
    ] {
        assert!(parse(broken).is_err(), "{broken}");
        assert!(
            !parse(broken).unwrap_err().reason.contains("digits") || broken.contains("e400"),
            "{broken}"
        );
    }
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Amount {
    None,
    Of(Decimal),
    Range(f64, u128),
    Named { exactly: i128 },
}

#[derive(Debug, Deserialize)]
struct Exactly {
    signed: i128,
    unsigned: u128,
    price: Decimal,
    fraction: Decimal,
    float: f64,
    narrow: f32,
    amounts: Vec<Amount>,
    whole: serde_json::Value,
    text: Box<RawValue>,
}

/// A type with `flatten` and `untagged`, which read a value before its type is known.
#[derive(Debug, PartialEq, Deserialize)]
struct Early {
    #[serde(flatten)]
    rest: BTreeMap<String, Untagged>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Integer(u64),
    Decimal(Decimal),
}

#[test]
fn q4_a_field_is_read_as_exactly_as_its_type_can_found_w8() {
    let text = r#"{"signed": -12345678901234567890123, "unsigned": 340282366920938463463374607431768211455,
        "price": 12345678901234567890.12345678, "fraction": 5.06e-6, "float": 0.1, "narrow": 0.30000001192092896,
        "amounts": ["none", {"of": 0.1000000000000000055}, {"range": [0.30000000000000004, 18446744073709551616]},
        {"named": {"exactly": 18446744073709551616}}], "whole": {"a": [0.1, 1e22, "b"]},
        "text": {"b": 1e400}, "left": 0.30000000000000004}"#;
    let read: Exactly = typed(text).unwrap();
    assert_eq!(read.signed, -12_345_678_901_234_567_890_123);
    assert_eq!(read.unsigned, u128::MAX);
    assert_eq!(read.price.to_string(), "12345678901234567890.12345678");
    assert_eq!(read.fraction.to_string(), "0.00000506");
    assert_eq!((read.float, read.narrow), (0.1, 0.3));
    assert_eq!(read.whole, json!({ "a": [0.1, 1e22, "b"] }));
    assert_eq!(read.text.get(), r#"{"b": 1e400}"#);
    let exact = 18_446_744_073_709_551_616;
    let of = Amount::Of("0.1000000000000000055".parse().unwrap());
    let range = Amount::Range(0.300_000_000_000_000_04, exact);
    let named = Amount::Named { exactly: exact as i128 };
    assert_eq!(read.amounts, [Amount::None, of, range, named]);
}

#[test]
fn q4_what_is_read_before_its_type_is_known_is_not_rounded_either_found_w8() {
    let read: Early = typed(r#"{"a": 18446744073709551615, "b": 0.30000000000000004}"#).unwrap();
    assert_eq!(read.rest["a"], Untagged::Integer(u64::MAX));
    assert_eq!(
        read.rest["b"],
        Untagged::Decimal("0.30000000000000004".parse().unwrap())
    );
    rounds(typed::<Early>(r#"{"a": {"b": 1}, "c": 12345678901234567890123}"#));
}

#[test]
fn q4_a_document_is_bound_with_the_numbers_it_has_found_w8() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let exact = "{\"a\": 12345678901234567890123}";
    assert_eq!(Value::from(raw(exact)), Value::Untyped(exact.to_owned()));
    assert_eq!(Value::from(Json(raw("[0.1]"))), Value::Json(json!([0.1])));
    let refused = Value::from(Json(vec![raw(exact)]));
    assert!(!matches!(refused, Value::Json(_)), "{refused:?}");
    let narrow = Value::from(Json(vec![0.3_f32]));
    let Value::Json(narrow) = narrow else {
        panic!("{narrow:?}")
    };
    assert_eq!(typed::<Vec<f32>>(&narrow.to_string()).unwrap(), [0.3]);
}

#[test]
fn q4_depth_is_limited_wherever_numbers_are_looked_at_found_w8() {
    let deep = |inner: &str, depth: usize| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&deep("0.1", 100)).is_ok());
    rounds(parse(&deep("1e400", 100)));
    for depth in [130, 100_000] {
        for inner in ["1", "1e400"] {
            let reason = parse(&deep(inner, depth)).unwrap_err().reason;
            assert!(reason.contains("recursion limit"), "{reason}");
        }
    }
}

proptest! {
    #[test]
    fn q4_what_is_written_is_read_found_w8(value in any::<f64>(), narrow in any::<f32>(), whole in any::<i64>()) {
        prop_assume!(value.is_finite() && narrow.is_finite());
        let document = json!({ "value": value, "narrow": narrow, "whole": whole });
        prop_assert_eq!(&parse(&document.to_string()).unwrap(), &document);
        prop_assert_eq!(typed::<f64>(&json!(value).to_string()).unwrap().to_bits(), value.to_bits());
        prop_assert_eq!(typed::<f32>(&json!(narrow).to_string()).unwrap().to_bits(), narrow.to_bits());
        prop_assert_eq!(typed::<f32>(&narrow.to_string()).unwrap().to_bits(), narrow.to_bits());
    }

    #[test]
    fn q4_a_number_is_read_as_itself_or_not_at_all_found_w8(text in "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,22})?([eE][-+]?[0-9]{1,3})?") {
        if let Ok(read) = parse(&text) {
            let again = read.to_string();
            prop_assert!(number::same(&text, &again), "{} became {}", text, again);
        } else {
            prop_assert!(typed::<f64>(&text).is_err());
        }
        if let Ok(read) = typed::<Decimal>(&text) {
            prop_assert!(number::same(&text, &read.to_string()), "{} became {}", text, read);
        }
    }
}
