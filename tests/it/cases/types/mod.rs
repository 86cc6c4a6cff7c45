//! Q4: every type bound and read back on every backend, at its extremes; a value that would lose information is an
//! error.

mod booleans;
mod decimals;
mod documents;
mod inferred;
mod lossy;
mod mixtures;
mod null;
mod numbers;
mod own;
mod postgres;
mod search_path;
mod server_types;
mod text;
mod times;

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, FromValue, Value, params};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::Case;
use crate::support::{Test, standard};

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        numbers::cases(),
        text::cases(),
        times::cases(),
        documents::cases(),
        postgres::cases(),
        null::cases(),
        inferred::cases(),
        search_path::cases(),
        server_types::cases(),
        lossy::cases(),
        mixtures::cases(),
        own::cases(),
        booleans::cases(),
        decimals::cases(),
    ]
    .concat()
}

/// Returns the type of a column on each backend.
pub(super) fn on<'s>(t: &Test, sqlite: &'s str, postgres: &'s str, mysql: &'s str) -> &'s str {
    match t.backend() {
        Backend::SqliteFile | Backend::SqliteMemory => sqlite,
        Backend::Postgres => postgres,
        Backend::Mysql => mysql,
        // What standard SQL has, MySQL has too, but for these types.
        Backend::SqlServer => match mysql {
            "longtext" | "json" => "nvarchar(max)",
            "longblob" => "varbinary(max)",
            "datetime(6)" => "datetime2",
            "double" => "float",
            "0.1e0" => "cast(0.1 as float)",
            "0.1e0 + 0.2e0" => "cast(0.1 as float) + cast(0.2 as float)",
            "boolean" => "bit",
            _ => mysql,
        },
        Backend::Standard => match mysql {
            "longtext" => standard(t.driver(), "text"),
            "longblob" => standard(t.driver(), "bytes"),
            "json" => standard(t.driver(), "json"),
            "datetime(6)" => "timestamp",
            // Without the cast it is a decimal number there.
            "0.1e0" => "cast(0.1 as double precision)",
            "0.1e0 + 0.2e0" => "cast(0.1 as double precision) + cast(0.2 as double precision)",
            "binary(16)" if t.driver() == Some(Driver::DuckDb) => "uuid",
            "time(6)" if t.driver() == Some(Driver::DuckDb) => "time",
            _ => mysql,
        },
    }
}

/// Creates a table with a column `v` of this type. Returns its name.
pub(super) async fn table_of(t: &Test, database: &Database, column: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let table = t.table(&format!("typed_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let create = format!("create table {table} (id bigint not null primary key, v {column})");
    database.execute(AssertSqlSafe(create), ()).await.unwrap();
    table
}

/// The ways in which values are read back.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ways {
    All,
    /// Not from unprepared text, in which the server itself rounds.
    Prepared,
}

/// Binds each value, one by one and many at once, with NULL before and after, and asserts that they come back, from
/// prepared statements and from unprepared ones.
pub(super) async fn survive_by<T>(
    t: &Test,
    database: &Database,
    column: &str,
    values: &[T],
    ways: Ways,
    same: fn(&T, &T) -> bool,
) where
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

pub(super) async fn survive<T>(t: &Test, database: &Database, column: &str, values: &[T])
where
    T: FromValue + Clone + Debug + PartialEq + Send + 'static,
    Value: From<T>,
{
    survive_by(t, database, column, values, Ways::All, |one, other| one == other).await;
}

/// Asserts that a value cannot be read as `T`, and that the error names the column and both types.
pub(super) async fn refuse<T: FromValue + Debug + Send + 'static>(
    database: &Database,
    expression: &str,
    pieces: &[&str],
) {
    let text = format!("select {expression} as odd_one");
    let result = database.fetch_value::<T>(AssertSqlSafe(text.clone()), ()).await;
    let error = result.expect_err(&text);
    assert_says(&error, ErrorKind::Decode, pieces);
    let rust = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    assert_says(&error, ErrorKind::Decode, &["`odd_one`", rust]);
}

#[track_caller]
pub(super) fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn clock(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

pub(super) fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

pub(super) fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

pub(super) fn texts() -> Vec<String> {
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
pub(super) struct Event {
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

/// Creates a table for [`Event`].
pub(super) async fn with_events(t: &Test) -> Database {
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
    } else if t.backend() == Backend::Standard {
        create.replace(" null,", ",").replace('`', "\"")
    } else {
        create.replace('`', "\"")
    };
    database.execute(t.sql(&create), ()).await.unwrap();
    database
}
