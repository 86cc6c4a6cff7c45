use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::binding::{named, pairs, positional};
use crate::value::{Array, Interval, IntoParams, Json, NullType, Value, bind};
use crate::{ErrorKind, params};

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mood {
    VeryGood,
}

#[derive(Serialize)]
enum Shape {
    Circle { radius: f64 },
    Square(f64),
}

#[derive(Serialize)]
struct Id(Uuid);

#[derive(Serialize)]
struct Inner {
    a: i64,
}

#[derive(Serialize)]
struct Everything<'a> {
    id: Id,
    number: u8,
    text: &'a str,
    none: Option<String>,
    some: Option<i16>,
    mood: Mood,
    circle: Shape,
    square: Shape,
    inner: Inner,
    list: Vec<i64>,
    empty: Vec<String>,
    nested: Vec<Inner>,
    bytes: Vec<u8>,
    no_bytes: &'a Vec<u8>,
    slice: &'a [u8],
    maybe_bytes: Option<Vec<u8>>,
    key: [u8; 4],
    at: DateTime<FixedOffset>,
    utc: Option<DateTime<Utc>>,
    date: NaiveDate,
    time: &'a NaiveTime,
    date_time: NaiveDateTime,
    decimal: Decimal,
    document: serde_json::Value,
    list_document: serde_json::Value,
    wrapped: Json<Vec<i64>>,
    array: Array<i64>,
    bytes_array: Array<u8>,
    map: BTreeMap<i64, i64>,
    large: i128,
    pause: Duration,
    span: Interval,
    ip: std::net::IpAddr,
    dates: Vec<NaiveDate>,
    unit: (),
}

#[test]
fn q3_a_struct_gives_parameters_and_keeps_its_types() {
    let date = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
    let time = NaiveTime::from_hms_micro_opt(10, 0, 0, 1).unwrap();
    let utc: DateTime<Utc> = "2026-11-21T10:00:00.000001Z".parse().unwrap();
    let span = Interval {
        months: 1,
        days: 2,
        microseconds: 3,
    };
    let value = Everything {
        id: Id(Uuid::max()),
        number: 255,
        text: "hello",
        none: None,
        some: Some(-1),
        mood: Mood::VeryGood,
        circle: Shape::Circle { radius: 0.5 },
        square: Shape::Square(2.0),
        inner: Inner { a: 1 },
        list: vec![1],
        empty: vec![],
        nested: vec![Inner { a: 1 }],
        bytes: vec![0, 255],
        no_bytes: &vec![],
        slice: &[],
        maybe_bytes: Some(vec![]),
        key: [1, 2, 3, 4],
        at: "2026-11-21T12:00:00.000001+02:00".parse().unwrap(),
        utc: Some(utc),
        date,
        time: &time,
        date_time: date.and_time(time),
        decimal: Decimal::new(150, 2),
        document: json!("text"),
        list_document: json!([1]),
        wrapped: Json(vec![1]),
        array: Array(vec![1]),
        bytes_array: Array(vec![1]),
        map: BTreeMap::from([(1, 2)]),
        large: i128::from(u64::MAX) + 1,
        pause: Duration::from_secs(1),
        span,
        ip: std::net::Ipv4Addr::LOCALHOST.into(),
        dates: vec![date],
        unit: (),
    };
    let expected = pairs([
        ("id", Value::Uuid(Uuid::max())),
        ("number", Value::I16(255)),
        ("text", Value::Untyped("hello".into())),
        ("none", Value::NullOf(NullType::Text)),
        ("some", Value::I16(-1)),
        ("mood", Value::Untyped("very_good".into())),
        ("circle", Value::Json(json!({"Circle": {"radius": 0.5}}))),
        ("square", Value::Json(json!({"Square": 2.0}))),
        ("inner", Value::Json(json!({"a": 1}))),
        ("list", Value::List(vec![Value::I64(1)])),
        ("empty", Value::List(vec![])),
        ("nested", Value::Json(json!([{"a": 1}]))),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("no_bytes", Value::Bytes(vec![])),
        ("slice", Value::Bytes(vec![])),
        ("maybe_bytes", Value::Bytes(vec![])),
        ("key", Value::Bytes(vec![1, 2, 3, 4])),
        ("at", Value::Timestamp(utc)),
        ("utc", Value::Timestamp(utc)),
        ("date", Value::Date(date)),
        ("time", Value::Time(time)),
        ("date_time", Value::DateTime(date.and_time(time))),
        ("decimal", Value::Decimal(Decimal::new(150, 2))),
        ("document", Value::Json(json!("text"))),
        ("list_document", Value::Json(json!([1]))),
        ("wrapped", Value::Json(json!([1]))),
        ("array", Value::Array(vec![Value::I64(1)])),
        ("bytes_array", Value::Array(vec![Value::I16(1)])),
        ("map", Value::Json(json!({"1": 2}))),
        ("large", Value::Decimal("18446744073709551616".parse().unwrap())),
        (
            "pause",
            Value::Interval(Interval {
                microseconds: 1_000_000,
                ..Interval::default()
            }),
        ),
        ("span", Value::Interval(span)),
        ("ip", Value::Inet("127.0.0.1/32".parse().unwrap())),
        ("dates", Value::List(vec![Value::Date(date)])),
        ("unit", Value::Null),
    ]);
    let found = named(bind(&value));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
    let Value::Decimal(decimal) = &found[22].1 else {
        panic!()
    };
    assert_eq!(decimal.scale(), 2, "zeros at the end are part of a decimal");
}

#[test]
fn q3_tuples_and_flattened_structs_can_be_bound() {
    #[derive(Serialize)]
    struct Outer {
        id: i64,
        #[serde(flatten)]
        inner: Inner,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<i64>,
    }
    assert_eq!(
        named(bind(Outer {
            id: 1,
            inner: Inner { a: 2 },
            skipped: None
        })),
        pairs([("id", Value::I64(1)), ("a", Value::I64(2))])
    );
    assert_eq!(
        positional(bind((1_i64, "a"))),
        [Value::I64(1), Value::Untyped("a".into())]
    );
    assert!(bind(()).into_params().unwrap().is_empty());
    assert_eq!(positional(bind(Some((true,)))), [Value::Bool(true)]);
    assert!(bind(None::<Inner>).into_params().is_err());
}

#[test]
fn q3_what_cannot_be_bound_is_named() {
    let error = bind(json!({"a": 1}).as_object().map(|_| BTreeMap::from([((1, 2), 3)])))
        .into_params()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the keys of a map of parameters must be text: they are the names"
    );

    #[derive(Serialize)]
    struct Bad {
        worse: BTreeMap<(i64, i64), i64>,
        wide: u128,
    }
    let bad = Bad {
        worse: BTreeMap::from([((1, 2), 3)]),
        wide: u128::MAX,
    };
    let error = bind(&bad).into_params().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
    assert_eq!(
        error.message(),
        "the parameter `worse` cannot be bound: key must be a string"
    );
    let error = bind(&Bad {
        worse: BTreeMap::new(),
        ..bad
    })
    .into_params()
    .unwrap_err();
    assert_eq!(
        error.message(),
        "the parameter `wide` cannot be bound: the integer has more than 96 bits, which no supported type can hold"
    );

    let unwritable = Json(BTreeMap::from([((1, 2), 3)]));
    let error = params! { id: 1, doc: unwritable.clone() }.into_params().unwrap_err();
    assert_eq!(
        error.message(),
        "the parameter `doc` cannot be bound: it cannot be written as JSON: key must be a string"
    );
    let error = (1, unwritable.clone()).into_params().unwrap_err();
    assert!(
        error.message().starts_with("the parameter number 2 cannot be bound"),
        "{error}"
    );
    let error = (Array(vec![vec!["hush"]]),).into_params().unwrap_err();
    assert_eq!(
        error.message(),
        "the parameter number 1 cannot be bound: an Array holds scalars only; wrap nested values into Json"
    );
    assert!((vec![unwritable],).into_params().is_err());
    assert!(
        (Some(Duration::MAX),)
            .into_params()
            .unwrap_err()
            .message()
            .contains("292,471 years")
    );
}
