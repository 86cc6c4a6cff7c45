//! The names of dialects and drivers.

use super::unsupported::unsupported_scheme;
use super::{Bridge, DatabaseUrl};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::sql::Dialect;

/// The schemes and their dialects; the ones that an error names come first.
const SCHEMES: [(&str, Dialect); 11] = [
    ("postgres", Dialect::Postgres),
    ("postgresql", Dialect::Postgres),
    ("mysql", Dialect::MySql),
    ("mariadb", Dialect::MySql),
    ("sqlite", Dialect::Sqlite),
    ("mssql", Dialect::SqlServer),
    ("pgsql", Dialect::Postgres),
    ("mysql2", Dialect::MySql),
    ("sqlite3", Dialect::Sqlite),
    ("sqlserver", Dialect::SqlServer),
    ("azuresql", Dialect::SqlServer),
];

/// The number of [`SCHEMES`] that an error names.
const NAMED: usize = 6;

const POSTGRES_DRIVERS: [&str; 13] = [
    "asyncpg",
    "psycopg",
    "psycopg2",
    "psycopg3",
    "psycopg_async",
    "psycopg2cffi",
    "aiopg",
    "pg8000",
    "pygresql",
    "py-postgresql",
    "tokio-postgres",
    "native",
    "sqlx",
];

const MYSQL_DRIVERS: [&str; 14] = [
    "aiomysql",
    "asyncmy",
    "pymysql",
    "mysqldb",
    "mysqlclient",
    "mysqlconnector",
    "mysql-connector",
    "mysql_async",
    "mariadb",
    "mariadbconnector",
    "cymysql",
    "oursql",
    "native",
    "sqlx",
];

const SQLITE_DRIVERS: [&str; 7] = [
    "aiosqlite",
    "pysqlite",
    "pysqlite3",
    "apsw",
    "rusqlite",
    "native",
    "sqlx",
];

const SQL_SERVER_DRIVERS: [&str; 6] = ["aioodbc", "pyodbc", "pymssql", "pytds", "tiberius", "native"];

/// The names that stand for no dialect where they stand alone: drivers of any database.
const OF_ANY_DIALECT: [&str; 4] = ["native", "sqlx", "aioodbc", "pyodbc"];

/// Returns the driver suffixes that only stand for this dialect.
pub(super) fn drivers(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Postgres => &POSTGRES_DRIVERS,
        Dialect::MySql => &MYSQL_DRIVERS,
        Dialect::Sqlite => &SQLITE_DRIVERS,
        Dialect::SqlServer => &SQL_SERVER_DRIVERS,
        Dialect::Generic => &[],
    }
}

/// Returns the drivers among which a URL chooses, the usual one first. The other names stand for the usual one.
fn chosen(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Postgres => &["sqlx", "tokio-postgres"],
        Dialect::MySql => &["sqlx"],
        Dialect::Sqlite => &["sqlx", "rusqlite"],
        Dialect::SqlServer => &["tiberius"],
        Dialect::Generic => &[],
    }
}

/// Returns the scheme of a URL of which only the dialect is known.
pub(super) fn usual(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "postgresql",
        Dialect::MySql => "mysql",
        Dialect::Sqlite => "sqlite",
        Dialect::SqlServer => "mssql",
        Dialect::Generic => "jdbc",
    }
}

/// Splits `dialect[+driver]`, or a bridge with a subprotocol. A driver alone (`asyncpg`) also stands for its dialect.
pub(super) fn read(text: &str) -> Result<(String, Dialect, Option<String>)> {
    let text = text.to_ascii_lowercase();
    let (name, driver) = match text.split_once('+') {
        Some((name, driver)) => (name, Some(driver.to_owned())),
        None => (text.as_str(), None),
    };
    if Bridge::of_scheme(name).is_some() {
        if driver.as_deref() == Some("") {
            return Err(
                Error::new(ErrorKind::Url, format!("no driver is named after `{name}+`"))
                    .help(format!("write `{name}+sqlite://…`")),
            );
        }
        return Ok((name.to_owned(), Dialect::Generic, driver));
    }
    if let Some((_, dialect)) = SCHEMES.iter().find(|(known, _)| *known == name) {
        if let Some(driver) = &driver {
            check_driver(*dialect, driver)?;
        }
        return Ok((name.to_owned(), *dialect, driver));
    }
    match (dialect_of(name), &driver) {
        (Some(dialect), None) => Ok((usual(dialect).to_owned(), dialect, Some(name.to_owned()))),
        _ => Err(unknown(name)),
    }
}

/// Returns the dialect that a scheme, or a driver alone, stands for.
fn dialect_of(name: &str) -> Option<Dialect> {
    if let Some((_, dialect)) = SCHEMES.iter().find(|(known, _)| *known == name) {
        return Some(*dialect);
    }
    Dialect::ALL
        .into_iter()
        .find(|dialect| drivers(*dialect).contains(&name) && !OF_ANY_DIALECT.contains(&name))
}

impl DatabaseUrl {
    /// Returns whether a driver is one of ODBC for SQL Server, such as `ODBC Driver 18 for SQL Server`, which stands for
    /// nothing in a scheme.
    pub(crate) fn names_driver_of_odbc(&self, driver: &str) -> bool {
        self.bridge.is_none() && self.dialect == Dialect::SqlServer && !SQL_SERVER_DRIVERS.contains(&driver)
    }
}

pub(super) fn check_driver(dialect: Dialect, driver: &str) -> Result<()> {
    let known = drivers(dialect);
    if known.contains(&driver) {
        return Ok(());
    }
    let chosen: Vec<String> = chosen(dialect).iter().map(|driver| format!("`{driver}`")).collect();
    let message = format!(
        "unknown driver `{driver}` for {dialect}; there {} {}",
        if chosen.len() == 1 { "is" } else { "are" },
        chosen.join(" and ")
    );
    Err(
        Error::new(ErrorKind::Url, message).help(match nearest(driver, known.iter().copied()) {
            Some(near) => format!(
                "did you mean `{}+{near}`? The driver can also be left out",
                usual(dialect)
            ),
            None => format!("leave the driver out: `{}://…`", usual(dialect)),
        }),
    )
}

/// Returns the error for an unknown scheme.
pub(super) fn unknown(name: &str) -> Error {
    let bridges = [Bridge::Jdbc, Bridge::DbApi, Bridge::Odbc].map(Bridge::scheme);
    let native = SCHEMES.iter().take(NAMED).map(|(name, _)| *name);
    let mut known: Vec<&str> = native.chain(bridges).collect();
    let unsupported = unsupported_scheme(name);
    let near = nearest(name, known.iter().copied()).filter(|_| unsupported.is_none());
    known.sort_by_key(|known| Some(*known) != near);
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let list = list.join(", ");
    Error::new(
        ErrorKind::Url,
        format!("unknown scheme `{name}`; the known ones are {list}"),
    )
    .help(match (unsupported, near) {
        (Some(unsupported), _) => unsupported,
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => {
            "use one of those; a database URL looks like `postgres://user:password@host:5432/database`".to_owned()
        }
    })
}
