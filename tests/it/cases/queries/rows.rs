//! Q3: the types that rows are converted to.

use std::collections::HashMap;

use ebbtide::{ErrorKind, Value};
use futures::TryStreamExt as _;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::{assert_says, ids, with_rows};
use crate::support::cases;

#[derive(Debug, PartialEq, sqlx::FromRow, Deserialize)]
struct Note {
    id: i64,
    body: Option<String>,
    n: Option<i64>,
}

#[derive(Debug, PartialEq, sqlx::FromRow, Deserialize)]
struct Price {
    amount: Decimal,
}

cases! {
    async fn q3_rows_become_everything(t: Test) {
        let database = with_rows(&t, 5).await;
        let select = || t.sql("select id, body, n from {notes} order by id");
        let expected: Vec<Note> = (1..=5)
            .map(|id| Note {
                id,
                body: Some(format!("note {id}")),
                n: (id != 5).then_some(id),
            })
            .collect();

        let derived: Vec<Note> = database.fetch_all(select(), ()).decode().await.unwrap();
        assert_eq!(derived, expected);
        let deserialized: Vec<Note> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(deserialized, expected);
        let tuples: Vec<(i64, String, Option<i64>)> = database.fetch_all(select(), ()).decode().await.unwrap();
        assert_eq!(tuples[4], (5, "note 5".to_owned(), None));
        let tuples: Vec<(i64, String, Option<i64>)> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(tuples[0], (1, "note 1".to_owned(), Some(1)));
        let numbers: Vec<i32> = database.fetch_all(select(), ()).value().await.unwrap();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let one: Note = database.fetch_one(select(), ()).decode().await.unwrap();
        assert_eq!(one, expected[0]);
        let some: Option<(i64, String, Option<i64>)> = database.fetch_optional(select(), ()).decode().await.unwrap();
        assert_eq!(some.unwrap().0, 1);
        let json: Vec<serde_json::Value> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(json[0], json!({ "id": 1, "body": "note 1", "n": 1 }));
        assert_eq!(json[4], json!({ "id": 5, "body": "note 5", "n": null }));
        let maps: Vec<HashMap<String, serde_json::Value>> =
            database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(maps[1]["body"], json!("note 2"));

        let row = database.fetch_one(select(), ()).await.unwrap();
        assert_eq!(row.to_json().unwrap(), json[0]);
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "body", "n"]);
        assert_eq!(row.len(), 3);
        assert_eq!(
            row.values().unwrap(),
            [Value::I64(1), Value::Text("note 1".into()), Value::I64(1)]
        );
        assert_eq!(row.to_map().unwrap()["body"], Value::Text("note 1".into()));
        let pairs: Vec<(&str, Value)> = row.iter().map(|(name, value)| (name, value.unwrap())).collect();
        assert_eq!(pairs[2], ("n", Value::I64(1)));
        let borrowed: (i64, &str, Option<i64>) = row.deserialize().unwrap();
        assert_eq!(borrowed, (1, "note 1", Some(1)));
        // `Debug` shows names, never values.
        assert!(format!("{row:?}").contains("body") && !format!("{row:?}").contains("note 1"));
    }

    async fn q3_rows_are_shown_and_compared_found_f10(t: Test) {
        let database = with_rows(&t, 2).await;
        let rows = async || {
            let sql = t.sql("select id, body from {notes} order by id");
            database.fetch_all(sql, ()).await.unwrap()
        };
        let (first, second) = (rows().await, rows().await);
        assert_eq!(first, second);
        assert_ne!(first[0], first[1]);
        let renamed = database.fetch_one(t.sql("select id as n, body from {notes} where id = 1"), ()).await.unwrap();
        assert_ne!(renamed, first[0]);
        let shorter = database.fetch_one(t.sql("select id from {notes} where id = 1"), ()).await.unwrap();
        assert_ne!(shorter, first[0]);
        assert_eq!(format!("{:?}", first[0].show()), r#"Row {"id": I64(1), "body": Text("note 1")}"#);
        assert!(!format!("{:?}", first[0]).contains("note 1"), "unless asked for, values are not shown");
    }

    async fn q3_names_that_occur_twice_are_kept_and_never_guessed(t: Test) {
        let database = with_rows(&t, 1).await;
        let sql = t.sql("select a.id, b.body, a.id + 1 as id from {notes} a join {notes} b on a.id = b.id");
        let row = database.fetch_one(sql, ()).await.unwrap();
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "body", "id"]);
        assert_eq!((row.get::<i64>(0).unwrap(), row.get::<i64>(2).unwrap()), (1, 2));
        for error in [
            row.get::<i64>("id").unwrap_err(),
            row.to_map().unwrap_err(),
            row.to_json().unwrap_err(),
            row.deserialize::<serde_json::Value>().unwrap_err(),
        ] {
            assert_says(&error, ErrorKind::Decode, &["`id`", "ambiguous", "0 and 2"]);
        }
        assert_eq!(row.get::<String>("body").unwrap(), "note 1");
        let tuple: (i64, String, i64) = row.deserialize().unwrap();
        assert_eq!(tuple, (1, "note 1".to_owned(), 2));
        let error = row.get::<i64>("bodi").unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`bodi`", "did you mean `body`?"]);
        let error = row.get::<i64>(3).unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column 3", "3 columns"]);
    }

    async fn q3_rows_that_do_not_fit_are_errors_that_say_why(t: Test) {
        let database = with_rows(&t, 1).await;
        let select = || t.sql("select id, body from {notes}");
        let error = database.fetch_one(select(), ()).deserialize::<Note>().await;
        // An Option may be missing.
        assert_eq!(error.unwrap().n, None);
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[allow(dead_code)]
            missing: i64,
        }
        let error = database
            .fetch_one(select(), ())
            .deserialize::<Strict>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`missing`", "`id`, `body`"]);
        let error = database
            .fetch_one(select(), ())
            .deserialize::<(i64,)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["2 columns", "tuple"]);
        let error = database
            .fetch_one(select(), ())
            .deserialize::<(i64, i64)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`body`", "i64", "text"]);
        let error = database
            .fetch_one(select(), ())
            .decode::<(i64, i64)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column `body`", "i64", "it holds text"]);
        let error = database.fetch_one(select(), ()).decode::<Note>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["n", "Note"]);
        // The connection works as before.
        assert_eq!(ids(&database, t.sql("select id from {notes}"), ()).await, [1]);
    }

    /// sqlx has no `Decimal` for SQLite, but the rows of one backend can be named.
    // It reads rows of sqlx's own drivers.
    #[sqlx]
    async fn q3_a_struct_of_one_backend_is_decoded_found_e6(t: Test) {
        let database = t.database().await;
        let select = || match t.backend().family() {
            "postgres" => "select 1.50::numeric as amount",
            "mysql" => "select cast(1.50 as decimal(5, 2)) as amount",
            _ => "select '1.50' as amount",
        };
        let priced = Price { amount: Decimal::new(150, 2) };
        let read: Price = database.fetch_one(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, priced);
        let on_postgres = database.fetch_optional(select(), ()).decode_on::<sqlx::Postgres, Price>().await;
        let on_mysql = database.fetch_all(select(), ()).decode_on::<sqlx::MySql, Price>().await.map(|mut all| all.pop());
        let mut stream = database.iterate(select(), ()).decode_on::<sqlx::Postgres, Price>();
        let mut batches = database.batched_iterate(select(), (), 2).decode_on::<sqlx::MySql, Price>();
        let streamed = [stream.try_next().await, batches.try_next().await.map(|batch| batch.and_then(|mut all| all.pop()))];
        for (result, family) in [on_postgres, on_mysql].into_iter().chain(streamed).zip(["postgres", "mysql", "postgres", "mysql"]) {
            if family == t.backend().family() {
                assert_eq!(result.unwrap().as_ref(), Some(&priced));
            } else {
                assert_says(&result.unwrap_err(), ErrorKind::Unsupported, &["`decode_on` names", "another one"]);
            }
        }
        let on_sqlite = database.fetch_one("select 'x' as a", ()).decode_on::<sqlx::Sqlite, (String,)>().await;
        assert_eq!(on_sqlite.is_ok(), t.backend().is_sqlite(), "{on_sqlite:?}");
    }
}
