//! Values that would lose information, or that no Rust type can hold, are errors.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::{AssertSqlSafe, ErrorKind, params};
use rust_decimal::Decimal;
use serde::Deserialize;
use uuid::Uuid;

use super::{assert_says, clock, day, decimal, moment, on, refuse, table_of};
use crate::drivers::Driver;
use crate::support::cases;

cases! {
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    // Its driver writes fifteen digits of a real.
    #[except(odbc_sqlite)]
    async fn q4_lossy_reads_are_errors_that_name_column_and_types(t: Test) {
        let database = t.database().await;
        refuse::<i8>(&database, "300", &["300", "-128 to 127"]).await;
        refuse::<u8>(&database, "300", &["300", "0 to 255"]).await;
        refuse::<u64>(&database, "-1", &["-1"]).await;
        refuse::<i32>(&database, "2147483648", &["2147483648"]).await;
        refuse::<bool>(&database, "2", &["neither 0 nor 1"]).await;
        refuse::<i64>(&database, "'text'", &["text", "String"]).await;
        refuse::<i64>(&database, "'7'", &["text", "String"]).await;
        refuse::<String>(&database, "7", &["integer", "i64"]).await;
        refuse::<f64>(&database, "9007199254740993", &["more digits", "integer"]).await;
        refuse::<f32>(&database, "16777217", &["more digits"]).await;
        refuse::<NaiveDate>(&database, "'tomorrow'", &["not a date"]).await;
        refuse::<Uuid>(&database, "'x'", &["not a UUID"]).await;
        refuse::<char>(&database, "'ab'", &["one character"]).await;
        refuse::<Vec<u8>>(&database, "'ab'", &["text"]).await;
        refuse::<serde_json::Value>(&database, "'{\"a\":'", &["not JSON"]).await;
        refuse::<i64>(&database, "null", &["NULL", "Option<i64>"]).await;
        let tenth = on(&t, "0.1", "0.1::float8", "0.1e0");
        refuse::<f32>(&database, tenth, &["more digits", "f64"]).await;
        refuse::<i64>(&database, tenth, &["floating-point", "f64"]).await;
        let third = on(&t, "0.1 + 0.2", "0.1::float8 + 0.2::float8", "0.1e0 + 0.2e0");
        refuse::<Decimal>(&database, third, &["more than 15 digits", "f64"]).await;
        // The same through serde, in tuples and in structs.
        #[derive(Debug, Deserialize)]
        struct Odd {
            #[allow(dead_code)]
            odd_one: i8,
        }
        let error = database
            .fetch_one("select 300 as odd_one", ())
            .deserialize::<Odd>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "i8", "300"]);
        let error = database
            .fetch_one("select 300 as odd_one, 'x'", ())
            .deserialize::<(u8, String)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "u8", "300"]);
        let error = database
            .fetch_one("select 300 as odd_one", ())
            .deserialize::<u8>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "u8", "300"]);
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    // H2 names the types as the standard does (CHARACTER VARYING).
    #[except(jdbc_h2)]
    // Its driver names types as they were declared.
    #[except(odbc_sqlite)]
    async fn q4_errors_name_the_sql_type_of_the_column(t: Test) {
        let database = t.database().await;
        let table = table_of(&t, &database, on(&t, "text", "text", "varchar(20)")).await;
        database
            .execute(AssertSqlSafe(format!("insert into {table} values (1, 'x')")), ())
            .await
            .unwrap();
        let select = || AssertSqlSafe(format!("select id, v from {table}"));
        // These name the type with which the column was declared, sqlx that of the value.
        let id = match t.driver() {
            Some(Driver::SqliteJdbc) => "(bigint)",
            Some(Driver::Apsw) => "(BIGINT)",
            _ => on(&t, "(INTEGER)", "(INT8)", "(BIGINT)"),
        };
        let row = database.fetch_one(select(), ()).await.unwrap();
        assert_says(
            &row.get::<i64>("v").unwrap_err(),
            ErrorKind::Decode,
            &["`v`", on(&t, "(TEXT)", "(TEXT)", "(VARCHAR)"), "i64"],
        );
        assert_says(
            &row.get::<String>("id").unwrap_err(),
            ErrorKind::Decode,
            &["`id`", id, "String"],
        );
        // An expression has the type of its value.
        let row = database.fetch_one("select 1 + 1 as two", ()).await.unwrap();
        let error = row.get::<String>("two").unwrap_err();
        assert_says(&error, ErrorKind::Decode, &[on(&t, "(INTEGER)", "(INT4)", "(")]);
    }

    #[only(postgres)]
    async fn q4_values_postgres_has_and_rust_has_not_are_errors(t: Test) {
        let database = t.database().await;
        refuse::<Decimal>(&database, "'NaN'::numeric", &["numeric", "NaN", "::text"]).await;
        refuse::<Decimal>(&database, "'Infinity'::numeric", &["infinite"]).await;
        refuse::<Decimal>(
            &database,
            "1234567890123456789012345678901234567890::numeric",
            &["more digits"],
        )
        .await;
        refuse::<Decimal>(
            &database,
            "0.12345678901234567890123456789012::numeric",
            &["more digits"],
        )
        .await;
        refuse::<NaiveDate>(&database, "'infinity'::date", &["date", "infinite"]).await;
        refuse::<NaiveDateTime>(&database, "'-infinity'::timestamp", &["timestamp", "infinite"]).await;
        refuse::<DateTime<Utc>>(&database, "'infinity'::timestamptz", &["timestamptz", "infinite"]).await;
        refuse::<NaiveDate>(&database, "'5874897-12-31'::date", &["too far"]).await;
        refuse::<NaiveTime>(&database, "'24:00:00'::time", &["24:00:00"]).await;
        refuse::<i64>(&database, "1.5::numeric", &["fraction", "Decimal"]).await;
        refuse::<i64>(&database, "9223372036854775808::numeric", &["out of range"]).await;
        refuse::<f64>(&database, "0.1::numeric", &["exact binary representation", "Decimal"]).await;
        refuse::<NaiveDateTime>(&database, "now()", &["point in time", "DateTime<Utc>"]).await;
        refuse::<DateTime<Utc>>(&database, "now()::timestamp", &["no zone", "NaiveDateTime"]).await;
        refuse::<String>(&database, "'\\x00'::bytea", &["bytes"]).await;
        // Exact values are accepted.
        assert_eq!(
            database.fetch_value::<i64>("select 7.00::numeric", ()).await.unwrap(),
            7
        );
        assert_eq!(
            database.fetch_value::<f64>("select 0.5::numeric", ()).await.unwrap(),
            0.5
        );
        assert_eq!(
            database
                .fetch_value::<u64>("select 18446744073709551615::numeric", ())
                .await
                .unwrap(),
            u64::MAX
        );
        // The same through serde: the error names the column, too.
        let error = database
            .fetch_one("select 1, 'NaN'::numeric as odd_one", ())
            .deserialize::<(i64, Decimal)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "NaN"]);
        let error = database
            .fetch_one("select 1, 'NaN'::numeric as odd_one", ())
            .await
            .unwrap()
            .to_map()
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "NaN"]);
        let error = database
            .fetch_one("select 'NaN'::float8 as odd_one", ())
            .await
            .unwrap()
            .to_json()
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "JSON", "NaN"]);
        // The results of unprepared statements are read from text, and just as strictly.
        let error = database
            .fetch_all("select 'NaN'::numeric as odd_one; select 1", ())
            .value::<Decimal>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`"]);
    }

    #[only(mysql)]
    async fn q4_values_mysql_has_and_rust_has_not_are_errors(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        connection.execute("set sql_mode = ''", ()).await.unwrap();
        let table = t.table("noughts");
        let create = "(a date, b datetime, c time, d decimal(65, 30), e bit(3), f year, g set('x', 'y'), h bigint unsigned, i char(36))";
        connection
            .execute(AssertSqlSafe(format!("create table {table} {create}")), ())
            .await
            .unwrap();
        let values = "('0000-00-00', '0000-00-00 00:00:00', '838:59:59', 0.123456789012345678901234567891, b'101', 2026, 'x,y', 18446744073709551615, '')";
        connection
            .execute(AssertSqlSafe(format!("insert into {table} values {values}")), ())
            .await
            .unwrap();
        for text in [
            format!("select * from {table}"),
            format!("select * from {table}; select * from {table}"),
        ] {
            let row = connection.fetch_one(AssertSqlSafe(text), ()).await.unwrap();
            assert_says(
                &row.get::<Option<NaiveDate>>("a").unwrap_err(),
                ErrorKind::Decode,
                &["`a`", "DATE", "0000-00-00"],
            );
            assert_says(
                &row.get::<NaiveDateTime>("b").unwrap_err(),
                ErrorKind::Decode,
                &["`b`", "DATETIME", "0000-00-00"],
            );
            assert_says(
                &row.get::<NaiveTime>("c").unwrap_err(),
                ErrorKind::Decode,
                &["`c`", "TIME", "time of day"],
            );
            assert_says(
                &row.get::<Decimal>("d").unwrap_err(),
                ErrorKind::Decode,
                &["`d`", "DECIMAL", "more digits"],
            );
            assert_eq!(row.get::<u8>("e").unwrap(), 5);
            assert_eq!(row.get::<i32>("f").unwrap(), 2026);
            assert_eq!(row.get::<String>("g").unwrap(), "x,y");
            assert_eq!(row.get::<u64>("h").unwrap(), u64::MAX);
            assert_says(
                &row.get::<i64>("h").unwrap_err(),
                ErrorKind::Decode,
                &["`h`", "i64", "18446744073709551615"],
            );
            assert_eq!(row.get::<String>("i").unwrap(), "");
        }
        refuse::<DateTime<Utc>>(
            &database,
            "cast('2026-01-01 00:00:00' as datetime)",
            &["no zone", "NaiveDateTime"],
        )
        .await;
        refuse::<i64>(&database, "1.5", &["fraction", "Decimal"]).await;
        refuse::<f64>(&database, "cast(0.1 as decimal(3, 1))", &["exact binary representation", "Decimal"]).await;
        refuse::<String>(&database, "cast('a' as binary)", &["bytes"]).await;
    }

    #[only(sqlite)]
    async fn q4_sqlite_values_are_judged_one_by_one(t: Test) {
        let database = t.database().await;
        let table = table_of(&t, &database, "integer").await;
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (?, ?)"));
        // A column of any type holds any value.
        database.execute(insert(), (1, 7)).await.unwrap();
        database.execute(insert(), (2, "seven")).await.unwrap();
        database.execute(insert(), (3, vec![7_u8])).await.unwrap();
        database.execute(insert(), (4, 7.5)).await.unwrap();
        let rows = database
            .fetch_all(AssertSqlSafe(format!("select v from {table} order by id")), ())
            .await
            .unwrap();
        assert_eq!(rows[0].get::<i64>("v").unwrap(), 7);
        assert_eq!(rows[1].get::<String>("v").unwrap(), "seven");
        assert_eq!(rows[2].get::<Vec<u8>>("v").unwrap(), [7]);
        assert_eq!(rows[3].get::<f64>("v").unwrap(), 7.5);
        for (row, holds) in rows[1..].iter().zip(["text", "bytes", "floating-point"]) {
            assert_says(
                &row.get::<i64>("v").unwrap_err(),
                ErrorKind::Decode,
                &["`v`", "i64", holds],
            );
        }
        refuse::<Uuid>(&database, "x'00'", &["16 bytes"]).await;
        // The values that SQLite's own functions write can be read.
        let now: DateTime<Utc> = database
            .fetch_value("select datetime('2026-11-21 10:00:00')", ())
            .await
            .unwrap();
        assert_eq!(now, moment("2026-11-21T10:00:00Z"));
        let day_of: NaiveDate = database
            .fetch_value("select date('2026-11-21 10:00:00')", ())
            .await
            .unwrap();
        assert_eq!(day_of, day("2026-11-21"));
        let clock_of: NaiveTime = database
            .fetch_value("select time('2026-11-21 10:00:00')", ())
            .await
            .unwrap();
        assert_eq!(clock_of, clock("10:00:00"));
        // A column of numeric affinity makes a number of a decimal, from which the same decimal is read.
        let table = table_of(&t, &database, "decimal(10, 2)").await;
        let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (1, ?)"));
        database.execute(insert, (decimal("1.10"),)).await.unwrap();
        let select = AssertSqlSafe(format!("select v from {table}"));
        assert_eq!(database.fetch_value::<Decimal>(select, ()).await.unwrap(), decimal("1.1"));
        // Points in time, as they are bound and as SQLite writes them, compare equal inside of `datetime`.
        let sql = "select datetime(?) = datetime('2026-11-21 10:00:00')";
        assert!(
            database
                .fetch_value::<bool>(sql, (moment("2026-11-21T10:00:00Z"),))
                .await
                .unwrap()
        );
        // Text that is not UTF-8 is an error, not a guess.
        refuse::<String>(&database, "cast(x'ff' as text)", &["utf-8"]).await;
    }

    /// MariaDB sends a vector as bytes. The driver does not know the type of MySQL, which costs the connection.
    #[only(mysql)]
    async fn q4_a_vector_is_bytes_or_an_error_with_the_way_out_found_v2(t: Test) {
        let database = t.database().await;
        let created = database.execute(t.sql("create table {points} (id int primary key, v vector(2))"), ()).await;
        if let Err(error) = created {
            // MariaDB before 11.7 and MySQL before 9.0.
            assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error:?}");
            return;
        }
        let bytes: Vec<u8> = [1.0_f32, -0.5].iter().flat_map(|number| number.to_le_bytes()).collect();
        let insert = t.sql("insert into {points} (id, v) values (1, :v)");
        let inserted = database.execute(insert, params! { v: bytes.clone() }).await;
        let help = ["cannot read", "0xf2", "VECTOR_TO_STRING", "STRING_TO_VECTOR", "AS BINARY"];
        if t.backend().is_mysql_itself() {
            if let Err(error) = inserted {
                // From 9.7 on the server says of the parameter that it is a vector.
                assert_says(&error, ErrorKind::Unsupported, &help);
                let cast = t.sql("insert into {points} (id, v) values (1, cast(:v as binary))");
                database.execute(cast, params! { v: bytes.clone() }).await.unwrap();
            }
            let read = database.fetch_value::<Vec<u8>>(t.sql("select v from {points}"), ()).await;
            assert_says(&read.unwrap_err(), ErrorKind::Unsupported, &help);
            let text = t.sql("select vector_to_string(v) from {points}");
            assert_eq!(database.fetch_value::<String>(text, ()).await.unwrap(), "[1.00000e+00,-5.00000e-01]");
            let cast = t.sql("select cast(v as binary) from {points}");
            assert_eq!(database.fetch_value::<Vec<u8>>(cast, ()).await.unwrap(), bytes);
            let written = t.sql("insert into {points} (id, v) values (2, string_to_vector(:v))");
            database.execute(written, params! { v: "[1, -0.5]" }).await.unwrap();
            let same = t.sql("select count(*) from {points} a join {points} b on hex(a.v) = hex(b.v)");
            assert_eq!(database.fetch_value::<i64>(same, ()).await.unwrap(), 4);
        } else {
            inserted.unwrap();
            let read = database.fetch_value::<Vec<u8>>(t.sql("select v from {points}"), ()).await;
            assert_eq!(read.unwrap(), bytes);
        }
    }
}
