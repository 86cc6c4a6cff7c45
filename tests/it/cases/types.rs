//! Q4: every type bound and read back on every backend, at its extremes; and what would lose something is an error.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::{Array, AssertSqlSafe, Database, Error, ErrorKind, FromValue, Interval, Json, Value, bind, params};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::backends::Backend;
use crate::support::{Test, cases};

/// The type of a column on each backend.
fn on<'s>(t: &Test, sqlite: &'s str, postgres: &'s str, mysql: &'s str) -> &'s str {
    match t.backend() {
        Backend::SqliteFile | Backend::SqliteMemory => sqlite,
        Backend::Postgres => postgres,
        Backend::Mysql => mysql,
    }
}

/// Makes a table with a column `v` of this type; returns its name.
async fn table_of(t: &Test, database: &Database, column: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let table = t.table(&format!("typed_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let create = format!("create table {table} (id bigint not null primary key, v {column})");
    database.execute(AssertSqlSafe(create), ()).await.unwrap();
    table
}

/// How the values come back.
#[derive(Clone, Copy, PartialEq)]
enum Ways {
    All,
    /// Not from unprepared text, in which the server itself rounds.
    Prepared,
}

/// Binds each value, one by one and many at once, with NULL before and after, and asserts that they come back, from
/// prepared statements and from unprepared ones.
async fn survive_by<T>(t: &Test, database: &Database, column: &str, values: &[T], ways: Ways, same: fn(&T, &T) -> bool)
where
    T: FromValue + Clone + Debug + Send + 'static,
    Value: From<T>,
{
    let table = table_of(t, database, column).await;
    let mut wanted: Vec<Option<T>> = vec![None];
    wanted.extend(values.iter().cloned().map(Some));
    wanted.push(None);
    let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
    let rows = || wanted.iter().zip(0_i64..).map(|(v, id)| params! { id, v: v.clone() });
    for many in [false, true] {
        if many {
            let done = database.execute_many(insert(), rows()).await;
            assert_eq!(
                done.unwrap_or_else(|error| panic!("{column}: {error:?}")).rows_affected,
                wanted.len() as u64
            );
        } else {
            for (row, value) in rows().zip(&wanted) {
                let done = database.execute(insert(), row).await;
                done.unwrap_or_else(|error| panic!("{column}: {value:?}: {error:?}"));
            }
        }
        let select = format!("select v from {table} order by id");
        let mut texts = vec![select.clone()];
        if ways == Ways::All {
            texts.push(format!("{select}; {select}"));
        }
        for text in texts {
            let read = database
                .fetch_all(AssertSqlSafe(text.clone()), ())
                .value::<Option<T>>()
                .await;
            let read = read.unwrap_or_else(|error| panic!("{column}: {text}: {error:?}"));
            for (wanted, read) in wanted.iter().cycle().zip(&read) {
                let equal = match (wanted, read) {
                    (Some(wanted), Some(read)) => same(wanted, read),
                    (None, None) => true,
                    _ => false,
                };
                assert!(equal, "{column}: {wanted:?} came back as {read:?} from `{text}`");
            }
            assert_eq!(read.len() % wanted.len(), 0);
        }
        database
            .execute(AssertSqlSafe(format!("delete from {table}")), ())
            .await
            .unwrap();
    }
}

async fn survive<T>(t: &Test, database: &Database, column: &str, values: &[T])
where
    T: FromValue + Clone + Debug + PartialEq + Send + 'static,
    Value: From<T>,
{
    survive_by(t, database, column, values, Ways::All, |one, other| one == other).await;
}

/// Asserts that a value cannot be read as `T`, and that the error names the column and both types.
async fn refuse<T: FromValue + Debug + Send + 'static>(database: &Database, expression: &str, pieces: &[&str]) {
    let text = format!("select {expression} as odd_one");
    let result = database.fetch_value::<T>(AssertSqlSafe(text.clone()), ()).await;
    let error = result.expect_err(&text);
    assert_says(&error, ErrorKind::Decode, pieces);
    let rust = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    assert_says(&error, ErrorKind::Decode, &["`odd_one`", rust]);
}

#[track_caller]
fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn clock(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "a",
        "it's \"quoted\" `twice`",
        "back\\slash \\' \\n",
        "line\r\n\ttab",
        "Grüße, 世界 🦀 é",
        " both ends ",
        "%_?:x$1",
        "NULL",
        "\u{1}\u{7f}\u{10ffff}",
    ]
    .map(str::to_owned)
    .into();
    texts.push("long ".repeat(200_000));
    texts
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Event {
    id: i64,
    day: NaiveDate,
    clock: NaiveTime,
    local: NaiveDateTime,
    at: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    key: Uuid,
    price: Decimal,
    data: Vec<u8>,
    document: serde_json::Value,
    ratio: f64,
    open: bool,
}

/// A table for [`Event`].
async fn with_events(t: &Test) -> Database {
    let database = t.database().await;
    let (uuid, price, time) = (
        on(t, "blob", "uuid", "binary(16)"),
        on(t, "text", "numeric", "decimal(20, 4)"),
        on(t, "time", "time", "time(6)"),
    );
    let create = format!(
        "create table {{events}} (id {{int}} primary key, day date, clock {time}, local {{datetime}}, at {{timestamp}} null,
         ended {{timestamp}} null, `key` {uuid}, price {price}, data {{bytes}}, document {{json}}, ratio {{float}}, open {{bool}})"
    );
    let create = if t.backend().is_mysql() {
        create
    } else {
        create.replace('`', "\"")
    };
    database.execute(t.sql(&create), ()).await.unwrap();
    database
}

fn insert_event(t: &Test) -> AssertSqlSafe<String> {
    let insert = "insert into {events} (id, day, clock, local, at, ended, `key`, price, data, document, ratio, open)
         values (:id, :day, :clock, :local, :at, :ended, :key, :price, :data, :document, :ratio, :open)";
    if t.backend().is_mysql() {
        t.sql(insert)
    } else {
        t.sql(&insert.replace('`', "\""))
    }
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
            on(&t, "smallint", "smallint", "tinyint"),
            on(&t, "smallint", "smallint", "tinyint unsigned"),
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
            on(&t, "integer", "integer", "smallint unsigned"),
            &[0, 1, u16::MAX],
        )
        .await;
        survive(
            &t,
            &database,
            on(&t, "bigint", "bigint", "int unsigned"),
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
            survive(&t, &database, on(&t, "", "numeric(20, 0)", "bigint unsigned"), &all).await;
            return;
        }
        // SQLite's integers end sooner; as a Decimal in a column of text the others have a place.
        survive(&t, &database, "bigint", &all[..3]).await;
        let decimals: Vec<Decimal> = all.map(Decimal::from).into();
        survive(&t, &database, "text", &decimals).await;
        let error = database.fetch_value::<u64>("select ?", (u64::MAX,)).await.unwrap_err();
        assert_says(
            &error,
            ErrorKind::Parameter,
            &["parameter 1", "9223372036854775807", "Decimal"],
        );
    }

    async fn q4_floating_point_numbers_survive_bit_by_bit(t: Test) {
        let database = t.database().await;
        // The sign of a nought is kept by PostgreSQL alone.
        let nought = if t.backend().is_postgres() { -0.0 } else { 0.0 };
        let doubles = [
            0.0,
            nought,
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
            nought as f32,
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
        };
        for value in refused {
            let error = database.fetch_value::<Value>("select ?", [value]).await.unwrap_err();
            assert_says(&error, ErrorKind::Parameter, &["parameter 1"]);
        }
    }

    async fn q4_decimals_survive_to_the_last_digit(t: Test) {
        let database = t.database().await;
        // MySQL's have their places fixed by the column, and so many digits only in all.
        let column = on(&t, "text", "numeric", "decimal(57, 28)");
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
            // The places behind the point are kept.
            survive_by(&t, &database, column, &values, Ways::All, |one, other| {
                one.to_string() == other.to_string()
            })
            .await;
        }
        // Integers are decimals too.
        let sum: Decimal = database.fetch_value("select 7", ()).await.unwrap();
        assert_eq!(sum, Decimal::from(7));
    }

    async fn q4_text_survives(t: Test) {
        let database = t.database().await;
        survive(&t, &database, on(&t, "text", "text", "longtext"), &texts()).await;
        survive(
            &t,
            &database,
            on(&t, "text", "varchar(100)", "varchar(100)"),
            &texts()[..10],
        )
        .await;
        survive(
            &t,
            &database,
            on(&t, "text", "text", "longtext"),
            &['a', 'ü', '世', '🦀', '\''],
        )
        .await;
        // Text that looks like a number stays what it is in a column of text.
        let numbers = ["1", "1.0", "01", "1e3", "0x10", " 7 "].map(str::to_owned);
        survive(&t, &database, on(&t, "text", "text", "longtext"), &numbers).await;
    }

    async fn q4_bytes_survive(t: Test) {
        let database = t.database().await;
        let all: Vec<u8> = (0..=255).collect();
        let values = [
            vec![],
            vec![0],
            b"text".to_vec(),
            b"\\x00 'quoted'".to_vec(),
            vec![0xff; 3],
            all.clone(),
            all.repeat(4_000),
        ];
        survive(&t, &database, on(&t, "blob", "bytea", "longblob"), &values).await;
    }

    /// MySQL and SQLite could store one, but half of their own functions would stop at it.
    async fn q4_a_nul_in_text_is_refused_by_name(t: Test) {
        let database = t.database().await;
        let text = "before\0after";
        let transaction = database.transaction().await.unwrap();
        let one = || {
            if t.backend().is_postgres() {
                "select $1::text"
            } else {
                "select ?"
            }
        };
        let error = transaction.fetch_value::<String>(one(), (text,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["number 1", "NUL", "bytes"]);
        let error = transaction
            .fetch_value::<String>(one(), bind((text,)))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["number 1", "NUL"]);
        let error = transaction
            .fetch_value::<String>("select :words", params! { words: vec!["a", text] })
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`words`", "NUL"]);
        let error = transaction
            .fetch_value::<Value>("select :words", params! { words: Array(vec!["a", text]) })
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`words`", "NUL"]);
        let error = transaction
            .execute_many("select :v", [params! { v: "a" }, params! { v: text }])
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`v`", "NUL"]);
        // Nothing was sent: the transaction goes on, on PostgreSQL too.
        assert_eq!(transaction.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        // In bytes it is a byte like any other.
        survive(
            &t,
            &database,
            on(&t, "blob", "bytea", "longblob"),
            &[text.as_bytes().to_vec()],
        )
        .await;
    }

    /// In a JSON document it is written as an escape, which all but PostgreSQL's `jsonb` take.
    async fn q4_a_nul_in_json_survives_or_is_refused(t: Test) {
        let database = t.database().await;
        let document = json!({ "a": "before\0after" });
        if t.backend().is_postgres() {
            let error = database
                .fetch_value::<Value>("select $1", (document,))
                .await
                .unwrap_err();
            assert_says(&error, ErrorKind::Parameter, &["parameter 1", "U+0000"]);
        } else {
            survive(&t, &database, on(&t, "text", "", "json"), &[document]).await;
        }
    }

    async fn q4_dates_and_times_survive(t: Test) {
        let database = t.database().await;
        let days = [
            "0001-01-01",
            "1582-10-10",
            "1899-12-31",
            "1969-12-31",
            "1970-01-01",
            "2000-02-29",
            "2026-11-21",
            "9999-12-31",
        ];
        survive(&t, &database, "date", &days.map(day)).await;
        let clocks = [
            "00:00:00",
            "00:00:00.000001",
            "09:05:00",
            "12:30:00.5",
            "23:59:59",
            "23:59:59.999999",
        ];
        survive(&t, &database, on(&t, "time", "time", "time(6)"), &clocks.map(clock)).await;
        let locals = [
            "0001-01-01T00:00:00",
            "1969-12-31T23:59:59.999999",
            "1970-01-01T00:00:00",
            "2026-03-29T02:30:00",
            "2038-01-19T03:14:08",
            "2026-11-21T10:00:00.000001",
            "9999-12-31T23:59:59.999999",
        ];
        survive(
            &t,
            &database,
            on(&t, "datetime", "timestamp", "datetime(6)"),
            &locals.map(local),
        )
        .await;
    }

    async fn q4_points_in_time_survive_whatever_the_zone(t: Test) {
        let database = t.database().await;
        // MySQL's TIMESTAMP begins in 1970 and, before version 11.5 of MariaDB, ends in 2038.
        let usual = [
            "1970-01-01T00:00:01Z",
            "2026-03-29T01:30:00.123456Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2038-01-19T03:14:07.999999Z",
        ];
        let column = on(&t, "timestamp", "timestamptz", "timestamp(6) null");
        survive(&t, &database, column, &usual.map(moment)).await;
        if !t.backend().is_mysql() {
            let far = [
                "0001-01-01T00:00:00Z",
                "1969-12-31T23:59:59.999999Z",
                "9999-12-31T23:59:59.999999Z",
            ];
            survive(&t, &database, column, &far.map(moment)).await;
        }
        let offset: DateTime<FixedOffset> = "2026-11-21T12:00:00+02:00".parse().unwrap();
        survive(&t, &database, column, &[offset]).await;
    }

    #[only(postgres)]
    async fn q4_postgres_dates_survive_as_far_as_chrono_goes(t: Test) {
        let database = t.database().await;
        let days = [
            NaiveDate::from_ymd_opt(-4712, 1, 1),
            NaiveDate::from_ymd_opt(-43, 3, 15),
            NaiveDate::from_ymd_opt(0, 1, 1),
            Some(NaiveDate::MAX),
        ];
        survive(&t, &database, "date", &days.map(Option::unwrap)).await;
        let late = NaiveDate::MAX.and_hms_micro_opt(23, 59, 59, 999_999).unwrap();
        let early = NaiveDate::from_ymd_opt(-4711, 1, 1)
            .unwrap()
            .and_hms_micro_opt(0, 0, 0, 1)
            .unwrap();
        survive(&t, &database, "timestamp", &[late, early]).await;
        survive(&t, &database, "timestamptz", &[late.and_utc(), early.and_utc()]).await;
    }

    async fn q4_uuids_survive(t: Test) {
        let database = t.database().await;
        let values = [
            Uuid::nil(),
            Uuid::max(),
            Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788),
        ];
        survive(&t, &database, on(&t, "blob", "uuid", "binary(16)"), &values).await;
    }

    async fn q4_json_survives(t: Test) {
        let database = t.database().await;
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1.5),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.1),
            json!(1e100),
            json!(""),
            json!("it's \"quoted\" \\ \n ü 🦀"),
            json!([]),
            json!({}),
            json!([1, [2, [3, null]]]),
            json!({ "a": { "b": ["c", {}] }, "": 0 }),
        ];
        survive(&t, &database, on(&t, "text", "jsonb", "json"), &values).await;
        if t.backend().is_postgres() {
            survive(&t, &database, "json", &values).await;
        }
        let value = Json(vec![Some("a".to_owned()), None]);
        survive(&t, &database, on(&t, "text", "jsonb", "json"), &[value]).await;
    }

    async fn q4_enum_text_survives(t: Test) {
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Mood {
            Happy,
            VerySad,
        }
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct Day {
            id: i64,
            v: Option<Mood>,
        }
        let database = t.database().await;
        let mood = format!("mood_{}", t.id());
        if t.backend().is_postgres() {
            database
                .execute(
                    AssertSqlSafe(format!("create type {mood} as enum ('happy', 'very_sad')")),
                    (),
                )
                .await
                .unwrap();
        }
        let column = on(&t, "text", &mood, "enum('happy', 'very_sad')").to_owned();
        let table = table_of(&t, &database, &column).await;
        let days = [
            Day {
                id: 1,
                v: Some(Mood::Happy),
            },
            Day { id: 2, v: None },
            Day {
                id: 3,
                v: Some(Mood::VerySad),
            },
        ];
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        database.execute(insert(), bind(&days[0])).await.unwrap();
        database
            .execute_many(insert(), days[1..].iter().map(bind))
            .await
            .unwrap();
        let select = || AssertSqlSafe(format!("select id, v from {table} order by id"));
        let read: Vec<Day> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, days);
        let texts: Vec<(i64, Option<String>)> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(texts[2].1.as_deref(), Some("very_sad"));
        // Text bound as text takes a cast on PostgreSQL; `Untyped` takes none anywhere.
        let by = AssertSqlSafe(format!("select id from {table} where v = :v"));
        let id: i64 = database
            .fetch_value(by, params! { v: Value::Untyped("happy".into()) })
            .await
            .unwrap();
        assert_eq!(id, 1);
        let cast = if t.backend().is_postgres() {
            format!("cast(:v as {mood})")
        } else {
            ":v".to_owned()
        };
        let by = AssertSqlSafe(format!("select id from {table} where v = {cast}"));
        let id: i64 = database.fetch_value(by, params! { v: "very_sad" }).await.unwrap();
        assert_eq!(id, 3);
        let wrong = database
            .execute(insert(), params! { id: 4, v: Value::Untyped("angry".into()) })
            .await;
        assert_eq!(wrong.is_err(), !t.backend().is_sqlite());
        if t.backend().is_postgres() {
            database
                .execute(AssertSqlSafe(format!("drop table {table}; drop type {mood}")), ())
                .await
                .unwrap();
        }
    }

    #[only(postgres)]
    async fn q4_arrays_of_every_type_survive(t: Test) {
        let database = t.database().await;
        survive(&t, &database, "boolean[]", &[Array(vec![true, false]), Array(vec![])]).await;
        survive(
            &t,
            &database,
            "smallint[]",
            &[Array(vec![i16::MIN, i16::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "integer[]",
            &[Array(vec![i32::MIN, i32::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "bigint[]",
            &[Array(vec![i64::MIN, 0, i64::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "bigint[]",
            &[Array(vec![Some(1_i64), None]), Array(vec![None, None]), Array(vec![])],
        )
        .await;
        survive(&t, &database, "real[]", &[Array(vec![0.1_f32, f32::MAX])]).await;
        survive(
            &t,
            &database,
            "double precision[]",
            &[Array(vec![0.1, f64::MIN, f64::INFINITY])],
        )
        .await;
        survive(
            &t,
            &database,
            "numeric[]",
            &[Array(vec![Decimal::MAX, decimal("0.10")])],
        )
        .await;
        survive(&t, &database, "numeric[]", &[Array(vec![0_u64, u64::MAX])]).await;
        survive(
            &t,
            &database,
            "text[]",
            &[
                Array(texts()),
                Array(vec![
                    "{}".to_owned(),
                    "a,b".to_owned(),
                    "NULL".to_owned(),
                    String::new(),
                ]),
            ],
        )
        .await;
        survive(
            &t,
            &database,
            "varchar(20)[]",
            &[Array(vec!["a b".to_owned()]), Array(vec![])],
        )
        .await;
        survive(&t, &database, "text[]", &[Array(vec![Some("NULL".to_owned()), None])]).await;
        survive(
            &t,
            &database,
            "bytea[]",
            &[Array(vec![vec![], vec![0, 255], b"\"{},\\".to_vec()])],
        )
        .await;
        survive(
            &t,
            &database,
            "date[]",
            &[Array(vec![day("0001-01-01"), day("9999-12-31")])],
        )
        .await;
        survive(&t, &database, "time[]", &[Array(vec![clock("23:59:59.999999")])]).await;
        survive(
            &t,
            &database,
            "timestamp[]",
            &[Array(vec![local("2026-11-21T10:00:00.000001")])],
        )
        .await;
        survive(
            &t,
            &database,
            "timestamptz[]",
            &[Array(vec![moment("2026-11-21T10:00:00.000001Z")])],
        )
        .await;
        survive(&t, &database, "uuid[]", &[Array(vec![Uuid::nil(), Uuid::max()])]).await;
        survive(
            &t,
            &database,
            "jsonb[]",
            &[Array(vec![json!({ "a": "b,{}\"" }), json!(null)])],
        )
        .await;
        survive(
            &t,
            &database,
            "inet[]",
            &[Array(vec!["10.0.0.1".parse::<IpNetwork>().unwrap()])],
        )
        .await;
        survive(
            &t,
            &database,
            "interval[]",
            &[Array(vec![Interval {
                months: 14,
                days: -3,
                microseconds: 1,
            }])],
        )
        .await;
        // Of two and three dimensions.
        survive(
            &t,
            &database,
            "integer[]",
            &[Array(vec![Array(vec![1, 2, 3]), Array(vec![4, 5, 6])])],
        )
        .await;
        survive(
            &t,
            &database,
            "text[]",
            &[Array(vec![Array(vec![
                Array(vec!["a".to_owned()]),
                Array(vec!["{".to_owned()]),
            ])])],
        )
        .await;
    }

    #[only(postgres)]
    async fn q4_arrays_stand_for_lists(t: Test) {
        let database = t.database().await;
        let sql = "select n from generate_series(1::int8, 100000) n where n = any(:ids) order by n";
        let ids: Vec<i64> = (1..=90_000).collect();
        let read: Vec<i64> = database
            .fetch_all(sql, params! { ids: Array(ids.clone()) })
            .value()
            .await
            .unwrap();
        assert_eq!(read, ids);
        let read: Vec<i64> = database
            .fetch_all(sql, params! { ids: Array(Vec::<i64>::new()) })
            .value()
            .await
            .unwrap();
        assert_eq!(read, [] as [i64; 0]);
        // An array and a Vec read the same column.
        let both: Vec<i32> = database.fetch_value("select array[1, 2]", ()).await.unwrap();
        assert_eq!(both, [1, 2]);
        let uneven = Array(vec![Array(vec![1]), Array(vec![1, 2])]);
        let error = database.fetch_value::<Value>("select $1", (uneven,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["parameter 1", "equally long"]);
        let mixed = Array(vec![Value::from(1), Value::from("a")]);
        let error = database.fetch_value::<Value>("select $1", (mixed,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["parameter 1", "not of one type"]);
        let error = database
            .fetch_value::<Vec<i64>>("select array[1, null] as odd_one", ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "member 2", "NULL", "Option"]);
    }

    #[only(postgres)]
    async fn q4_intervals_and_networks_survive(t: Test) {
        let database = t.database().await;
        let interval = |months, days, microseconds| Interval {
            months,
            days,
            microseconds,
        };
        let values = [
            interval(0, 0, 0),
            interval(14, -3, 14_706_789_000),
            interval(-1, 1, -1),
            interval(i32::MAX, 0, 0),
            interval(i32::MIN, i32::MIN, 0),
            interval(0, i32::MAX, i64::MAX),
            interval(0, 0, i64::MIN + 1),
        ];
        survive(&t, &database, "interval", &values).await;
        let day: Interval = database
            .fetch_value(
                "select :d + interval '1 day'",
                params! { d: std::time::Duration::from_micros(5) },
            )
            .await
            .unwrap();
        assert_eq!(day, interval(0, 1, 5));
        let networks = [
            "10.0.0.1",
            "10.0.0.1/8",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "::1",
            "2001:db8::/32",
            "::/0",
            "::ffff:1.2.3.4",
        ];
        survive(
            &t,
            &database,
            "inet",
            &networks.map(|text| text.parse::<IpNetwork>().unwrap()),
        )
        .await;
        let addresses = ["127.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap());
        survive(&t, &database, "inet", &addresses).await;
        survive(
            &t,
            &database,
            "cidr",
            &["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse::<IpNetwork>().unwrap()),
        )
        .await;
        let error = database
            .fetch_value::<IpAddr>("select '10.0.0.0/8'::cidr as odd_one", ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "IpAddr", "network"]);
    }

    #[only(postgres)]
    async fn q4_further_types_of_postgres_are_read(t: Test) {
        let database = t.database().await;
        let domain = format!("grade_{}", t.id());
        let create =
            format!("drop domain if exists {domain}; create domain {domain} as integer check (value between 1 and 6)");
        database.execute(AssertSqlSafe(create), ()).await.unwrap();
        let sql = format!(
            r#"select 7::oid as a, 'name'::name as b, 'x'::"char" as c, 'ab'::char(4) as d, 3::{domain} as e, '08:00:2b:01:02:03'::macaddr as f,
               '<a/>'::xml as g, 'happy' as h, array[3::{domain}] as i, '1 2'::int2vector as j"#
        );
        let row = database.fetch_one(AssertSqlSafe(sql), ()).await.unwrap();
        assert_eq!(row.get::<u32>("a").unwrap(), 7);
        assert_eq!(row.get::<String>("b").unwrap(), "name");
        assert_eq!(row.get::<char>("c").unwrap(), 'x');
        assert_eq!(row.get::<String>("d").unwrap(), "ab  ");
        assert_eq!(row.get::<i32>("e").unwrap(), 3);
        assert_eq!(row.get::<String>("f").unwrap(), "08:00:2b:01:02:03");
        assert_eq!(row.get::<String>("g").unwrap(), "<a/>");
        assert_eq!(row.get::<String>("h").unwrap(), "happy");
        assert_eq!(row.get::<Vec<i64>>("i").unwrap(), [3]);
        assert_eq!(row.get::<Vec<i16>>("j").unwrap(), [1, 2]);
        refuse::<Value>(&database, "'(1,2)'::point", &["POINT", "::text"]).await;
        refuse::<Value>(&database, "1::money", &["::text"]).await;
        refuse::<Value>(&database, "int4range(1, 2)", &["::text"]).await;
        database
            .execute(AssertSqlSafe(format!("drop domain {domain}")), ())
            .await
            .unwrap();
    }

    #[except(postgres)]
    async fn q4_what_only_postgres_has_is_refused_by_name(t: Test) {
        let database = t.database().await;
        for (value, word) in [
            (Value::from(Array(vec![1, 2])), "array"),
            (Value::from(Interval::default()), "interval"),
            (Value::from("10.0.0.1".parse::<IpNetwork>().unwrap()), "network address"),
        ] {
            let error = database
                .fetch_value::<Value>("select ?, ?", [Value::from(1), value])
                .await
                .unwrap_err();
            assert_says(&error, ErrorKind::Unsupported, &["parameter 2", word]);
        }
    }

    async fn q4_a_null_of_each_type_is_a_null(t: Test) {
        let database = t.database().await;
        let insert = "insert into {nulls} (id, a, b, c, d, e, f, g) values (:id, :a, :b, :c, :d, :e, :f, :g)";
        let create = format!(
            "create table {{nulls}} (id {{int}} primary key, a {{bool}}, b {{int}}, c {{float}}, d {{text}}, e {{bytes}}, f {{timestamp}} null, g {})",
            on(&t, "text", "uuid", "binary(16)")
        );
        database.execute(t.sql(&create), ()).await.unwrap();
        // First NULLs alone, whose types only the server knows; then values; then NULLs again under the same text.
        let null = |id: i64| {
            params! {
                id, a: None::<bool>, b: None::<i64>, c: None::<f64>, d: None::<String>, e: None::<Vec<u8>>, f: None::<DateTime<Utc>>, g: None::<Uuid>
            }
        };
        let full = |id: i64| {
            params! { id, a: true, b: 1, c: 1.5, d: "x", e: vec![1_u8], f: moment("2026-01-01T00:00:00Z"), g: Uuid::max() }
        };
        for row in [null(1), full(2), null(3), full(4)] {
            database.execute(t.sql(insert), row).await.unwrap();
        }
        database
            .execute_many(t.sql(insert), [null(5), full(6), null(7)])
            .await
            .unwrap();
        let rows = database
            .fetch_all(t.sql("select * from {nulls} order by id"), ())
            .await
            .unwrap();
        for row in &rows {
            let full = row.get::<i64>("id").unwrap() % 2 == 0;
            for (name, value) in row.iter().skip(1) {
                assert_eq!(value.unwrap() != Value::Null, full, "{name}");
            }
            assert_eq!(row.get::<Option<bool>>("a").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<i64>>("b").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<f64>>("c").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<String>>("d").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<Vec<u8>>>("e").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<DateTime<Utc>>>("f").unwrap().is_some(), full);
            assert_eq!(row.get::<Option<Uuid>>("g").unwrap().is_some(), full);
            if !full {
                assert_says(
                    &row.get::<i64>("b").unwrap_err(),
                    ErrorKind::Decode,
                    &["`b`", "NULL", "i64", "Option<i64>"],
                );
                assert_says(
                    &row.get::<Uuid>("g").unwrap_err(),
                    ErrorKind::Decode,
                    &["`g`", "NULL", "Uuid"],
                );
            }
        }
        assert_eq!(rows.len(), 7);
    }

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
        refuse::<Decimal>(&database, tenth, &["binary fraction", "f64"]).await;
        // Through serde alike, in tuples and in structs.
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

    async fn q4_errors_name_the_sql_type_of_the_column(t: Test) {
        let database = t.database().await;
        let table = table_of(&t, &database, on(&t, "text", "text", "varchar(20)")).await;
        database
            .execute(AssertSqlSafe(format!("insert into {table} values (1, 'x')")), ())
            .await
            .unwrap();
        let select = || AssertSqlSafe(format!("select id, v from {table}"));
        let row = database.fetch_one(select(), ()).await.unwrap();
        assert_says(
            &row.get::<i64>("v").unwrap_err(),
            ErrorKind::Decode,
            &["`v`", on(&t, "(TEXT)", "(TEXT)", "(VARCHAR)"), "i64"],
        );
        assert_says(
            &row.get::<String>("id").unwrap_err(),
            ErrorKind::Decode,
            &["`id`", on(&t, "(INTEGER)", "(INT8)", "(BIGINT)"), "String"],
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
        refuse::<f64>(&database, "0.1::numeric", &["binary fraction", "Decimal"]).await;
        refuse::<NaiveDateTime>(&database, "now()", &["point in time", "DateTime<Utc>"]).await;
        refuse::<DateTime<Utc>>(&database, "now()::timestamp", &["no zone", "NaiveDateTime"]).await;
        refuse::<String>(&database, "'\\x00'::bytea", &["bytes"]).await;
        // What is exact goes through.
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
        // The same through serde: the column is named there, too.
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
        // Unprepared statements are read from text, and just as strictly.
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
        refuse::<f64>(&database, "cast(0.1 as decimal(3, 1))", &["binary fraction", "Decimal"]).await;
        refuse::<String>(&database, "cast('a' as binary)", &["bytes"]).await;
    }

    #[only(sqlite)]
    async fn q4_sqlite_values_are_judged_one_by_one(t: Test) {
        let database = t.database().await;
        let table = table_of(&t, &database, "integer").await;
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (?, ?)"));
        // A column of any type holds anything.
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
        // What SQLite's own functions write is read.
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
        // A column that asks for numbers makes one of a decimal's text: then it is refused, never a wrong digit.
        let table = table_of(&t, &database, "decimal(10, 2)").await;
        let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (1, ?)"));
        database.execute(insert, (decimal("1.10"),)).await.unwrap();
        let select = AssertSqlSafe(format!("select v from {table}"));
        let error = database.fetch_value::<Decimal>(select, ()).await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`v`", "Decimal", "binary fraction"]);
        // Points in time as they are bound and as SQLite writes them compare inside of `datetime`.
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

    async fn q4_one_text_takes_parameters_of_every_type_in_turn(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        let sql = "select :v as v";
        for _ in 0..3 {
            macro_rules! there_and_back {
                ($($type:ty: $value:expr;)*) => {$(
                    let value: $type = $value;
                    let read: $type = connection.fetch_value(sql, params! { v: value.clone() }).await.unwrap();
                    assert_eq!(read, value);
                    let read: Option<$type> = connection.fetch_value(sql, params! { v: None::<$type> }).await.unwrap();
                    assert_eq!(read, None);
                )*};
            }
            there_and_back! {
                i32: 7;
                i64: i64::MAX;
                String: "text".to_owned();
                i16: -1;
                f64: 0.1;
                bool: true;
                f32: 1.5;
                Vec<u8>: vec![1, 2];
                NaiveDate: day("2026-11-21");
                String: String::new();
            }
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
        let sum = t.sql("select count(a) + count(b) + count(c) as numbers, sum(coalesce(a, 7) + coalesce(b, 7) + coalesce(c, 7)) as sum, min(d) as d from {mixtures}");
        let row = connection.fetch_one(sum, ()).await.unwrap();
        assert_eq!(row.get::<i64>("numbers").unwrap(), 600);
        assert_eq!(row.get::<i64>("sum").unwrap(), 250 * 21);
        assert_eq!(row.get::<String>("d").unwrap(), "x");
    }

    async fn q4_what_is_finer_than_the_server_counts_is_cut_off(t: Test) {
        let database = t.database().await;
        let (column, fine) = (
            on(&t, "timestamp", "timestamptz", "timestamp(6) null"),
            moment("2026-11-21T10:00:00.123456789Z"),
        );
        let table = table_of(&t, &database, column).await;
        database
            .execute(
                AssertSqlSafe(format!("insert into {table} (id, v) values (1, ?)")),
                (fine,),
            )
            .await
            .unwrap();
        let read: DateTime<Utc> = database
            .fetch_value(AssertSqlSafe(format!("select v from {table}")), ())
            .await
            .unwrap();
        // SQLite keeps text, and with it all digits; the servers count microseconds.
        assert_eq!(
            read,
            if t.backend().is_sqlite() {
                fine
            } else {
                moment("2026-11-21T10:00:00.123456Z")
            }
        );
    }

    async fn q4_a_wrong_type_once_does_not_spoil_the_text(t: Test) {
        let database = t.database().await;
        let connection = database.connection();
        connection
            .execute(t.sql("create table {dated} (id {int} primary key, v date)"), ())
            .await
            .unwrap();
        let insert = || t.sql("insert into {dated} (id, v) values (:id, :v)");
        // PostgreSQL has no way from a boolean to a date, and says so; whatever others do, it is not looked at here.
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
        // The type the server told is out of date; at the second try at the latest the new one is known.
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
        // And found by them.
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

    async fn q4_text_takes_the_type_that_is_expected(t: Test) {
        let database = with_events(&t).await;
        // As it comes from the outside, with everything in text.
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
        if t.backend().is_postgres() {
            assert_says(&error.unwrap_err(), ErrorKind::Parameter, &["parameter 2", "DATE"]);
        }
    }
}
