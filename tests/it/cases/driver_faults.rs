//! What drivers of other languages do wrong, and what the library makes of it.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use ebbtide::{AssertSqlSafe, Database, ErrorKind, Interval, IsolationLevel, Value, params};

use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Test, cases, kill_backend};

async fn ledger(t: &Test, database: &Database) {
    let create = t.sql("create table {ledger} (n bigint not null primary key)");
    database.execute(create, ()).await.unwrap();
}

async fn count(t: &Test, database: &Database) -> i64 {
    database
        .fetch_value(t.sql("select count(*) from {ledger}"), ())
        .await
        .unwrap()
}

/// A query without a table.
fn select(t: &Test, expression: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(match t.driver() {
        Some(Driver::Hsqldb) => format!("select {expression} from (values (0))"),
        Some(Driver::Derby) => format!("select {expression} from sysibm.sysdummy1"),
        _ => format!("select {expression}"),
    })
}

cases! {
    /// `commit()` of these drivers returns normally.
    #[only(postgres, jdbc_postgresql, odbc_postgres, dbapi2_psycopg, dbapi2_pg8000)]
    async fn b6_a_commit_after_a_failed_statement_is_an_error(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        let transaction = database.transaction().await.unwrap();
        transaction.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap();
        let twice = transaction.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Constraint);
        assert!(transaction.commit().await.is_err(), "it says that it was committed");
        drop(transaction);
        assert_eq!(count(&t, &database).await, 0);
    }

    /// A savepoint in front of the failure makes the rest committable.
    #[only(postgres, jdbc_postgresql, odbc_postgres, dbapi2_psycopg, dbapi2_pg8000, jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn b6_a_commit_after_a_failure_that_was_undone_is_one(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        let transaction = database.transaction().await.unwrap();
        transaction.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap();
        for _ in 0..3 {
            let inner = transaction.transaction().await.unwrap();
            inner.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap_err();
            inner.rollback().await.unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(count(&t, &database).await, 1);
    }

    /// Drivers report the end of a transaction on a dead connection as success.
    #[only(jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    async fn b6_a_commit_on_a_dead_connection_is_never_reported_as_done(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        let pid = if t.backend() == Backend::Postgres { "pg_backend_pid()" } else { "connection_id()" };
        let transaction = database.transaction().await.unwrap();
        transaction.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap();
        let pid: i64 = transaction.fetch_value(select(&t, pid), ()).await.unwrap();
        kill_backend(&t.side_url(), pid).await.unwrap();
        assert!(transaction.commit().await.is_err(), "it says that it was committed");
        drop(transaction);
        assert_eq!(count(&t, &database).await, 0);
    }

    /// sqlite-jdbc's own accessor reads the fraction as minutes and seconds.
    #[only(jdbc_sqlite, odbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, jdbc_h2, jdbc_hsqldb, jdbc_derby, jdbc_postgresql, odbc_postgres, jdbc_mariadb, odbc_mariadb, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000, dbapi2_duckdb)]
    async fn q4_microseconds_are_read_as_they_are(t: Test) {
        let database = t.database().await;
        let fraction = if t.backend() == Backend::Mysql { "datetime(6)" } else { "timestamp" };
        let create = format!("create table {} (v {fraction})", t.table("moments"));
        database.execute(AssertSqlSafe(create), ()).await.unwrap();
        let moment = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap().and_hms_micro_opt(3, 4, 5, 123_456).unwrap();
        database.execute(t.sql("insert into {moments} values (:moment)"), params! { moment }).await.unwrap();
        let read: NaiveDateTime = database.fetch_value(t.sql("select v from {moments}"), ()).await.unwrap();
        assert_eq!(read, moment);
        let found = t.sql("select count(*) from {moments} where v = :moment");
        assert_eq!(database.fetch_value::<i64>(found, params! { moment }).await.unwrap(), 1);
    }

    /// pgjdbc changes the form of its answers after the fifth execution, and fails for money from 1,000 on.
    #[only(jdbc_postgresql, dbapi2_psycopg, dbapi2_pg8000)]
    async fn q4_answers_stay_the_same_however_often_a_statement_runs(t: Test) {
        let database = t.database().await;
        let sql = "select '\\x00ff'::bytea as b, '24:00:00'::time::text as t, '1234.56'::money as m,
                   '1 year 1 mon 3 days 00:00:01.5'::interval as i, array[1, 2, null]::int[] as a,
                   12345678901234567890.123::numeric as n, '2026-12-01 03:04:05.123456+02'::timestamptz as z";
        let mut first = None;
        for _ in 0..12 {
            let row = database.fetch_one(sql, ()).await.unwrap();
            assert_eq!(row.get::<Vec<u8>>("b").unwrap(), [0, 255]);
            let month = Interval { months: 13, days: 3, microseconds: 1_500_000 };
            assert_eq!(row.get::<Interval>("i").unwrap(), month);
            assert_eq!(row.get::<Vec<Option<i32>>>("a").unwrap(), [Some(1), Some(2), None]);
            assert_eq!(row.get::<rust_decimal::Decimal>("n").unwrap().to_string(), "12345678901234567890.123");
            let values = row.values().unwrap();
            assert!(values.iter().all(|value| !value.is_null()), "{values:?}");
            assert_eq!(*first.get_or_insert_with(|| values.clone()), values);
        }
    }

    /// So it does with the end of a day, which no Rust time can hold.
    #[only(postgres, jdbc_postgresql, dbapi2_psycopg, dbapi2_pg8000)]
    async fn q4_the_end_of_a_day_is_refused_however_often_it_is_read(t: Test) {
        let database = t.database().await;
        for _ in 0..12 {
            let read = database.fetch_value::<NaiveTime>("select '24:00:00'::time as v", ()).await;
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
            assert!(error.to_string().contains("`v`"), "{error}");
        }
    }

    /// Drivers have types of their own, which lose digits, fractions, signs and zones.
    #[only(jdbc_postgresql, dbapi2_psycopg, dbapi2_pg8000, jdbc_mariadb, dbapi2_pymysql, jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw)]
    async fn q4_values_are_those_of_the_own_driver(t: Test) {
        let expressions: &[&str] = match t.backend() {
            Backend::Postgres => &[
                "7::int2", "7::int4", "9223372036854775807", "1.5::float4", "0.1::float8", "'-Infinity'::float8", "1.50::numeric",
                "true", "'a'::text", "''::text", "'\\x00ff'::bytea", "date '2026-12-01'", "date '0044-03-15 BC'", "null::int4",
                "time '03:04:05.123456'", "timestamp '2026-12-01 03:04:05.123456'", "timestamptz '2026-12-01 03:04:05.123456+01'",
                "interval '1 year 2 mons -3 days 04:05:06.7'", "'c56a4180-65aa-42ec-a945-5fd21dec0538'::uuid",
                "'{\"a\": 1}'::jsonb", "inet '10.0.0.1/8'", "array[1, null, 3]", "array['a b', 'c\"d']",
            ],
            Backend::Mysql => &[
                "cast(18446744073709551615 as unsigned)", "cast(-1 as signed)", "cast(1.50 as decimal(10, 2))", "1e0", "0.1e0", "'a'",
                "''", "cast('b' as binary)", "x'00ff'", "date '2026-12-01'", "time '03:04:05'", "null", "from_unixtime(1)",
                "cast('2026-12-01 03:04:05.123456' as datetime(6))", "cast('03:04:05.123456' as time(6))",
            ],
            _ => &[
                "7", "9223372036854775807", "-9223372036854775808", "1.5", "0.1", "1e300", "'a'", "''", "x'00ff'", "x''", "null",
                "'2026-12-01 03:04:05.123456'", "1 = 1",
            ],
        };
        let own = Database::connect(t.side_url()).await.unwrap();
        let mut urls = vec![t.url()];
        if t.driver() == Some(Driver::PyMysql) {
            urls.push(t.url().replace("dbapi_path=pymysql", "dbapi_path=mysql.connector"));
        }
        for url in urls {
            let database = Database::connect(url.as_str()).await.unwrap();
            for expression in expressions {
                let query = || AssertSqlSafe(format!("select {expression} as v"));
                let read = database.fetch_one(query(), ()).await.unwrap();
                let expected = own.fetch_one(query(), ()).await.unwrap();
                assert_eq!(read.values().unwrap(), expected.values().unwrap(), "{expression}");
            }
        }
    }

    /// HSQLDB gives intervals as text.
    #[only(jdbc_hsqldb, jdbc_h2)]
    async fn q4_intervals_of_months_are_read(t: Test) {
        let database = t.database().await;
        let months: Interval = database.fetch_value(select(&t, "interval '1-1' year to month"), ()).await.unwrap();
        assert_eq!(months, Interval { months: 13, days: 0, microseconds: 0 });
    }

    /// Derby has one vendor code for everything, sqlite-jdbc no SQLSTATE.
    #[except(sqlite_memory)]
    async fn b5_errors_have_their_kinds(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        database.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap();
        let kinds = [
            ("insert into {ledger} values (1)", ErrorKind::Constraint),
            ("insert into {ledger} values (null)", ErrorKind::Constraint),
            ("select * from no_such_table_anywhere", ErrorKind::UndefinedObject),
            ("select no_such_column from {ledger}", ErrorKind::UndefinedObject),
            ("selekt 1", ErrorKind::Syntax),
        ];
        for (sql, kind) in kinds {
            // A rowid, which is given one of its own.
            if t.backend().is_sqlite() && sql.contains("null") {
                continue;
            }
            let error = database.execute(t.sql(sql), ()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{sql}: {error:?}");
        }
        assert_eq!(count(&t, &database).await, 1);
    }

    /// sqlite-jdbc runs the first of two statements, without an error.
    async fn q1_every_statement_of_a_text_runs(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        let two = t.sql("insert into {ledger} values (1); insert into {ledger} values (2)");
        database.execute(two, ()).await.unwrap();
        assert_eq!(count(&t, &database).await, 2);
    }

    #[only(jdbc, dbapi2, odbc)]
    async fn b6_text_that_begins_or_ends_a_transaction_is_refused(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        for sql in ["begin", "commit", "rollback", "start transaction", "insert into {ledger} values (1); commit"] {
            // Only the handle of a connection may hold a transaction that was begun with text.
            let through = database.execute(t.sql(sql), ()).await.unwrap_err();
            assert!(matches!(through.kind(), ErrorKind::Refused | ErrorKind::Unsupported), "{sql}: {through:?}");
            let on_one = database.connection().execute(t.sql(sql), ()).await.unwrap_err();
            assert_eq!(on_one.kind(), ErrorKind::Unsupported, "{sql}: {on_one:?}");
            for error in [through, on_one] {
                assert!(error.to_string().contains("transaction()"), "{error}");
            }
        }
        assert_eq!(count(&t, &database).await, 0);
    }

    /// Connector/J reports a lock time-out as the loss of the connection.
    #[only(mysql, jdbc_mariadb, odbc_mariadb, dbapi2_pymysql)]
    async fn b6_a_lock_time_out_is_no_lost_connection(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        database.execute(t.sql("insert into {ledger} values (1)"), ()).await.unwrap();
        let holder = database.transaction().await.unwrap();
        holder.execute(t.sql("update {ledger} set n = 2"), ()).await.unwrap();
        let other = database.clone();
        let update = t.sql("update {ledger} set n = 3");
        let waits = tokio::spawn(async move {
            let transaction = other.transaction().await.unwrap();
            transaction.execute("set innodb_lock_wait_timeout = 1", ()).await.unwrap();
            let error = transaction.execute(update, ()).await.unwrap_err();
            assert_eq!(transaction.fetch_value::<i64>("select 7", ()).await.unwrap(), 7);
            transaction.commit().await.unwrap();
            error.kind()
        });
        assert_eq!(waits.await.unwrap(), ErrorKind::LockTimeout);
        holder.rollback().await.unwrap();
        assert_eq!(count(&t, &database).await, 1);
    }

    /// Derby returns an earlier key after an insert of several rows, Connector/J invents them.
    async fn q1_an_insert_of_several_rows_has_no_key_of_another(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {keyed} (id {id}, n bigint not null)"), ()).await.unwrap();
        let one = database.execute(t.sql("insert into {keyed} (n) values (1)"), ()).await.unwrap();
        let several = database.execute(t.sql("insert into {keyed} (n) values (2), (3)"), ()).await.unwrap();
        assert_eq!(several.rows_affected, 2);
        if t.driver().is_some_and(Driver::is_foreign) {
            assert_eq!(several.last_insert_id, None);
        }
        if let Some(id) = one.last_insert_id {
            let sql = t.sql("select n from {keyed} where id = ?");
            assert_eq!(database.fetch_value::<i64>(sql, (id,)).await.unwrap(), 1);
        }
        let update = database.execute(t.sql("update {keyed} set n = n + 1"), ()).await.unwrap();
        assert_eq!(update.rows_affected, 3);
        if t.driver().is_some_and(Driver::is_foreign) {
            assert_eq!(update.last_insert_id, None);
        }
    }

    /// HSQLDB takes READ UNCOMMITTED and gives READ COMMITTED.
    #[only(jdbc_hsqldb)]
    async fn x7_a_level_that_is_silently_another_is_refused(t: Test) {
        let database = t.database().await;
        let error = database.transaction().isolation(IsolationLevel::ReadUncommitted).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let transaction = database.transaction().isolation(IsolationLevel::Serializable).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// H2's limit would hold for all later statements of the connection.
    async fn q8_a_time_limit_ends_with_its_statement(t: Test) {
        let database = t.database().await;
        ledger(&t, &database).await;
        let sql = t.sql("select count(*) from {ledger}");
        let short = Duration::from_millis(200);
        assert_eq!(database.fetch_value::<i64>(sql, ()).timeout(short).await.unwrap(), 0);
        let rows: Vec<_> = (0..120_i64).map(|number| (number,)).collect();
        database.execute_many(t.sql("insert into {ledger} values (?)"), rows).await.unwrap();
        let slow = t.sql("select count(*) from {ledger} a, {ledger} b, {ledger} c where a.n + b.n <> c.n + 1000");
        assert_eq!(database.fetch_value::<i64>(slow, ()).await.unwrap(), 120 * 120 * 120);
    }

    /// Unsigned and 64-bit integers, and decimals with many digits.
    async fn q4_large_numbers_survive_by_every_driver(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {large} (v bigint)"), ()).await.unwrap();
        for number in [i64::MIN, -1, 0, 4_294_967_295, i64::MAX] {
            database.execute(t.sql("delete from {large}"), ()).await.unwrap();
            database.execute(t.sql("insert into {large} values (:number)"), params! { number }).await.unwrap();
            let read: i64 = database.fetch_value(t.sql("select v from {large}"), ()).await.unwrap();
            assert_eq!(read, number);
        }
        database.execute(t.sql("delete from {large}"), ()).await.unwrap();
        let null: Option<i64> = None;
        database.execute(t.sql("insert into {large} values (:null)"), params! { null }).await.unwrap();
        let read: Value = database.fetch_value(t.sql("select v from {large}"), ()).await.unwrap();
        assert_eq!(read, Value::Null);
    }
}
