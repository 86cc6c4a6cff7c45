use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::value::{Array, Interval, IntoParams, Json, NullType, ParamValues, Params, Value, bind};
use crate::{ErrorKind, params};

pub(super) fn named(params: impl IntoParams) -> Vec<(Cow<'static, str>, Value)> {
    match params.into_params().unwrap().0 {
        ParamValues::Named(names, values) => names.iter().map(|name| name.to_owned().into()).zip(values).collect(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn positional(params: impl IntoParams) -> Vec<Value> {
    match params.into_params().unwrap().0 {
        ParamValues::Positional(values) => values,
        other => panic!("{other:?}"),
    }
}

pub(super) fn pairs<const N: usize>(values: [(&'static str, Value); N]) -> Vec<(Cow<'static, str>, Value)> {
    values.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

#[test]
fn q3_parameters_are_set_and_added_by_name() {
    let mut some = Params::new();
    some.set("id", 1).set("text", "a").set("id", 2_i64);
    assert_eq!(named(some), pairs([("id", 2_i64.into()), ("text", "a".into())]));

    let mut written = params! { r#type: 1, id: 2 };
    written.set("type", 3).set(String::from("late"), None::<i32>);
    written.extend([("more", 4), ("most", 5)]);
    let expected = [
        ("type", 3.into()),
        ("id", 2.into()),
        ("late", Value::NullOf(NullType::I32)),
        ("more", 4.into()),
        ("most", 5.into()),
    ];
    assert_eq!(named(written), pairs(expected));

    let mut twice: Params = [("id", 1)].into_iter().collect();
    twice.extend([("id", 2)]);
    assert_eq!(
        twice.len(),
        2,
        "as `collect` does, it leaves the error to the statement"
    );
}

#[test]
fn q3_many_parameters_are_set_and_chained() {
    let mut many = Params::new();
    for value in [1, 2] {
        for index in 0..100 {
            many.set(format!("p{index}"), value);
        }
        many.set("late", value);
    }
    assert_eq!(many.len(), 101);
    assert!(named(many.clone()).iter().all(|(_, value)| *value == Value::I32(2)));
    assert_eq!(named((&mut many).into_params()), named(many), "it is a copy");
    let chained = Params::new().set("a", 1).set("b", 2).into_params();
    assert_eq!(named(chained), pairs([("a", 1.into()), ("b", 2.into())]));
}

#[test]
fn q3_parameters_are_equal_by_name_or_by_position() {
    assert_eq!(params! { a: 1, b: 2 }, params! { b: 2, a: 1 });
    assert_ne!(params! { a: 1, b: 2 }, params! { a: 2, b: 1 });
    assert_ne!((1, 2).into_params().unwrap(), (2, 1).into_params().unwrap());
    let empty: Params = Vec::<(&str, Value)>::new().into_iter().collect();
    assert_eq!(empty, Params::new());
    assert_ne!(empty, params! { a: 1 });
}

#[test]
fn q3_names_beside_values_by_position_are_an_error() {
    let by_position = || (1, 2).into_params().unwrap();
    let mut mixed = by_position();
    mixed.set("id", 3);
    let mut extended = by_position();
    extended.extend([("id", 3), ("text", 4)]);
    for params in [mixed, extended] {
        let error = params.into_params().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.message().contains("by position, which have no names"), "{error}");
    }
    let mut same = by_position();
    same.extend(Vec::<(&str, i32)>::new());
    assert_eq!(positional(same), [Value::I32(1), Value::I32(2)]);
}

#[test]
fn q4_every_rust_type_becomes_its_kind() {
    let stamp: DateTime<FixedOffset> = "2026-11-21T12:00:00+02:00".parse().unwrap();
    for (value, expected) in [
        (Value::from(true), Value::Bool(true)),
        (i8::MIN.into(), Value::I16(-128)),
        (u8::MAX.into(), Value::I16(255)),
        (i16::MIN.into(), Value::I16(i16::MIN)),
        (u16::MAX.into(), Value::I32(65_535)),
        (i32::MIN.into(), Value::I32(i32::MIN)),
        (u32::MAX.into(), Value::I64(4_294_967_295)),
        (i64::MIN.into(), Value::I64(i64::MIN)),
        (u64::MAX.into(), Value::U64(u64::MAX)),
        (isize::MIN.into(), Value::I64(i64::MIN)),
        (usize::MAX.into(), Value::U64(u64::MAX)),
        (f32::MAX.into(), Value::F32(f32::MAX)),
        (f64::NEG_INFINITY.into(), Value::F64(f64::NEG_INFINITY)),
        (Decimal::MAX.into(), Value::Decimal(Decimal::MAX)),
        ('é'.into(), Value::Text("é".into())),
        ("".into(), Value::Text(String::new())),
        (String::from("a").into(), Value::Text("a".into())),
        ((&String::from("a")).into(), Value::Text("a".into())),
        (Cow::Borrowed("a").into(), Value::Text("a".into())),
        ((&&"a").into(), Value::Text("a".into())),
        (vec![1_u8, 2].into(), Value::Bytes(vec![1, 2])),
        (Vec::<u8>::new().into(), Value::Bytes(vec![])),
        ([1_u8, 2].as_slice().into(), Value::Bytes(vec![1, 2])),
        ([1_u8, 2].into(), Value::Bytes(vec![1, 2])),
        (b"ab".into(), Value::Bytes(b"ab".to_vec())),
        ((&vec![1_u8]).into(), Value::Bytes(vec![1])),
        (vec![1, 2].into(), Value::List(vec![Value::I32(1), Value::I32(2)])),
        (["a"].into(), Value::List(vec![Value::Text("a".into())])),
        ([1_i64].as_slice().into(), Value::List(vec![Value::I64(1)])),
        (
            (&vec![Some(1), None]).into(),
            Value::List(vec![Value::I32(1), Value::NullOf(NullType::I32)]),
        ),
        (Vec::<String>::new().into(), Value::List(vec![])),
        (vec![vec![1_u8]].into(), Value::List(vec![Value::Bytes(vec![1])])),
        (Array(vec!["a"]).into(), Value::Array(vec![Value::Text("a".into())])),
        (Array(vec![1_u8]).into(), Value::Array(vec![Value::I16(1)])),
        (
            Array(vec![Some(1_i64), None]).into(),
            Value::Array(vec![Value::I64(1), Value::NullOf(NullType::I64)]),
        ),
        (Json(json!({"a": [1]})).into(), Value::Json(json!({"a": [1]}))),
        (json!("text").into(), Value::Json(json!("text"))),
        (None::<i64>.into(), Value::NullOf(NullType::I64)),
        (Some(1_i64).into(), Value::I64(1)),
        ((&Some("a")).into(), Value::Text("a".into())),
        (stamp.into(), Value::Timestamp("2026-11-21T10:00:00Z".parse().unwrap())),
        (
            Duration::from_micros(7).into(),
            Value::Interval(Interval {
                microseconds: 7,
                ..Interval::default()
            }),
        ),
        (Uuid::nil().into(), Value::Uuid(Uuid::nil())),
        (
            std::net::Ipv6Addr::LOCALHOST.into(),
            Value::Inet("::1/128".parse().unwrap()),
        ),
        ((&Value::I64(1)).into(), Value::I64(1)),
    ] {
        assert_eq!(value, expected);
    }
}

#[test]
fn q3_the_macro_takes_expressions_and_names() {
    let text = String::from("milk");
    let r#type = 3_i64;
    let ids = vec![1_i64];
    let found = named(params! { id: 1 + 1, text, r#type, ids, due: None::<NaiveDate>, });
    assert_eq!(
        found,
        pairs([
            ("id", Value::I32(2)),
            ("text", Value::Text("milk".into())),
            ("type", Value::I64(3)),
            ("ids", Value::List(vec![Value::I64(1)])),
            ("due", Value::NullOf(NullType::Date)),
        ])
    );
    assert!(params! {}.is_empty());
    assert_eq!(named(params! { match: 1 }), pairs([("match", Value::I32(1))]));
    let id = 1_i64;
    assert_eq!(named(params! { id }), pairs([("id", Value::I64(1))]));
    // A duplicate name is kept: the statement reports it.
    assert_eq!(params! { id: 1, id: 2 }.len(), 2);
}

#[test]
fn q3_tuples_are_positional() {
    assert!(().into_params().unwrap().is_empty());
    assert_eq!(positional((1,)), [Value::I32(1)]);
    assert_eq!(
        positional((1, "a", None::<i32>)),
        [Value::I32(1), Value::Text("a".into()), Value::NullOf(NullType::I32)]
    );
    assert_eq!(
        positional((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)).len(),
        16
    );
    assert_eq!(positional(vec![Value::Null]), [Value::Null]);
    assert_eq!(positional([Value::Null, Value::Bool(true)]).len(), 2);
    assert!(Vec::<Value>::new().into_params().unwrap().is_empty());
}

#[test]
fn q3_maps_are_named() {
    let expected = pairs([("id", Value::I64(1))]);
    assert_eq!(named(HashMap::from([("id", 1_i64)])), expected);
    assert_eq!(named(HashMap::from([(String::from("id"), Value::I64(1))])), expected);
    assert_eq!(named(BTreeMap::from([("id", 1_i64)])), expected);
    assert_eq!(named([("id", Value::I64(1))]), expected);
    assert_eq!(named(vec![(String::from("id"), Value::I64(1))]), expected);
    let kept = params! { id: 1_i64 };
    assert_eq!(named(&kept), expected);
    assert_eq!(named(kept), expected);
    assert_eq!(named(Ok(params! { id: 1_i64 })), expected);
}

#[test]
fn q3_json_gives_parameters() {
    let found =
        named(json!({"b": true, "f": 1.5, "i": -1, "ids": [1, 2], "n": null, "o": {"a": 1}, "s": "x", "u": u64::MAX}));
    assert_eq!(
        found,
        pairs([
            ("b", Value::Bool(true)),
            ("f", Value::F64(1.5)),
            ("i", Value::I64(-1)),
            ("ids", Value::List(vec![Value::U64(1), Value::U64(2)])),
            ("n", Value::Null),
            ("o", Value::Json(json!({"a": 1}))),
            ("s", Value::Untyped("x".into())),
            ("u", Value::U64(u64::MAX)),
        ])
    );
    assert_eq!(positional(json!([1, "x"])), [Value::U64(1), Value::Untyped("x".into())]);
    let error = json!(1).into_params().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
    assert_eq!(
        error.message(),
        "parameters must be a struct, a map, a tuple or a sequence"
    );
}

#[test]
fn q4_embedded_nul_characters_are_refused() {
    let error = params! { id: 1, text: "a\0b" }.into_params().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
    assert_eq!(
        error.message(),
        "the parameter `text` cannot be bound: its text contains a NUL character; bind it as bytes"
    );
    assert!((vec!["a", "\0"],).into_params().is_err());
    assert!((Array(vec!["\0"]),).into_params().is_err());
    assert!(bind(("\0",)).into_params().is_err());
    assert!((b"a\0b",).into_params().is_ok());
}

#[test]
fn debug_shows_names_and_kinds_but_no_values() {
    let params = params! { password: "hush", id: 7_i64 };
    assert_eq!(format!("{params:?}"), "Params { password: Text, id: I64 }");
    assert_eq!(format!("{:?}", ("hush", 7).into_params().unwrap()), "Params(Text, I32)");
    assert_eq!(format!("{:?}", Params::default()), "Params");
    assert_eq!(format!("{:?}", bind("hush")), "Bind { .. }");
}
