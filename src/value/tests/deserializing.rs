use std::collections::HashMap;
use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use crate::value::fake::Fake;
use crate::value::{Array, Interval, Json, Row, Value};
use crate::{ErrorKind, Result};

fn one<T: DeserializeOwned>(value: impl Into<Value>) -> Result<T> {
    Fake::row([("c", value.into())]).deserialize()
}

/// Reads a value as a field of a struct that has other columns too.
fn field<T: DeserializeOwned>(value: impl Into<Value>) -> Result<T> {
    #[derive(Deserialize)]
    struct Outer<T> {
        c: T,
    }
    Fake::row([("unused", Value::Null), ("c", value.into())])
        .deserialize()
        .map(|outer: Outer<T>| outer.c)
}

pub(super) fn refused<T: DeserializeOwned>(value: impl Into<Value>) -> String {
    let Err(error) = field::<T>(value) else {
        panic!("{}", std::any::type_name::<T>())
    };
    assert_eq!(error.kind(), ErrorKind::Decode);
    error.to_string()
}

fn same<T: DeserializeOwned + Into<Value> + Clone + PartialEq + std::fmt::Debug>(value: T) {
    assert_eq!(one::<T>(value.clone()).unwrap(), value);
    assert_eq!(field::<T>(value.clone()).unwrap(), value);
    assert_eq!(field::<Option<T>>(value.clone()).unwrap(), Some(value.clone()));
    assert_eq!(one::<Option<T>>(value.clone()).unwrap(), Some(value.clone()));
    assert_eq!(one::<(T,)>(value.clone()).unwrap(), (value,));
    assert_eq!(field::<Option<T>>(Value::Null).unwrap(), None);
    assert_eq!(one::<Option<T>>(Value::Null).unwrap(), None);
}

#[test]
fn q4_extremes_and_nulls_of_every_type_survive_serde() {
    same(true);
    same(i8::MIN);
    same(i16::MAX);
    same(i32::MIN);
    same(i64::MIN);
    same(u8::MAX);
    same(u64::MAX);
    same(f32::MIN_POSITIVE);
    same(f64::MAX);
    same(f64::NEG_INFINITY);
    assert!(field::<f64>(f64::NAN).unwrap().is_nan());
    assert!(field::<f32>(f32::NAN).unwrap().is_nan());
    same(Decimal::MIN);
    same(Decimal::MAX);
    same(Decimal::new(i64::MAX, 0));
    assert_eq!(field::<Decimal>(Decimal::new(150, 2)).unwrap().to_string(), "1.50");
    same(String::new());
    same('🦀');
    same(vec![0_u8, 255]);
    same(Vec::<u8>::new());
    same([1_u8; 16]);
    same(NaiveDate::MIN);
    same(NaiveDate::MAX);
    same(NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap());
    same(NaiveDateTime::MIN);
    same(NaiveDateTime::MAX);
    same(DateTime::<Utc>::MIN_UTC);
    same(DateTime::<Utc>::MAX_UTC);
    same(Uuid::max());
    same("::1".parse::<IpAddr>().unwrap());
    same("10.0.0.1".parse::<IpAddr>().unwrap());
    same(Array(vec![Some(1_i64), None]));
    same(Array(vec!["a".to_owned()]));
    same(Array(vec![Uuid::nil()]));
    same(Array(vec![DateTime::<Utc>::MAX_UTC]));
    same(Array(vec![vec![1_u8]]));
    same(Json(vec![1, 2]));
    same(Json("text".to_owned()));
    let interval = Interval {
        months: i32::MIN,
        days: i32::MAX,
        microseconds: i64::MIN,
    };
    assert_eq!(field::<Interval>(interval).unwrap(), interval);
    assert_eq!(
        field::<serde_json::Value>(json!({"a": [1, null]})).unwrap(),
        json!({"a": [1, null]})
    );
    assert_eq!(
        field::<Option<serde_json::Value>>(json!(null)).unwrap(),
        Some(json!(null))
    );
    assert_eq!(field::<Vec<Uuid>>(Array(vec![Uuid::max()])).unwrap(), [Uuid::max()]);
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mood {
    VeryGood,
    Bad,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Inner {
    a: i64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(i64);

#[test]
fn q3_structs_are_read_by_name_and_borrow() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Note<'r> {
        id: Id,
        #[serde(borrow)]
        text: &'r str,
        #[serde(rename = "feeling")]
        mood: Mood,
        due: Option<NaiveDate>,
        not_selected: Option<i64>,
        #[serde(default)]
        count: i32,
        doc: Inner,
    }
    let row = Fake::row([
        ("unknown", Value::I64(1)),
        ("doc", json!({"a": 1}).into()),
        ("feeling", "very_good".into()),
        ("text", "milk".into()),
        ("id", 7_i64.into()),
        ("due", Value::Null),
        ("unknown", Value::I64(2)),
    ]);
    let expected = Note {
        id: Id(7),
        text: "milk",
        mood: Mood::VeryGood,
        due: None,
        not_selected: None,
        count: 0,
        doc: Inner { a: 1 },
    };
    assert_eq!(row.deserialize::<Note<'_>>().unwrap(), expected);
    assert_eq!(row.deserialize::<Option<Note<'_>>>().unwrap(), Some(expected));
}

#[test]
fn q3_tuples_scalars_maps_and_vectors() {
    let row = Fake::row([("id", Value::I64(1)), ("name", "a".into())]);
    assert_eq!(row.deserialize::<(i64, String)>().unwrap(), (1, "a".into()));
    assert_eq!(row.deserialize::<(i64, &str)>().unwrap(), (1, "a"));
    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair(i64, String);
    assert_eq!(row.deserialize::<Pair>().unwrap(), Pair(1, "a".into()));
    let map = row.deserialize::<HashMap<String, serde_json::Value>>().unwrap();
    assert_eq!((&map["id"], &map["name"]), (&json!(1), &json!("a")));
    assert_eq!(
        row.deserialize::<serde_json::Value>().unwrap(),
        json!({"id": 1, "name": "a"})
    );
    assert_eq!(
        row.deserialize::<Vec<serde_json::Value>>().unwrap(),
        [json!(1), json!("a")]
    );
    row.deserialize::<()>().unwrap();
    let error = |row: &Row| row.deserialize::<(i64,)>().unwrap_err().to_string();
    assert_eq!(
        error(&row),
        "the row has 2 columns, but the tuple has 1\n  help: select as many columns as the tuple has members"
    );
    assert!(row.deserialize::<(i64, String, i64)>().is_err());
    assert_eq!(
        row.deserialize::<i64>().unwrap_err().to_string(),
        "a single value is requested, but the row has 2 columns\n  \
         help: select one column, or read the row as a tuple or a struct"
    );
    assert_eq!(one::<Id>(1_i64).unwrap(), Id(1));
    assert_eq!(one::<Mood>("bad").unwrap(), Mood::Bad);
    assert_eq!(one::<Vec<i64>>(Array(vec![1_i64, 2])).unwrap(), [1, 2]);
    assert_eq!(one::<Vec<i64>>(7_i64).unwrap(), [7]);
    assert_eq!(one::<Vec<Inner>>(json!([{"a": 1}])).unwrap(), [Inner { a: 1 }]);
}

#[test]
fn q3_flattened_structs_are_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        id: i64,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Rest {
        at: DateTime<Utc>,
        key: Uuid,
        bytes: Vec<u8>,
        price: Decimal,
        ratio: f64,
        none: Option<i64>,
    }
    let at = "2026-11-21T10:00:00.123456Z".parse::<DateTime<Utc>>().unwrap();
    let row = Fake::row([
        ("id", Value::I64(1)),
        ("at", at.into()),
        ("key", Uuid::max().into()),
        ("bytes", vec![0_u8, 255].into()),
        ("price", Decimal::new(150, 2).into()),
        ("ratio", f64::INFINITY.into()),
        ("none", Value::Null),
    ]);
    let rest = Rest {
        at,
        key: Uuid::max(),
        bytes: vec![0, 255],
        price: Decimal::new(150, 2),
        ratio: f64::INFINITY,
        none: None,
    };
    assert_eq!(row.deserialize::<Outer>().unwrap(), Outer { id: 1, rest });
}

#[test]
fn q4_backends_without_a_type_are_read_through_serde_too() {
    assert!(field::<bool>(1_i64).unwrap());
    assert_eq!(field::<i64>(Decimal::new(700, 2)).unwrap(), 7);
    assert_eq!(field::<u64>(Decimal::from(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(field::<Decimal>("1.50").unwrap().to_string(), "1.50");
    assert_eq!(field::<Decimal>(7_i64).unwrap(), Decimal::from(7));
    assert_eq!(field::<f64>(Decimal::new(15, 1)).unwrap(), 1.5);
    let stamp: DateTime<Utc> = "2026-11-21T10:00:00.5Z".parse().unwrap();
    assert_eq!(field::<DateTime<Utc>>("2026-11-21 10:00:00.5").unwrap(), stamp);
    assert_eq!(
        field::<DateTime<FixedOffset>>("2026-11-21 12:00:00.5+02:00").unwrap(),
        stamp
    );
    assert_eq!(
        field::<NaiveDateTime>("2026-11-21 10:00:00.5").unwrap(),
        stamp.naive_utc()
    );
    assert_eq!(field::<NaiveDate>("2026-11-21").unwrap(), stamp.date_naive());
    assert_eq!(field::<Uuid>(Uuid::max().to_string()).unwrap(), Uuid::max());
    assert_eq!(field::<Uuid>(Uuid::max().as_bytes().to_vec()).unwrap(), Uuid::max());
    assert_eq!(field::<Inner>("{\"a\":1}").unwrap(), Inner { a: 1 });
    assert_eq!(field::<Vec<i64>>("[1,2]").unwrap(), [1, 2]);
    assert_eq!(field::<HashMap<String, i64>>("{\"a\":1}").unwrap()["a"], 1);
    assert_eq!(field::<Json<String>>("\"a\"").unwrap(), Json("a".to_owned()));
    assert_eq!(field::<Json<Mood>>("\"bad\"").unwrap(), Json(Mood::Bad));
    assert_eq!(field::<serde_json::Value>("{\"a\":1}").unwrap(), json!({"a": 1}));
    assert_eq!(field::<Mood>(json!("bad")).unwrap(), Mood::Bad);
    assert_eq!(field::<String>(Uuid::nil()).unwrap(), Uuid::nil().to_string());
    assert_eq!(field::<String>(stamp).unwrap(), "2026-11-21T10:00:00.500000Z");

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Circle { radius: f64 },
    }
    assert_eq!(
        field::<Shape>("{\"Circle\":{\"radius\":0.5}}").unwrap(),
        Shape::Circle { radius: 0.5 }
    );
    assert_eq!(
        field::<Shape>(json!({"Circle": {"radius": 0.5}})).unwrap(),
        Shape::Circle { radius: 0.5 }
    );
}

#[test]
fn q4_text_stays_text_where_rows_become_json() {
    let row = Fake::row([("a", "[1]".into()), ("b", Value::Null)]);
    assert_eq!(
        row.deserialize::<serde_json::Value>().unwrap(),
        json!({"a": "[1]", "b": null})
    );
    assert_eq!(
        row.deserialize::<(serde_json::Value, Option<i64>)>().unwrap(),
        (json!([1]), None)
    );
}

proptest! {
    #[test]
    fn q4_points_in_time_survive_serde(seconds in -8_000_000_000_000_i64..8_000_000_000_000, nanos in 0_u32..1_000_000_000) {
        let value = DateTime::from_timestamp(seconds, nanos).unwrap();
        prop_assert_eq!(field::<DateTime<Utc>>(value).unwrap(), value);
        prop_assert_eq!(field::<NaiveDateTime>(value.naive_utc()).unwrap(), value.naive_utc());
        prop_assert_eq!(field::<NaiveDate>(value.date_naive()).unwrap(), value.date_naive());
        prop_assert_eq!(field::<NaiveTime>(value.time()).unwrap(), value.time());
    }

    #[test]
    fn q4_decimals_survive_serde(mantissa in -(1_i128 << 96) + 1..1_i128 << 96, scale in 0_u32..=28) {
        let value = Decimal::from_i128_with_scale(mantissa, scale);
        let read = field::<Decimal>(value).unwrap();
        prop_assert_eq!((read, read.scale()), (value, value.scale()));
    }

    #[test]
    fn q4_integers_survive_serde(value in any::<i64>(), large in any::<u64>()) {
        prop_assert_eq!(field::<i64>(value).unwrap(), value);
        prop_assert_eq!(field::<u64>(large).unwrap(), large);
        prop_assert_eq!(field::<i32>(value).ok(), i32::try_from(value).ok());
        prop_assert_eq!(field::<i64>(large).ok(), i64::try_from(large).ok());
    }
}
