//! Those who compete, and the tables they work on.

use chrono::{DateTime, TimeDelta, Utc};
use ebbtide::{AssertSqlSafe, Database};
use sqlx::pool::PoolOptions;
use sqlx::{ConnectOptions, Pool};

use crate::Outcome;
use crate::peer::{Options, Peer, ROWS};

/// How many connections each pool has: the default of both.
pub(crate) const CONNECTIONS: usize = 10;

const TABLES: [&str; 3] = ["ebbtide_bench_item", "ebbtide_bench_record", "ebbtide_bench_entry"];

pub(crate) struct Contenders<P: Peer> {
    options: Options<P>,
    /// `sqlx::Pool` as it comes.
    pub(crate) pool: Pool<P>,
    /// The same without the ping at acquire.
    pub(crate) unchecked: Pool<P>,
    /// The library.
    pub(crate) database: Database,
}

impl<P: Peer> Contenders<P> {
    /// Connects and fills the tables.
    pub(crate) async fn new(url: &str) -> Outcome<Self> {
        let database = Database::connect(P::config(url)?).await?;
        drop_tables(&database).await?;
        for (table, columns) in TABLES.iter().zip([P::ITEMS, P::RECORDS, P::ENTRIES]) {
            let sql = format!("CREATE TABLE {table} {columns}");
            database.execute(AssertSqlSafe(sql), ()).await?;
        }
        fill(&database).await?;
        let options = P::options(url)?;
        Ok(Self {
            pool: PoolOptions::new().connect_lazy_with(options.clone()),
            unchecked: PoolOptions::new()
                .test_before_acquire(false)
                .connect_lazy_with(options.clone()),
            options,
            database,
        })
    }

    /// A connection of sqlx without any pool.
    pub(crate) async fn bare(&self) -> Outcome<P::Connection> {
        Ok(self.options.connect().await?)
    }

    /// Empties the table that the inserts go to.
    pub(crate) async fn empty(&self) -> Outcome {
        self.database.execute("DELETE FROM ebbtide_bench_entry", ()).await?;
        Ok(())
    }

    pub(crate) async fn end(self) -> Outcome {
        self.pool.close().await;
        self.unchecked.close().await;
        drop_tables(&self.database).await?;
        self.database.disconnect().await?;
        Ok(())
    }
}

async fn drop_tables(database: &Database) -> Outcome {
    for table in TABLES {
        let sql = format!("DROP TABLE IF EXISTS {table}");
        database.execute(AssertSqlSafe(sql), ()).await?;
    }
    Ok(())
}

async fn fill(database: &Database) -> Outcome {
    let items = (1..=ROWS).map(|id| (id, format!("item {id}")));
    database
        .execute_many("INSERT INTO ebbtide_bench_item (id, name) VALUES (?, ?)", items)
        .await?;
    let begin: DateTime<Utc> = "2026-01-01T00:00:00.123456Z".parse()?;
    let records = (1..=ROWS).map(|id| {
        let at = begin + TimeDelta::seconds(id * 61);
        (id, format!("record number {id}"), id as f64 / 8.0, id % 2 == 0, at)
    });
    database
        .execute_many(
            "INSERT INTO ebbtide_bench_record (id, name, price, active, at) VALUES (?, ?, ?, ?, ?)",
            records,
        )
        .await?;
    Ok(())
}

/// The key for the n-th select: scattered, so that no page is hot.
pub(crate) fn key(number: usize) -> i64 {
    (number as i64 * 7_919) % ROWS + 1
}
