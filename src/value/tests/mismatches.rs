use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::deserializing::{Inner, Mood, refused};
use crate::ErrorKind;
use crate::value::fake::Fake;
use crate::value::{Array, Interval, Value};

#[test]
fn q4_serde_errors_name_column_types_and_the_way_out() {
    for (found, expected) in [
        (
            refused::<u8>(300_i64),
            "column `c` (I64) cannot be read as u8: integer `300` does not fit, expected u8",
        ),
        (
            refused::<i64>("hush"),
            "column `c` (Text) cannot be read as i64: it holds text\n  help: read it as String",
        ),
        (
            refused::<String>(Value::Null),
            "column `c` (Null) is NULL, which String cannot hold\n  help: read it as Option<String>, or exclude NULL in the statement",
        ),
        (
            refused::<DateTime<Utc>>(Value::Null),
            "column `c` (Null) is NULL, which DateTime<Utc> cannot hold\n  \
             help: read it as Option<DateTime<Utc>>, or exclude NULL in the statement",
        ),
        (
            refused::<Decimal>(Value::Null),
            "column `c` (Null) is NULL, which Decimal cannot hold\n  help: read it as Option<Decimal>, or exclude NULL in the statement",
        ),
        (
            refused::<DateTime<Utc>>(NaiveDateTime::MIN),
            "column `c` (DateTime) cannot be read as DateTime<Utc>: it holds a date and time, which has no zone\n  \
             help: read it as chrono::NaiveDateTime",
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
            refused::<Inner>(json!({"b": 1})),
            "column `c` (Json) cannot be read as Inner: the JSON in it does not fit: missing field `a`",
        ),
        (
            refused::<Mood>("hush"),
            "column `c` (Text) cannot be read as Mood: it is none of the names `very_good`, `bad`",
        ),
    ] {
        assert_eq!(found, expected);
    }
    for found in [
        refused::<Decimal>(0.1 + 0.2),
        refused::<Decimal>("0.00000000000000000000000000001"),
        refused::<f64>(i64::MAX),
        refused::<f32>(0.1),
        refused::<i64>(true),
        refused::<i64>(1.0),
        refused::<bool>(2),
        refused::<String>(1),
        refused::<Vec<u8>>(1),
        refused::<[u8; 2]>(vec![1_u8, 2, 3]),
        refused::<[u8; 2]>(vec![1_u8]),
        refused::<(i64, i64)>(Array(vec![1_i64, 2, 3])),
        refused::<NaiveDate>(NaiveDateTime::MIN),
        refused::<NaiveDate>("hush"),
        refused::<Uuid>("hush"),
        refused::<Uuid>(vec![1_u8]),
        refused::<Inner>("hush"),
        refused::<Inner>("{\"a\":1} hush"),
        refused::<serde_json::Value>("hush"),
        refused::<serde_json::Value>(f64::NAN),
        refused::<Vec<i64>>(Array(vec![Some(1_i64), None])),
        refused::<Interval>(1),
    ] {
        assert!(found.starts_with("column `c` (") && !found.contains("hush"), "{found}");
    }
}

#[test]
fn q3_missing_and_double_columns_are_named() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Note {
        id: i64,
        created_at: String,
    }
    let error = Fake::row([("id", Value::I64(1)), ("create_at", "a".into())])
        .deserialize::<Note>()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_eq!(
        error.to_string(),
        "the row has no column `created_at`\n  help: did you mean `create_at`? the columns are `id`, `create_at`"
    );
    let error = Fake::row([("id", Value::I64(1)), ("id", Value::I64(2)), ("created_at", "a".into())])
        .deserialize::<Note>()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the column name `id` is ambiguous: the columns 0 and 1 have it"
    );
    assert!(
        Fake::row([("id", Value::Null), ("id", Value::Null)])
            .deserialize::<HashMap<String, Option<i64>>>()
            .is_err()
    );
}
