//! Booleans and numbers at their extremes.

use chrono::{DateTime, NaiveDate, Utc};
use ebbtide::{AssertSqlSafe, ErrorKind, Value, bind};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{Event, Ways, assert_says, clock, day, decimal, local, moment, on, survive, survive_by, with_events};
use crate::backends::Backend;
use crate::support::{Test, cases};

fn insert_event(t: &Test) -> AssertSqlSafe<String> {
    let insert = "insert into {events} (id, day, clock, local, at, ended, `key`, price, data, document, ratio, open)
         values (:id, :day, :clock, :local, :at, :ended, :key, :price, :data, :document, :ratio, :open)";
    if t.backend().is_mysql() {
        t.sql(insert)
    } else {
        t.sql(&insert.replace('`', "\""))
    }
}

/// Returns the type of a column on MySQL, or elsewhere.
fn of<'s>(t: &Test, elsewhere: &'s str, mysql: &'s str) -> &'s str {
    if t.backend().is_mysql() { mysql } else { elsewhere }
}

fn event(id: i64) -> Event {
    Event {
        id,
        day: day("2026-11-21"),
        clock: clock("23:59:59.999999"),
        local: local("2026-11-21T10:30:00.000001"),
        at: moment("2026-11-21T10:30:00.123456Z"),
        ended: (id % 2 == 0).then(|| moment("2030-01-01T00:00:00Z")),
        key: Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788),
        price: decimal("-1234567.8900"),
        data: vec![0, 255, 39, 92],
        document: json!({ "a": [1, null, "it's \\ \" ü"], "b": { "c": 1.5 } }),
        ratio: 0.1 + 0.2,
        open: id % 2 == 1,
    }
}

cases! {
    async fn q4_booleans_survive(t: Test) {
        let database = t.database().await;
        survive(&t, &database, "boolean", &[true, false]).await;
    }

    async fn q4_integers_survive_at_their_extremes(t: Test) {
        let database = t.database().await;
        let (tiny, tiny_unsigned) = (
            of(&t, "smallint", "tinyint"),
            of(&t, "smallint", "tinyint unsigned"),
        );
        survive(&t, &database, tiny, &[i8::MIN, -1, 0, 1, i8::MAX]).await;
        survive(&t, &database, "smallint", &[i16::MIN, -1, 0, 1, i16::MAX]).await;
        survive(&t, &database, "integer", &[i32::MIN, -1, 0, 1, i32::MAX]).await;
        survive(
            &t,
            &database,
            "bigint",
            &[i64::MIN, i64::MIN + 1, -1, 0, 1, (1 << 53) + 1, i64::MAX],
        )
        .await;
        survive(&t, &database, tiny_unsigned, &[0, 1, 128, u8::MAX]).await;
        survive(
            &t,
            &database,
            of(&t, "integer", "smallint unsigned"),
            &[0, 1, u16::MAX],
        )
        .await;
        survive(
            &t,
            &database,
            of(&t, "bigint", "int unsigned"),
            &[0, 1, u32::MAX],
        )
        .await;
        // Every width in the widest column.
        survive(&t, &database, "bigint", &[i8::MIN, i8::MAX]).await;
        survive(&t, &database, "bigint", &[u32::MIN, u32::MAX]).await;
        survive(&t, &database, "bigint", &[0_u64, i64::MAX as u64]).await;
        survive(&t, &database, "bigint", &[isize::MIN, isize::MAX]).await;
    }

    async fn q4_unsigned_64_bits_survive_or_are_refused(t: Test) {
        let database = t.database().await;
        let all = [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];
        if !t.backend().is_sqlite() {
            survive(&t, &database, of(&t, "numeric(20, 0)", "bigint unsigned"), &all).await;
            return;
        }
        // SQLite's integers have a smaller range; a column of text can hold the others.
        survive(&t, &database, "bigint", &all[..3]).await;
        let texts: Vec<String> = all.map(|number| number.to_string()).into();
        survive(&t, &database, "text", &texts).await;
        let error = database.fetch_value::<u64>("select ?", (u64::MAX,)).await.unwrap_err();
        assert_says(
            &error,
            ErrorKind::Parameter,
            &["parameter 1", "9223372036854775807", "text"],
        );
    }

    // MariaDB writes six digits of a FLOAT where the module reads text.
    #[except(dbapi2_pymysql)]
    // Its driver writes fifteen digits of a real.
    #[except(odbc_sqlite)]
    async fn q4_floating_point_numbers_survive_bit_by_bit(t: Test) {
        let database = t.database().await;
        // MariaDB and SQLite lose the sign of a zero.
        let keeps_sign = t.backend().is_postgres() || t.backend().is_mysql_itself();
        let negative_zero = if keeps_sign { -0.0 } else { 0.0 };
        let doubles = [
            0.0,
            negative_zero,
            1.0,
            -1.5,
            0.1,
            1.0 / 3.0,
            f64::MIN,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::EPSILON,
            5e-324,
            123_456_789.123_456_78,
            9_007_199_254_740_993.0,
            f64::from(f32::MAX),
        ];
        survive_by(
            &t,
            &database,
            on(&t, "double", "double precision", "double"),
            &doubles,
            Ways::All,
            |one, other| one.to_bits() == other.to_bits(),
        )
        .await;
        let singles = [
            0.0,
            negative_zero as f32,
            1.0,
            -1.5,
            0.1,
            1.0 / 3.0,
            f32::MIN,
            f32::MAX,
            f32::MIN_POSITIVE,
            f32::EPSILON,
            16_777_217.0,
        ];
        // MySQL itself writes no more than six digits of a FLOAT into the text that unprepared statements answer in.
        let ways = if t.backend().is_mysql() {
            Ways::Prepared
        } else {
            Ways::All
        };
        survive_by(
            &t,
            &database,
            on(&t, "real", "real", "float"),
            &singles,
            ways,
            |one, other| one.to_bits() == other.to_bits(),
        )
        .await;
    }

    async fn q4_nan_and_infinity_survive_or_are_refused(t: Test) {
        let database = t.database().await;
        let infinite = [f64::INFINITY, f64::NEG_INFINITY];
        let same = |one: &f64, other: &f64| one == other || one.is_nan() && other.is_nan();
        let refused = |numbers: &[f64]| {
            numbers
                .iter()
                .map(|number| Value::from(*number))
                .chain([Value::from(f32::NAN)])
                .collect::<Vec<_>>()
        };
        let refused = match t.backend() {
            Backend::Postgres => {
                let all = [f64::NAN, infinite[0], infinite[1]];
                survive_by(&t, &database, "double precision", &all, Ways::All, same).await;
                let singles = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
                survive_by(&t, &database, "real", &singles, Ways::All, |one, other| {
                    one == other || one.is_nan() && other.is_nan()
                })
                .await;
                vec![]
            }
            Backend::SqliteFile | Backend::SqliteMemory => {
                survive_by(&t, &database, "double", &infinite, Ways::All, same).await;
                refused(&[f64::NAN])
            }
            Backend::Mysql => refused(&[f64::NAN, infinite[0], infinite[1]]),
            Backend::SqlServer | Backend::Standard => vec![],
        };
        for value in refused {
            let error = database.fetch_value::<Value>("select ?", [value]).await.unwrap_err();
            assert_says(&error, ErrorKind::Parameter, &["parameter 1"]);
        }
    }

    #[except(sqlite)]
    async fn q4_decimals_survive_to_the_last_digit(t: Test) {
        let database = t.database().await;
        // MySQL's decimals have a fixed scale from the column, and a limited number of digits in total.
        let column = on(&t, "", "numeric", "decimal(57, 28)");
        let values = [
            Decimal::ZERO,
            Decimal::ONE,
            decimal("-0.1"),
            decimal("1.50"),
            decimal("0.00"),
            decimal("12345678901234567890.12345678"),
            Decimal::MAX,
            Decimal::MIN,
            Decimal::from_i128_with_scale(1, 28),
            Decimal::from_i128_with_scale(-1, 28),
            decimal("7922816251426433759354395033.5"),
            decimal("10000"),
            decimal("9999.9999"),
            decimal("0.00010001"),
        ];
        survive(&t, &database, column, &values).await;
        if !t.backend().is_mysql() {
            // The digits after the point are kept.
            survive_by(&t, &database, column, &values, Ways::All, |one, other| {
                one.to_string() == other.to_string()
            })
            .await;
        }
        // Integers are decimals too.
        let sum: Decimal = database.fetch_value("select 7", ()).await.unwrap();
        assert_eq!(sum, Decimal::from(7));
    }

    // The names of its columns are reserved there.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // `at` is a word of DuckDB.
    #[except(dbapi2_duckdb)]
    // Its driver writes fifteen digits of a real.
    #[except(odbc_sqlite)]
    async fn q4_structs_with_dates_uuids_and_decimals_go_there_and_back(t: Test) {
        let database = with_events(&t).await;
        let events: Vec<Event> = (1..=12).map(event).collect();
        database.execute(insert_event(&t), bind(&events[0])).await.unwrap();
        database.execute(insert_event(&t), bind(&events[1])).await.unwrap();
        database
            .execute_many(insert_event(&t), events[2..].iter().map(bind))
            .await
            .unwrap();
        let select = || t.sql("select * from {events} order by id");
        let read: Vec<Event> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, events);
        let read: Event = database.fetch_one(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, events[0]);
        // From unprepared statements, too.
        let again = t.sql("select * from {events} where id = 1; select * from {events} where id = 2");
        let read: Vec<Event> = database.fetch_all(again, ()).deserialize().await.unwrap();
        assert_eq!(read, events[..2]);
        // And found by these values.
        let by = t.sql(
            "select id from {events} where at = :at and day = :day and price = :price and ratio = :ratio and id = :id",
        );
        #[derive(Serialize)]
        struct Find {
            id: i64,
            at: DateTime<Utc>,
            day: NaiveDate,
            price: Decimal,
            ratio: f64,
        }
        let Event {
            id,
            at,
            day,
            price,
            ratio,
            ..
        } = event(7);
        let found: i64 = database
            .fetch_value(
                by,
                bind(Find {
                    id,
                    at,
                    day,
                    price,
                    ratio,
                }),
            )
            .await
            .unwrap();
        assert_eq!(found, 7);
    }
}
