//! The replicas of a database.

use serde_json::Value;

use super::credentials::read_credentials;
use super::credentials::{error, wrong};
use super::options::{self, Item};
use super::{Config, Settings, SqliteMode};
use crate::error::{Error, Result};
use crate::sql::Dialect;
use crate::url::DatabaseUrl;

impl Config {
    /// Adds a replica, which statements that only read are sent to: outside of transactions, connections and sandboxes,
    /// and not before the replica has what the caller wrote. Everything else goes to the database itself, the primary. The
    /// rules are told at [`Database::replicas`](crate::Database::replicas).
    ///
    /// What the URL leaves out is the primary's: the name of the database, user and password if it has no user, and
    /// every setting that its options do not give. A replica may be the address of a balancer in front of several.
    ///
    /// In a dictionary: a list of URLs, or of credentials, under `replicas`.
    ///
    /// # Errors
    ///
    /// [`Url`](crate::ErrorKind::Url) if the URL or an option in it cannot be read; [`Config`](crate::ErrorKind::Config)
    /// if it is of another dialect than the primary.
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
                "a replica of a database that is {} cannot be {}",
                self.dialect(),
                url.dialect()
            );
            return Err(error(message)
                .help("replicas are copies that the server keeps of itself; another database is another connection"));
        }
        self.settings_of_replica(&url)?;
        self.replicas.push(url);
        Ok(self)
    }

    /// The URLs of the replicas, as they were given.
    pub fn replicas(&self) -> &[DatabaseUrl] {
        &self.replicas
    }

    /// The same without replicas.
    #[must_use]
    pub fn without_replicas(mut self) -> Self {
        self.replicas.clear();
        self
    }

    /// The configuration of each replica, with what it has from the primary.
    pub(crate) fn of_replicas(&self) -> Result<Vec<Self>> {
        self.replicas.iter().map(|url| self.of_replica(url)).collect()
    }

    fn of_replica(&self, url: &DatabaseUrl) -> Result<Self> {
        let settings = self.settings_of_replica(url)?;
        let mut url = url.clone();
        if url.dialect() != Dialect::Sqlite {
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
        };
        config.follow_socket(None);
        config.follow_mode();
        if config.settings.sqlite_mode == SqliteMode::ReadWriteCreate {
            // A file that is missing is no copy of anything.
            config.settings.sqlite_mode = SqliteMode::ReadWrite;
        }
        Ok(config)
    }

    fn settings_of_replica(&self, url: &DatabaseUrl) -> Result<Settings> {
        let mut settings = self.settings.clone();
        // Where the primary is says nothing of where the replica is; its warnings were told.
        settings.socket = None;
        settings.warnings.clear();
        let items: Vec<_> = url
            .options()
            .iter()
            .map(|(name, value)| Item::of_url(name, value))
            .collect();
        options::apply(&mut settings, url.dialect(), &items)?;
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
