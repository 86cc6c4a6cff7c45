use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ipnetwork::IpNetwork;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::value::fake::Fake;
use crate::value::{Array, FromValue, Interval, Json, Value};
use crate::{Error, ErrorKind, Result};

fn read<T: FromValue>(value: impl Into<Value>) -> Result<T> {
    Fake::row([("c", value.into())]).get(0)
}

fn refused<T: FromValue + std::fmt::Debug>(value: impl Into<Value>) -> String {
    let error = read::<T>(value).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    error.to_string()
}

fn same<T: FromValue + Into<Value> + Clone + PartialEq + std::fmt::Debug>(value: T) {
    assert_eq!(read::<T>(value.clone()).unwrap(), value);
    assert_eq!(read::<Option<T>>(value.clone()).unwrap(), Some(value));
    assert_eq!(read::<Option<T>>(Value::Null).unwrap(), None);
    assert!(refused::<T>(Value::Null).contains("is NULL"));
}

#[test]
fn q4_extremes_and_nulls_of_every_type_survive() {
    same(true);
    same(i8::MIN);
    same(i16::MAX);
    same(i32::MIN);
    same(i64::MIN);
    same(u8::MAX);
    same(u16::MAX);
    same(u32::MAX);
    same(u64::MAX);
    same(usize::MAX);
    same(f32::MIN_POSITIVE);
    same(f32::NEG_INFINITY);
    same(f64::MAX);
    same(f64::INFINITY);
    assert!(read::<f64>(f64::NAN).unwrap().is_nan());
    assert!(read::<f32>(f32::NAN).unwrap().is_nan());
    assert!(read::<f64>(-0.0).unwrap().is_sign_negative());
    same(Decimal::MIN);
    same(String::new());
    same(String::from("naïve 🦀"));
    same('🦀');
    same(Vec::<u8>::new());
    same(vec![0_u8, 255]);
    same(NaiveDate::MAX);
    same(NaiveTime::MIN);
    same(NaiveDateTime::MIN);
    same(DateTime::<Utc>::MAX_UTC);
    same(Uuid::max());
    same(json!({"a": [1, null]}));
    same(serde_json::Value::Null);
    same(Interval {
        months: i32::MIN,
        days: i32::MAX,
        microseconds: i64::MIN,
    });
    same("10.0.0.0/8".parse::<IpNetwork>().unwrap());
    same("::1".parse::<IpAddr>().unwrap());
    same(Array(vec![Some(1_i64), None]));
    same(Json(vec![1, 2]));
    assert_eq!(read::<Value>("x").unwrap(), Value::Text("x".into()));
    assert_eq!(read::<Value>(Value::Null).unwrap(), Value::Null);
}

#[test]
fn q4_arrays_are_read_into_vectors() {
    assert_eq!(read::<Vec<i64>>(Array(vec![1_i64, 2])).unwrap(), [1, 2]);
    assert_eq!(
        read::<Vec<Option<String>>>(Array(vec![Some("a"), None])).unwrap(),
        [Some("a".into()), None]
    );
    assert_eq!(read::<Vec<String>>(Value::Array(vec![])).unwrap(), Vec::<String>::new());
    assert_eq!(
        refused::<Vec<i64>>(Array(vec![Some(1_i64), None])),
        "column `c` (Array) cannot be read as Vec<i64>: in member 2 of the array, it holds NULL\n  \
         help: read the members as Option<_>"
    );
    assert_eq!(
        refused::<Vec<i8>>(Array(vec![1_i64, 300])),
        "column `c` (Array) cannot be read as Vec<i8>: in member 2 of the array, 300 is out of range (-128 to 127)\n  \
         help: read it as a wider integer"
    );
    assert!(refused::<Vec<u8>>(Array(vec![1_i64])).contains("it holds an array"));
}

#[test]
fn q4_what_does_not_fit_is_refused_with_the_way_out() {
    for (found, expected) in [
        (
            refused::<u8>(300_i64),
            "column `c` (I64) cannot be read as u8: 300 is out of range (0 to 255)\n  help: read it as a wider integer",
        ),
        (
            refused::<i64>("1"),
            "column `c` (Text) cannot be read as i64: it holds text\n  help: read it as String",
        ),
        (
            refused::<i64>(1.0),
            "column `c` (F64) cannot be read as i64: it holds a floating-point number\n  help: read it as f64",
        ),
        (
            refused::<i64>(true),
            "column `c` (Bool) cannot be read as i64: it holds a boolean\n  help: read it as bool",
        ),
        (
            refused::<i64>(Decimal::new(15, 1)),
            "column `c` (Decimal) cannot be read as i64: the decimal number has a fraction\n  help: read it as rust_decimal::Decimal",
        ),
        (
            refused::<String>(Value::Null),
            "column `c` (Null) is NULL, which String cannot hold\n  help: read it as Option<String>, or exclude NULL in the statement",
        ),
        (
            refused::<bool>(2_i64),
            "column `c` (I64) cannot be read as bool: it holds a number that is neither 0 nor 1\n  help: read it as an integer",
        ),
        (
            refused::<DateTime<Utc>>(NaiveDateTime::MIN),
            "column `c` (DateTime) cannot be read as DateTime<Utc>: it holds a date and time, which has no zone\n  help: read it as chrono::NaiveDateTime",
        ),
        (
            refused::<NaiveDateTime>(DateTime::<Utc>::MIN_UTC),
            "column `c` (Timestamp) cannot be read as NaiveDateTime: it holds a point in time\n  help: read it as chrono::DateTime<Utc>",
        ),
        (
            refused::<f64>(Decimal::new(1, 1)),
            "column `c` (Decimal) cannot be read as f64: the decimal number has no exact binary representation\n  \
             help: read it as rust_decimal::Decimal, or cast it in the statement",
        ),
        (
            refused::<Uuid>(vec![1_u8]),
            "column `c` (Bytes) cannot be read as Uuid: a UUID has 16 bytes, not 1\n  help: read it as Vec<u8>",
        ),
        (
            refused::<IpAddr>("10.0.0.0/8".parse::<IpNetwork>().unwrap()),
            "column `c` (Inet) cannot be read as IpAddr: it holds a network, not a single address\n  help: read it as ipnetwork::IpNetwork",
        ),
    ] {
        assert_eq!(found, expected);
    }
    for found in [
        refused::<NaiveDate>(NaiveDateTime::MIN),
        refused::<String>(1),
        refused::<String>(Uuid::nil()),
        refused::<String>(vec![1_u8]),
        refused::<Vec<u8>>("a"),
        refused::<char>("ab"),
        refused::<char>(""),
        refused::<Decimal>(0.1 + 0.2),
        refused::<f64>("0.5"),
        refused::<f64>(i64::MAX),
        refused::<f32>(0.1),
        refused::<i64>(u64::MAX),
        refused::<u64>(-1),
        refused::<NaiveDate>("yesterday"),
        refused::<serde_json::Value>("{"),
        refused::<Json<i64>>(json!("a")),
        refused::<Interval>(1),
    ] {
        assert!(found.contains("help: read it as"), "{found}");
    }
}

#[test]
fn q4_backends_without_a_type_are_read_from_what_they_have() {
    assert!(read::<bool>(1_i64).unwrap());
    assert!(!read::<bool>(0_u64).unwrap());
    assert_eq!(read::<i64>(Decimal::new(700, 2)).unwrap(), 7);
    assert_eq!(read::<u64>(Decimal::from(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(read::<i128>(Decimal::MIN).unwrap(), Decimal::MIN.mantissa());
    assert_eq!(read::<Decimal>(7_i64).unwrap(), Decimal::from(7));
    assert_eq!(read::<Decimal>("1.50").unwrap().to_string(), "1.50");
    assert_eq!(read::<f64>(1.5_f32).unwrap(), 1.5);
    assert_eq!(read::<f64>(3_i64).unwrap(), 3.0);
    let stamp: DateTime<Utc> = "2026-11-21T10:00:00.5Z".parse().unwrap();
    assert_eq!(read::<DateTime<Utc>>("2026-11-21 10:00:00.5").unwrap(), stamp);
    assert_eq!(read::<DateTime<Utc>>("2026-11-21 12:00:00.500+02:00").unwrap(), stamp);
    assert_eq!(read::<DateTime<FixedOffset>>(stamp).unwrap(), stamp);
    let fixed = read::<DateTime<FixedOffset>>("2026-11-21 12:00:00.5+02:00").unwrap();
    assert_eq!((fixed.offset().local_minus_utc(), fixed.to_utc()), (7200, stamp));
    assert_eq!(
        read::<NaiveDateTime>("2026-11-21 10:00:00.5").unwrap(),
        stamp.naive_utc()
    );
    assert_eq!(read::<NaiveDate>("2026-11-21").unwrap(), stamp.date_naive());
    assert_eq!(read::<NaiveTime>("10:00:00.5").unwrap(), stamp.time());
    assert_eq!(
        read::<Uuid>("00000000-0000-0000-0000-000000000001").unwrap(),
        Uuid::from_u128(1)
    );
    assert_eq!(
        read::<Uuid>(Uuid::from_u128(1).as_bytes().to_vec()).unwrap(),
        Uuid::from_u128(1)
    );
    assert_eq!(read::<serde_json::Value>("{\"a\":1}").unwrap(), json!({"a": 1}));
    assert_eq!(read::<Json<Vec<i64>>>("[1,2]").unwrap(), Json(vec![1, 2]));
    assert_eq!(
        read::<IpAddr>("10.0.0.1").unwrap(),
        "10.0.0.1".parse::<IpAddr>().unwrap()
    );
}

#[test]
fn q4_no_text_is_shown_in_errors() {
    for message in [
        refused::<i64>("hush"),
        refused::<Uuid>("hush"),
        refused::<NaiveDate>("hush"),
        refused::<bool>("hush"),
    ] {
        assert!(!message.contains("hush"), "{message}");
    }
}

#[test]
fn q3_columns_are_found_by_index_and_name() {
    let row = Fake::row([
        ("id", Value::I64(1)),
        ("created_at", Value::Null),
        ("id", Value::I64(2)),
    ]);
    assert_eq!((row.len(), row.is_empty()), (3, false));
    assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "created_at", "id"]);
    assert_eq!(row.get::<i64>(2).unwrap(), 2);
    assert_eq!(row.get::<Option<i64>>("created_at").unwrap(), None);
    assert_eq!(row.get::<Option<i64>>(String::from("created_at")).unwrap(), None);
    let text = |error: Error| error.to_string();
    assert_eq!(
        text(row.get::<i64>("id").unwrap_err()),
        "the column name `id` is ambiguous: the columns 0 and 2 have it\n  \
         help: give one of them another name with AS, or read them by index"
    );
    assert_eq!(
        text(row.get::<i64>("create_at").unwrap_err()),
        "the row has no column `create_at`\n  help: did you mean `created_at`? the columns are `id`, `created_at`, `id`"
    );
    assert_eq!(
        text(row.get::<i64>(3).unwrap_err()),
        "there is no column 3: the row has 3 columns, counted from 0\n  help: the columns are `id`, `created_at`, `id`"
    );
    assert_eq!(
        text(Fake::row([]).get::<i64>("id").unwrap_err()),
        "the row has no column `id`\n  help: the row has no columns"
    );
}

#[test]
fn q3_a_row_is_a_mapping() {
    let row = Fake::row([
        ("id", Value::I64(1)),
        ("name", "a".into()),
        ("price", Decimal::new(150, 2).into()),
        ("bytes", vec![1_u8].into()),
        ("doc", json!({"a": 1}).into()),
        ("tags", Array(vec!["x"]).into()),
        ("at", "2026-11-21T10:00:00Z".parse::<DateTime<Utc>>().unwrap().into()),
        ("none", Value::Null),
    ]);
    assert_eq!(row.values().unwrap().len(), 8);
    assert_eq!(row.to_map().unwrap()["name"], Value::Text("a".into()));
    let pairs: Vec<_> = row.iter().take(2).map(|(name, value)| (name, value.unwrap())).collect();
    assert_eq!(pairs, [("id", Value::I64(1)), ("name", Value::Text("a".into()))]);
    let expected = json!({
        "id": 1, "name": "a", "price": "1.50", "bytes": [1], "doc": {"a": 1}, "tags": ["x"],
        "at": "2026-11-21T10:00:00Z", "none": null,
    });
    assert_eq!(row.to_json().unwrap(), expected);
    assert_eq!(row.deserialize::<serde_json::Value>().unwrap(), expected);
    assert_eq!(
        format!("{row:?}"),
        r#"Row {"id": I64, "name": Text, "price": Decimal, "bytes": Bytes, "doc": Json, "tags": Array, "at": Timestamp, "none": Null}"#
    );
}

#[test]
fn q4_json_has_no_nan_and_no_second_key() {
    let row = Fake::row([("x", Value::F64(f64::NAN))]);
    assert_eq!(
        row.to_json().unwrap_err().to_string(),
        "column `x` (F64) cannot be read as JSON: JSON supports neither NaN nor infinity\n  help: read it as f64"
    );
    assert!(row.deserialize::<serde_json::Value>().is_err());
    let twice = Fake::row([("x", Value::Null), ("x", Value::Null)]);
    assert!(twice.to_json().is_err());
    assert!(twice.to_map().is_err());
    assert!(twice.deserialize::<serde_json::Value>().is_err());
    assert_eq!(twice.values().unwrap().len(), 2);
}

proptest! {
    #[test]
    fn q4_integers_fit_or_are_refused(value in any::<i64>()) {
        prop_assert_eq!(read::<i64>(value).unwrap(), value);
        prop_assert_eq!(read::<u64>(value).ok(), u64::try_from(value).ok());
        prop_assert_eq!(read::<i8>(value).ok(), i8::try_from(value).ok());
        prop_assert_eq!(read::<u32>(value).ok(), u32::try_from(value).ok());
        if let Ok(float) = read::<f64>(value) {
            prop_assert_eq!(float as i128, i128::from(value));
        }
    }

    #[test]
    fn q4_floats_fit_or_are_refused(value in any::<f64>()) {
        prop_assert_eq!(read::<f64>(value).unwrap().to_bits(), value.to_bits());
        if let Ok(narrow) = read::<f32>(value) {
            prop_assert_eq!(f64::from(narrow), value);
        }
    }
}
