//! Drivers that are not of Rust: JDBC's, modules of Python's DB-API 2, and those of ODBC.

use super::DatabaseUrl;
use crate::sql::{Dialect, Product};

/// A way to drivers outside of this program.
///
/// ```
/// use ebbtide::{Bridge, DatabaseUrl};
///
/// let url: DatabaseUrl = "jdbc+h2://mem:test".parse()?;
/// assert_eq!((url.bridge(), url.driver()), (Some(Bridge::Jdbc), Some("h2")));
/// assert_eq!(DatabaseUrl::parse("sqlite://app.db")?.bridge(), None);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bridge {
    /// JDBC drivers, in a Java virtual machine beside the program: `jdbc+h2://…`, or Java's own `jdbc:h2:…`.
    Jdbc,
    /// Modules of Python's DB-API 2, in a Python interpreter beside the program: `dbapi2://…`.
    DbApi,
    /// Drivers of ODBC, in this program: `odbc://…`, or a connection string as `odbc:Driver={…};…`.
    Odbc,
}

/// The bridges with their schemes.
const SCHEMES: [(&str, Bridge); 3] = [
    ("jdbc", Bridge::Jdbc),
    ("dbapi2", Bridge::DbApi),
    ("odbc", Bridge::Odbc),
];

/// The subprotocols whose URLs have a server: `//host:port/database`.
const SERVED: [&str; 20] = [
    "ch",
    "clickhouse",
    "cockroach",
    "db2",
    "firebird",
    "firebirdsql",
    "hive2",
    "mariadb",
    "monetdb",
    "mysql",
    "opengauss",
    "postgres",
    "postgresql",
    "presto",
    "redshift",
    "sap",
    "sqlserver",
    "trino",
    "vertica",
    "yugabytedb",
];

impl Bridge {
    pub(super) fn of_scheme(name: &str) -> Option<Self> {
        SCHEMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bridge)| *bridge)
    }

    /// Returns its scheme.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Jdbc => "jdbc",
            Self::DbApi => "dbapi2",
            Self::Odbc => "odbc",
        }
    }
}

/// Returns whether URLs of a subprotocol have a server.
pub(super) fn has_server(subprotocol: &str) -> bool {
    SERVED.contains(&subprotocol)
}

/// Returns the character between the options of a JDBC URL of a subprotocol, and the one before the first of them.
#[cfg_attr(not(feature = "jdbc"), allow(dead_code, reason = "only drivers of JDBC have URLs"))]
pub(crate) fn separators(subprotocol: &str) -> (char, char) {
    match subprotocol {
        "h2" | "hsqldb" | "derby" | "duckdb" | "sqlserver" | "jtds" => (';', ';'),
        "db2" => (':', ';'),
        _ => ('?', '&'),
    }
}

/// Returns the dialect of a subprotocol, or of the product that it names.
pub(crate) fn dialect_of_subprotocol(subprotocol: Option<&str>) -> Dialect {
    match subprotocol {
        Some("sqlite" | "sqlite3") => Dialect::Sqlite,
        Some("postgresql" | "postgres" | "pgsql") => Dialect::Postgres,
        Some("mysql" | "mariadb") => Dialect::MySql,
        _ => Dialect::Generic,
    }
}

/// Returns the product behind a subprotocol, if it is certain.
pub(crate) fn product_of_subprotocol(subprotocol: Option<&str>) -> Option<Product> {
    Some(match subprotocol? {
        "sqlite" | "sqlite3" => Product::Sqlite,
        "h2" => Product::H2,
        "hsqldb" => Product::Hsqldb,
        "derby" => Product::Derby,
        "duckdb" => Product::DuckDb,
        _ => return None,
    })
}

/// Returns the subprotocol that stands for the databases of a Python module, if the module is known: `package.module`,
/// with or without an attribute after a colon.
pub(crate) fn subprotocol_of_module(module: &str) -> Option<&'static str> {
    let module = module.split(':').next().unwrap_or(module);
    Some(match module {
        "sqlite3" | "apsw" | "pysqlite3" | "sqlite3.dbapi2" | "pysqlite3.dbapi2" => "sqlite",
        "psycopg" | "psycopg2" | "pg8000" | "pg8000.dbapi" | "pg8000.legacy" => "postgresql",
        "pymysql" | "MySQLdb" | "mysql.connector" | "mariadb" => "mysql",
        "duckdb" => "duckdb",
        _ => return None,
    })
}

/// Returns the subprotocol that stands for the databases of an ODBC driver, by the name or the file of the driver.
pub(crate) fn subprotocol_of_odbc(driver: &str) -> Option<&'static str> {
    let driver = driver.to_ascii_lowercase();
    let known = [
        ("postgres", "postgresql"),
        ("psqlodbc", "postgresql"),
        ("maria", "mariadb"),
        ("maodbc", "mariadb"),
        ("mysql", "mysql"),
        ("myodbc", "mysql"),
        ("sqlite", "sqlite"),
        ("freetds", "sqlserver"),
        ("tdsodbc", "sqlserver"),
        ("sql server", "sqlserver"),
        ("duckdb", "duckdb"),
    ];
    known
        .iter()
        .find(|(word, _)| driver.contains(word))
        .map(|(_, name)| *name)
}

/// Returns whether the databases of a subprotocol are files.
pub(super) fn is_file(subprotocol: &str) -> bool {
    ["sqlite", "sqlite3", "duckdb"].contains(&subprotocol)
}

/// Returns the name of the system of a subprotocol in the conventions of OpenTelemetry (`db.system.name`).
pub(crate) fn system_of_subprotocol(subprotocol: Option<&str>) -> &'static str {
    match subprotocol.unwrap_or_default() {
        "h2" => "h2database",
        "hsqldb" => "hsqldb",
        "derby" => "derby",
        "duckdb" => "duckdb",
        "sqlite" | "sqlite3" => "sqlite",
        "postgresql" | "postgres" | "pgsql" => "postgresql",
        "mysql" => "mysql",
        "mariadb" => "mariadb",
        "sqlserver" => "microsoft.sql_server",
        "oracle" => "oracle.db",
        "db2" => "ibm.db2",
        "clickhouse" | "ch" => "clickhouse",
        "firebird" | "firebirdsql" => "firebirdsql",
        "trino" => "trino",
        _ => "other_sql",
    }
}

/// The words with which an opaque text is no address with a user: Oracle's kinds of drivers.
const NO_USERS: [&str; 1] = ["oracle"];

impl DatabaseUrl {
    /// Returns the way to a driver that is not of Rust, which the schemes `jdbc`, `dbapi2` and `odbc` stand for; `None`
    /// for the databases that this library speaks to itself.
    pub fn bridge(&self) -> Option<Bridge> {
        self.bridge
    }

    /// Returns the subprotocol: what JDBC calls the part after `jdbc:`. It is the driver, or an option.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        let named = match self.bridge? {
            Bridge::Jdbc => self.option("jdbc_dsn_driver"),
            Bridge::DbApi => self.option("dbapi_dsn_driver"),
            Bridge::Odbc => self.option("driver").and_then(subprotocol_of_odbc),
        };
        self.driver().or(named)
    }

    /// Returns whether its text after `//` is the driver's alone, such as the path of a file.
    pub(crate) fn is_opaque(&self) -> bool {
        self.bridge.is_some()
            && self.host.is_none()
            && self.port.is_none()
            && match self.bridge {
                Some(Bridge::Odbc) => self.subprotocol().is_some_and(is_file),
                _ => {
                    !self.subprotocol().is_some_and(has_server)
                        || self.database().is_some_and(|text| text.starts_with("//"))
                }
            }
    }

    /// Returns whether it is that of SQLite through this library's own driver.
    pub(super) fn is_file(&self) -> bool {
        self.bridge.is_none() && self.dialect == Dialect::Sqlite
    }
}

/// Returns whether the text behind `//` is opaque. `@` in an address shows that it has a user.
pub(super) fn is_opaque_text(subprotocol: Option<&str>, text: &str) -> bool {
    let authority = &text[..text.find(['/', '?']).unwrap_or(text.len())];
    if text.starts_with("//") || authority.contains(';') {
        return true;
    }
    let served = subprotocol.is_some_and(has_server);
    let user = authority.contains('@') && !subprotocol.is_some_and(|name| NO_USERS.contains(&name));
    !(served || user)
}
