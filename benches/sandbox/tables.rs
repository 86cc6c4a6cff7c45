//! The differences between the databases: creating and emptying ten tables, and the goals.

use std::fmt::Write;
use std::future::Future;

use ebbtide::{Config, SslMode};
use ebbtide_bench::Outcome;
use sqlx::migrate::Migrator;
use sqlx::mysql::MySqlSslMode;
use sqlx::postgres::PgSslMode;
use sqlx::{Connection, Database};

use crate::own;

pub(crate) const TABLES: usize = 10;

/// The three statements of a test. Without parameters, so that they are the same everywhere.
pub(crate) const STATEMENTS: [&str; 3] = [
    "INSERT INTO bench_0 (label, amount) VALUES ('an entry', 7)",
    "INSERT INTO bench_1 (label, amount) VALUES ('another', 8)",
    "SELECT label FROM bench_2 WHERE id = 1",
];

/// The same on the tables that are emptied after each test. Emptied tables are slow to open again, which must not
/// affect the other contenders.
pub(crate) const STATEMENTS_BEFORE_EMPTYING: [&str; 3] = [
    "INSERT INTO emptied_0 (label, amount) VALUES ('an entry', 7)",
    "INSERT INTO emptied_1 (label, amount) VALUES ('another', 8)",
    "SELECT label FROM emptied_2 WHERE id = 1",
];

pub(crate) type Options<P> = <<P as Database>::Connection as Connection>::Options;

/// A database of sqlx, with its machinery for tests.
pub(crate) trait Peer: Database {
    const SHOWN: &'static str;
    /// Columns of each table.
    const COLUMNS: &'static str;
    /// Maximum overhead of a sandbox over its statements, in milliseconds.
    const OVERHEAD: f64;
    /// Minimum speed-up over a separate database for each test.
    const BESIDE_OWN: Option<f64>;
    /// Minimum speed-up over emptying ten tables.
    const BESIDE_EMPTYING: Option<f64>;

    /// `true` if several outer transactions can be open at once, so that they can be compared.
    const MANY_WRITERS: bool = true;
    /// Creates a temporary table that each commit empties.
    const TEMPORARY: Option<&'static str> = None;

    /// Returns the settings of the library, without encryption.
    fn config(url: &str) -> Outcome<Config>;
    /// Returns the same settings for sqlx.
    fn options(url: &str) -> Outcome<Options<Self>>;
    /// Returns the text that empties all tables.
    fn empty() -> String;
    /// Runs the statements of a test.
    fn three(connection: &mut Self::Connection) -> impl Future<Output = sqlx::Result<()>>;
    /// Runs one test, in a database that sqlx creates for it.
    fn own(migrator: &'static Migrator) -> Outcome;
}

/// Defines the operations that are the same for all databases of sqlx; generic code would need a page of bounds.
macro_rules! operations {
    () => {
        async fn three(connection: &mut Self::Connection) -> sqlx::Result<()> {
            own::three::<Self>(connection).await
        }

        fn own(migrator: &'static Migrator) -> Outcome {
            own::test::<Self>(migrator)
        }
    };
}

/// Returns the text that creates ten tables.
pub(crate) fn create<P: Peer>(name: &str) -> String {
    each(|sql, table| writeln!(sql, "CREATE TABLE {name}_{table} {};", P::COLUMNS))
}

fn each(mut statement: impl FnMut(&mut String, usize) -> std::fmt::Result) -> String {
    let mut sql = String::new();
    for table in 0..TABLES {
        // Writing to a string does not fail.
        let _ = statement(&mut sql, table);
    }
    sql
}

impl Peer for sqlx::Postgres {
    const SHOWN: &'static str = "PostgreSQL";
    const COLUMNS: &'static str =
        "(id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label TEXT NOT NULL, amount BIGINT NOT NULL)";
    const OVERHEAD: f64 = 0.3;
    const BESIDE_OWN: Option<f64> = Some(200.0);
    const BESIDE_EMPTYING: Option<f64> = Some(20.0);
    const TEMPORARY: Option<&'static str> =
        Some("CREATE TEMPORARY TABLE bench_scratch (id BIGINT) ON COMMIT DELETE ROWS");

    fn config(url: &str) -> Outcome<Config> {
        Ok(Config::from_url(url)?.ssl_mode(SslMode::Disable))
    }

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options.ssl_mode(PgSslMode::Disable))
    }

    fn empty() -> String {
        let tables: Vec<String> = (0..TABLES).map(|table| format!("emptied_{table}")).collect();
        format!("TRUNCATE {} RESTART IDENTITY", tables.join(", "))
    }

    operations!();
}

impl Peer for sqlx::MySql {
    const SHOWN: &'static str = "MariaDB or MySQL";
    const COLUMNS: &'static str =
        "(id BIGINT AUTO_INCREMENT PRIMARY KEY, label VARCHAR(100) NOT NULL, amount BIGINT NOT NULL)";
    const OVERHEAD: f64 = 0.3;
    const BESIDE_OWN: Option<f64> = None;
    const BESIDE_EMPTYING: Option<f64> = Some(20.0);

    fn config(url: &str) -> Outcome<Config> {
        Ok(Config::from_url(url)?.ssl_mode(SslMode::Disable))
    }

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options.ssl_mode(MySqlSslMode::Disabled))
    }

    fn empty() -> String {
        each(|sql, table| writeln!(sql, "TRUNCATE TABLE emptied_{table};"))
    }

    operations!();
}

impl Peer for sqlx::Sqlite {
    const SHOWN: &'static str = "SQLite file";
    const MANY_WRITERS: bool = false;
    const COLUMNS: &'static str = "(id INTEGER PRIMARY KEY, label TEXT NOT NULL, amount INTEGER NOT NULL)";
    const OVERHEAD: f64 = 0.15;
    const BESIDE_OWN: Option<f64> = None;
    // SQLite has no TRUNCATE, and DELETE is fast.
    const BESIDE_EMPTYING: Option<f64> = None;

    fn config(url: &str) -> Outcome<Config> {
        Ok(Config::from_url(url)?)
    }

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlx::sqlite::SqliteSynchronous::Normal))
    }

    fn empty() -> String {
        each(|sql, table| writeln!(sql, "DELETE FROM emptied_{table};"))
    }

    operations!();
}
