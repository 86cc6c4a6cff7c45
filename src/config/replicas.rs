//! The replicas of a database.

use serde_json::Value;

use super::credentials::{error, read_credentials, wrong};
use super::options::{self, Item};
use super::{Config, IsolationLevel, Settings, SqliteMode};
use crate::error::{Error, Result};
use crate::url::DatabaseUrl;

impl Config {
    /// Adds a replica for statements that only read, outside of transactions, connections and sandboxes. It receives
    /// them only once it has what the caller wrote. Everything else goes to the database itself, the primary.
    /// [`Database::replicas`](crate::Database::replicas) has the rules.
    ///
    /// The primary provides what the URL leaves out: the name of the database, user and password if the URL has no
    /// user, and every setting that its options do not give. A replica may be the address of a balancer in front of
    /// several.
    ///
    /// In a dictionary, `replicas` is a list of URLs or of credentials.
    ///
    /// # Errors
    ///
    /// [`Url`](crate::ErrorKind::Url) if the URL or an option in it cannot be read;
    /// [`Config`](crate::ErrorKind::Config) if its dialect differs from the primary's.
    ///
    /// ```
    /// use ebbtide::Config;
    ///
    /// let config = Config::from_url("postgres://ada:secret@db.example/shop")?
    ///     .replica("postgres://replica-1.example?pool_size=20")?
    ///     .replica("postgres://replica-2.example?pool_size=20")?;
    /// assert_eq!(config.replicas().len(), 2);
    /// # Ok::<(), ebbtide::Error>(())
    /// ```
    pub fn replica(mut self, url: impl TryInto<DatabaseUrl, Error: Into<Error>>) -> Result<Self> {
        let mut url = url.try_into().map_err(Into::into)?;
        url.take_parts_from_options()?;
        if url.dialect() != self.dialect() {
            let message = format!(
                "the replica of a {} database cannot be a {} database",
                self.dialect(),
                url.dialect()
            );
            return Err(error(message)
                .help("a replica is a copy that the server itself maintains; configure another database as a connection of its own"));
        }
        self.settings_of_replica(&url)?;
        self.replicas.push(url);
        Ok(self)
    }

    /// Returns the URLs of the replicas, as they were given.
    pub fn replicas(&self) -> &[DatabaseUrl] {
        &self.replicas
    }

    /// Returns the same configuration without replicas.
    #[must_use]
    pub fn without_replicas(mut self) -> Self {
        self.replicas.clear();
        self
    }

    /// Returns the configuration of each replica, completed from the primary.
    pub(crate) fn of_replicas(&self) -> Result<Vec<Self>> {
        self.replicas.iter().map(|url| self.of_replica(url)).collect()
    }

    fn of_replica(&self, url: &DatabaseUrl) -> Result<Self> {
        let settings = self.settings_of_replica(url)?;
        let mut url = url.clone();
        if url.is_served() {
            if url.username().is_none() {
                url = url
                    .with_username(self.url.username())
                    .with_password(self.url.password());
            }
            if url.database().is_none() {
                url = url.with_database(self.url.database());
            }
        }
        url.check()?;
        let mut config = Self {
            url,
            settings,
            replicas: Vec::new(),
            is_replica: true,
        };
        config.follow_socket(None);
        config.follow_mode();
        if config.url.is_served() && config.settings.isolation_level == Some(IsolationLevel::Serializable) {
            // A standby of PostgreSQL refuses the level. Only single statements are read from a replica.
            config.settings.isolation_level = Some(IsolationLevel::RepeatableRead);
        }
        if config.settings.sqlite_mode == SqliteMode::ReadWriteCreate {
            // A missing file cannot be a copy of anything.
            config.settings.sqlite_mode = SqliteMode::ReadWrite;
        }
        Ok(config)
    }

    fn settings_of_replica(&self, url: &DatabaseUrl) -> Result<Settings> {
        let mut settings = self.settings.clone();
        // The socket of the primary is not the replica's, and its warnings were already reported.
        settings.socket = None;
        settings.warnings.clear();
        let items: Vec<_> = url
            .options()
            .iter()
            .map(|(name, value)| Item::of_url(name, value))
            .collect();
        options::apply(&mut settings, url.place(), &items)?;
        Ok(settings)
    }
}

/// Adds the replicas that a dictionary lists under `path`.
pub(super) fn add(mut config: Config, path: &str, list: &Value) -> Result<Config> {
    let replicas = match list {
        Value::Null => return Ok(config),
        Value::Array(replicas) => replicas,
        other => return Err(wrong(path, other, "a list of URLs or credentials")),
    };
    for (index, replica) in replicas.iter().enumerate() {
        let here = format!("{path}[{index}]");
        let url = match replica {
            Value::String(url) => DatabaseUrl::parse(url).map_err(|error| error.context(format_args!("`{here}`")))?,
            credentials => read_credentials(credentials, &here, None)?.url,
        };
        config = config
            .replica(url)
            .map_err(|error| error.context(format_args!("`{here}`")))?;
    }
    Ok(config)
}
