//! The configuration of a database: a URL and settings. No I/O.

mod bridge_settings;
mod client_options;
#[cfg(feature = "registry")]
mod connections;
mod credentials;
mod db_api_pool;
mod dictionary;
mod into_config;
mod isolation_level;
mod isolation_policy;
mod keyword;
mod option;
mod options;
mod own_options;
mod read_your_writes;
mod replicas;
mod serialize;
mod setters;
mod settings;
mod sqlite_mode;
mod ssl_mode;
#[cfg(test)]
mod tests;
mod text;

use std::str::FromStr;

pub use bridge_settings::BridgeSettings;
#[cfg(feature = "registry")]
pub(crate) use connections::unknown_alias;
#[cfg(feature = "registry")]
pub use connections::{AppConfig, ConnectionsConfig};
pub use db_api_pool::DbApiPool;
pub use into_config::IntoConfig;
pub(crate) use into_config::urls;
pub use isolation_level::IsolationLevel;
pub use isolation_policy::IsolationPolicy;
#[allow(unused_imports, reason = "unused without a bridge")]
pub(crate) use options::SYSTEM;
pub use read_your_writes::ReadYourWrites;
pub use settings::Settings;
pub use sqlite_mode::SqliteMode;
pub use ssl_mode::SslMode;

use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::url::{
    Bridge, DatabaseUrl, ForeignDriver, OptionPlace, dialect_of_subprotocol, read_socket, subprotocol_of_module,
    system_of_subprotocol,
};
use options::Item;

/// The configuration of a database: its location (a [`DatabaseUrl`]) and its use ([`Settings`]).
///
/// It is created from a URL or a dictionary (any format of serde), with or without setters. A setting has its default
/// unless the URL's options, the dictionary or a setter give it; the last of these wins.
///
/// # Dictionaries
///
/// These are the same configuration; the first is what [`Serialize`](serde::Serialize) writes, with the password:
///
/// ```json
/// {"connection": {"credentials": {"scheme": "postgresql", "host": "db.example", "user": "ada", "password": "…",
///                                 "database": "shop", "options": {"sslmode": "require"}}}, "pool_size": 5}
/// {"connection": "postgresql://ada:…@db.example/shop?sslmode=require", "pool_size": 5}
/// {"url": "postgresql://ada:…@db.example/shop?sslmode=require", "pool_size": 5}
/// {"scheme": "postgresql", "host": "db.example", "user": "ada", "password": "…", "database": "shop",
///  "options": {"sslmode": "require"}, "pool_size": 5}
/// "postgresql://ada:…@db.example/shop?sslmode=require&pool_size=5"
/// ```
///
/// The credentials are `scheme` (also `engine`), `driver`, `host`, `port`, `user` (`username`), `password`, `database`
/// (for SQLite also `file_path`) and `options`. Next to them, `replicas` is a list of URLs or of credentials
/// ([`replica`](Self::replica)). An unknown or misplaced key is an error that names its path, and so are a URL and
/// credentials in one dictionary.
///
/// # Examples
///
/// ```
/// use ebbtide::Config;
///
/// let config = Config::from_url("postgres://ada:secret@localhost/shop?pool_size=3")?;
/// assert_eq!(config.settings().pool_size, 3);
/// let config = config.pool_size(5).force_rollback(true).database("test_shop");
/// assert_eq!(config.settings().pool_size, 5);
/// assert_eq!(config.url().to_string(), "postgres://ada:***@localhost/test_shop?pool_size=3");
///
/// let config: Config = serde_json::from_str(r#"{"scheme": "sqlite", "database": ":memory:", "echo": true}"#)?;
/// assert!(config.settings().echo);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    url: DatabaseUrl,
    pub(crate) settings: Settings,
    replicas: Vec<DatabaseUrl>,
    /// Set if this is the configuration of a replica.
    is_replica: bool,
}

impl Config {
    /// Creates the configuration that a URL and its options describe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Url`](crate::ErrorKind::Url) if the URL cannot be read, or if an option in it is unknown, duplicate
    /// or has an invalid value.
    pub fn from_url(url: impl TryInto<DatabaseUrl, Error: Into<Error>>) -> Result<Self> {
        let url = url.try_into().map_err(Into::into)?;
        Self::build(url, Vec::new())
    }

    /// Creates the configuration that a dictionary describes, in any of [these shapes](Self#dictionaries).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a key is unknown, misplaced or has an invalid value; the
    /// message names the path. [`ErrorKind::Url`](crate::ErrorKind::Url) if a URL in it cannot be read.
    ///
    /// ```
    /// use ebbtide::Config;
    ///
    /// let dictionary = serde_json::json!({"connection": {"credentials": {"scheme": "mysql", "hots": "db.example"}}});
    /// let error = Config::from_value(dictionary).unwrap_err();
    /// assert!(error.message().contains("connection.credentials.hots"));
    /// assert!(error.to_string().contains("did you mean `host`?"));
    /// ```
    pub fn from_value(value: impl std::borrow::Borrow<serde_json::Value>) -> Result<Self> {
        dictionary::read(value.borrow(), "")
    }

    /// Creates a configuration from the options of the URL. Those that came from a dictionary are in `labelled`, with
    /// their path in it.
    fn build(mut url: DatabaseUrl, labelled: Vec<Item<'_>>) -> Result<Self> {
        url.take_parts_from_options()?;
        url.check()?;
        let mut settings = Settings::default();
        let of_url = url
            .options()
            .iter()
            .filter(|(name, _)| !labelled.iter().any(|item| item.name == name));
        let mut items: Vec<Item<'_>> = of_url.map(|(name, value)| Item::of_url(name, value)).collect();
        // Options that turned out to be parts of the URL are no longer among its options.
        items.extend(labelled.into_iter().filter(|item| url.option(item.name).is_some()));
        // Where the others have a meaning depends on the driver.
        let (first, others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| options::names_driver(item.name));
        options::apply(&mut settings, url.place(), &first)?;
        let place = place(&url, &settings);
        options::apply(&mut settings, place, &others)?;
        let mut config = Self {
            url,
            settings,
            replicas: Vec::new(),
            is_replica: false,
        };
        config.follow_socket(None);
        Ok(config)
    }

    /// Reads the options of the URL that have become this library's, because the driver has been named since. It was of
    /// the kind `before`.
    fn read_on(&mut self, before: OptionPlace) -> Result<()> {
        let place = self.place();
        let items = unread(&self.url, before, place);
        let items: Vec<Item<'_>> = items.map(|(name, value)| Item::of_url(name, value)).collect();
        options::apply(&mut self.settings, place, &items)
    }

    /// Refuses options that the URL gave to a driver that was not named yet, and that are settings for this one.
    fn check_all_read(&self) -> Result<()> {
        if self.url.bridge().is_none() {
            return Ok(());
        }
        let before = Self::from_url(self.url.clone())?.place();
        let Some((name, _)) = unread(&self.url, before, self.place()).next() else {
            return Ok(());
        };
        let mut read = self.clone();
        read.read_on(before)?;
        read.settings.warnings.clone_from(&self.settings.warnings);
        if read.settings == self.settings {
            return Ok(());
        }
        let message = format!("the option `{name}` was read before the driver was named, for which it is a setting");
        Err(Error::new(ErrorKind::Config, message)
            .help("name the driver in the URL or in the dictionary, or give the setting by its setter instead"))
    }

    /// Returns whether its sessions only answer reads.
    #[allow(dead_code, reason = "unused when no backend with a server is compiled in")]
    pub(crate) fn is_replica(&self) -> bool {
        self.is_replica
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the dialect of the database.
    ///
    /// ```
    /// use ebbtide::{Config, Dialect};
    /// assert_eq!(Config::from_url("mariadb://localhost/shop")?.dialect(), Dialect::MySql);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn dialect(&self) -> Dialect {
        match self.url.bridge() {
            None => self.url.dialect(),
            Some(_) => dialect_of_subprotocol(self.product_name()),
        }
    }

    /// Returns the subprotocol of a driver outside of the program.
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        let setting = match self.url.bridge()? {
            Bridge::Jdbc => self.settings.bridge.jdbc_dsn_driver.as_deref(),
            Bridge::DbApi => self.settings.bridge.dbapi_dsn_driver.as_deref(),
            Bridge::Odbc => self.url.subprotocol(),
        };
        self.url.driver().or(setting)
    }

    /// Returns the subprotocol that names the product behind a driver outside of the program: a module that is known
    /// tells more than a URL.
    pub(crate) fn product_name(&self) -> Option<&str> {
        let module = match self.url.bridge()? {
            Bridge::DbApi => self
                .settings
                .bridge
                .dbapi_path
                .as_deref()
                .and_then(subprotocol_of_module),
            Bridge::Jdbc | Bridge::Odbc => None,
        };
        module.or_else(|| self.subprotocol())
    }

    /// Returns the driver outside of the program.
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn foreign_driver(&self) -> Option<ForeignDriver> {
        self.place().foreign_driver()
    }

    /// Returns the kind of database that its settings are for.
    fn place(&self) -> OptionPlace {
        place(&self.url, &self.settings)
    }

    /// Returns the options of the URL that belong to a driver outside of the program, in their order.
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn driver_options(&self) -> impl Iterator<Item = (&str, &str)> {
        let place = self.place();
        let others = self
            .url
            .options()
            .iter()
            .filter(move |(name, _)| !options::is_own_of(name, place));
        others.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the name of the system in the conventions of OpenTelemetry (`db.system.name`).
    pub(crate) fn system(&self) -> &'static str {
        match self.url.bridge() {
            None => self.url.system(),
            Some(_) => system_of_subprotocol(self.product_name()),
        }
    }

    /// Returns the journal mode to open a SQLite file with; `None` leaves the mode unchanged.
    pub(crate) fn effective_journal_mode(&self) -> Option<&str> {
        let settings = &self.settings;
        let creates =
            settings.sqlite_mode == SqliteMode::ReadWriteCreate && !settings.immutable && !self.url.is_memory();
        settings.journal_mode.as_deref().or(creates.then_some("wal"))
    }

    /// Returns the `synchronous` pragma to open a SQLite file with; `None` leaves it unchanged.
    pub(crate) fn effective_synchronous(&self) -> Option<&str> {
        let wal = self.effective_journal_mode() == Some("wal");
        self.settings.synchronous.as_deref().or(wal.then_some("normal"))
    }

    /// Checks values that setters may have set. Everything that takes a configuration calls this first.
    pub(crate) fn check(&self) -> Result<()> {
        self.url.check()?;
        self.check_all_read()?;
        options::check(&self.settings)
    }

    /// Copies the SQLite mode into the URL, because the URL answers whether the database is in memory.
    fn follow_mode(&mut self) {
        let mode = self.settings.sqlite_mode;
        let is_memory = |mode: &str| mode == SqliteMode::Memory.as_str();
        if self.url.bridge().is_none()
            && !self.url.is_served()
            && self.url.option("mode").is_some_and(is_memory) != is_memory(mode.as_str())
        {
            self.url = self.url.clone().with_option("mode", mode.as_str());
        }
    }

    /// Sets the socket if the host is a path. `before` is the previous host, whose socket no longer applies.
    fn follow_socket(&mut self, before: Option<&str>) {
        if !self.url.is_served() {
            return;
        }
        let path = |host: Option<&str>| host.filter(|host| host.starts_with('/')).map(str::to_owned);
        if before.is_some_and(|before| self.settings.socket == Some(read_socket(self.dialect(), before).0)) {
            self.settings.socket = None;
        }
        let given = self
            .settings
            .socket
            .as_ref()
            .map(|socket| socket.to_string_lossy().into_owned());
        if let Some(path) = given.or_else(|| path(self.url.host())) {
            let (socket, port) = read_socket(self.dialect(), &path);
            self.settings.socket = Some(socket);
            if let (Some(port), None) = (port, self.url.port()) {
                self.url = self.url.clone().with_port(port);
            }
        }
    }
}

/// Returns the kind of database that settings are for, which may name the driver.
fn place(url: &DatabaseUrl, settings: &Settings) -> OptionPlace {
    let bridge = &settings.bridge;
    url.place_with(
        bridge.dbapi_path.as_deref(),
        bridge.jdbc_dsn_driver.as_deref(),
        bridge.jdbc_driver.as_deref(),
    )
}

/// Returns the options of a URL that are this library's in `place`, but were the driver's in `before`.
fn unread(url: &DatabaseUrl, before: OptionPlace, place: OptionPlace) -> impl Iterator<Item = (&str, &str)> {
    let options = url
        .options()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    options.filter(move |(name, _)| options::is_own_of(name, place) && !options::is_own_of(name, before))
}

impl FromStr for Config {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::from_url(text)
    }
}

impl TryFrom<DatabaseUrl> for Config {
    type Error = Error;

    fn try_from(url: DatabaseUrl) -> Result<Self> {
        Self::from_url(url)
    }
}
