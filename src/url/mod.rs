//! Database URLs: parsing, replacing single parts, and display without secrets. No I/O.

mod bridge;
mod check;
mod connection_string;
mod foreign_driver;
mod opaque;
mod option_scope;
mod parse;
mod render;
mod replace;
mod scheme;
mod secret;
mod socket;
#[cfg(test)]
mod tests;
mod unsupported;
mod web;

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::str::FromStr;

pub use bridge::Bridge;
pub(crate) use bridge::{dialect_of_subprotocol, subprotocol_of_module, system_of_subprotocol};
#[allow(unused_imports, reason = "unused without a bridge")]
pub(crate) use bridge::{product_of_subprotocol, separators, subprotocol_of_odbc};
pub(crate) use foreign_driver::ForeignDriver;
#[allow(unused_imports, reason = "unused without a bridge")]
pub(crate) use opaque::{secret_values, secrets_in, without_secrets};
pub(crate) use option_scope::{OptionPlace, OptionScope};
#[allow(unused_imports, reason = "unused without a bridge")]
pub(crate) use render::encoded_option;
pub(crate) use render::percent_encoded;
pub(crate) use secret::{is_secret, mentions_secret};
pub(crate) use socket::read_socket;

use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// The name of a SQLite database in memory.
const MEMORY: &str = ":memory:";

fn error(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Url, message)
}

/// A database URL: `dialect[+driver]://user:password@host:port/database?options`.
///
/// Every part is stored percent-decoded, and can be replaced without affecting the others. `Display` and `Debug` show
/// `***` in place of the password and of secrets among the options; only [`expose`](Self::expose) and
/// [`expose_url`](Self::expose_url) show them. Two URLs are equal if they mean the same: `postgres` is `postgresql`, and
/// the order of the options does not matter. A [`url::Url`] is converted by `try_from`.
///
/// # Dialects
///
/// `postgres` and `postgresql`, `mysql` and `mariadb`, `sqlite`, `mssql` and `sqlserver`. A driver suffix written for Python, such as
/// `postgresql+asyncpg`, is accepted. `sqlite+rusqlite` and `postgresql+tokio-postgres` choose a driver of
/// this library (the features `rusqlite` and `tokio-postgres`).
///
/// # Drivers outside of the program
///
/// | URL | opens, with the driver of JDBC or ODBC or the module of Python |
/// |---|---|
/// | `jdbc+postgresql://ada:…@db.example/shop` | `jdbc:postgresql://db.example/shop`, user and password beside it |
/// | `jdbc+h2://mem:test;MODE=MySQL`, `jdbc:h2:mem:test;MODE=MySQL` | `jdbc:h2:mem:test;MODE=MySQL` |
/// | `jdbc://app.db?jdbc_dsn_driver=sqlite` | `jdbc:sqlite:app.db` |
/// | `dbapi2://app.db?dbapi_path=sqlite3` | `sqlite3.connect("app.db")` |
/// | `odbc://shop`, `odbc:DSN=shop` | the data source `shop` of ODBC |
/// | `odbc+postgresql://ada:…@db.example/shop` | `Driver=PostgreSQL Unicode;Servername=db.example;Database=shop;…` |
///
/// The text after `//` has the parts of a server if it has a user (`user@host`), or if the URLs of the driver always have
/// a server. Else it belongs to the driver alone, and is [`database`](Self::database), as the path of SQLite is. The
/// options that are not this library's are the driver's. Secrets that a driver's own text holds (`;PASSWORD=…`,
/// `user/password@host`) are hidden, too.
///
/// # Server, user and database
///
/// An IPv6 address is in brackets. A Unix socket is given as `?host=/run/postgresql` (PostgreSQL) or
/// `?socket=/run/mysqld/mysqld.sock`. The libpq options `host`, `port`, `user`, `password` and `dbname` are read as the
/// parts they name. Characters that have a meaning in a URL should be percent-encoded in the user, the password and the
/// database name; unencoded ones are accepted if they are unambiguous. A `+` in an option is a space, as in web forms.
///
/// # SQLite paths
///
/// | URL | opens |
/// |---|---|
/// | `sqlite::memory:`, `sqlite://:memory:`, `sqlite://` | a database in memory |
/// | `sqlite://app.db`, `sqlite:app.db` | `app.db` in the working directory |
/// | `sqlite:///data/app.db` | `/data/app.db` |
/// | `sqlite+aiosqlite:///app.db` (any driver) | `app.db` in the working directory, as in `SQLAlchemy` |
/// | four slashes, with a driver or without | an absolute path |
///
/// # Examples
///
/// ```
/// use ebbtide::DatabaseUrl;
///
/// let url: DatabaseUrl = "postgresql+asyncpg://ada:s3cr%40t@db.example:5433/shop?application_name=till".parse()?;
/// assert_eq!(url.username(), Some("ada"));
/// assert_eq!(url.password(), Some("s3cr@t"));
/// assert_eq!(url.port(), Some(5433));
/// assert_eq!(url.option("application_name"), Some("till"));
/// assert_eq!(url.to_string(), "postgresql+asyncpg://ada:***@db.example:5433/shop?application_name=till");
///
/// let test = url.with_database("test_shop").with_driver(None);
/// assert_eq!(test.expose(), "postgresql://ada:s3cr%40t@db.example:5433/test_shop?application_name=till");
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[doc(alias = "DatabaseURL")]
#[derive(Clone)]
pub struct DatabaseUrl {
    scheme: String,
    /// The dialect of the scheme; that of a bridge depends on more.
    dialect: Dialect,
    bridge: Option<Bridge>,
    driver: Option<String>,
    username: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    options: Vec<(String, String)>,
}

/// Returns whether a text is meant as a URL. Those of SQLite need no slashes.
pub(crate) fn resembles_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("sqlite:") || text.starts_with("jdbc:") || text.starts_with("odbc:")
}

impl DatabaseUrl {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Url`](crate::ErrorKind::Url) if it has no scheme, a scheme or driver that is unknown or not supported, a port that is no
    /// number, several hosts, or unencoded characters that could belong to more than one part.
    /// [`Config`](crate::Config) reads the options, not this function.
    pub fn parse(text: &str) -> Result<Self> {
        parse::parse(text)
    }

    /// Creates a URL of nothing but `dialect[+driver]`.
    pub(crate) fn of_scheme(text: &str) -> Result<Self> {
        let (scheme, dialect, driver) = scheme::read(text)?;
        Ok(Self::empty(scheme, dialect, driver))
    }

    fn empty(scheme: String, dialect: Dialect, driver: Option<String>) -> Self {
        Self {
            bridge: Bridge::of_scheme(&scheme),
            scheme,
            dialect,
            driver,
            username: None,
            password: None,
            host: None,
            port: None,
            database: None,
            options: Vec::new(),
        }
    }

    /// Returns the dialect that the scheme stands for; for a driver outside of the program, the one of its databases.
    pub fn dialect(&self) -> Dialect {
        match self.bridge {
            None => self.dialect,
            Some(_) => bridge::dialect_of_subprotocol(self.subprotocol()),
        }
    }

    /// Returns the scheme as it was written, in lower case and without the driver: `mariadb`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the driver after the `+` of the scheme: `asyncpg`.
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// Returns the user to log in as.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Returns the password, in plain text.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns the host, an IPv6 address without its brackets, or the path of a Unix socket, which starts with `/`.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the port, if one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the name of the database. For SQLite: the path of the file according to [the rules](Self#sqlite-paths),
    /// or `:memory:`.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Returns the options in the order in which they were written; a repeated option occurs several times.
    pub fn options(&self) -> &[(String, String)] {
        &self.options
    }

    /// Returns the value of an option; the last one if it is repeated.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns all values of an option, in the order in which they were written.
    pub fn option_all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.options
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns whether a server has the database; otherwise it is a file, or in memory.
    pub(crate) fn is_served(&self) -> bool {
        match self.bridge {
            None => self.dialect.is_served(),
            Some(_) => !self.is_opaque(),
        }
    }

    /// Returns the name of the system in the conventions of OpenTelemetry (`db.system.name`).
    pub(crate) fn system(&self) -> &'static str {
        if self.bridge.is_some() {
            return bridge::system_of_subprotocol(self.subprotocol());
        }
        match self.dialect {
            Dialect::Postgres => "postgresql",
            Dialect::MySql if self.scheme == "mariadb" => "mariadb",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
            Dialect::SqlServer => "microsoft.sql_server",
            Dialect::Generic => "other_sql",
        }
    }

    /// Returns the port that a server usually has; `None` without a server.
    pub(crate) fn usual_port(&self) -> Option<u16> {
        match self.dialect() {
            Dialect::Postgres => Some(5432),
            Dialect::MySql => Some(3306),
            Dialect::SqlServer => Some(1433),
            Dialect::Sqlite | Dialect::Generic => None,
        }
    }

    /// Returns whether this is a SQLite database in memory.
    pub fn is_memory(&self) -> bool {
        let in_uri = |text: &str| text.starts_with("file:") && (text.contains(MEMORY) || text.contains("mode=memory"));
        self.dialect() == Dialect::Sqlite
            && (matches!(self.database(), None | Some(MEMORY))
                || self.option("mode") == Some("memory")
                || (self.bridge.is_some() && self.database().is_some_and(in_uri)))
    }

    /// Returns the SQLite file to open, or `None` for a database in memory and for the other dialects.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        if self.dialect() != Dialect::Sqlite || self.is_memory() || self.is_served() {
            return None;
        }
        let path = self.database()?;
        if self.bridge.is_some() {
            let path = path.strip_prefix("file:").unwrap_or(path);
            return Some(PathBuf::from(path.split('?').next().unwrap_or(path)));
        }
        // Windows: the slash before a drive letter comes from the URL, not from the path.
        let drive = |path: &str| cfg!(windows) && path.get(1..2) == Some(":");
        Some(PathBuf::from(
            path.strip_prefix('/').filter(|path| drive(path)).unwrap_or(path),
        ))
    }

    /// Returns the whole URL with its password and secrets, percent-encoded where necessary. [`parse`](Self::parse)
    /// reads it back.
    pub fn expose(&self) -> String {
        self.render(false)
    }

    /// Appends an option without reading it.
    pub(crate) fn push_option(&mut self, name: &str, value: &str) {
        self.options.push((name.to_owned(), value.to_owned()));
    }

    /// Returns what two URLs are compared by.
    fn canonical(&self) -> impl Eq + Hash {
        let mut options: Vec<_> = self.options.iter().collect();
        options.sort_by(|(left, _), (right, _)| left.cmp(right));
        let memory = self.is_file().then_some(MEMORY);
        let user = (self.username(), self.password());
        let server = (self.dialect, self.bridge, self.driver(), self.host(), self.port);
        (server, user, self.database().or(memory), options)
    }
}

impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for DatabaseUrl {}

impl Hash for DatabaseUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for DatabaseUrl {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl From<&Self> for DatabaseUrl {
    fn from(url: &Self) -> Self {
        url.clone()
    }
}

impl TryFrom<&String> for DatabaseUrl {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}
