//! Measures the reading of 10,000 rows into structs: `cargo bench -p ebbtide-bench --bench decode`.
//!
//! All ways take turns in one process, on the same rows. A figure is the median of the turns, in nanoseconds a row.
//! docs/PERFORMANCE.md describes the method; `-- --quick` only checks that everything runs.

mod race;

use chrono::{DateTime, Utc};
use ebbtide::any::{Any, AnyConnection, AnyRow};
use ebbtide::{AssertSqlSafe, Database};
use ebbtide_bench::options::Options;
use ebbtide_bench::server::Servers;
use ebbtide_bench::{Outcome, processor};
use sqlx::{Connection, FromRow};

use race::Race;

/// The number of rows.
const ROWS: usize = 10_000;
const TABLE: &str = "ebbtide_bench_decode";
const SELECT: &str = "SELECT id, name, price, active, at FROM ebbtide_bench_decode";

/// The row of five columns, read by name.
#[derive(Debug, serde::Deserialize, sqlx::FromRow)]
#[expect(dead_code, reason = "read for the sake of reading")]
struct Record {
    id: i64,
    name: String,
    price: f64,
    active: bool,
    at: DateTime<Utc>,
}

fn main() -> std::process::ExitCode {
    match Options::from_arguments().and_then(|options| options.map_or(Ok(()), |options| run(&options))) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark ended early: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome {
    if !options.times {
        return Ok(());
    }
    let mut servers = Servers::new(processor::pin());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let turns = if options.quick { 2 } else { 41 };
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let file = format!("sqlite:{}?mode=rwc", folder.path().join("decode.db").display());
        backend::<sqlx::Sqlite>("SQLite", &file, ["REAL", "BOOLEAN", "TEXT"], turns).await?;
        match std::env::var("EBBTIDE_TEST_POSTGRES_URL") {
            Ok(url) => {
                if !options.quick {
                    servers.pin_postgres(&url).await;
                }
                backend::<sqlx::Postgres>("PostgreSQL", &url, ["FLOAT8", "BOOLEAN", "TIMESTAMPTZ"], turns).await?;
            }
            Err(_) => eprintln!("NOTE: PostgreSQL IS LEFT OUT: set EBBTIDE_TEST_POSTGRES_URL to measure it"),
        }
        match std::env::var("EBBTIDE_TEST_MYSQL_URL") {
            Ok(url) => {
                if !options.quick {
                    servers.pin_mysql(&url).await;
                }
                backend::<sqlx::MySql>("MySQL or MariaDB", &url, ["DOUBLE", "BOOLEAN", "TIMESTAMP(6)"], turns).await?;
            }
            Err(_) => eprintln!("NOTE: MySQL IS LEFT OUT: set EBBTIDE_TEST_MYSQL_URL to measure it"),
        }
        Ok(())
    })
}

/// Measures all ways on one backend.
async fn backend<DB>(name: &str, url: &str, [price, active, at]: [&str; 3], turns: usize) -> Outcome
where
    DB: sqlx::Database<Arguments: sqlx::IntoArguments<DB>>,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
    Record: for<'r> FromRow<'r, DB::Row>,
{
    let database = Database::connect(url).await?;
    let drop = || AssertSqlSafe(format!("DROP TABLE IF EXISTS {TABLE}"));
    database.execute(drop(), ()).await?;
    let create = format!(
        "CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, price {price} NOT NULL, \
         active {active} NOT NULL, at {at} NOT NULL)"
    );
    database.execute(AssertSqlSafe(create), ()).await?;
    let begin = DateTime::from_timestamp(1_700_000_000, 123_456_000).ok_or("no date")?;
    let rows = (0..ROWS as i64).map(|id| {
        let at = begin + chrono::Duration::seconds(id);
        (id, format!("record number {id}"), id as f64 / 8.0, id % 2 == 0, at)
    });
    let insert = format!("INSERT INTO {TABLE} (id, name, price, active, at) VALUES (?, ?, ?, ?, ?)");
    database.execute_many(AssertSqlSafe(insert), rows).await?;

    let mut bare = DB::Connection::connect(url).await?;
    let mut any = AnyConnection::connect(url).await?;
    let sqlx_rows = sqlx::query::<DB>(SELECT).fetch_all(&mut bare).await?;
    let any_rows = sqlx::query::<Any>(SELECT).fetch_all(&mut any).await?;
    let own_rows = database.fetch_all(SELECT, ()).await?;

    let mut alone = Race::new(ROWS);
    for _ in 0..turns {
        alone.turn("sqlx's row", || count(sqlx_rows.iter().map(Record::from_row)))?;
        alone.turn("AnyRow", || count(any_rows.iter().map(of_any)))?;
        alone.turn("deserialize", || {
            count(own_rows.iter().map(ebbtide::Row::deserialize::<Record>))
        })?;
    }
    alone.report(&format!("{name}: decoding alone"));

    let mut whole = Race::new(ROWS);
    for _ in 0..turns {
        let query = sqlx::query_as::<DB, Record>(SELECT);
        whole
            .wait("sqlx: query_as", async { Ok(query.fetch_all(&mut bare).await?.len()) })
            .await?;
        let query = database.fetch_all(SELECT, ()).decode_on::<DB, Record>();
        whole.wait(".decode_on", async { Ok(query.await?.len()) }).await?;
        let query = database.fetch_all(SELECT, ()).decode::<Record>();
        whole.wait(".decode", async { Ok(query.await?.len()) }).await?;
        let query = database.fetch_all(SELECT, ()).deserialize::<Record>();
        whole.wait(".deserialize", async { Ok(query.await?.len()) }).await?;
    }
    whole.report(&format!("{name}: query, transport and decoding"));
    database.execute(drop(), ()).await?;
    any.close().await?;
    bare.close().await?;
    database.disconnect().await?;
    Ok(())
}

/// Outside of the generic function, whose bounds are about its own rows.
fn of_any(row: &AnyRow) -> Result<Record, sqlx::Error> {
    Record::from_row(row)
}

fn count<E: Into<ebbtide_bench::Failure>>(rows: impl Iterator<Item = Result<Record, E>>) -> Outcome<usize> {
    let mut count = 0;
    for row in rows {
        std::hint::black_box(row.map_err(Into::into)?);
        count += 1;
    }
    Ok(count)
}
