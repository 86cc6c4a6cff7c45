//! B7: rows of every backend for sqlx, and statements of sqlx on every backend.

use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::any::{Any, AnyConnection, AnyRow, AnyTypeInfo};
use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, FromRow, Interval, SqlSafeStr, Value, params};
use futures::{StreamExt, TryStreamExt};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Text};
use sqlx::{Column, Connection, Either, Executor, QueryBuilder, Row, Statement, TypeInfo, ValueRef};
use uuid::Uuid;

use super::queries::assert_says;
use super::types::on;
use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Test, cases, standard, with_db};

#[derive(Clone, Copy, Debug, PartialEq, sqlx::Type, ebbtide::Type)]
#[sqlx(transparent)]
struct UserId(i64);

#[derive(Clone, Copy, Debug, PartialEq, ebbtide::Type, sqlx::Type)]
#[repr(i32)]
enum Level {
    Low = 1,
    High = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, sqlx::Type, ebbtide::Type)]
#[sqlx(type_name = "ebbtide_any_mood", rename_all = "snake_case")]
enum Mood {
    VeryHappy,
    #[sqlx(rename = "so-so")]
    Fair,
}

/// A newtype that has a type of its own on PostgreSQL.
#[derive(Clone, Debug, PartialEq, ebbtide::Type, sqlx::Type)]
#[sqlx(type_name = "text")]
struct Name(String);

#[derive(Clone, Debug, PartialEq, sqlx::Type, ebbtide::Type)]
#[sqlx(transparent)]
struct Wrapper<T> {
    inner: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    title: String,
    parts: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct Place {
    city: String,
    x: f64,
}

/// Every kind of field that `#[derive(sqlx::FromRow)]` knows, of types that every driver of sqlx reads.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct Everything {
    id: UserId,
    name: String,
    note: Option<String>,
    missing: Option<i64>,
    day: NaiveDate,
    at: NaiveDateTime,
    moment: DateTime<Utc>,
    uuid: Uuid,
    bytes: Vec<u8>,
    active: bool,
    #[sqlx(json)]
    tags: Vec<String>,
    document: Json<Document>,
    #[sqlx(json(nullable))]
    optional: Option<Document>,
    level: Level,
    mood: Mood,
    #[sqlx(flatten)]
    place: Place,
    #[sqlx(rename = "renamed")]
    other: i64,
    #[sqlx(try_from = "i64")]
    length: Length,
    #[sqlx(default)]
    absent: i64,
    #[sqlx(skip)]
    skipped: i64,
    boxed: Box<str>,
    wrapper: Wrapper<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Length(usize);

impl TryFrom<i64> for Length {
    type Error = std::num::TryFromIntError;

    fn try_from(length: i64) -> Result<Self, Self::Error> {
        length.try_into().map(Self)
    }
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn everything() -> Everything {
    let document = Document {
        title: "draft".into(),
        parts: vec![0.1, -2.5],
    };
    let at = moment("2026-11-21T10:20:30.123456Z");
    Everything {
        id: UserId(7),
        name: "Ada – Ă".into(),
        note: Some("hello".into()),
        missing: None,
        day: at.date_naive(),
        at: at.naive_utc(),
        moment: at,
        uuid: Uuid::from_u128(7),
        bytes: vec![0, 1, 255],
        active: true,
        tags: vec!["a".into(), "b".into()],
        document: Json(document.clone()),
        optional: Some(document),
        level: Level::High,
        mood: Mood::Fair,
        place: Place {
            city: "Rome".into(),
            x: 1.5,
        },
        other: 3,
        length: Length(4),
        absent: 0,
        skipped: 0,
        boxed: "boxed".into(),
        wrapper: Wrapper { inner: 0.25 },
    }
}

/// Returns the type of a column: `standard` on databases with the SQL standard's.
fn kind(t: &Test, standard: &'static str, others: [&'static str; 3]) -> &'static str {
    if t.backend() == Backend::Standard {
        return standard;
    }
    let [sqlite, postgres, mysql] = others;
    on(t, sqlite, postgres, mysql)
}

/// Returns the type of a column of UUIDs.
fn uuids(t: &Test) -> &'static str {
    let standard = if t.driver() == Some(Driver::Derby) {
        "char(16) for bit data"
    } else {
        "uuid"
    };
    kind(t, standard, ["blob", "uuid", "binary(16)"])
}

/// Creates a type that other tests use at the same time, unless it is there.
async fn with_type(database: &Database, create: &str) {
    let block = format!("do $$ begin {create}; exception when duplicate_object or unique_violation then null; end $$");
    database.execute(AssertSqlSafe(block), ()).await.unwrap();
}

/// Creates a table with one row that holds [`everything`], and returns the query for it.
async fn with_everything(t: &Test, database: &Database) -> AssertSqlSafe<String> {
    let mood = kind(
        t,
        "varchar(50)",
        ["text", "ebbtide_any_mood", "enum('very_happy', 'so-so')"],
    );
    if t.backend().family() == "postgres" {
        with_type(database, "create type ebbtide_any_mood as enum ('very_happy', 'so-so')").await;
    }
    let json = kind(t, standard(t.driver(), "json"), ["text", "jsonb", "json"]);
    let double = kind(t, "double precision", ["real", "float8", "double"]);
    let columns = [
        ("id", "bigint primary key"),
        ("name", on(t, "text", "text", "varchar(50)")),
        ("note", kind(t, "varchar(50)", ["text"; 3])),
        ("missing", "bigint"),
        ("day", on(t, "text", "date", "date")),
        ("at", kind(t, "timestamp", ["text", "timestamp", "datetime(6)"])),
        (
            "moment",
            kind(
                t,
                standard(t.driver(), "timestamp"),
                ["text", "timestamptz", "timestamp(6)"],
            ),
        ),
        ("uuid", uuids(t)),
        (
            "bytes",
            kind(t, standard(t.driver(), "bytes"), ["blob", "bytea", "blob"]),
        ),
        ("active", "boolean"),
        ("tags", json),
        ("document", json),
        ("optional", json),
        ("level", "int"),
        ("mood", mood),
        ("city", on(t, "text", "text", "varchar(50)")),
        ("x", double),
        ("renamed", "bigint"),
        ("length", "bigint"),
        ("boxed", on(t, "text", "text", "varchar(50)")),
        ("wrapper", double),
    ];
    let table = t.table("everything");
    // Some of the names are words of the SQL standard.
    let quote = if t.backend() == Backend::Standard { "\"" } else { "" };
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("{quote}{name}{quote}"))
        .collect();
    let declared = names
        .iter()
        .zip(columns)
        .map(|(name, (_, kind))| format!("{name} {kind}"));
    let declared: Vec<String> = declared.collect();
    let create = format!("create table {table} ({})", declared.join(", "));
    database.execute(AssertSqlSafe(create), ()).await.unwrap();
    let marks: Vec<String> = columns.iter().map(|(name, _)| format!(":{name}")).collect();
    let insert = format!(
        "insert into {table} ({}) values ({})",
        names.join(", "),
        marks.join(", ")
    );
    let row = everything();
    let values = params! {
        id: row.id.0, name: row.name, note: row.note, missing: row.missing, day: row.day, at: row.at, moment: row.moment,
        uuid: row.uuid, bytes: row.bytes, active: row.active, tags: ebbtide::Json(row.tags),
        document: ebbtide::Json(row.document.0), optional: ebbtide::Json(row.optional), level: 2_i32, mood: "so-so",
        city: row.place.city, x: row.place.x, renamed: row.other, length: 4_i64, boxed: row.boxed,
        wrapper: row.wrapper.inner,
    };
    database.execute(AssertSqlSafe(insert), values).await.unwrap();
    AssertSqlSafe(format!("select {} from {table}", names.join(", ")))
}

/// Asserts that `.decode()` reads what sqlx's own row reads.
async fn same<DB, T>(database: &Database, sql: &'static str)
where
    DB: sqlx::Database,
    T: FromRow + for<'r> sqlx::FromRow<'r, DB::Row> + std::fmt::Debug + PartialEq + Send + 'static,
{
    let own: T = database.fetch_one(sql, ()).decode_on::<DB, T>().await.unwrap();
    let any: T = database.fetch_one(sql, ()).decode().await.unwrap();
    assert_eq!(any, own, "{sql}");
    let sqlx = database.sqlx::<Any>().unwrap();
    let row = sqlx::query(sql).fetch_one(&sqlx).await.unwrap();
    assert_eq!(T::from_any(&row).unwrap(), own, "{sql}");
}

/// Asserts it for several types, each with its query.
macro_rules! same {
    ($database:expr, $db:ty: $($type:ty => $sql:literal;)*) => {$(
        same::<$db, $type>(&$database, $sql).await;
    )*};
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Price {
    amount: Decimal,
    level: Option<Level>,
}

cases! {
    // DuckDB has no savepoints, so no sandbox.
    #[except(dbapi2_duckdb)]
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_one_struct_reads_the_rows_of_every_backend_as_sqlx_does(t: Test) {
        let database = t.database().await;
        let AssertSqlSafe(sql) = with_everything(&t, &database).await;
        let select = || AssertSqlSafe(sql.clone());
        let decoded: Everything = database.fetch_one(select(), ()).decode().await.unwrap();
        assert_eq!(decoded, everything());
        // Rows of other drivers are none of sqlx's.
        if t.driver().is_none() {
            with_db!(t.backend(), {
                let native = database.fetch_one(select(), ()).decode_on::<DB, Everything>().await.unwrap();
                assert_eq!(native, decoded);
            });
        }
        let streamed: Vec<Everything> = database.iterate(select(), ()).decode().try_collect().await.unwrap();
        assert_eq!(streamed, [everything()]);
        let batched: Vec<Vec<Everything>> =
            database.batched_iterate(select(), (), 3).decode().try_collect().await.unwrap();
        assert_eq!(batched, [[everything()]]);
        let sqlx = database.sqlx::<Any>().unwrap();
        let bridged: Everything = sqlx::query_as(select()).fetch_one(&sqlx).await.unwrap();
        assert_eq!(bridged, everything());
        let sandbox = database.sandbox().await.unwrap();
        let apart: Everything = sandbox.fetch_one(select(), ()).decode().await.unwrap();
        assert_eq!(apart, everything(), "rows from another thread");
    }

    /// sqlx has no `Decimal` for SQLite, and no driver but PostgreSQL's has arrays.
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_a_struct_with_a_decimal_is_decoded_on_every_backend_found_e6(t: Test) {
        let database = t.database().await;
        let select = || match t.backend().family() {
            "postgres" => "select 1.50::numeric as amount, 2 as level",
            "mysql" => "select cast(1.50 as decimal(5, 2)) as amount, 2 as level",
            _ => "select '1.50' as amount, 2 as level",
        };
        let priced = Price { amount: Decimal::new(150, 2), level: Some(Level::High) };
        assert_eq!(database.fetch_one(select(), ()).decode::<Price>().await.unwrap(), priced);
        assert_eq!(database.fetch_optional(select(), ()).decode::<Price>().await.unwrap().as_ref(), Some(&priced));
        assert_eq!(database.fetch_all(select(), ()).decode::<Price>().await.unwrap(), [priced]);
        let number = t.sql("select 2.5 as amount, null as level");
        let read: Price = database.fetch_one(number, ()).decode().await.unwrap();
        assert_eq!((read.amount, read.level), (Decimal::new(25, 1), None));
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_integers_are_converted_or_refused_by_name(t: Test) {
        let database = t.database().await;
        let sql = "select 300 as n, 'x' as s, null as missing";
        let wide: (i16, i64) = database.fetch_one("select 300, 300", ()).decode().await.unwrap();
        assert_eq!(wide, (300, 300));
        let wide: (u64, f64) = database.fetch_one("select 300, 300", ()).decode().await.unwrap();
        assert_eq!(wide, (300, 300.0));

        #[derive(Debug, sqlx::FromRow)]
        #[expect(dead_code)]
        struct Narrow {
            n: u8,
        }
        let error = database.fetch_one(sql, ()).decode::<Narrow>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["Narrow", "column `n`", "u8", "300 is out of range", "wider integer"]);
        let error = database.fetch_one("select 'x' as s", ()).decode::<(i64,)>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column `s`", "i64", "it holds text", "String"]);
        let error = database.fetch_one("select null as missing", ()).decode::<(i64,)>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column `missing`", "NULL", "Option<i64>"]);
        let error = database.fetch_one("select 1 as n", ()).decode::<(i64, i64)>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["(i64, i64)"]);
        let error = database.fetch_one("select 1 as a", ()).decode::<Narrow>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["Narrow", "no column named n"]);
        let error = database.fetch_one("select 'sad' as mood", ()).decode::<(Mood,)>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column `mood`", "Mood", "`very_happy`, `so-so`"]);
        assert!(!error.to_string().contains("sad"), "values are not shown: {error}");
        let error = database.fetch_one("select 9 as level", ()).decode::<(Level,)>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["Level"]);
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_columns_are_found_in_any_order_and_described(t: Test) {
        let database = t.database().await;
        let sqlx = database.sqlx::<Any>().unwrap();
        let row: AnyRow = sqlx::query("select 1 as a, 'two' as b, null as c").fetch_one(&sqlx).await.unwrap();
        for (name, at) in [("c", 2), ("a", 0), ("b", 1), ("a", 0), ("c", 2), ("c", 2)] {
            assert_eq!(row.try_column(name).unwrap().ordinal(), at);
        }
        assert_eq!(row.columns().iter().map(Column::name).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((row.len(), row.get::<i32, _>("a"), row.get::<&str, _>(1)), (3, 1, "two"));
        assert!(row.try_get_raw("c").unwrap().is_null() && !row.try_get_raw("a").unwrap().is_null());
        let owned = ValueRef::to_owned(&row.try_get_raw("b").unwrap());
        assert_eq!(sqlx::Value::try_decode::<String>(&owned).unwrap(), "two");
        assert!(!row.column("b").type_info().name().is_empty());
        assert!(matches!(row.try_get::<i64, _>("d"), Err(sqlx::Error::ColumnNotFound(name)) if name == "d"));
        assert!(matches!(row.try_get::<i64, _>(3), Err(sqlx::Error::ColumnIndexOutOfBounds { index: 3, len: 3 })));
        let shown = format!("{row:?} {owned:?} {:?}", row.try_get_raw("b"));
        assert!(shown.contains("\"b\"") && !shown.contains("two"), "{shown}");
        // Of two columns with one name each is read in turn.
        let row: AnyRow = sqlx::query("select 1 as id, 2 as id").fetch_one(&sqlx).await.unwrap();
        assert_eq!((row.get::<i64, _>("id"), row.get::<i64, _>("id")), (1, 2));
    }

    // Their TIMESTAMP has no zone.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn b7_values_of_every_type_are_bound_and_read(t: Test) {
        let database = t.database().await;
        let sqlx = database.sqlx::<Any>().unwrap();
        let table = t.table("bound");
        let kinds = [
            "bigint", "boolean", on(&t, "text", "text", "varchar(50)"),
            kind(&t, standard(t.driver(), "bytes"), ["blob", "bytea", "blob"]),
            kind(&t, standard(t.driver(), "timestamp"), ["text", "timestamptz", "timestamp(6)"]),
            kind(&t, "time", ["text", "time", "time(6)"]), uuids(&t), on(&t, "decimal", "numeric", "decimal(20, 5)"),
            kind(&t, standard(t.driver(), "json"), ["text", "jsonb", "json"]), on(&t, "text", "text", "varchar(50)"),
        ];
        let columns: Vec<String> = kinds.iter().enumerate().map(|(at, kind)| format!("c{at} {kind}")).collect();
        let create = format!("create table {table} ({})", columns.join(", "));
        sqlx::query(AssertSqlSafe(create)).execute(&sqlx).await.unwrap();
        let insert = || AssertSqlSafe(format!("insert into {table} values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"));
        let at = moment("2026-11-21T10:20:30.123456Z");
        let time = NaiveTime::from_hms_micro_opt(1, 2, 3, 4).unwrap();
        let document = Document { title: "draft".into(), parts: vec![1.5] };
        let done = sqlx::query(insert())
            .bind(UserId(7)).bind(true).bind("Ada").bind(vec![0_u8, 255]).bind(at).bind(time)
            .bind(Uuid::from_u128(9)).bind(Decimal::new(12345, 3)).bind(Json(&document)).bind(Mood::Fair)
            .execute(&sqlx).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
        type Read = (UserId, bool, String, Vec<u8>, DateTime<Utc>, NaiveTime, Uuid, Decimal, Json<Document>, Mood);
        let select = format!("select * from {table} where c0 = $1");
        let read: Read = sqlx::query_as(AssertSqlSafe(select)).bind(7_u16).fetch_one(&sqlx).await.unwrap();
        let bound = (
            UserId(7), true, "Ada".to_owned(), vec![0, 255], at, time, Uuid::from_u128(9), Decimal::new(12345, 3),
            Json(document), Mood::Fair,
        );
        assert_eq!(read, bound);
        // Every value may be NULL.
        sqlx::query(insert())
            .bind(None::<UserId>).bind(None::<bool>).bind(None::<&str>).bind(None::<Vec<u8>>)
            .bind(None::<DateTime<Utc>>).bind(None::<NaiveTime>).bind(None::<Uuid>).bind(None::<Decimal>)
            .bind(None::<Json<Document>>).bind(None::<Mood>)
            .execute(&sqlx).await.unwrap();
        type Nulls = (
            Option<UserId>, Option<bool>, Option<String>, Option<Vec<u8>>, Option<DateTime<Utc>>, Option<NaiveTime>,
            Option<Uuid>, Option<Decimal>, Option<Json<Document>>, Option<Mood>,
        );
        let select = format!("select * from {table} where c0 is null");
        let read: Nulls = sqlx::query_as(AssertSqlSafe(select)).fetch_one(&sqlx).await.unwrap();
        assert_eq!(read, (None, None, None, None, None, None, None, None, None, None));
    }

    async fn b7_statements_of_sqlx_run_on_every_backend(t: Test) {
        let database = t.database().await;
        let sqlx = database.sqlx::<Any>().unwrap();
        sqlx::raw_sql(t.sql("create table {notes} (id bigint primary key, body {text} not null)")).execute(&sqlx).await.unwrap();
        let mut insert = QueryBuilder::<Any>::new("");
        let AssertSqlSafe(into) = t.sql("insert into {notes} (id, body) ");
        insert.push(into).push_values(1..=500_i64, |mut row, id| {
            row.push_bind(id).push_bind(format!("note {id}"));
        });
        assert_eq!(insert.build().execute(&sqlx).await.unwrap().rows_affected(), 500);

        let all = || t.sql("select id, body from {notes} order by id");
        let rows = sqlx::query(all()).fetch_all(&sqlx).await.unwrap();
        assert_eq!((rows.len(), rows[499].get::<String, _>("body")), (500, "note 500".to_owned()));
        let some: Option<(i64, Name)> = sqlx::query_as(all()).fetch_optional(&sqlx).await.unwrap();
        assert_eq!(some, Some((1, Name("note 1".into()))));
        let none = sqlx::query(t.sql("select id from {notes} where id = ?")).bind(0).fetch_optional(&sqlx).await.unwrap();
        assert!(none.is_none());
        let missing = sqlx::query(t.sql("select id from {notes} where id = 0")).fetch_one(&sqlx).await;
        assert!(matches!(missing, Err(sqlx::Error::RowNotFound)));

        let mut ids = sqlx::query_scalar::<_, i64>(t.sql("select id from {notes} order by id")).fetch(&sqlx);
        for expected in 1..=10 {
            assert_eq!(ids.try_next().await.unwrap(), Some(expected));
        }
        drop(ids);
        let count = || sqlx::query_scalar::<Any, i64>(t.sql("select count(*) from {notes}"));
        assert_eq!(count().fetch_one(&sqlx).await.unwrap(), 500);

        let steps = (&sqlx).fetch_many(sqlx::query(all()));
        let steps: Vec<_> = steps.try_collect().await.unwrap();
        assert!(steps[..500].iter().all(Either::is_right) && steps.len() == 501 && steps[500].is_left());
        let steps = (&sqlx).fetch_many(sqlx::query(t.sql("delete from {notes} where id > $1")).bind(400));
        let steps: Vec<_> = steps.try_collect().await.unwrap();
        assert!(matches!(steps[..], [Either::Left(done)] if done.rows_affected() == 100));
        let failed: Vec<_> = sqlx::query("select * from no_table_of_this_name").fetch(&sqlx).collect().await;
        let [Err(failed)] = <[_; 1]>::try_from(failed).expect("one error") else { panic!("there is no such table") };
        // Only sqlx's own drivers give errors of its kind.
        assert_eq!(matches!(failed, sqlx::Error::Database(_)), t.driver().is_none(), "{failed:?}");
        assert_eq!(ebbtide::Error::from(failed).kind(), ErrorKind::UndefinedObject);

        let mut transaction = sqlx.begin().await.unwrap();
        sqlx::query(t.sql("delete from {notes}")).execute(&mut *transaction).await.unwrap();
        assert_eq!(count().fetch_one(&sqlx).await.unwrap(), 0, "the view runs in the transaction of its task");
        transaction.rollback().await.unwrap();
        assert_eq!(count().fetch_one(&sqlx).await.unwrap(), 400);

        let prepared = (&sqlx).prepare(t.sql("select body from {notes} where id = ?").into_sql_str()).await.unwrap();
        assert!(matches!(prepared.parameters(), Some(Either::Right(1))));
        let body: String = prepared.query_scalar().bind(3).fetch_one(&sqlx).await.unwrap();
        assert_eq!(body, "note 3");
        let described = (&sqlx).describe("select 1".into_sql_str()).await;
        let error = ebbtide::Error::from(described.err().unwrap());
        assert_says(&error, ErrorKind::Unsupported, &["cannot be described", "sqlx::Postgres"]);
        let query = sqlx::query(t.sql("select body from {notes} where id = ?")).bind(1).bind(2);
        let error = query.fetch_all(&sqlx).await.unwrap_err();
        assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::Parameter);
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_a_connection_of_any_database_has_transactions_and_savepoints(t: Test) {
        let url = t.url();
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id bigint primary key)"), ()).await.unwrap();
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection.ping().await.unwrap();
        if url.contains("memory") {
            // Another connection to a database in memory may have one of its own.
            let _ = sqlx::query(t.sql("create table if not exists {notes} (id bigint primary key)")).execute(&mut connection).await;
        }
        let insert = |id: i64| sqlx::query::<Any>(t.sql("insert into {notes} values ($1)")).bind(id);
        let mut outer = connection.begin().await.unwrap();
        insert(1).execute(&mut *outer).await.unwrap();
        {
            let mut inner = outer.begin().await.unwrap();
            insert(2).execute(&mut *inner).await.unwrap();
            inner.rollback().await.unwrap();
            let mut dropped = outer.begin().await.unwrap();
            insert(3).execute(&mut *dropped).await.unwrap();
        }
        let refused = outer.begin_with("begin").await.map(drop);
        let error = ebbtide::Error::from(refused.unwrap_err());
        assert_says(&error, ErrorKind::Unsupported, &["`begin()`"]);
        assert!(outer.is_in_transaction());
        {
            let mut inner = outer.begin().await.unwrap();
            insert(4).execute(&mut *inner).await.unwrap();
            inner.commit().await.unwrap();
        }
        outer.commit().await.unwrap();
        assert!(!connection.is_in_transaction());
        let mut lost = connection.begin().await.unwrap();
        insert(5).execute(&mut *lost).await.unwrap();
        drop(lost);
        let ids: Vec<i64> = sqlx::query_scalar::<Any, _>(t.sql("select id from {notes} order by id"))
            .fetch_all(&mut connection).await.unwrap();
        assert_eq!(ids, [1, 4]);
        let refused = sqlx::query::<Any>("commit").execute(&mut connection).await;
        assert!(refused.is_err() || !connection.is_in_transaction());
        connection.close().await.unwrap();
        let wrong = AnyConnection::connect("nowhere://host/x").await.unwrap_err();
        assert_eq!(ebbtide::Error::from(wrong).kind(), ErrorKind::Url);
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_a_pool_of_sqlx_has_connections_to_any_database(t: Test) {
        let pool = sqlx::pool::PoolOptions::<Any>::new().max_connections(2).connect(&t.url()).await.unwrap();
        let sum: i64 = sqlx::query_scalar("select 40 + 2").fetch_one(&pool).await.unwrap();
        assert_eq!(sum, 42);
        let mut transaction = pool.begin().await.unwrap();
        let one: i64 = sqlx::query_scalar("select 1").fetch_one(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(one, 1);
        pool.close().await;
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn b7_statements_for_any_database_keep_the_rules_of_the_sandbox(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id bigint primary key)"), ()).await.unwrap();
        let config = Config::from_url(t.url().as_str()).unwrap().force_rollback(true);
        let sandbox = if t.can_observe() { Database::connect(config).await.unwrap() } else { database.sandbox().await.unwrap().clone() };
        let sqlx = sandbox.sqlx::<Any>().unwrap();
        sqlx::query(t.sql("insert into {notes} values ($1)")).bind(1).execute(&sqlx).await.unwrap();
        let error = sqlx::query("commit").execute(&sqlx).await.unwrap_err();
        assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::Refused);
        let count: i64 = sqlx::query_scalar(t.sql("select count(*) from {notes}")).fetch_one(&sqlx).await.unwrap();
        assert_eq!(count, 1);
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 0);
    }

    #[only(postgres)]
    #[sqlx]
    async fn b7_reads_equal_those_of_a_row_of_postgresql(t: Test) {
        let database = t.database().await;
        same! { database, sqlx::Postgres:
            (bool, Option<bool>) => "select true, null::bool";
            (i16, i32, i64) => "select (-32768)::int2, (-2147483648)::int4, (-9223372036854775808)::int8";
            (f32, f64) => "select 0.1::float4, 1e300::float8";
            (String, Box<str>, String) => "select 'a'::text, 'b'::varchar(5), 'c'::bpchar";
            (Vec<u8>, Box<[u8]>) => r"select '\x00ff'::bytea, ''::bytea";
            (NaiveDate, NaiveTime, NaiveDateTime) => "select '2026-11-21'::date, '23:59:59.999999'::time, '0001-01-01 00:00:00.000001'::timestamp";
            (DateTime<Utc>, DateTime<Utc>) => "select '2026-11-21 10:00:00.123456+02'::timestamptz, '1970-01-01Z'::timestamptz";
            (DateTime<FixedOffset>, DateTime<Local>) => "select '2026-11-21 10:00:00+02'::timestamptz, '2026-11-21 10:00:00Z'::timestamptz";
            (Uuid, Decimal, Decimal) => "select '00000000-0000-0000-0000-000000000007'::uuid, -12.3450::numeric, 0::numeric";
            (Json<Document>, serde_json::Value) => r#"select '{"title": "x", "parts": [1, 2.5]}'::jsonb, '[null, true, 1.5]'::json"#;
            (IpNetwork, std::net::IpAddr) => "select '10.0.0.0/8'::cidr, '::1'::inet";
            (Vec<i64>, Vec<String>, Vec<bool>) => "select array[1, 2]::int8[], array['a', 'b']::text[], array[true, false]";
            (Vec<Option<i32>>, Vec<Uuid>) => "select array[1, null]::int4[], '{}'::uuid[]";
            (Vec<UserId>, UserId, Level) => "select array[7]::int8[], 7::int8, 2::int4";
        }
        let sqlx = database.sqlx::<Any>().unwrap();
        let raw: (Interval, Vec<Interval>, Value) =
            sqlx::query_as("select '1 mon 2 days'::interval, array['1 day'::interval], array[1, 2]::int8[]").fetch_one(&sqlx).await.unwrap();
        assert_eq!((raw.0.months, raw.0.days, raw.1[0].days), (1, 2, 1));
        assert_eq!(raw.2, Value::Array(vec![Value::I64(1), Value::I64(2)]));
        let row = sqlx::query("select array[1, null]::int4[] as a, 'x'::text as s").fetch_one(&sqlx).await.unwrap();
        let error = row.try_get::<Vec<i32>, _>("a").unwrap_err().to_string();
        assert!(error.contains("`a`") && error.contains("member 2"), "{error}");
        let error = row.try_get::<Vec<i32>, _>("s").unwrap_err().to_string();
        assert!(error.contains("it holds text"), "{error}");
        let text: &serde_json::value::RawValue = {
            let row = Box::leak(Box::new(sqlx::query("select '{\"n\":1.50}'::json").fetch_one(&sqlx).await.unwrap()));
            row.get(0)
        };
        assert_eq!(text.get(), "{\"n\":1.50}");
    }

    #[only(postgres)]
    async fn b7_arrays_of_enums_and_newtypes_are_bound_and_read_found_e6(t: Test) {
        let database = t.database().await;
        with_type(&database, "create type ebbtide_any_mood_2 as enum ('very_happy', 'so-so')").await;
        let sqlx = database.sqlx::<Any>().unwrap();
        #[derive(Debug, PartialEq, sqlx::FromRow)]
        struct Team {
            members: Vec<UserId>,
            moods: Vec<Mood>,
            amounts: Vec<Decimal>,
            bytes: Vec<u8>,
            names: Option<Vec<Text<u32>>>,
        }
        let team: Team = sqlx::query_as("select $1::int8[] as members, $2::ebbtide_any_mood_2[] as moods, $3::numeric[] as amounts, $4 as bytes, $5::text[] as names")
            .bind(vec![UserId(1), UserId(2)]).bind(vec![Mood::Fair, Mood::VeryHappy]).bind([Decimal::ONE].as_slice())
            .bind([1_u8, 2].as_slice()).bind(Some(vec![Text(7_u32)]))
            .fetch_one(&sqlx).await.unwrap();
        let expected = Team {
            members: vec![UserId(1), UserId(2)],
            moods: vec![Mood::Fair, Mood::VeryHappy],
            amounts: vec![Decimal::ONE],
            bytes: vec![1, 2],
            names: Some(vec![Text(7)]),
        };
        assert_eq!(team, expected);
        let again: Team = database
            .fetch_one("select array[1, 2]::int8[] as members, array['so-so', 'very_happy']::ebbtide_any_mood_2[] as moods, array[1]::numeric[] as amounts, '\\x0102'::bytea as bytes, array['7'] as names", ())
            .decode().await.unwrap();
        assert_eq!(again, expected);
    }

    #[only(mysql)]
    async fn b7_reads_equal_those_of_a_row_of_mysql(t: Test) {
        let database = t.database().await;
        let table = t.table("mysql_kinds");
        let create = format!("create table {table} (yes tinyint(1), no boolean, d datetime(6), ts timestamp(6) null, s varchar(20), \
            small smallint, tiny tinyint, big bigint unsigned, u int unsigned, b blob, t time(6), j json, e enum('very_happy', 'so-so'), y year)");
        database.execute(AssertSqlSafe(create), ()).await.unwrap();
        let insert = format!("insert into {table} values (1, 0, '2026-11-21 10:00:00.5', '2026-11-21 10:00:00.25', 'text', -5, -128, \
            18446744073709551615, 4294967295, x'00ff', '23:59:59.000001', '[1, \"a\"]', 'so-so', 2026)");
        database.execute(AssertSqlSafe(insert), ()).await.unwrap();
        macro_rules! columns {
            ($($type:ty => $columns:literal;)*) => {$(
                let sql: &'static str = Box::leak(format!("select {} from {table}", $columns).into_boxed_str());
                same::<sqlx::MySql, $type>(&database, sql).await;
            )*};
        }
        columns! {
            (bool, bool, Option<bool>) => "yes, no, yes";
            (i8, i8) => "yes, tiny";
            (i16, u64, u32) => "small, big, u";
            (NaiveDateTime, DateTime<Utc>) => "d, ts";
            (DateTime<Utc>, DateTime<Utc>) => "d, ts";
            (DateTime<Local>,) => "ts";
            (String, Vec<u8>, Vec<u8>) => "s, s, b";
            (NaiveTime, serde_json::Value, Json<(i64, String)>) => "t, j, j";
            (Mood, Mood) => "e, e";
        }
        same! { database, sqlx::MySql:
            (f32, f64, Decimal) => "select cast(0.1 as float), 1e300, cast(-1.50 as decimal(10, 2))";
            (i64, Option<i64>) => "select -9223372036854775808, null";
            (NaiveDate,) => "select cast('2026-11-21' as date)";
        }
        let sqlx = database.sqlx::<Any>().unwrap();
        let value: Value = sqlx::query_scalar(AssertSqlSafe(format!("select yes from {table}"))).fetch_one(&sqlx).await.unwrap();
        assert_eq!(value, Value::Bool(true));
    }

    #[only(sqlite)]
    #[sqlx]
    async fn b7_reads_equal_those_of_a_row_of_sqlite(t: Test) {
        let database = t.database().await;
        same! { database, sqlx::Sqlite:
            (bool, bool, Option<bool>) => "select 1, 0, null";
            (i8, i16, i32, i64) => "select -128, 32767, -2147483648, 9223372036854775807";
            (u8, u16, u32) => "select 255, 65535, 4294967295";
            (f64, f32) => "select 0.1, 1.5";
            (String, Box<str>, Vec<u8>, Vec<u8>) => "select 'a', 'b', x'00ff', 'text'";
            (NaiveDate, NaiveTime, NaiveDateTime) => "select '2026-11-21', '23:59:59.5', '2026-11-21 10:00:00.25'";
            (DateTime<Utc>, DateTime<Utc>) => "select '2026-11-21T10:00:00+02:00', '2026-11-21 10:00:00'";
            (DateTime<FixedOffset>,) => "select '2026-11-21T10:00:00+02:00'";
            (Uuid, Json<Document>, serde_json::Value) => "select x'00000000000000000000000000000007', '{\"title\": \"x\", \"parts\": []}', '[1]'";
            (UserId, Level, Mood, Text<u64>) => "select 7, 2, 'so-so', '18446744073709551615'";
        }
        database.execute("create table flags (yes boolean, no boolean)", ()).await.unwrap();
        database.execute("insert into flags values (1, 0)", ()).await.unwrap();
        same! { database, sqlx::Sqlite: (bool, bool) => "select yes, no from flags"; }
        let sqlx = database.sqlx::<Any>().unwrap();
        let value: (Value, Value) = sqlx::query_as("select yes, 1 from flags").fetch_one(&sqlx).await.unwrap();
        assert_eq!(value, (Value::Bool(true), Value::I64(1)));
        let info: AnyTypeInfo = sqlx::query("select yes from flags").fetch_one(&sqlx).await.unwrap().column(0).type_info().clone();
        assert_eq!(info.name(), "BOOLEAN");
        let error = sqlx::query_scalar::<_, i64>("select ?").bind(vec![1_i64]).fetch_one(&sqlx).await.unwrap_err();
        assert_eq!(ebbtide::Error::from(error).kind(), ErrorKind::Unsupported, "there are no arrays");
    }
}
