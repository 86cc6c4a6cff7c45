//! The backends that every case runs on. A new backend is an entry here.
//!
//! SQLite always runs. PostgreSQL, MySQL and SQL Server run if `EBBTIDE_TEST_POSTGRES_URL`, `EBBTIDE_TEST_MYSQL_URL` and
//! `EBBTIDE_TEST_MSSQL_URL` name a server. `EBBTIDE_TEST_BACKENDS` (`sqlite,postgres,mysql,mssql`) names those that must run: a listed backend that cannot be
//! reached fails, and one that is not listed is ignored.
//!
//! A backend can also be reached by a driver of another language: see `drivers.rs`.

use std::env;
use std::sync::OnceLock;
use std::thread;

use libtest_mimic::Trial;

use crate::drivers::Bridge;
use crate::support::{SideConnection, block_on_here, maria_programs, programs};

pub(crate) const LIST: &str = "EBBTIDE_TEST_BACKENDS";

/// A backend the cases run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A file of its own for each test.
    SqliteFile,
    /// A database in memory for each test.
    SqliteMemory,
    /// One database on a server, shared by all tests; each test chooses its own table names.
    Postgres,
    /// The same on MySQL or MariaDB.
    Mysql,
    /// The same on SQL Server, which nothing but the library reaches here.
    SqlServer,
    /// A database of another product, for each test, which only a driver of another language reaches.
    Standard,
}

impl Backend {
    /// Those that the library reaches by itself.
    pub(crate) const NATIVE: [Self; 5] = [
        Self::SqliteFile,
        Self::SqliteMemory,
        Self::Postgres,
        Self::Mysql,
        Self::SqlServer,
    ];

    /// Returns the name, as it appears at the end of a test's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SqliteFile => "sqlite_file",
            Self::SqliteMemory => "sqlite_memory",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::SqlServer => "mssql",
            Self::Standard => "standard",
        }
    }

    /// Returns the name of the database system: the Cargo feature, and the word in `EBBTIDE_TEST_BACKENDS`.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::SqliteFile | Self::SqliteMemory => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::SqlServer => "mssql",
            Self::Standard => "standard",
        }
    }

    pub(crate) fn is_sqlite(self) -> bool {
        matches!(self, Self::SqliteFile | Self::SqliteMemory)
    }

    pub(crate) fn is_postgres(self) -> bool {
        self == Self::Postgres
    }

    pub(crate) fn is_mysql(self) -> bool {
        self == Self::Mysql
    }

    /// Returns whether the backend has a server, which several connections share.
    pub(crate) fn is_server(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql | Self::SqlServer)
    }

    /// Returns why servers cannot be started for a single test; `None` if they can.
    pub(crate) fn no_programs(self) -> Option<String> {
        match self {
            Self::SqliteFile | Self::SqliteMemory => Some("SQLite has no servers".to_owned()),
            Self::Standard => Some("its database is in memory".to_owned()),
            Self::Postgres => programs().err(),
            Self::Mysql => maria_programs().err(),
            Self::SqlServer => Some("SQL Server is not started by tests".to_owned()),
        }
    }

    /// Returns why statements that write cannot return rows; `None` if they can.
    pub(crate) fn no_returning(self) -> Option<String> {
        if self == Self::SqlServer {
            return Some("SQL Server has no RETURNING, but OUTPUT".to_owned());
        }
        self.is_mysql_itself()
            .then(|| "MySQL itself has no RETURNING; MariaDB has".to_owned())
    }

    /// Returns whether the server is MySQL and not MariaDB, whose SQL has more features. The server is asked once.
    pub(crate) fn is_mysql_itself(self) -> bool {
        static ITSELF: OnceLock<bool> = OnceLock::new();
        self == Self::Mysql
            && *ITSELF.get_or_init(|| {
                let Ok(url) = self.server_url() else { return false };
                // A test may ask from inside its runtime.
                let ask = move || {
                    block_on_here(async { SideConnection::connect(&url).await?.text("select version()").await })
                };
                let version = thread::spawn(ask).join();
                // One that does not answer fails the tests themselves.
                matches!(version, Ok(Ok(version)) if !version.contains("MariaDB"))
            })
    }

    fn compiled_in(self) -> bool {
        match self {
            Self::SqliteFile | Self::SqliteMemory => cfg!(feature = "sqlite"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Mysql => cfg!(feature = "mysql"),
            Self::SqlServer => cfg!(feature = "mssql"),
            Self::Standard => true,
        }
    }

    fn variable(self) -> Option<&'static str> {
        match self {
            Self::SqliteFile | Self::SqliteMemory | Self::Standard => None,
            Self::Postgres => Some("EBBTIDE_TEST_POSTGRES_URL"),
            Self::Mysql => Some("EBBTIDE_TEST_MYSQL_URL"),
            Self::SqlServer => Some("EBBTIDE_TEST_MSSQL_URL"),
        }
    }

    /// Returns the URL of the server. An error names the missing variable.
    pub(crate) fn server_url(self) -> Result<String, String> {
        let variable = self
            .variable()
            .ok_or_else(|| format!("{} has no server", self.name()))?;
        setting(variable).ok_or_else(|| format!("{variable} is not set"))
    }

    /// Returns why the tests of this backend are ignored; `None` if they run, which includes those that must run and
    /// cannot.
    pub(crate) fn left_out(self) -> Option<String> {
        if !self.compiled_in() {
            return Some(format!("the Cargo feature `{}` is off", self.family()));
        }
        match (listed(), self.variable()) {
            (Some(listed), _) if listed.iter().any(|name| name == self.family()) => None,
            (Some(_), _) => Some(format!("`{}` is not in {LIST}", self.family())),
            (None, Some(variable)) if setting(variable).is_none() => Some(format!("{variable} is not set")),
            (None, _) => None,
        }
    }
}

/// Returns one test for each server, which checks that it answers, so that a server that is down shows in one clear
/// line; and one test that the list of backends holds no misspelled name.
pub(crate) fn trials() -> Vec<Trial> {
    let servers = Backend::NATIVE
        .into_iter()
        .filter(|backend| backend.is_server() && backend.left_out().is_none());
    let mut trials: Vec<_> = servers
        .map(|backend| {
            Trial::test(format!("backends::the_server_answers::{}", backend.name()), move || {
                let url = backend.server_url()?;
                if backend == Backend::SqlServer {
                    let connected = async { Ok(ebbtide::Database::connect(url.as_str()).await?.disconnect().await?) };
                    return block_on_here(connected)
                        .map(drop)
                        .map_err(|error| format!("{} does not answer: {error}", backend.name()).into());
                }
                block_on_here(async {
                    SideConnection::connect(&url)
                        .await?
                        .number("select count(*) from (select 1 as one) as t")
                        .await
                })
                .map(drop)
                .map_err(|error| format!("{} does not answer: {error}", backend.name()).into())
            })
        })
        .collect();
    trials.push(Trial::test("backends::the_list_names_known_ones", || {
        let bridges = [Bridge::Jdbc, Bridge::DbApi, Bridge::Odbc].map(Bridge::name);
        let known: Vec<_> = ["sqlite", "postgres", "mysql", "mssql"]
            .into_iter()
            .chain(bridges)
            .collect();
        for name in listed().unwrap_or_default() {
            if !known.contains(&name.as_str()) {
                return Err(format!("{LIST} names `{name}`; known are {}", known.join(", ")).into());
            }
        }
        Ok(())
    }));
    trials
}

/// Returns the words of `EBBTIDE_TEST_BACKENDS`, if it is set.
pub(crate) fn listed() -> Option<Vec<String>> {
    let names = setting(LIST)?;
    Some(
        names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// Returns an environment variable; an empty one counts as unset.
pub(crate) fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
