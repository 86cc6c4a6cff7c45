//! The database systems that promises are made for.

use std::fmt;

/// A family of backends, as the tests know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    Mysql,
    /// SQL Server, for which nothing is promised while it is experimental.
    SqlServer,
    /// Any driver of JDBC.
    Jdbc,
    /// Any Python module of DB-API 2.
    DbApi,
    /// Any driver of ODBC.
    Odbc,
}

impl Backend {
    pub(crate) const ALL: [Self; 7] = [
        Self::Sqlite,
        Self::Postgres,
        Self::Mysql,
        Self::SqlServer,
        Self::Jdbc,
        Self::DbApi,
        Self::Odbc,
    ];

    /// Those that the library reaches by itself.
    pub(crate) const NATIVE: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// Returns the backend of a word of `EBBTIDE_TEST_BACKENDS`.
    pub(crate) fn of_family(word: &str) -> Result<Self, String> {
        let known = |backend: &Self| backend.family() == word.trim();
        let found = Self::ALL.into_iter().find(known);
        found.ok_or_else(|| format!("there is no backend `{word}`"))
    }

    /// Returns the backend of the last part of a test's name.
    pub(crate) fn of_test(part: &str) -> Option<Self> {
        match part {
            "sqlite_file" | "sqlite_memory" | "sqlite" | "rusqlite_file" | "rusqlite_memory" => Some(Self::Sqlite),
            "postgres" | "tokio_postgres" => Some(Self::Postgres),
            "mysql" => Some(Self::Mysql),
            "mssql" => Some(Self::SqlServer),
            driver if driver.starts_with("jdbc_") => Some(Self::Jdbc),
            driver if driver.starts_with("dbapi2_") => Some(Self::DbApi),
            driver if driver.starts_with("odbc_") => Some(Self::Odbc),
            _ => None,
        }
    }

    /// Returns the backend as the documents write it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.to_string() == name)
    }

    fn family(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::SqlServer => "mssql",
            Self::Jdbc => "jdbc",
            Self::DbApi => "dbapi2",
            Self::Odbc => "odbc",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::SqlServer => "SQL Server",
            Self::Jdbc => "JDBC",
            Self::DbApi => "DB-API",
            Self::Odbc => "ODBC",
        })
    }
}
