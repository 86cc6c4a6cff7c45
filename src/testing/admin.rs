//! What making and dropping databases have in common: which server, how long, and what went wrong.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

use super::{mysql, name, postgres, sqlite};
use crate::config::{Config, IntoConfig};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// How long each step may take, unless it is told otherwise.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What a new database is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) encoding: Option<String>,
    pub(super) template: Option<String>,
}

/// The database that is made, asked for or dropped.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    pub(super) config: Config,
    /// PostgreSQL: one more database the user may be able to connect to.
    pub(super) beside: Option<String>,
    /// The time limit of each step.
    pub(super) limit: Duration,
}

impl Admin {
    pub(super) fn new(source: impl IntoConfig) -> Result<Self> {
        Ok(Self {
            // Whether a database is there is not asked of a copy.
            config: source.into_config()?.without_replicas(),
            beside: None,
            limit: LIMIT,
        })
    }

    /// Whether it is kept nowhere, and so is always there and never has to be made.
    pub(super) fn in_memory(&self) -> bool {
        self.config.url().is_memory()
    }

    pub(super) async fn exists(&self) -> Result<bool> {
        if self.in_memory() {
            return Ok(true);
        }
        let look = async {
            match self.config.url().dialect() {
                Dialect::Postgres => postgres::exists(self, name::of(&self.config)?).await,
                Dialect::MySql => mysql::exists(self, name::of(&self.config)?).await,
                Dialect::Sqlite => sqlite::exists(self).await,
            }
        };
        self.within("look for", look).await
    }

    /// Makes it; `false` if it was there and `if_missing` allows that.
    pub(super) async fn create(&self, wishes: &Wishes, if_missing: bool) -> Result<bool> {
        if self.in_memory() {
            return Ok(false);
        }
        let create = async {
            match self.config.url().dialect() {
                Dialect::Postgres => postgres::create(self, name::of(&self.config)?, wishes, if_missing).await,
                Dialect::MySql => mysql::create(self, name::of(&self.config)?, wishes, if_missing).await,
                Dialect::Sqlite => sqlite::create(self, wishes).await,
            }
        };
        match self.within("create", create).await {
            Err(error) if if_missing && error.kind() == ErrorKind::DuplicateObject => Ok(false),
            other => other,
        }
    }

    /// Drops it; `false` if it was not there and `if_exists` allows that.
    pub(super) async fn drop(&self, if_exists: bool) -> Result<bool> {
        if self.in_memory() {
            return Ok(false);
        }
        let drop = async {
            match self.config.url().dialect() {
                Dialect::Postgres => postgres::drop(self, name::of(&self.config)?).await,
                Dialect::MySql => mysql::drop(self, name::of(&self.config)?).await,
                Dialect::Sqlite => sqlite::drop(self).await,
            }
        };
        match self.within("drop", drop).await {
            Ok(true) => Ok(true),
            Ok(false) if if_exists => Ok(false),
            Ok(false) => Err(Error::new(
                ErrorKind::DatabaseNotFound,
                format!("cannot drop {}: there is no such database", self.config.url()),
            )
            .help("`if_exists()` takes that for dropped")),
            Err(error) => Err(error),
        }
    }

    /// Runs a step within the time limit, and says which one it was if it fails.
    pub(super) async fn within<T>(&self, step: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let url = self.config.url();
        if Handle::try_current().is_err() {
            let message = format!("cannot {step} {url} outside of a tokio runtime");
            return Err(Error::new(ErrorKind::Connect, message)
                .help("run it in `#[tokio::main]`, `#[tokio::test]`, a task, or `Handle::block_on`"));
        }
        match tokio::time::timeout(self.limit, work).await {
            Ok(result) => result.map_err(|error| error.context(format_args!("cannot {step} {url}"))),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("cannot {step} {url}: it took longer than {:?}", self.limit),
            )
            .help("does the server answer, and does nobody hold a lock on the database? whether the server has done it is unknown")),
        }
    }

    /// The same server or file system, seen from another database, with nothing of what only the application wants.
    pub(super) fn seen_from(&self, database: Option<&str>) -> Config {
        let mut config = self
            .config
            .clone()
            .database(database)
            .pool_size(1)
            .max_overflow(0)
            .lazy(false)
            .force_rollback(false)
            .full_isolation(false)
            .isolation_level(None)
            .statement_timeout(None);
        // They are told when the application connects.
        config.settings.warnings.clear();
        config
    }
}

/// Runs work on a connection of its own and says good-bye.
pub(super) async fn with_connection<T>(config: Config, work: impl AsyncFnOnce(&Database) -> Result<T>) -> Result<T> {
    let database = Database::connect(config).await?;
    let result = work(&database).await;
    // The work is done or has failed; the good-bye changes nothing about it.
    let _ = database.disconnect().await;
    result
}

/// Adds advice to errors of one kind that have none.
pub(super) fn advise(error: Error, kind: ErrorKind, advice: impl FnOnce() -> String) -> Error {
    if error.kind() == kind && error.advice().is_none() {
        return error.help(advice());
    }
    error
}
