//! The database of a run: created for it, filled, and dropped at the end.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use ebbtide::testing::{create_database, drop_database};
use ebbtide::{AssertSqlSafe, Config, Database};
use ebbtide_bench::Outcome;
use ebbtide_bench::job::{Backend, ROWS};
use ebbtide_bench::statistics::median;
use sqlx::{Connection, MySqlConnection, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A database with the tables of the benchmark. On a server it is dropped with this value.
#[derive(Debug)]
pub(crate) struct BenchDatabase<'r> {
    runtime: &'r Runtime,
    config: Config,
    url: String,
    /// Folder of the SQLite file.
    folder: Option<TempDir>,
}

impl<'r> BenchDatabase<'r> {
    /// Creates a database on the server of a URL.
    pub(crate) fn on_server(runtime: &'r Runtime, backend: Backend, url: &str) -> Outcome<Self> {
        let name = format!("ebbtide_bench_{}", std::process::id());
        let config = Config::from_url(url)?.database(name.as_str());
        runtime.block_on(async { create_database(&config).await })?;
        let database = Self {
            url: config.url().expose(),
            runtime,
            config,
            folder: None,
        };
        database.fill(backend)?;
        if backend == Backend::Postgres {
            // No commit waits for the disk, and no vacuum begins during a measurement.
            database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off"))?;
            database.execute("ALTER TABLE entry SET (autovacuum_enabled = false)")?;
            database.execute("VACUUM ANALYZE")?;
        }
        Ok(database)
    }

    /// Creates a file.
    pub(crate) fn in_file(runtime: &'r Runtime) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        let database = Self {
            config: Config::from_url(url.as_str())?,
            url,
            runtime,
            folder: Some(folder),
        };
        database.fill(Backend::Sqlite)?;
        Ok(database)
    }

    /// Returns the URL with its password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Empties the table of inserts.
    pub(crate) fn clear(&self, backend: Backend) -> Outcome {
        self.execute(backend.clear())
    }

    /// Returns the version of the server.
    pub(crate) fn version(&self, backend: Backend) -> Outcome<String> {
        let sql = match backend {
            Backend::Postgres => "SELECT current_setting('server_version')",
            Backend::MySql => "SELECT version()",
            Backend::Sqlite => "SELECT sqlite_version()",
        };
        self.runtime.block_on(async {
            let database = Database::connect(self.config.clone()).await?;
            let version = database.fetch_value(sql, ()).await?;
            database.disconnect().await?;
            Ok(version)
        })
    }

    /// Measures the round trip to a server: pings on a bare connection, without any table.
    pub(crate) fn round_trip(&self, backend: Backend, url: &str) -> Outcome<Duration> {
        let millis = self.runtime.block_on(async {
            match backend {
                Backend::Postgres => pings(PgConnection::connect(url).await?).await,
                Backend::MySql => pings(MySqlConnection::connect(url).await?).await,
                Backend::Sqlite => Err("SQLite is not far away".into()),
            }
        })?;
        Ok(Duration::from_secs_f64(millis / 1e3))
    }

    fn execute(&self, sql: &str) -> Outcome {
        self.runtime.block_on(async {
            let database = Database::connect(self.config.clone()).await?;
            database.execute(AssertSqlSafe(sql.to_owned()), ()).await?;
            database.disconnect().await?;
            Ok(())
        })
    }

    fn fill(&self, backend: Backend) -> Outcome {
        self.runtime.block_on(async {
            let database = Database::connect(self.config.clone()).await?;
            for sql in tables(backend) {
                database.execute(sql, ()).await?;
            }
            let items = (1..=ROWS).map(|id| (id, format!("item {id}")));
            let sql = "INSERT INTO item (id, name) VALUES (?, ?)";
            database.execute_many(sql, items).await?;
            let begin: DateTime<Utc> = "2026-01-01T00:00:00.123456Z".parse()?;
            let records = (1..=ROWS).map(|id| {
                let at = begin + TimeDelta::seconds(id * 61);
                (id, format!("record number {id}"), id as f64 / 8.0, id % 2 == 0, at)
            });
            let sql = "INSERT INTO record (id, name, price, active, at) VALUES (?, ?, ?, ?, ?)";
            database.execute_many(sql, records).await?;
            database.disconnect().await?;
            Ok(())
        })
    }
}

impl Drop for BenchDatabase<'_> {
    fn drop(&mut self) {
        if self.folder.is_some() {
            return;
        }
        let dropped = self.runtime.block_on(async { drop_database(&self.config).await });
        if let Err(error) = dropped {
            eprintln!("NOTE: the database of this run stays: {error}");
        }
    }
}

fn tables(backend: Backend) -> [&'static str; 3] {
    match backend {
        Backend::Postgres => [
            "CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
            "CREATE TABLE record (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION NOT NULL, \
             active BOOLEAN NOT NULL, at TIMESTAMPTZ NOT NULL)",
            "CREATE TABLE entry (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label TEXT NOT NULL, \
             amount BIGINT NOT NULL)",
        ],
        Backend::MySql => [
            "CREATE TABLE item (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)",
            "CREATE TABLE record (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, price DOUBLE NOT NULL, \
             active BOOLEAN NOT NULL, at TIMESTAMP(6) NOT NULL)",
            "CREATE TABLE entry (id BIGINT AUTO_INCREMENT PRIMARY KEY, label VARCHAR(100) NOT NULL, \
             amount BIGINT NOT NULL)",
        ],
        Backend::Sqlite => [
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
            "CREATE TABLE record (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL, \
             active BOOLEAN NOT NULL, at TIMESTAMP NOT NULL)",
            "CREATE TABLE entry (id INTEGER PRIMARY KEY, label TEXT NOT NULL, amount INTEGER NOT NULL)",
        ],
    }
}

/// Returns the median of some pings, in milliseconds.
async fn pings<C: Connection>(mut connection: C) -> Outcome<f64> {
    let mut millis = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        connection.ping().await?;
        millis.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    connection.close().await?;
    Ok(median(&millis))
}
