//! JSON documents whose numbers are longer than a float.

use std::collections::BTreeMap;

use ebbtide::{AssertSqlSafe, Database, ErrorKind, Json, Value, params};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{assert_says, table_of};
use crate::support::{Test, cases};

const LONG: &str = r#"{"n": 12345678901234567890123, "tenth": 0.1}"#;

#[derive(Debug, PartialEq, Deserialize)]
struct Exactly {
    n: i128,
    tenth: Decimal,
}

#[derive(Debug, Deserialize)]
struct Rounded {
    #[allow(dead_code)]
    n: f64,
}

#[derive(Debug, Deserialize)]
struct Record<T> {
    #[allow(dead_code)]
    id: i64,
    v: T,
}

/// Returns the types of columns that keep a document as it is written: MySQL's own `JSON` rounds when it stores.
fn columns(t: &Test) -> &'static [&'static str] {
    match t.backend().family() {
        "postgres" => &["json", "jsonb", "text"],
        "mysql" => &["longtext"],
        // A column declared JSON has the affinity of numbers.
        _ => &["text"],
    }
}

async fn stored(t: &Test, database: &Database, column: &str, documents: &[&str]) -> String {
    let table = table_of(t, database, column).await;
    for (document, id) in documents.iter().zip(1_i64..) {
        let raw = RawValue::from_string((*document).to_owned()).unwrap();
        let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        database.execute(insert, params! { id, v: &*raw }).await.unwrap();
    }
    table
}

cases! {
    // It has no type of that name.
    #[except(jdbc_derby)]
    // Its driver names no type for documents, which are texts.
    #[except(odbc_postgres)]
    async fn q4_a_number_in_json_is_never_rounded_found_w8(t: Test) {
        let database = t.database().await;
        for column in columns(&t) {
            let table = stored(&t, &database, column, &[LONG, "18446744073709551615", "0.1"]).await;
            let all = || AssertSqlSafe(format!("select id, v from {table} order by id"));
            let rows = database.fetch_all(all(), ()).await.unwrap();
            let row = &rows[0];
            let says = ["`v`", "more digits"];
            assert_says(&row.get::<serde_json::Value>("v").unwrap_err(), ErrorKind::Decode, &says);
            assert_says(&row.get::<Json<serde_json::Value>>("v").unwrap_err(), ErrorKind::Decode, &says);
            assert_says(&row.get::<Json<Rounded>>("v").unwrap_err(), ErrorKind::Decode, &says);
            assert_says(&row.deserialize::<Record<serde_json::Value>>().unwrap_err(), ErrorKind::Decode, &says);
            assert_says(&row.deserialize::<Record<Rounded>>().unwrap_err(), ErrorKind::Decode, &says);
            if *column != "text" && *column != "longtext" && !t.backend().is_sqlite() {
                assert_says(&row.get::<Value>("v").unwrap_err(), ErrorKind::Decode, &says);
                assert_says(&row.to_json().unwrap_err(), ErrorKind::Decode, &says);
                assert_says(&row.to_map().unwrap_err(), ErrorKind::Decode, &says);
            }
            // A type that can hold the number holds it exactly.
            let exactly = || Exactly { n: 12_345_678_901_234_567_890_123, tenth: Decimal::new(1, 1) };
            assert_eq!(row.get::<Json<Exactly>>("v").unwrap().0, exactly());
            assert_eq!(row.deserialize::<Record<Exactly>>().unwrap().v, exactly());
            let raw: Box<RawValue> = row.get("v").unwrap();
            assert_eq!(raw.get(), LONG);
            assert_eq!(row.deserialize::<Record<Box<RawValue>>>().unwrap().v.get(), LONG);
            assert_eq!(row.get::<Json<BTreeMap<String, Box<RawValue>>>>("v").unwrap().0["n"].get(), &LONG[6..29]);
            // The other rows are unchanged.
            assert_eq!(rows[1].get::<serde_json::Value>("v").unwrap(), json!(u64::MAX));
            assert_eq!(rows[1].get::<Json<u64>>("v").unwrap().0, u64::MAX);
            assert_eq!(rows[2].get::<serde_json::Value>("v").unwrap(), json!(0.1));
            assert_eq!(rows[2].get::<Json<Decimal>>("v").unwrap().0, Decimal::new(1, 1));
            assert_eq!(rows[2].get::<Json<f64>>("v").unwrap().0, 0.1);
        }
    }

    // It has no type of that name.
    #[except(jdbc_derby)]
    async fn q4_a_document_goes_back_as_it_came_found_w8(t: Test) {
        let database = t.database().await;
        for column in columns(&t) {
            let table = stored(&t, &database, column, &[LONG]).await;
            let select = || AssertSqlSafe(format!("select v from {table} order by id"));
            let raw: Box<RawValue> = database.fetch_value(select(), ()).await.unwrap();
            let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
            database.execute(insert, params! { id: 2_i64, v: raw }).await.unwrap();
            let texts: Vec<Box<RawValue>> = database.fetch_all(select(), ()).value().await.unwrap();
            assert_eq!(texts.iter().map(|raw| raw.get()).collect::<Vec<_>>(), [LONG, LONG]);
        }
        let inside = Json(vec![RawValue::from_string(LONG.to_owned()).unwrap()]);
        let error = database.fetch_one("select :v as v", params! { v: inside }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["more digits"]);
    }

    #[only(postgres)]
    async fn q4_a_number_in_an_array_of_json_is_never_rounded_found_w8(t: Test) {
        let database = t.database().await;
        for kind in ["json", "jsonb"] {
            for more in ["", "; select 1"] {
                let sql = |number: &str| AssertSqlSafe(format!("select array['{number}', null, '0.1']::{kind}[] as v{more}"));
                let row = database.fetch_all(sql("18446744073709551615"), ()).await.unwrap().remove(0);
                let read: Vec<Option<serde_json::Value>> = row.get("v").unwrap();
                assert_eq!(read, [Some(json!(u64::MAX)), None, Some(json!(0.1))]);
                let row = database.fetch_all(sql("1e400"), ()).await.unwrap().remove(0);
                let error = row.get::<Vec<Option<serde_json::Value>>>("v").unwrap_err();
                assert_says(&error, ErrorKind::Decode, &["`v`", "more digits"]);
            }
        }
    }

    #[only(mysql)]
    async fn q4_a_document_of_mysql_is_read_as_the_server_keeps_it_found_w8(t: Test) {
        let database = t.database().await;
        let table = stored(&t, &database, "json", &[r#"{"n": 18446744073709551615, "f": 0.1, "t": 1.7976931348623157e308}"#]).await;
        let row = database.fetch_one(AssertSqlSafe(format!("select v from {table}")), ()).await.unwrap();
        let read: serde_json::Value = row.get("v").unwrap();
        assert_eq!(read, json!({ "n": u64::MAX, "f": 0.1, "t": f64::MAX }));
    }
}
