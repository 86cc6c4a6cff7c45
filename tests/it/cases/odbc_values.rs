//! What drivers of ODBC lose of values, and what the library makes of it.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use ebbtide::{ErrorKind, params};

use crate::support::cases;

cases! {
    /// psqlODBC writes infinity as the year 9999, later years as other dates, and leaves `BC` out.
    #[only(odbc_postgres)]
    async fn b4_a_date_that_the_driver_changes_is_an_error_of_that_value(t: Test) {
        let database = t.database().await;
        for changed in [
            "date 'infinity'", "date '-infinity'", "date '10000-01-01'", "date '12345-12-31'", "date '0044-03-15 BC'",
            "timestamp 'infinity'", "timestamptz '-infinity'", "timestamptz '10000-01-01 00:00:00+00'",
        ] {
            let sql = ebbtide::AssertSqlSafe(format!("select 7::int8 as n, {changed} as v"));
            let row = database.fetch_one(sql, ()).await.unwrap();
            assert_eq!(row.get::<i64>("n").unwrap(), 7, "{changed}");
            let error = row.values().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{changed}: {error}");
            assert!(error.to_string().contains('v'), "{error}");
        }
        let sql = "select date '2026-12-01' as d, timestamptz '2026-12-01 03:04:05.123456+02' as z, time '12:34:56.123456' as t";
        let row = database.fetch_one(sql, ()).await.unwrap();
        assert_eq!(row.get::<NaiveDate>("d").unwrap(), NaiveDate::from_ymd_opt(2026, 12, 1).unwrap());
        let moment: chrono::DateTime<chrono::Utc> = row.get("z").unwrap();
        assert_eq!(moment.to_rfc3339(), "2026-12-01T01:04:05.123456+00:00");
        assert_eq!(row.get::<chrono::NaiveTime>("t").unwrap().to_string(), "12:34:56.123456");
    }

    /// The driver tells the server no type of a parameter.
    #[only(odbc_postgres)]
    async fn b4_a_parameter_keeps_its_type(t: Test) {
        let database = t.database().await;
        let sql = "select pg_typeof(:a)::text || ' ' || pg_typeof(:b)::text || ' ' || pg_typeof(:c)::text";
        let types: String = database.fetch_value(sql, params! { a: 1_i32, b: 1.5_f64, c: true }).await.unwrap();
        assert_eq!(types, "integer double precision boolean");
        let bytes: Vec<u8> = database.fetch_value("select :bytes", params! { bytes: vec![0_u8, 255] }).await.unwrap();
        assert_eq!(bytes, [0, 255]);
        let refused = database.fetch_value::<bool>("select '{\"a\": 1}'::jsonb ? 'a'", ()).await.unwrap_err();
        assert!(refused.to_string().contains("jsonb_exists"), "{refused}");
    }

    /// Connector/ODBC reads 4294967295 as -1, and six digits of a FLOAT.
    #[only(odbc_mariadb)]
    async fn b4_unsigned_numbers_and_floats_are_exact(t: Test) {
        let database = t.database().await;
        let create = t.sql("create table {exact} (i int unsigned, b bigint unsigned, f float, t time(6), n decimal(38, 10))");
        database.execute(create, ()).await.unwrap();
        let insert = t.sql("insert into {exact} values (4294967295, 18446744073709551615, 16777217, '12:34:56.123456', 0.1234567891)");
        database.execute(insert, ()).await.unwrap();
        let row = database.fetch_one(t.sql("select * from {exact}"), ()).await.unwrap();
        assert_eq!((row.get::<u32>("i").unwrap(), row.get::<u64>("b").unwrap()), (u32::MAX, u64::MAX));
        assert_eq!(row.get::<f32>("f").unwrap().to_bits(), 16_777_216_f32.to_bits());
        assert_eq!(row.get::<chrono::NaiveTime>("t").unwrap().to_string(), "12:34:56.123456");
        assert_eq!(row.get::<rust_decimal::Decimal>("n").unwrap().to_string(), "0.1234567891");
    }

    /// sqliteodbc writes fifteen digits of a real, and a literal in place of bytes.
    #[only(odbc_sqlite)]
    async fn b4_values_of_sqlite_keep_their_class_or_are_errors(t: Test) {
        let database = t.database().await;
        let create = t.sql("create table {classes} (i integer, r real, s text, b blob)");
        database.execute(create, ()).await.unwrap();
        let insert = t.sql("insert into {classes} values (:i, :r, :s, :b)");
        let given = params! { i: i64::MAX, r: 0.25, s: "007", b: vec![0_u8, 255] };
        database.execute(insert, given).await.unwrap();
        let row = database.fetch_one(t.sql("select * from {classes}"), ()).await.unwrap();
        assert_eq!((row.get::<i64>("i").unwrap(), row.get::<f64>("r").unwrap()), (i64::MAX, 0.25));
        assert_eq!(row.get::<String>("s").unwrap(), "007");
        assert_eq!(row.get::<Vec<u8>>("b").unwrap(), [0, 255]);
        let error = database.fetch_value::<String>("select 'X''00FF'''", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert_eq!(database.fetch_value::<String>("select 'X''00F'''", ()).await.unwrap(), "X'00F'");
        let error = database.fetch_value::<f64>("select 1.0 / 3", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        let refused = database.execute(t.sql("insert into {classes} (i) values (1) returning i"), ()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {classes}"), ()).await.unwrap(), 1);
    }

    /// Values of more than one piece, whose letters lie across the border of two.
    #[only(odbc)]
    async fn b4_long_values_are_read_whole(t: Test) {
        let database = t.database().await;
        let binary = if t.backend().is_postgres() { "bytea" } else { "longblob" };
        let text = if t.backend().is_mysql() { "longtext" } else { "text" };
        let create = format!("create table {} (t {text}, b {binary})", t.table("long"));
        database.execute(ebbtide::AssertSqlSafe(create), ()).await.unwrap();
        let words = format!("x{}", "ä€😀".repeat(100_000));
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let given = params! { t: words.as_str(), b: bytes.clone() };
        database.execute(t.sql("insert into {long} values (:t, :b)"), given).await.unwrap();
        let row = database.fetch_one(t.sql("select t, b from {long}"), ()).await.unwrap();
        assert_eq!(row.get::<String>("t").unwrap(), words);
        assert_eq!(row.get::<Vec<u8>>("b").unwrap(), bytes);
    }

    /// The driver manager has locks of its own.
    #[only(odbc_postgres, odbc_mariadb)]
    async fn b4_connections_do_not_wait_for_each_other(t: Test) {
        let database = t.database().await;
        let sleep = if t.backend().is_postgres() { "select 1 from pg_sleep(1)" } else { "select sleep(1)" };
        let begun = Instant::now();
        let sleeps = (0..4).map(|_| async { database.execute(sleep, ()).await });
        for slept in futures::future::join_all(sleeps).await {
            slept.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_millis(3500), "they took {:?}", begun.elapsed());
    }
}
