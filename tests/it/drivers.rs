//! The drivers of other languages, and the further drivers in Rust, by which the cases run on the same backends and on
//! others. A new driver is an entry here.
//!
//! A driver in Rust runs with its backend.
//! JDBC runs if `EBBTIDE_TEST_JDBC` names a folder with the jars, DB-API if `EBBTIDE_TEST_PYTHON` names an interpreter
//! with the modules, ODBC if `EBBTIDE_TEST_ODBC` names the folder with the libraries of the drivers; `scripts/drivers-jdbc`,
//! `scripts/drivers-python` and `scripts/drivers-odbc` install them. A driver of a server also needs the URL of the server.
//! `EBBTIDE_TEST_BACKENDS` (`jdbc,dbapi2,odbc`) names those that must run. With `EBBTIDE_TEST_DRIVERS=some` most drivers run
//! only the files of cases that are about drivers, because all cases on all of them take half an hour.
//! With `EBBTIDE_TEST_EXCEPTED=yes` only what `#[except(…)]` takes from drivers runs: what passes needs no exception.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use ebbtide::Database;

use crate::backends::{Backend, LIST, listed, setting};

/// The way to the drivers of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bridge {
    // Both none: the driver is a part of the program.
    Rusqlite,
    TokioPostgres,
    Jdbc,
    DbApi,
    Odbc,
}

impl Bridge {
    /// Returns the Cargo feature. That of another language is also the scheme of URLs, and the word in
    /// `EBBTIDE_TEST_BACKENDS`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rusqlite => "rusqlite",
            Self::TokioPostgres => "tokio-postgres",
            Self::Jdbc => "jdbc",
            Self::DbApi => "dbapi2",
            Self::Odbc => "odbc",
        }
    }

    /// Returns the variable that says where the drivers are.
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Rusqlite | Self::TokioPostgres => None,
            Self::Jdbc => Some("EBBTIDE_TEST_JDBC"),
            Self::DbApi => Some("EBBTIDE_TEST_PYTHON"),
            Self::Odbc => Some("EBBTIDE_TEST_ODBC"),
        }
    }

    fn compiled_in(self) -> bool {
        match self {
            Self::Rusqlite => cfg!(feature = "rusqlite"),
            Self::TokioPostgres => cfg!(feature = "tokio-postgres"),
            Self::Jdbc => cfg!(feature = "jdbc"),
            Self::DbApi => cfg!(feature = "dbapi2"),
            Self::Odbc => cfg!(feature = "odbc"),
        }
    }
}

/// The files of cases in which drivers differ most.
const ABOUT_DRIVERS: [&str; 14] = [
    "any::",
    "bridges::",
    "cancellation::statements",
    "capabilities::",
    "driver_faults::",
    "driver_settings::",
    "odbc_",
    "own_texts::",
    "queries::",
    "sandbox::statements",
    "sidecar_",
    "streams::rows",
    "transactions::",
    "types::",
];

/// A driver of another language, or a further one in Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Rusqlite,
    RusqliteMemory,
    TokioPostgres,
    H2,
    Hsqldb,
    Derby,
    SqliteJdbc,
    PgJdbc,
    ConnectorJ,
    Sqlite3,
    Apsw,
    DuckDb,
    Psycopg,
    PyMysql,
    Pg8000,
    OdbcPostgres,
    OdbcMariaDb,
    OdbcSqlite,
}

impl Driver {
    pub(crate) const ALL: [Self; 18] = [
        Self::Rusqlite,
        Self::RusqliteMemory,
        Self::TokioPostgres,
        Self::H2,
        Self::Hsqldb,
        Self::Derby,
        Self::SqliteJdbc,
        Self::PgJdbc,
        Self::ConnectorJ,
        Self::Sqlite3,
        Self::Apsw,
        Self::DuckDb,
        Self::Psycopg,
        Self::PyMysql,
        Self::Pg8000,
        Self::OdbcPostgres,
        Self::OdbcMariaDb,
        Self::OdbcSqlite,
    ];

    /// Returns the name, as it appears at the end of a test's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rusqlite => "rusqlite_file",
            Self::RusqliteMemory => "rusqlite_memory",
            Self::TokioPostgres => "tokio_postgres",
            Self::H2 => "jdbc_h2",
            Self::Hsqldb => "jdbc_hsqldb",
            Self::Derby => "jdbc_derby",
            Self::SqliteJdbc => "jdbc_sqlite",
            Self::PgJdbc => "jdbc_postgresql",
            Self::ConnectorJ => "jdbc_mariadb",
            Self::Sqlite3 => "dbapi2_sqlite3",
            Self::Apsw => "dbapi2_apsw",
            Self::DuckDb => "dbapi2_duckdb",
            Self::Psycopg => "dbapi2_psycopg",
            Self::PyMysql => "dbapi2_pymysql",
            Self::Pg8000 => "dbapi2_pg8000",
            Self::OdbcPostgres => "odbc_postgres",
            Self::OdbcMariaDb => "odbc_mariadb",
            Self::OdbcSqlite => "odbc_sqlite",
        }
    }

    pub(crate) fn bridge(self) -> Bridge {
        match self {
            Self::Rusqlite | Self::RusqliteMemory => Bridge::Rusqlite,
            Self::TokioPostgres => Bridge::TokioPostgres,
            Self::H2 | Self::Hsqldb | Self::Derby | Self::SqliteJdbc | Self::PgJdbc | Self::ConnectorJ => Bridge::Jdbc,
            Self::Sqlite3 | Self::Apsw | Self::DuckDb | Self::Psycopg | Self::PyMysql | Self::Pg8000 => Bridge::DbApi,
            Self::OdbcPostgres | Self::OdbcMariaDb | Self::OdbcSqlite => Bridge::Odbc,
        }
    }

    /// Returns whether it is one of another language.
    pub(crate) fn is_foreign(self) -> bool {
        !matches!(self.bridge(), Bridge::Rusqlite | Bridge::TokioPostgres)
    }

    /// Returns the backend whose SQL it speaks.
    pub(crate) fn backend(self) -> Backend {
        match self {
            Self::H2 | Self::Hsqldb | Self::Derby | Self::DuckDb => Backend::Standard,
            Self::Rusqlite | Self::SqliteJdbc | Self::Sqlite3 | Self::Apsw | Self::OdbcSqlite => Backend::SqliteFile,
            Self::RusqliteMemory => Backend::SqliteMemory,
            Self::TokioPostgres | Self::PgJdbc | Self::Psycopg | Self::Pg8000 | Self::OdbcPostgres => Backend::Postgres,
            Self::ConnectorJ | Self::PyMysql | Self::OdbcMariaDb => Backend::Mysql,
        }
    }

    /// Returns why the cases of a file are ignored on this driver, though it is there.
    pub(crate) fn passed_over(self, file: &str) -> Option<String> {
        let some = setting("EBBTIDE_TEST_DRIVERS").is_some_and(|drivers| drivers == "some");
        let whole = !self.is_foreign() || matches!(self, Self::H2 | Self::Sqlite3 | Self::PgJdbc);
        let about_drivers = ABOUT_DRIVERS.iter().any(|about| file.starts_with(about));
        (some && !whole && !about_drivers).then(|| "EBBTIDE_TEST_DRIVERS=some; scripts/test --all-drivers".to_owned())
    }

    /// Returns why its tests are ignored; `None` if they run, which includes those that must run and cannot.
    pub(crate) fn left_out(self) -> Option<String> {
        let bridge = self.bridge();
        if !bridge.compiled_in() {
            return Some(format!("the Cargo feature `{}` is off", bridge.name()));
        }
        let backend = self.backend();
        if (backend.is_server() || !self.is_foreign())
            && let Some(reason) = backend.left_out()
        {
            return Some(reason);
        }
        let variable = bridge.variable()?;
        match listed() {
            Some(listed) if listed.iter().any(|name| name == bridge.name()) => None,
            Some(_) => Some(format!("`{}` is not in {LIST}", bridge.name())),
            None if setting(variable).is_none() => Some(format!("{variable} is not set")),
            None => None,
        }
    }

    /// Returns the URL of a database: on the server of its backend, or in `folder`, where `id` is a name of its own.
    pub(crate) fn url(self, folder: &Path, id: &str) -> Result<String, String> {
        let place = match self.bridge().variable() {
            Some(variable) => setting(variable).ok_or_else(|| format!("{variable} is not set"))?,
            None => String::new(),
        };
        let path = folder.join("test.db");
        let path = path.to_string_lossy();
        Ok(match self {
            Self::Rusqlite => format!("sqlite+rusqlite:///{path}?mode=rwc"),
            Self::RusqliteMemory => "sqlite+rusqlite::memory:".to_owned(),
            Self::TokioPostgres => self.server("postgresql+tokio-postgres")?,
            Self::H2 => format!("jdbc+h2://mem:t{id};DB_CLOSE_DELAY=-1?classpath={place}/h2.jar"),
            Self::Hsqldb => {
                format!("jdbc+hsqldb://mem:t{id};sql.syntax_pgs=true;hsqldb.tx=mvcc?classpath={place}/hsqldb.jar")
            }
            Self::Derby => format!("jdbc+derby://memory:t{id};create=true?classpath={place}/derby.jar"),
            Self::SqliteJdbc => format!("jdbc+sqlite://{path}?classpath={place}/sqlite-jdbc.jar"),
            Self::PgJdbc => format!("{}?classpath={place}/postgresql.jar", self.server("jdbc+postgresql")?),
            Self::ConnectorJ => format!(
                "{}?classpath={place}/mariadb-java-client.jar",
                self.server("jdbc+mariadb")?
            ),
            Self::Sqlite3 => format!("dbapi2://{path}?dbapi_path=sqlite3&python={place}"),
            Self::Apsw => format!("dbapi2://{path}?dbapi_path=apsw&python={place}"),
            Self::DuckDb => {
                let template = duckdb_template(&place)?;
                std::fs::copy(template, folder.join("test.db")).map_err(|error| error.to_string())?;
                format!("dbapi2://{path}?dbapi_path=duckdb&python={place}")
            }
            Self::Psycopg => format!(
                "{}?dbapi_path=psycopg&python={place}",
                self.server("dbapi2+postgresql")?
            ),
            Self::Pg8000 => format!(
                "{}?dbapi_path=pg8000.dbapi&python={place}",
                self.server("dbapi2+postgresql")?
            ),
            Self::PyMysql => format!("{}?dbapi_path=pymysql&python={place}", self.server("dbapi2+mysql")?),
            Self::OdbcPostgres => format!("{}?driver={place}/psqlodbcw.so", self.server("odbc+postgresql")?),
            Self::OdbcMariaDb => format!("{}?driver={place}/libmaodbc.so", self.server("odbc+mariadb")?),
            Self::OdbcSqlite => format!("odbc+sqlite://{path}?driver={place}/libsqlite3odbc.so"),
        })
    }

    /// Returns the URL with which this driver opens what a URL of its backend names.
    pub(crate) fn opening(self, url: &str) -> String {
        match self {
            Self::TokioPostgres => {
                with_scheme(url, "postgresql+tokio-postgres").unwrap_or_else(|error| panic!("{error}"))
            }
            _ => url.to_owned(),
        }
    }

    /// Drops a database that its driver keeps in memory as long as the process lives.
    pub(crate) async fn drop_database(self, url: &str) {
        match self {
            // That it is dropped comes as an error.
            Self::Derby => drop(Database::connect(url.replace("create=true", "drop=true").as_str()).await),
            Self::H2 | Self::Hsqldb => {
                if let Ok(database) = Database::connect(url).await {
                    let _ = database.execute("shutdown", ()).await;
                }
            }
            _ => {}
        }
    }

    /// Returns the URL of the server with another scheme.
    fn server(self, scheme: &str) -> Result<String, String> {
        with_scheme(&self.backend().server_url()?, scheme)
    }
}

fn with_scheme(url: &str, scheme: &str) -> Result<String, String> {
    let (_, rest) = url.split_once("://").ok_or_else(|| format!("{url} is no URL"))?;
    Ok(format!("{scheme}://{rest}"))
}

/// Returns a database of `DuckDB` with the sequence of its automatic keys, which it has no words for in a column.
fn duckdb_template(python: &str) -> Result<&'static Path, String> {
    static TEMPLATE: OnceLock<Result<(tempfile::TempDir, std::path::PathBuf), String>> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("template.db");
        let script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('create sequence ids'); c.close()";
        let output = Command::new(python).arg("-c").arg(script).arg(&path).output();
        let output = output.map_err(|error| format!("{python}: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok((folder, path))
    });
    made.as_ref().map(|(_, path)| path.as_path()).map_err(Clone::clone)
}
