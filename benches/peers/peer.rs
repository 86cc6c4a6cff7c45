//! What sqlx does on its own, once for each of its databases.

use std::future::Future;

use chrono::{DateTime, Utc};
use ebbtide::{Config, SslMode};
use futures::TryStreamExt;
use serde::Deserialize;
use sqlx::mysql::MySqlSslMode;
use sqlx::postgres::PgSslMode;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Database, Pool};

use crate::Outcome;

/// A row that is selected by its key.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// A row of five columns.
#[derive(Debug, Deserialize, sqlx::FromRow)]
#[expect(dead_code, reason = "read for the sake of reading")]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: f64,
    pub(crate) active: bool,
    pub(crate) at: DateTime<Utc>,
}

/// The same without its time.
#[derive(Debug, Deserialize, sqlx::FromRow)]
#[expect(dead_code, reason = "read for the sake of reading")]
pub(crate) struct Timeless {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: f64,
    pub(crate) active: bool,
}

/// The statements, in the library's own spelling of parameters, which every database understands through it.
pub(crate) const ITEM: &str = "SELECT id, name FROM ebbtide_bench_item WHERE id = :id";
pub(crate) const ENTER: &str = "INSERT INTO ebbtide_bench_entry (label, amount) VALUES (:label, :amount)";
pub(crate) const RECORDS: &str = "SELECT id, name, price, active, at FROM ebbtide_bench_record";
pub(crate) const TIMELESS: &str = "SELECT id, name, price, active FROM ebbtide_bench_record";
/// Every record, as many times as there are keys up to `:factor`.
pub(crate) const STREAM: &str = "SELECT r.id, r.name, r.price, r.active, r.at \
     FROM ebbtide_bench_record r CROSS JOIN (SELECT id FROM ebbtide_bench_item WHERE id <= :factor) t";

/// How many rows the tables have.
pub(crate) const ROWS: i64 = 10_000;

pub(crate) type Options<P> = <<P as Database>::Connection as Connection>::Options;

/// A database of sqlx with the operations that are compared.
pub(crate) trait Peer: Database {
    const SHOWN: &'static str;
    /// The tables, without their names.
    const ITEMS: &'static str;
    const RECORDS: &'static str;
    const ENTRIES: &'static str;
    /// How much faster than `sqlx::Pool` a pooled select has to be.
    const POOLED: f64;
    /// The same for begin, insert, commit, where a figure is asked for.
    const COMMITTED: Option<f64>;

    /// How sqlx connects.
    fn options(url: &str) -> Outcome<Options<Self>>;
    /// The same for the library: no contender has an advantage here.
    fn config(url: &str) -> Outcome<Config>;

    fn item(connection: &mut Self::Connection, id: i64) -> impl Future<Output = sqlx::Result<Item>> + Send;
    fn item_pooled(pool: &Pool<Self>, id: i64) -> impl Future<Output = sqlx::Result<Item>> + Send;
    fn enter(connection: &mut Self::Connection, amount: i64) -> impl Future<Output = sqlx::Result<()>> + Send;
    fn enter_many(connection: &mut Self::Connection, amounts: &[i64]) -> impl Future<Output = sqlx::Result<()>> + Send;
    fn records(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<Vec<Record>>> + Send;
    fn timeless(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<Vec<Timeless>>> + Send;
    fn stream(
        connection: &mut Self::Connection,
        factor: i64,
        each: impl FnMut(usize) + Send,
    ) -> impl Future<Output = sqlx::Result<usize>> + Send;
}

/// The operations as anyone would write them with sqlx; only the placeholders differ.
macro_rules! operations {
    ($database:ty, $one:literal, $two:literal) => {
        async fn item(connection: &mut Self::Connection, id: i64) -> sqlx::Result<Item> {
            let sql = concat!("SELECT id, name FROM ebbtide_bench_item WHERE id = ", $one);
            sqlx::query_as::<$database, Item>(sql)
                .bind(id)
                .fetch_one(connection)
                .await
        }

        async fn item_pooled(pool: &Pool<Self>, id: i64) -> sqlx::Result<Item> {
            let sql = concat!("SELECT id, name FROM ebbtide_bench_item WHERE id = ", $one);
            sqlx::query_as::<$database, Item>(sql)
                .bind(id)
                .fetch_one(pool)
                .await
        }

        async fn enter(connection: &mut Self::Connection, amount: i64) -> sqlx::Result<()> {
            let sql = concat!(
                "INSERT INTO ebbtide_bench_entry (label, amount) VALUES (",
                $one,
                ", ",
                $two,
                ")"
            );
            let query = sqlx::query::<$database>(sql).bind("an entry").bind(amount);
            query.execute(connection).await.map(drop)
        }

        async fn enter_many(connection: &mut Self::Connection, amounts: &[i64]) -> sqlx::Result<()> {
            let mut query = sqlx::QueryBuilder::<$database>::new("INSERT INTO ebbtide_bench_entry (label, amount) ");
            query.push_values(amounts, |mut row, amount| {
                row.push_bind("an entry").push_bind(*amount);
            });
            query.build().execute(connection).await.map(drop)
        }

        async fn records(connection: &mut Self::Connection) -> sqlx::Result<Vec<Record>> {
            sqlx::query_as::<$database, Record>(RECORDS)
                .fetch_all(connection)
                .await
        }

        async fn timeless(connection: &mut Self::Connection) -> sqlx::Result<Vec<Timeless>> {
            sqlx::query_as::<$database, Timeless>(TIMELESS)
                .fetch_all(connection)
                .await
        }

        async fn stream(
            connection: &mut Self::Connection,
            factor: i64,
            mut each: impl FnMut(usize) + Send,
        ) -> sqlx::Result<usize> {
            let sql = concat!(
                "SELECT r.id, r.name, r.price, r.active, r.at FROM ebbtide_bench_record r \
                 CROSS JOIN (SELECT id FROM ebbtide_bench_item WHERE id <= ",
                $one,
                ") t"
            );
            let mut rows = sqlx::query_as::<$database, Record>(sql)
                .bind(factor)
                .fetch(connection);
            let mut count = 0;
            while rows.try_next().await?.is_some() {
                count += 1;
                each(count);
            }
            Ok(count)
        }
    };
}

impl Peer for sqlx::Postgres {
    const SHOWN: &'static str = "PostgreSQL";
    const ITEMS: &'static str = "(id BIGINT PRIMARY KEY, name TEXT NOT NULL)";
    const RECORDS: &'static str = "(id BIGINT PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION NOT NULL, \
         active BOOLEAN NOT NULL, at TIMESTAMPTZ NOT NULL)";
    const ENTRIES: &'static str =
        "(id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label TEXT NOT NULL, amount BIGINT NOT NULL)";
    const POOLED: f64 = 2.4;
    const COMMITTED: Option<f64> = Some(1.7);

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        // Neither encryption nor waiting for the disk at a commit may hide everything else.
        Ok(options
            .ssl_mode(PgSslMode::Disable)
            .options([("synchronous_commit", "off")]))
    }

    fn config(url: &str) -> Outcome<Config> {
        Ok(Config::from_url(url)?
            .ssl_mode(SslMode::Disable)
            .server_setting("synchronous_commit", "off"))
    }

    operations!(sqlx::Postgres, "$1", "$2");
}

impl Peer for sqlx::MySql {
    const SHOWN: &'static str = "MariaDB or MySQL";
    const ITEMS: &'static str = "(id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)";
    const RECORDS: &'static str = "(id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, price DOUBLE NOT NULL, \
         active BOOLEAN NOT NULL, at TIMESTAMP(6) NOT NULL)";
    const ENTRIES: &'static str =
        "(id BIGINT AUTO_INCREMENT PRIMARY KEY, label VARCHAR(100) NOT NULL, amount BIGINT NOT NULL)";
    const POOLED: f64 = 2.0;
    const COMMITTED: Option<f64> = None;

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options.ssl_mode(MySqlSslMode::Disabled))
    }

    fn config(url: &str) -> Outcome<Config> {
        Ok(Config::from_url(url)?.ssl_mode(SslMode::Disable))
    }

    operations!(sqlx::MySql, "?", "?");
}

impl Peer for sqlx::Sqlite {
    const SHOWN: &'static str = "SQLite file";
    const ITEMS: &'static str = "(id INTEGER PRIMARY KEY, name TEXT NOT NULL)";
    const RECORDS: &'static str = "(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL, \
         active BOOLEAN NOT NULL, at TIMESTAMP NOT NULL)";
    const ENTRIES: &'static str = "(id INTEGER PRIMARY KEY, label TEXT NOT NULL, amount INTEGER NOT NULL)";
    const POOLED: f64 = 1.6;
    const COMMITTED: Option<f64> = None;

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal))
    }

    fn config(url: &str) -> Outcome<Config> {
        // The library opens a file this way by itself.
        Ok(Config::from_url(url)?)
    }

    operations!(sqlx::Sqlite, "?", "?");
}
