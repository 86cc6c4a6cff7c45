//! Q6 on PostgreSQL: many rows as one array for each column mean the same as one after the other.

use chrono::NaiveDate;
use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, IntoParams, Params, Value, params};
use uuid::Uuid;

use super::{assert_says, with_notes};
use crate::support::{Proxy, Test, cases};

/// Creates a table with these columns, and returns its rows, as text, after `insert` has run for `rows`: all at once, and
/// one by one.
async fn both(t: &Test, database: &Database, insert: &str, rows: &[Params]) -> [Vec<String>; 2] {
    let mut read = Vec::new();
    for together in [true, false] {
        database
            .execute(t.sql("truncate {rows} restart identity"), ())
            .await
            .unwrap();
        if together {
            let done = database
                .execute_many(t.sql(insert), rows.iter().cloned())
                .await
                .unwrap();
            assert_eq!(done.rows_affected, rows.len() as u64, "{insert}");
        } else {
            for row in rows {
                database.execute(t.sql(insert), row.clone()).await.unwrap();
            }
        }
        let all = t.sql("select whole::text from {rows} whole order by id");
        read.push(database.fetch_all(all, ()).value().await.unwrap());
    }
    read.try_into().unwrap()
}

async fn create(t: &Test, database: &Database, columns: &str) {
    let sql = format!("create table {{rows}} (id bigint generated always as identity, {columns})");
    database.execute(t.sql(&sql), ()).await.unwrap();
}

fn text(value: &str) -> Value {
    Value::Untyped(value.to_owned())
}

cases! {
    #[only(postgres)]
    async fn q6_columns_have_the_types_that_their_values_would_have_alone(t: Test) {
        let database = t.database().await;
        let (mood, age, pair) = (t.table("mood"), t.table("age"), t.table("pair"));
        let types = format!(
            "create type {mood} as enum ('calm', 'glad'); create domain {age} as int check (value > 0); \
             create type {pair} as (a int, b text)"
        );
        database.execute(AssertSqlSafe(types), ()).await.unwrap();
        let columns = format!(
            "a smallint, b bigint, c numeric(12, 3), d text, e varchar(40), f char(4), g date, h timestamptz, i uuid, \
             j jsonb, k json, l bytea, m boolean, n {mood}, o {age}, p inet, q interval, r {pair}, s int[], u float4, v text"
        );
        create(&t, &database, &columns).await;
        let day = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let row = |n: i64| {
            let some = n % 3 != 0;
            params! {
                a: n as i16, b: some.then_some(n), c: rust_decimal::Decimal::new(n, 3), d: some.then(|| format!("d\u{e9}{n},\"'{{}}")),
                e: "", f: "ab", g: day, h: some.then_some(day.and_hms_opt(1, 2, 3).unwrap().and_utc()), i: Uuid::from_u128(n as u128),
                j: serde_json::json!({ "n": n }), k: some.then(|| serde_json::json!([n])), l: vec![n as u8, 0],
                m: n % 2 == 0, n: if some { "calm" } else { "glad" }, o: 1_i32, p: "10.0.0.1", q: "1 mon",
                u: 0.5_f32, v: None::<i32>,
            }
        };
        let rows: Vec<Params> = (1..=60).map(row).collect();
        let insert = "insert into {rows} (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, u, v) \
                      values (:a, :b, :c, :d, :e, :f, :g, :h, :i, :j, :k, :l, :m, :n, :o, :p, :q, :u, :v)";
        let [together, alone] = both(&t, &database, insert, &rows).await;
        assert_eq!(together, alone);
        // Text as serde writes it.
        let untyped: Vec<Params> = (1..=20)
            .map(|n| {
                let g = if n % 2 == 0 { text("2026-12-01") } else { Value::Null };
                params! { a: text("7"), g, j: text("{}"), n: text("calm"), o: text("3"), d: text("x"), v: Value::Null }
            })
            .collect();
        let insert = "insert into {rows} (a, g, j, n, o, d, v) values (:a, :g, :j, :n, :o, :d, :v)";
        let [together, alone] = both(&t, &database, insert, &untyped).await;
        assert_eq!(together, alone);
        let drop = format!("drop table {{rows}}; drop type {mood}; drop domain {age}; drop type {pair}");
        database.execute(t.sql(&drop), ()).await.unwrap();
    }

    #[only(postgres)]
    async fn q6_what_arrays_cannot_say_is_sent_in_rows(t: Test) {
        let database = t.database().await;
        let pair = t.table("pair");
        database.execute(AssertSqlSafe(format!("create type {pair} as (a int, b text)")), ()).await.unwrap();
        create(&t, &database, &format!("a bigint default 7, b text, r {pair}, s int[], f float8")).await;
        let mixed = |n: i64| {
            // Numbers of three types, and text of two.
            let a = match n % 3 { 0 => Value::I16(1), 1 => Value::I64(n), _ => Value::Null };
            let b = if n % 2 == 0 { text("b") } else { Value::Text("c".to_owned()) };
            params! { a, b }
        };
        for (insert, row) in [
            ("insert into {rows} (a, b) values (:a, :b)", &mixed as &dyn Fn(i64) -> Params),
            ("insert into {rows} (a, b) values (default, :b)", &|n| params! { b: format!("{n}") }),
            ("insert into {rows} (r) values ((:a, :b))", &|n| params! { a: n as i32, b: "x" }),
            ("insert into {rows} (r) values (row(:a, :b))", &|n| params! { a: n as i32, b: "x" }),
            ("insert into {rows} (s) values (:s)", &|n| params! { s: Value::from(ebbtide::Array(vec![n as i32, 1])) }),
            ("insert into {rows} (s) values (array[:a, :b]::int[])", &|n| params! { a: n as i32, b: 2_i32 }),
            ("insert into {rows} (a, b, f) values (:n::int + 1, lower(:b), coalesce(:f, 1.5))", &|n| {
                params! { n, b: "ABC", f: (n % 2 == 0).then_some(2.5_f64) }
            }),
            ("insert into {rows} (a, b) values (-1, 'it''s' /* :x */), (2, :b)", &|_| params! { b: "b" }),
            ("insert into {rows} (a, b, f) values ('12', null, :f)", &|n| params! { f: n as f64 }),
            ("insert into {rows} (b) values (:b) -- ) values (1)", &|_| params! { b: "b" }),
            ("insert into {rows} (a, f) values (:a, :a)", &|n| params! { a: n }),
        ] {
            let rows: Vec<Params> = (1..=9).map(row).collect();
            if insert.contains("), (") {
                // Two rows in the text make two rows each.
                let sum = database.execute_many(t.sql(insert), rows).await.unwrap().rows_affected;
                assert_eq!(sum, 18);
                continue;
            }
            let [together, alone] = both(&t, &database, insert, &rows).await;
            assert_eq!(together, alone, "{insert}");
        }
        // Mixed types in many rows, of which the last is wrong: none stays.
        let count = t.sql("select count(*) from {rows}");
        let before: i64 = database.fetch_value(AssertSqlSafe(count.0.clone()), ()).await.unwrap();
        let rows = (0..1_500).map(|n| {
            let b = if n % 2 == 0 { text("b") } else { Value::Text("c".to_owned()) };
            params! { a: if n == 1_499 { text("many") } else { Value::I64(n) }, b }
        });
        let insert = t.sql("insert into {rows} (a, b) values (:a, :b)");
        database.execute_many(insert, rows).await.unwrap_err();
        assert_eq!(database.fetch_value::<i64>(count, ()).await.unwrap(), before);
        let drop = format!("drop table {{rows}}; drop type {pair}");
        database.execute(t.sql(&drop), ()).await.unwrap();
    }

    #[only(postgres)]
    #[sqlx]
    async fn q6_nulls_have_the_type_that_they_would_have_alone(t: Test) {
        let database = t.database().await;
        create(&t, &database, "a int, b int[], g date, m numeric, d text").await;
        let null = || Value::from(None::<i32>);
        for (insert, row) in [
            ("insert into {rows} (a) values (coalesce(:a, :b))", params! { a: null(), b: null() }),
            ("insert into {rows} (a) values (nullif(:a, 3))", params! { a: null() }),
            ("insert into {rows} (b) values (array[:a])", params! { a: null() }),
            ("insert into {rows} (g) values (date '2026-12-01' + :a)", params! { a: null() }),
            ("insert into {rows} (a, b, g, m, d) values (:a, :b, :g, :m, :d)", params! {
                a: Value::Null, b: Value::Null, g: None::<bool>, m: null(), d: None::<String>,
            }),
        ] {
            let [together, alone] = both(&t, &database, insert, &[row.clone(), row]).await;
            assert_eq!(together, alone, "{insert}");
        }
    }

    #[only(postgres)]
    #[sqlx]
    async fn q6_what_is_wrong_in_one_row_is_wrong_in_many(t: Test) {
        let database = t.database().await;
        create(&t, &database, "a int, b text").await;
        for row in ["distinct :a", "all :a", ":a b", ":a \"b\"", ":a as b", ":a, 'x' b", ":a, missing(b)"] {
            let columns = if row.contains(',') { "a, b" } else { "a" };
            let insert = t.sql(&format!("insert into {{rows}} ({columns}) values ({row})"));
            let rows = (0..9).map(|n| params! { a: n % 2 });
            let error = database.execute_many(insert, rows).await.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::Parameter, "{error}");
        }
        let count: i64 = database.fetch_value(t.sql("select count(*) from {rows}"), ()).await.unwrap();
        assert_eq!(count, 0);
    }

    #[only(postgres)]
    #[sqlx]
    async fn q6_in_a_transaction_a_failure_of_any_number_of_rows_undoes_only_these(t: Test) {
        let database = with_notes(&t).await;
        let insert = || t.sql("insert into {notes} (id, body) values (?, ?)");
        for count in [1, 2, 40] {
            let transaction = database.transaction().await.unwrap();
            transaction.execute_many(insert(), [(7, "seven")]).await.unwrap();
            let rows = (0..count).map(|id| (if id + 1 == count { 7 } else { 100 + id }, "again"));
            let error = transaction.execute_many(insert(), rows).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Constraint);
            let left: i64 = transaction.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
            assert_eq!(left, 1, "{count}");
            transaction.rollback().await.unwrap();
        }
    }

    #[only(postgres)]
    #[sqlx]
    async fn budget_q6_any_number_of_rows_is_one_round_trip(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(Config::from_url(proxy.url().as_str()).unwrap()).await.unwrap();
        database.execute(t.sql("create table {notes} (id {int} primary key, body {text})"), ()).await.unwrap();
        let insert = || t.sql("insert into {notes} (id, body) values (?, ?)");
        let (mut next, mut round_trips) = (0, Vec::new());
        for count in [2, 7, 1_000, 10_000] {
            proxy.reset();
            let rows = (next..next + count).map(|id| (id, format!("note {id}")));
            database.execute_many(insert(), rows).await.unwrap();
            next += count;
            round_trips.push(proxy.round_trips());
        }
        // The types of the columns are asked for once, and the text is prepared once.
        assert_eq!(round_trips, [3, 1, 1, 1]);
        database.disconnect().await.unwrap();
    }

    #[only(postgres)]
    #[sqlx]
    async fn q6_a_value_that_cannot_be_sent_is_named_with_its_row(t: Test) {
        let database = with_notes(&t).await;
        let insert = || t.sql("insert into {notes} (id, body) values (?, ?)");
        for (bad, says) in [("many", "not a value of"), ("4", "")] {
            let rows = (1..=9).map(|n| (if n == 4 { text(bad) } else { text(&n.to_string()) }, "body").into_params().unwrap());
            let result = database.execute_many(insert(), rows).await;
            match says {
                "" => assert_eq!(result.unwrap().rows_affected, 9),
                says => assert_says(&result.unwrap_err(), ErrorKind::Parameter, &["row 4", "parameter 1", says]),
            }
        }
        // In the second message, too.
        let large = "x".repeat(300_000);
        let rows = (11..=20).map(|n| (text(&if n == 19 { "many".to_owned() } else { n.to_string() }), large.clone()));
        let error = database.execute_many(insert(), rows).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["row 9", "parameter 1", "not a value of"]);
        let rows = (11..=20).map(|n| (n, if n == 19 { "\0" } else { "body" }));
        let error = database.execute_many(insert(), rows).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["row 9", "number 2", "NUL"]);
        let count: i64 = database.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        assert_eq!(count, 9);
    }

    #[only(postgres)]
    async fn q6_a_changed_column_changes_the_arrays(t: Test) {
        let database = t.database().await;
        create(&t, &database, "a text").await;
        let insert = || t.sql("insert into {rows} (a) values (:a)");
        let rows = || (1..=5).map(|n| params! { a: n.to_string() });
        database.execute_many(insert(), rows()).await.unwrap();
        let change = "alter table {rows} alter a type int using a::int";
        database.execute(t.sql(change), ()).await.unwrap();
        database.execute_many(insert(), rows()).await.unwrap();
        let change = "alter table {rows} alter a type date using '2026-12-01'";
        database.execute(t.sql(change), ()).await.unwrap();
        let dates = (1..=5).map(|n| params! { a: format!("2026-12-0{n}") });
        database.execute_many(insert(), dates).await.unwrap();
        let count: i64 = database.fetch_value(t.sql("select count(*) from {rows}"), ()).await.unwrap();
        assert_eq!(count, 15);
    }

    #[only(postgres)]
    #[sqlx]
    async fn q6_behind_a_pooler_the_arrays_are_the_same(t: Test) {
        let _creates = with_notes(&t).await;
        let joint = if t.url().contains('?') { '&' } else { '?' };
        let database = Database::connect(format!("{}{joint}pgbouncer=true", t.url())).await.unwrap();
        let insert = || t.sql("insert into {notes} (id, body, n) values (?, ?, ?)");
        for from in [0, 10_000] {
            let rows = (from..from + 3_000).map(|id| (id, format!("note {id}"), (id % 2 == 0).then_some(id)));
            assert_eq!(database.execute_many(insert(), rows).await.unwrap().rows_affected, 3_000);
        }
        let rows = (20_000..20_020).map(|id| (id, if id % 2 == 0 { text("a") } else { Value::Text("b".to_owned()) }, Value::Null));
        let rows = rows.map(|row| row.into_params().unwrap());
        assert_eq!(database.execute_many(insert(), rows).await.unwrap().rows_affected, 20);
        let rows = (30_000..30_020).chain([0]).map(|id| (id, "again", 1));
        assert_eq!(database.execute_many(insert(), rows).await.unwrap_err().kind(), ErrorKind::Constraint);
        let count: i64 = database.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        assert_eq!(count, 6_020);
        database.disconnect().await.unwrap();
    }
}
