//! The configuration of several databases.

mod app;
mod file;
mod read;
#[cfg(test)]
mod tests;
mod tree;
mod variables;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

pub use app::AppConfig;

use super::{Config, IntoConfig, urls};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::url::DatabaseUrl;
use variables::Variables;

/// The alias of the connection that is used if none is named.
pub(super) const DEFAULT: &str = "default";

/// The configuration of several databases, each under an alias, and of the apps that use them. It is the input of
/// [`Connections::init`](crate::Connections::init).
///
/// It comes from a dictionary in the shape of Tortoise's `init` or from a file, or is built in code.
///
/// ```json
/// {
///   "connections": {
///     "default": "postgresql://ada:${DATABASE_PASSWORD}@db.example/shop?pool_size=5",
///     "log": {"engine": "tortoise.backends.mysql",
///             "credentials": {"host": "db.example", "port": "${LOG_PORT:-3306}", "user": "ada",
///                             "password": "${LOG_PASSWORD}", "database": "log", "maxsize": 5}},
///     "cache": {"scheme": "sqlite", "file_path": "cache.db", "echo": true}
///   },
///   "apps": {"shop": {"models": ["shop.models"], "default_connection": "default"}},
///   "routers": ["replicas"]
/// }
/// ```
///
/// Each connection is a URL or any of the [dictionaries of one database](Config#dictionaries). `apps` and `routers` are
/// optional. An unknown or misplaced key is an error that names its path.
///
/// # Environment variables
///
/// In every string, `${NAME}` is replaced by the environment variable of that name. `${NAME:-default}` is replaced by
/// the default if the variable is unset or empty. `$$` is a dollar sign; a dollar sign before anything else stands for
/// itself. A variable that is not set is an error that names it and the key. In the user and the password of a URL the
/// value is percent-encoded, so a variable holds the password as it is. Errors never show the value of a variable, only
/// its name.
///
/// Strings that must not change, such as those that a program has built itself, go through
/// [`connection`](Self::connection) or serde's `Deserialize`, which replace nothing.
///
/// # Examples
///
/// ```
/// use ebbtide::ConnectionsConfig;
///
/// let config = ConnectionsConfig::from_value(serde_json::json!({
///     "connections": {"default": "sqlite://shop.db", "log": {"engine": "sqlite", "credentials": {"file_path": "log.db"}}},
///     "apps": {"shop": {"models": ["note"], "default_connection": "default"}},
/// }))?;
/// assert!(config.aliases().eq(["default", "log"]));
/// assert_eq!(config.get("log")?.url().database(), Some("log.db"));
///
/// let error = ConnectionsConfig::from_value(serde_json::json!({"connections": {"default": {"scheme": "mysql", "hots": ""}}}));
/// assert!(error.unwrap_err().message().contains("`connections.default.hots`"));
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionsConfig {
    connections: BTreeMap<String, Config>,
    apps: BTreeMap<String, AppConfig>,
    routers: Vec<String>,
    /// One warning for each given key that has no effect.
    warnings: Vec<String>,
}

impl ConnectionsConfig {
    /// Creates a configuration without any connection, to be filled in code.
    ///
    /// ```
    /// use ebbtide::{AppConfig, ConnectionsConfig};
    ///
    /// let config = ConnectionsConfig::new()
    ///     .connection("default", "sqlite://shop.db")?
    ///     .connection("log", "sqlite://log.db?pool_size=2")?
    ///     .app("audit", AppConfig::new("log"));
    /// assert_eq!(config.apps()["audit"].default_connection(), "log");
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection, or replaces the one with this alias. Environment variables in it are not replaced.
    ///
    /// # Errors
    ///
    /// The errors of [`IntoConfig::into_config`], with the alias.
    ///
    /// ```
    /// let config = ebbtide::ConnectionsConfig::new().connection("default", "sqlite://shop.db?pool_size=2")?;
    /// assert_eq!(config.get("default")?.settings().pool_size, 2);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn connection(mut self, alias: impl Into<String>, config: impl IntoConfig) -> Result<Self> {
        let alias = alias.into();
        let config = config
            .into_config()
            .map_err(|error| error.context(format_args!("connection `{alias}`")))?;
        self.connections.insert(alias, config);
        Ok(self)
    }

    /// Adds an app, or replaces the one with this name. [`Connections::init`](crate::Connections::init) checks that its
    /// connection exists.
    ///
    /// ```
    /// use ebbtide::{AppConfig, ConnectionsConfig};
    /// let config = ConnectionsConfig::new().app("shop", AppConfig::new("default"));
    /// assert!(config.apps().contains_key("shop"));
    /// ```
    pub fn app(mut self, name: impl Into<String>, app: AppConfig) -> Self {
        self.apps.insert(name.into(), app);
        self
    }

    /// Appends the name of a router.
    ///
    /// ```
    /// assert_eq!(ebbtide::ConnectionsConfig::new().router("replicas").routers(), ["replicas"]);
    /// ```
    pub fn router(mut self, name: impl Into<String>) -> Self {
        self.routers.push(name.into());
        self
    }

    /// Creates the configuration that a dictionary describes, and replaces the environment variables in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a key is unknown, misplaced or has an invalid value, or if a variable in a string is
    /// not set; the message names the path. [`ErrorKind::Url`] if a URL in it cannot be read.
    ///
    /// ```
    /// let config = ebbtide::ConnectionsConfig::from_value(serde_json::json!({"connections": {"default": "sqlite::memory:"}}))?;
    /// assert!(config.aliases().eq(["default"]));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn from_value(value: impl Borrow<serde_json::Value>) -> Result<Self> {
        Self::from_value_with(value, |name| std::env::var(name).ok())
    }

    /// Creates the configuration like [`from_value`](Self::from_value), but takes the variables from `lookup`.
    ///
    /// ```
    /// use ebbtide::ConnectionsConfig;
    ///
    /// let value = serde_json::json!({"connections": {"default": "postgres://ada:${PASSWORD}@localhost/shop"}});
    /// let config = ConnectionsConfig::from_value_with(&value, |name| (name == "PASSWORD").then(|| "p@ss/word".to_owned()))?;
    /// assert_eq!(config.get("default")?.url().password(), Some("p@ss/word"));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn from_value_with(
        value: impl Borrow<serde_json::Value>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let mut variables = Variables::new(&lookup);
        let value = variables.replace(value.borrow())?;
        read::read(&value).map_err(|error| variables.hide(error))
    }

    /// Reads the configuration from a file, and replaces the environment variables in it. The file is `.json`, `.toml`
    /// (with the Cargo feature `toml`), or `.yaml` and `.yml` (with `yaml`). Reading blocks the thread.
    ///
    /// A relative path of a SQLite file is relative to the working directory, not to the configuration file.
    ///
    /// # Errors
    ///
    /// The errors of [`from_value`](Self::from_value), with the path of the file. Also an error if the file cannot be
    /// read or parsed; a parse error has line and column.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("ebbtide-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("databases.json");
    /// # std::fs::write(&path, r#"{"connections": {"default": "sqlite://${SHOP_FILE:-shop.db}"}}"#)?;
    /// use ebbtide::ConnectionsConfig;
    ///
    /// // {"connections": {"default": "sqlite://${SHOP_FILE:-shop.db}"}}
    /// let config = ConnectionsConfig::from_file(&path)?;
    /// assert_eq!(config.get("default")?.url().to_string(), "sqlite://shop.db");
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_file_with(path, |name| std::env::var(name).ok())
    }

    /// Reads a file like [`from_file`](Self::from_file), but takes the variables from `lookup`.
    ///
    /// # Errors
    ///
    /// The errors of [`from_file`](Self::from_file).
    pub fn from_file_with(path: impl AsRef<Path>, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let path = path.as_ref();
        let value = file::read(path)?;
        Self::from_value_with(value, lookup).map_err(|error| error.context(path.display()))
    }

    /// Returns the aliases in alphabetical order.
    ///
    /// ```
    /// let config = ebbtide::ConnectionsConfig::new().connection("log", "sqlite:")?.connection("default", "sqlite:")?;
    /// assert!(config.aliases().eq(["default", "log"]));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.connections.keys().map(String::as_str)
    }

    /// Returns the configuration of one connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is no such alias; the message lists the known ones.
    ///
    /// ```
    /// let config = ebbtide::ConnectionsConfig::new().connection("log", "sqlite:")?;
    /// assert!(config.get("lgo").unwrap_err().to_string().contains("did you mean `log`?"));
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn get(&self, alias: &str) -> Result<&Config> {
        self.connections
            .get(alias)
            .ok_or_else(|| unknown_alias(alias, self.aliases()))
    }

    /// Returns the apps by name.
    ///
    /// ```
    /// assert!(ebbtide::ConnectionsConfig::new().apps().is_empty());
    /// ```
    pub fn apps(&self) -> &BTreeMap<String, AppConfig> {
        &self.apps
    }

    /// Returns the names of the routers, in the order in which they are asked.
    ///
    /// ```
    /// assert!(ebbtide::ConnectionsConfig::new().routers().is_empty());
    /// ```
    pub fn routers(&self) -> &[String] {
        &self.routers
    }

    /// Returns one warning for each given key that has no effect.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks the parts that were set in code.
    pub(crate) fn check(&self) -> Result<()> {
        self.connections.values().try_for_each(Config::check)?;
        for (name, app) in &self.apps {
            if !self.connections.contains_key(app.default_connection()) {
                let error = unknown_alias(app.default_connection(), self.aliases());
                return Err(error.context(format_args!("`apps.{name}.default_connection`")));
            }
        }
        Ok(())
    }
}

/// Returns the error for an unknown alias.
pub(crate) fn unknown_alias<'a>(alias: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        return Error::new(
            ErrorKind::Config,
            format!("there is no connection `{alias}`: none is configured"),
        )
        .help("add a connection under `connections`");
    }
    let list: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    let error = Error::new(
        ErrorKind::Config,
        format!(
            "there is no connection `{alias}`; the known ones are {}",
            list.join(", ")
        ),
    );
    match nearest(alias, known) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("use one of those, or add `{alias}` under `connections`")),
    }
}

/// Reads the dictionary as it is, without replacing environment variables.
impl<'de> Deserialize<'de> for ConnectionsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        read::read(&value).map_err(D::Error::custom)
    }
}

/// Creates a configuration with one database, under the alias `default`.
impl From<Config> for ConnectionsConfig {
    fn from(config: Config) -> Self {
        Self {
            connections: BTreeMap::from([(DEFAULT.to_owned(), config)]),
            ..Self::default()
        }
    }
}

/// Sources of one database, which becomes `default`.
macro_rules! of_one {
    ($($type:ty),*) => {$(
        impl TryFrom<$type> for ConnectionsConfig {
            type Error = Error;

            fn try_from(source: $type) -> Result<Self> {
                source.into_config().map(Self::from)
            }
        }
    )*};
}

urls!(of_one);
of_one!(&Config);

impl From<&Self> for ConnectionsConfig {
    fn from(config: &Self) -> Self {
        config.clone()
    }
}

impl TryFrom<&serde_json::Value> for ConnectionsConfig {
    type Error = Error;

    /// Creates the configuration with [`from_value`](Self::from_value).
    fn try_from(value: &serde_json::Value) -> Result<Self> {
        Self::from_value(value)
    }
}

impl TryFrom<serde_json::Value> for ConnectionsConfig {
    type Error = Error;

    /// Creates the configuration with [`from_value`](Self::from_value).
    fn try_from(value: serde_json::Value) -> Result<Self> {
        Self::from_value(value)
    }
}
