//! The drivers outside of the program that this library knows by name.

/// A driver outside of the program. How it names the settings of this library is known, unless it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignDriver {
    PgJdbc,
    /// That of MariaDB.
    ConnectorJ,
    H2,
    Hsqldb,
    Derby,
    SqliteJdbc,
    OtherJdbc,
    Psycopg,
    Psycopg2,
    Pg8000,
    PyMySql,
    MySqlConnector,
    Sqlite3,
    Apsw,
    DuckDb,
    OtherModule,
    /// Any driver of ODBC.
    Odbc,
}

impl ForeignDriver {
    /// Returns the driver of JDBC for a subprotocol; `class` is its class, if that is given. MySQL's URLs have two.
    pub(crate) fn of_java(subprotocol: Option<&str>, class: Option<&str>) -> Self {
        match subprotocol {
            Some("postgresql" | "postgres") => Self::PgJdbc,
            Some("mariadb") => Self::ConnectorJ,
            Some("mysql") if class.is_some_and(|class| class.starts_with("org.mariadb.")) => Self::ConnectorJ,
            Some("h2") => Self::H2,
            Some("hsqldb") => Self::Hsqldb,
            Some("derby") => Self::Derby,
            Some("sqlite") => Self::SqliteJdbc,
            _ => Self::OtherJdbc,
        }
    }

    /// Returns the driver that a module of Python is: `package.module`, with or without an attribute after a colon.
    pub(crate) fn of_module(module: &str) -> Self {
        match module.split(':').next().unwrap_or(module) {
            "psycopg" => Self::Psycopg,
            "psycopg2" => Self::Psycopg2,
            "pg8000" | "pg8000.dbapi" | "pg8000.legacy" => Self::Pg8000,
            "pymysql" => Self::PyMySql,
            "mysql.connector" => Self::MySqlConnector,
            "sqlite3" | "sqlite3.dbapi2" | "pysqlite3" | "pysqlite3.dbapi2" => Self::Sqlite3,
            "apsw" => Self::Apsw,
            "duckdb" => Self::DuckDb,
            _ => Self::OtherModule,
        }
    }

    /// Returns whether the driver itself has an option of exactly this name, though this library's setting, one of
    /// [`TRANSPORT`], is spelled alike. Of a driver that is not known, any may be one but the library's own spellings.
    pub(super) fn has_option(self, setting: &str, option: &str) -> bool {
        if OWN_SPELLINGS.contains(&option) {
            return false;
        }
        let own: &[&str] = match self {
            Self::PgJdbc => &["ssl", "sslmode", "sslrootcert", "sslcert", "sslkey"],
            Self::ConnectorJ => &["useSsl", "useSSL"],
            Self::Derby => &["ssl"],
            Self::Psycopg | Self::Psycopg2 => &["sslmode", "sslrootcert", "sslcert", "sslkey"],
            Self::Pg8000 => &["unix_sock"],
            Self::PyMySql | Self::MySqlConnector => &["ssl_ca", "unix_socket"],
            Self::OtherJdbc | Self::OtherModule => return TRANSPORT.contains(&setting),
            // Drivers count milliseconds, or mean another time.
            Self::Odbc => return TRANSPORT.contains(&setting) || option == "timeout",
            Self::H2 | Self::Hsqldb | Self::SqliteJdbc | Self::Sqlite3 | Self::Apsw | Self::DuckDb => &[],
        };
        TRANSPORT.contains(&setting) && own.contains(&option)
    }

    /// Returns whether the driver prepares no statement on the server if it is told so.
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn prepares_at_will(self) -> bool {
        // psycopg2 never prepares any.
        matches!(self, Self::PgJdbc | Self::Psycopg | Self::Psycopg2)
    }

    /// Returns whether the driver has words for a setting of [`TRANSPORT`].
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn follows(self, setting: &str) -> bool {
        match self {
            Self::PgJdbc => setting != "socket",
            Self::ConnectorJ => !matches!(setting, "ssl_cert" | "ssl_key"),
            Self::Psycopg | Self::Psycopg2 | Self::Pg8000 | Self::PyMySql | Self::MySqlConnector => true,
            _ => false,
        }
    }
}

/// The settings that say how a server is reached, for which each driver has words of its own.
const TRANSPORT: [&str; 5] = ["ssl_mode", "ssl_root_cert", "ssl_cert", "ssl_key", "socket"];

/// The settings whose own names are never taken for a driver's: nobody must believe a connection to be encrypted that is
/// not.
const OWN_SPELLINGS: [&str; 4] = ["ssl_mode", "ssl_root_cert", "ssl_cert", "ssl_key"];
