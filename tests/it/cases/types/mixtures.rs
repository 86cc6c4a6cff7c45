//! One text with parameters and columns of several types in turn.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::{AssertSqlSafe, ErrorKind, Value, bind, params};
use futures::TryStreamExt as _;
use rust_decimal::Decimal;
use serde_json::json;

use super::{assert_says, clock, day, decimal, local, moment, table_of, with_events};
use crate::drivers::Driver;
use crate::support::cases;

cases! {
    // They must know the type of a parameter that stands alone.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn q4_one_text_takes_parameters_of_every_type_in_turn(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        let sql = "select :v as v";
        // MySQL treats a parameter that stands alone as text.
        let bytes = if t.backend().is_mysql() { "select cast(:v as binary) as v" } else { sql };
        for _ in 0..3 {
            macro_rules! there_and_back {
                ($sql:ident: $($type:ty: $value:expr;)*) => {$(
                    let value: $type = $value;
                    let read: $type = connection.fetch_value($sql, params! { v: value.clone() }).await.unwrap();
                    assert_eq!(read, value);
                    let read: Option<$type> = connection.fetch_value($sql, params! { v: None::<$type> }).await.unwrap();
                    assert_eq!(read, None);
                )*};
            }
            there_and_back! {
                sql:
                i32: 7;
                i64: i64::MAX;
                String: "text".to_owned();
                i16: -1;
                f64: 0.1;
                bool: true;
                f32: 1.5;
                NaiveDate: day("2026-11-21");
                String: String::new();
            }
            there_and_back! { bytes: Vec<u8>: vec![1, 255]; Vec<u8>: vec![]; }
        }
    }

    #[only(mysql)]
    async fn q4_a_parameter_keeps_no_type_of_an_earlier_value_found_v1(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        let large = (1_i64 << 60) + 1;
        for _ in 0..2 {
            let sql = "select cast(json_object('a', :v) as char) as v";
            let mut documents = Vec::new();
            for v in [Value::Null, 7.into(), "text".into(), 0.5.into(), Value::Null, "more".into(), true.into()] {
                documents.push(connection.fetch_value::<String>(sql, params! { v }).await.unwrap());
            }
            let compact: Vec<String> = documents.iter().map(|document| document.replace(' ', "")).collect();
            let expected = ["null", "7", "\"text\"", "0.5", "null", "\"more\"", "1"];
            assert_eq!(compact, expected.map(|value| format!("{{\"a\":{value}}}")));

            let sql = "select cast(:v as char) as v, :v + 0 as sum, :w as w";
            for (v, text) in [(Value::from(0.5), "0.5"), (Value::from(large), "1152921504606846977"), (Value::from("9x"), "9x")] {
                let row = connection.fetch_one(sql, params! { v: v, w: Value::Null }).await.unwrap();
                assert_eq!(row.get::<String>("v").unwrap(), text);
                assert_eq!(row.get::<Option<i64>>("w").unwrap(), None);
            }
            let times = "select :v as v";
            for v in [local("2026-11-21T10:30:00"), local("2026-11-21T10:30:00.123456")] {
                assert_eq!(connection.fetch_value::<NaiveDateTime>(times, params! { v }).await.unwrap(), v);
            }
            for v in ["1", "0.12345678", "12345678901234567890.5"].map(decimal) {
                assert_eq!(connection.fetch_value::<Decimal>(times, params! { v }).await.unwrap(), v);
            }
        }
    }

    /// Also on a connection that prepares the text with the `NULL`, whose type is known from the values of another connection.
    #[only(mysql)]
    async fn q4_a_null_has_the_type_of_its_place_found_v1(t: Test) {
        let database = t.database().await;
        let values: [Value; 8] = [
            7_i64.into(), 7_i32.into(), u64::MAX.into(), true.into(), 0.5.into(), decimal("0.5").into(), local("2026-11-21T10:30:00").into(), "text".into(),
        ];
        let sql = "select cast(json_object('a', :v) as char) as v";
        for v in values {
            let first = database.transaction().await.unwrap();
            let expected: String = first.fetch_value(sql, params! { v: v.clone() }).await.unwrap();
            let (others, value) = (database.clone(), v.clone());
            let there = tokio::spawn(async move {
                let second = others.transaction().await.unwrap();
                let null: String = second.fetch_value(sql, params! { v: Value::Null }).await.unwrap();
                let some: String = second.fetch_value(sql, params! { v: value }).await.unwrap();
                (null.replace(' ', ""), some)
            });
            assert_eq!(there.await.unwrap(), ("{\"a\":null}".to_owned(), expected), "{v:?}");
        }
    }

    // They must know the type of a parameter that stands alone.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn q4_streams_batches_and_transactions_keep_no_type_either_found_v1(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {mixed} (id {int} primary key, body {text})"), ()).await.unwrap();
        let insert = || t.sql("insert into {mixed} (id, body) values (:id, :body)");
        let row = |id: i64, body: Value| params! { id, body };
        let transaction = database.transaction().await.unwrap();
        for id in 0..3 {
            let bodies: [Value; 3] = ["one".into(), Value::Null, "two".into()];
            for (place, body) in bodies.into_iter().enumerate() {
                let id = 100 * id + place as i64;
                transaction.execute(insert(), row(id, body)).await.unwrap();
            }
            let sql = "select :v as v";
            let row = transaction.iterate(sql, params! { v: 7_i64 }).try_next().await.unwrap().unwrap();
            let number: i64 = row.get(0).unwrap();
            let row = transaction.iterate(sql, params! { v: "text" }).try_next().await.unwrap().unwrap();
            let text: String = row.get(0).unwrap();
            let row = transaction.iterate(sql, params! { v: None::<i64> }).try_next().await.unwrap().unwrap();
            let nothing: Option<i64> = row.get(0).unwrap();
            assert_eq!((number, text, nothing), (7, "text".to_owned(), None));
        }
        transaction.commit().await.unwrap();
        for first in [1000, 2000] {
            let rows: Vec<_> = (0..250)
                .map(|n| {
                    let id = if n % 2 == 0 { Value::from(first + n) } else { Value::from(i64::from(first + n)) };
                    let body = if n % 3 == 0 { Value::Null } else { Value::from(n.to_string()) };
                    params! { id, body }
                })
                .collect();
            assert_eq!(database.execute_many(insert(), rows).await.unwrap().rows_affected, 250);
        }
        let sums = t.sql(
            "select count(*) as rows_, count(body) as bodies, min(body) as low, max(body) as high from {mixed} \
             where id between :first and :last",
        );
        for (first, last, expected) in
            [(0_i64, 999_i64, (9, 6, "one", "two")), (1000, 1999, (250, 166, "1", "98")), (2000, 2999, (250, 166, "1", "98"))]
        {
            let row = database.fetch_one(AssertSqlSafe(sums.0.as_str()), params! { first, last }).await.unwrap();
            let read: (i64, i64, String, String) = row.deserialize().unwrap();
            assert_eq!((read.0, read.1, read.2.as_str(), read.3.as_str()), expected);
        }
    }

    async fn q4_integers_of_every_width_go_into_one_column_under_one_text(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        connection
            .execute(
                t.sql("create table {mixed} (id {int} primary key, n {int}, body {text})"),
                (),
            )
            .await
            .unwrap();
        let insert = || t.sql("insert into {mixed} (id, n, body) values (:id, :n, :body)");
        let rows = [
            params! { id: 1_i32, n: 1_i32, body: "a" },
            params! { id: 2_i64, n: i64::MAX, body: "b" },
            params! { id: 3_i16, n: None::<i32>, body: None::<&str> },
            params! { id: 4_u64, n: 4_u8, body: "d" },
            params! { id: 5_i32, n: Value::Untyped("5".into()), body: Value::Untyped("e".into()) },
            params! { id: 6_i64, n: None::<i64>, body: "f" },
            params! { id: 7_u32, n: Decimal::from(7), body: 'g' },
            params! { id: 8_i32, n: 8_i32, body: "h" },
        ];
        for row in &rows {
            connection.execute(insert(), row).await.unwrap();
        }
        let read: Vec<(i64, Option<i64>, Option<String>)> = connection
            .fetch_all(t.sql("select id, n, body from {mixed} order by id"), ())
            .deserialize()
            .await
            .unwrap();
        let numbers: Vec<Option<i64>> = read.iter().map(|row| row.1).collect();
        assert_eq!(
            numbers,
            [Some(1), Some(i64::MAX), None, Some(4), Some(5), None, Some(7), Some(8)]
        );
        assert_eq!(
            read.iter().filter_map(|row| row.2.as_deref()).collect::<String>(),
            "abdefgh"
        );
        // Found by a number of any width.
        let by = || t.sql("select id from {mixed} where n = :n");
        assert_eq!(
            connection.fetch_value::<i64>(by(), params! { n: 8_i16 }).await.unwrap(),
            8
        );
        assert_eq!(
            connection.fetch_value::<i64>(by(), params! { n: 8_i64 }).await.unwrap(),
            8
        );
        assert!(
            connection
                .fetch_optional(by(), params! { n: None::<i64> })
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(
            connection.fetch_value::<i64>(by(), params! { n: 8_u64 }).await.unwrap(),
            8
        );
        assert_eq!(
            connection
                .fetch_value::<i64>(by(), params! { n: Decimal::from(8) })
                .await
                .unwrap(),
            8
        );
    }

    async fn q4_one_text_takes_all_mixtures_of_types_and_nulls(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        connection
            .execute(
                t.sql("create table {mixtures} (id {int} primary key, a {int}, b {int}, c {int}, d {text})"),
                (),
            )
            .await
            .unwrap();
        let insert = || t.sql("insert into {mixtures} (id, a, b, c, d) values (:id, :a, :b, :c, :d)");
        let number = |choice: i64| match choice % 5 {
            0 => Value::from(7_i16),
            1 => Value::from(7_i32),
            2 => Value::from(7_i64),
            3 => Value::Untyped("7".into()),
            _ => Value::Null,
        };
        for id in 0..250 {
            let d = if id % 2 == 0 {
                Value::from("x")
            } else {
                Value::Untyped("x".into())
            };
            let row = params! { id, a: number(id), b: number(id / 5), c: number(id / 25), d };
            connection.execute(insert(), row).await.unwrap();
        }
        let sum = t.sql("select count(a) + count(b) + count(c) as numbers, sum(coalesce(a, 7) + coalesce(b, 7) + coalesce(c, 7)) as total, min(d) as d from {mixtures}");
        let row = connection.fetch_one(sum, ()).await.unwrap();
        assert_eq!(row.get::<i64>("numbers").unwrap(), 600);
        assert_eq!(row.get::<i64>("total").unwrap(), 250 * 21);
        assert_eq!(row.get::<String>("d").unwrap(), "x");
    }

    async fn q4_a_wrong_type_once_does_not_spoil_the_text(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        connection
            .execute(t.sql("create table {dated} (id {int} primary key, v date)"), ())
            .await
            .unwrap();
        let insert = || t.sql("insert into {dated} (id, v) values (:id, :v)");
        // PostgreSQL cannot convert a boolean to a date, and reports it; the behaviour of the others is not tested
        // here.
        let wrong = connection.execute(insert(), params! { id: 100, v: true }).await;
        assert!(!t.backend().is_postgres() || wrong.is_err());
        connection
            .execute(insert(), params! { id: 1, v: None::<NaiveDate> })
            .await
            .unwrap();
        connection
            .execute(insert(), params! { id: 2, v: day("2026-11-21") })
            .await
            .unwrap();
        connection
            .execute(insert(), params! { id: 3, v: None::<bool> })
            .await
            .unwrap();
        let wrong = connection.execute(insert(), params! { id: 101, v: true }).await;
        assert!(!t.backend().is_postgres() || wrong.is_err());
        connection
            .execute(insert(), params! { id: 4, v: day("2026-11-22") })
            .await
            .unwrap();
        let read: Vec<Option<NaiveDate>> = connection
            .fetch_all(t.sql("select v from {dated} where id < 100 order by id"), ())
            .value()
            .await
            .unwrap();
        assert_eq!(read, [None, Some(day("2026-11-21")), None, Some(day("2026-11-22"))]);
    }

    #[only(postgres)]
    async fn q4_a_column_that_changes_its_type_is_noticed(t: Test) {
        let database = t.database().await;
        let table = table_of(&t, &database, "integer").await;
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        database
            .execute(insert(), bind(json!({ "id": 1, "v": "1" })))
            .await
            .unwrap();
        database
            .execute(
                AssertSqlSafe(format!("alter table {table} alter column v type text")),
                (),
            )
            .await
            .unwrap();
        // The type that the server reported is out of date; the new one is known by the second try at the latest.
        let first = database.execute(insert(), bind(json!({ "id": 2, "v": "two" }))).await;
        if first.is_err() {
            database
                .execute(insert(), bind(json!({ "id": 2, "v": "two" })))
                .await
                .unwrap();
        }
        let read: Vec<String> = database
            .fetch_all(AssertSqlSafe(format!("select v from {table} order by id")), ())
            .value()
            .await
            .unwrap();
        assert_eq!(read, ["1", "two"]);
    }

    // The names of its columns are reserved there.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // `at` is a word of DuckDB.
    #[except(dbapi2_duckdb)]
    async fn q4_text_takes_the_type_that_is_expected(t: Test) {
        let database = with_events(&t).await;
        // Values as they come from outside, all as text.
        let insert = t.sql("insert into {events} (id, day, clock, local, at, price, ratio, document) values (:id, :day, :clock, :local, :at, :price, :ratio, :document)");
        let outside = json!({
            "id": "1", "day": "2026-11-21", "clock": "10:30:00", "local": "2026-11-21 10:30:00", "at": "2026-11-21 10:30:00",
            "price": "12.5000", "ratio": "0.25", "document": "{\"a\": 1}",
        });
        database.execute(insert, outside).await.unwrap();
        let row = database.fetch_one(t.sql("select * from {events}"), ()).await.unwrap();
        assert_eq!(row.get::<NaiveDate>("day").unwrap(), day("2026-11-21"));
        assert_eq!(row.get::<NaiveTime>("clock").unwrap(), clock("10:30:00"));
        assert_eq!(row.get::<NaiveDateTime>("local").unwrap(), local("2026-11-21T10:30:00"));
        assert_eq!(row.get::<DateTime<Utc>>("at").unwrap(), moment("2026-11-21T10:30:00Z"));
        assert_eq!(row.get::<Decimal>("price").unwrap(), decimal("12.5"));
        assert_eq!(row.get::<f64>("ratio").unwrap(), 0.25);
        assert_eq!(row.get::<serde_json::Value>("document").unwrap(), json!({ "a": 1 }));
        let wrong = t.sql("insert into {events} (id, day) values (:id, :day)");
        let error = database.execute(wrong, json!({ "id": 2, "day": "someday" })).await;
        if t.backend().is_postgres() && t.driver().is_some_and(Driver::is_foreign) {
            // The server reads the text.
            assert_says(&error.unwrap_err(), ErrorKind::Database, &["someday", "date"]);
        } else if t.backend().is_postgres() {
            assert_says(&error.unwrap_err(), ErrorKind::Parameter, &["parameter 2", "DATE"]);
        }
    }
}
