//! The environment of a case: a database to work on, names of its own, and separate connections to the database.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ebbtide::Database;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::{SideConnection, block_on_here};
use crate::backends::Backend;
use crate::drivers::Driver;

/// The environment in which a case runs. Tables it names are dropped when it ends, however it ends.
#[derive(Debug)]
pub(crate) struct Test {
    name: String,
    backend: Backend,
    driver: Option<Driver>,
    url: String,
    /// The URL for connections beside the library, where the drivers of sqlx reach the database.
    side: Option<String>,
    id: String,
    cleanup: Cleanup,
}

impl Test {
    pub(crate) fn new(name: &str, backend: Backend, driver: Option<Driver>) -> Result<Self, String> {
        let id = format!("{:08x}", RandomState::new().build_hasher().finish() as u32);
        let folder = scratch_folder().map_err(|error| format!("cannot make a folder for the test: {error}"))?;
        let side = match backend {
            Backend::SqliteFile => Some(file_url(&folder.path().join("test.db"))),
            Backend::SqliteMemory | Backend::SqlServer | Backend::Standard => None,
            Backend::Postgres | Backend::Mysql => Some(backend.server_url()?),
        };
        let url = match (driver, &side) {
            (Some(driver), _) => driver.url(folder.path(), &id)?,
            (None, Some(side)) => side.clone(),
            (None, None) if backend == Backend::SqlServer => backend.server_url()?,
            (None, None) => "sqlite::memory:".to_owned(),
        };
        let cleanup = Cleanup(Arc::new(CleanupInner {
            url: side.as_ref().or(Some(&url)).filter(|_| backend.is_server()).cloned(),
            driver: driver.map(|driver| (driver, url.clone())),
            tables: Mutex::default(),
            folder,
        }));
        Ok(Self {
            name: name.to_owned(),
            backend,
            driver,
            url,
            side,
            id,
            cleanup,
        })
    }

    /// Returns the URL for connections beside the library.
    pub(crate) fn side_url(&self) -> String {
        self.side.clone().unwrap_or_else(|| self.url.clone())
    }

    /// Returns the name of the test, with its backend.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL of the test's database.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns the driver, unless it is that of sqlx, by which the library reaches the database.
    pub(crate) fn driver(&self) -> Option<Driver> {
        self.driver
    }

    /// Returns the name of the backend or driver, as it appears at the end of the test's name.
    pub(crate) fn lane(&self) -> &'static str {
        self.driver.map_or(self.backend.name(), Driver::name)
    }

    /// Returns whether the beginning of a transaction, or of a savepoint, waits for the next statement and costs no round
    /// trip of its own.
    pub(crate) fn begins_later(&self) -> bool {
        self.driver == Some(Driver::TokioPostgres)
    }

    /// Returns 0 if beginnings wait for the next statement, and 1 if they cost a round trip.
    pub(crate) fn begin(&self) -> usize {
        usize::from(!self.begins_later())
    }

    /// Returns the URL with which the library opens what `url` names.
    pub(crate) fn by_driver(&self, url: &str) -> String {
        self.driver.map_or_else(|| url.to_owned(), |driver| driver.opening(url))
    }

    /// The same test on another server, which goes with its tables.
    pub(crate) fn on(&self, url: String) -> Self {
        Self {
            name: self.name.clone(),
            backend: self.backend,
            driver: self.driver,
            url: self.by_driver(&url),
            side: Some(url),
            id: self.id.clone(),
            cleanup: self.cleanup.clone(),
        }
    }

    /// Eight hexadecimal digits no other test has.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns a folder of this test alone; it is removed when the test ends.
    pub(crate) fn folder(&self) -> &Path {
        self.cleanup.0.folder.path()
    }

    /// Returns the URL of one more SQLite file in the test's folder.
    pub(crate) fn sqlite_url(&self, file: &str) -> String {
        file_url(&self.folder().join(file))
    }

    /// Returns a name for a table that no other test has; the table is dropped when the test ends.
    pub(crate) fn table(&self, name: &str) -> String {
        let name = format!("{name}_{}", self.id);
        let mut tables = self.cleanup.0.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if !tables.contains(&name) {
            tables.push(name.clone());
        }
        name
    }

    /// Returns a connected `Database`.
    pub(crate) async fn database(&self) -> Database {
        match Database::connect(self.url.as_str()).await {
            Ok(database) => database,
            Err(error) => panic!("{} cannot connect: {error:?}", self.name),
        }
    }

    /// Puts the backend's words into SQL, ready to run: see [`words`](Self::words).
    pub(crate) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.words(text))
    }

    /// Puts the backend's words into SQL: `{id}` (the type of an automatic primary key), `{key}` (text that can be
    /// indexed), `{text}`, `{int}` (64 bits), `{float}` (double precision), `{bool}`, `{bytes}`, `{timestamp}` (with a
    /// zone), `{datetime}` (without one), `{json}`, `{from}` (what a query
    /// of no table needs after its values). Any other name in braces is a table of this test:
    /// `create table {notes} (id {id}, body {text} not null)`.
    pub(crate) fn words(&self, text: &str) -> String {
        let mut sql = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            sql += before;
            let end = after.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
            match end {
                Some(end) if end > 0 && after[end..].starts_with('}') => {
                    sql += &self.word(&after[..end]);
                    rest = &after[end + 1..];
                }
                _ => {
                    sql.push('{');
                    rest = after;
                }
            }
        }
        sql + rest
    }

    fn word(&self, name: &str) -> String {
        let (sqlite, postgres, mysql) = match name {
            "id" => (
                "integer primary key autoincrement",
                "bigint generated by default as identity primary key",
                "bigint auto_increment primary key",
            ),
            "key" => ("text", "text", "varchar(190)"),
            "text" => ("text", "text", "longtext"),
            "int" => ("bigint", "bigint", "bigint"),
            "float" => ("double", "double precision", "double"),
            "bool" => ("boolean", "boolean", "boolean"),
            "bytes" => ("blob", "bytea", "longblob"),
            "timestamp" => ("timestamp", "timestamptz", "timestamp(6)"),
            "datetime" => ("datetime", "timestamp", "datetime(6)"),
            "json" => ("text", "jsonb", "json"),
            "from" => ("", "", ""),
            table => return self.table(table),
        };
        match self.backend {
            Backend::SqliteFile | Backend::SqliteMemory => sqlite.to_owned(),
            Backend::Postgres => postgres.to_owned(),
            Backend::Mysql => mysql.to_owned(),
            Backend::SqlServer => sql_server(name).to_owned(),
            Backend::Standard => standard(self.driver, name).to_owned(),
        }
    }

    /// Returns whether a separate connection can see the database. A database in memory can be reached only by the
    /// library.
    pub(crate) fn can_observe(&self) -> bool {
        self.side.is_some()
    }

    /// Returns a plain driver connection to the test's database.
    pub(crate) async fn observer(&self) -> SideConnection {
        let Some(side) = &self.side else {
            panic!("{}: nothing but the library sees the database", self.name);
        };
        match SideConnection::connect(side).await {
            Ok(connection) => connection,
            Err(error) => panic!("{}: the observer cannot connect: {error}", self.name),
        }
    }

    /// Returns the integer that `sql` finds in the committed rows, over a separate connection.
    pub(crate) async fn observe(&self, sql: &str) -> i64 {
        let sql = self.words(sql);
        let mut observer = self.observer().await;
        let result = observer.number(&sql).await;
        let _ = observer.close().await;
        result.unwrap_or_else(|error| panic!("{}: the observer failed at `{sql}`: {error}", self.name))
    }

    /// Runs statements over a separate connection.
    pub(crate) async fn observe_exec(&self, sql: &str) {
        let sql = self.words(sql);
        let mut observer = self.observer().await;
        let result = observer.execute(&sql).await;
        let _ = observer.close().await;
        result.unwrap_or_else(|error| panic!("{}: the observer failed at `{sql}`: {error}", self.name));
    }

    /// Returns the integer that `sql` finds in the committed rows, on every backend: over a separate connection where
    /// that is possible, else through `database` in a task that holds no transaction. In a sandbox of a database in
    /// memory that task is inside the sandbox too.
    pub(crate) async fn committed(&self, database: &Database, sql: &str) -> i64 {
        if self.can_observe() {
            return self.observe(sql).await;
        }
        let (database, sql) = (database.clone(), self.sql(sql));
        let query = tokio::spawn(async move { database.fetch_value::<i64>(sql, ()).await });
        match query.await {
            Ok(Ok(number)) => number,
            other => panic!("{}: cannot look at what is committed: {other:?}", self.name),
        }
    }

    /// Returns what must be cleaned up, even when the test has ended.
    pub(crate) fn cleanup(&self) -> Cleanup {
        self.cleanup.clone()
    }
}

/// The tables and files of a test.
#[derive(Clone, Debug)]
pub(crate) struct Cleanup(Arc<CleanupInner>);

#[derive(Debug)]
struct CleanupInner {
    url: Option<String>,
    driver: Option<(Driver, String)>,
    tables: Mutex<Vec<String>>,
    folder: TempDir,
}

impl Cleanup {
    /// Drops the tables, or the database. The folder is removed with the last handle to it.
    pub(crate) fn empty(&self) -> Result<(), sqlx::Error> {
        if let Some((driver, url)) = &self.0.driver {
            block_on_here(async {
                driver.drop_database(url).await;
                Ok(())
            })?;
        }
        let tables = std::mem::take(&mut *self.0.tables.lock().unwrap_or_else(PoisonError::into_inner));
        match &self.0.url {
            Some(_) if tables.is_empty() => Ok(()),
            Some(url) if url.starts_with("mssql") => block_on_here(drop_tables_of_sql_server(url, &tables)),
            Some(url) => block_on_here(drop_tables(url, &tables)),
            None => Ok(()),
        }
    }
}

/// Returns a word of SQL Server: see [`Test::words`].
fn sql_server(word: &str) -> &'static str {
    match word {
        "id" => "bigint identity primary key",
        "key" => "nvarchar(190)",
        "int" => "bigint",
        "float" => "float",
        "bool" => "bit",
        "bytes" => "varbinary(max)",
        "timestamp" => "datetimeoffset",
        "datetime" => "datetime2",
        "from" => "",
        _ => "nvarchar(max)",
    }
}

/// Returns a word of another product: see [`Test::words`].
pub(crate) fn standard(driver: Option<Driver>, word: &str) -> &'static str {
    let duckdb = driver == Some(Driver::DuckDb);
    let derby = driver == Some(Driver::Derby);
    let hsqldb = driver == Some(Driver::Hsqldb);
    match word {
        // It counts from zero.
        "id" if hsqldb => "bigint generated by default as identity (start with 1) primary key",
        "id" if duckdb => "bigint primary key default nextval('ids')",
        "id" => "bigint generated by default as identity primary key",
        "key" => "varchar(190)",
        "text" if derby => "varchar(32000)",
        "text" => "varchar(1048576)",
        "int" => "bigint",
        "float" => "double precision",
        "bool" => "boolean",
        "bytes" if duckdb => "blob",
        "bytes" if derby => "varchar(32000) for bit data",
        "bytes" => "varbinary(1048576)",
        "timestamp" if derby => "timestamp",
        "timestamp" => "timestamp with time zone",
        "datetime" => "timestamp",
        "from" if derby => "from sysibm.sysdummy1",
        "from" if hsqldb => "from (values 0) as nothing (n)",
        "from" => "",
        "json" if driver == Some(Driver::H2) || duckdb => "json",
        _ => "varchar(30000)",
    }
}

async fn drop_tables(url: &str, tables: &[String]) -> Result<(), sqlx::Error> {
    let mut side = SideConnection::connect(url).await?;
    let list = tables.join(", ");
    // A test that failed may have left a lock behind; it is better to report that than to wait for it.
    let sql = match &side {
        SideConnection::Postgres(_) => {
            format!("set lock_timeout = '5s'; set client_min_messages = error; drop table if exists {list} cascade")
        }
        _ => format!("set lock_wait_timeout = 5; set foreign_key_checks = 0; drop table if exists {list}"),
    };
    side.execute(&sql).await?;
    side.close().await
}

/// Drops tables through the library, because sqlx has no driver. Those with keys to others go first.
async fn drop_tables_of_sql_server(url: &str, tables: &[String]) -> Result<(), sqlx::Error> {
    let database = Database::connect(url).await?;
    for _ in 0..tables.len() {
        for table in tables {
            let sql = AssertSqlSafe(format!("SET LOCK_TIMEOUT 5000; DROP TABLE IF EXISTS {table}"));
            let _ = database.execute(sql, ()).await;
        }
    }
    database.disconnect().await?;
    Ok(())
}

fn scratch_folder() -> std::io::Result<TempDir> {
    let parent = env::var_os("CARGO_TARGET_TMPDIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    fs::create_dir_all(&parent)?;
    tempfile::Builder::new().prefix("it-").tempdir_in(parent)
}

fn file_url(path: &Path) -> String {
    let mut path = path.to_string_lossy().into_owned();
    for (sign, code) in [('%', "%25"), ('?', "%3F"), ('#', "%23"), (' ', "%20")] {
        path = path.replace(sign, code);
    }
    format!("sqlite://{path}?mode=rwc")
}
