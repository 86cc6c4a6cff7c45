//! The common part of creating and dropping databases: the server, time limits, and error messages.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::{Config, IntoConfig};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};

/// Default time limit of each step.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// The options of a new database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CreateOptions {
    pub(super) encoding: Option<String>,
    pub(super) template: Option<String>,
}

/// The database that is created, looked for or dropped.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    pub(super) config: Config,
    /// PostgreSQL: one more database that may accept the user.
    pub(super) beside: Option<String>,
    /// Time limit of each step.
    pub(super) limit: Duration,
}

impl Admin {
    pub(super) fn new(source: impl IntoConfig) -> Result<Self> {
        Ok(Self {
            // Replicas cannot tell whether the database exists.
            config: source.into_config()?.without_replicas(),
            beside: None,
            limit: LIMIT,
        })
    }

    /// Returns whether the database is in memory. Such a database always exists and never has to be created.
    pub(super) fn in_memory(&self) -> bool {
        self.config.url().is_memory()
    }

    /// Runs a step within the time limit, and names it in its errors.
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
            .help("does the server answer, and does another session hold a lock on the database? the server may still have done it")),
        }
    }

    /// Returns settings for another database of the same server or file system, without the application's own.
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
        // The application's own connection logs them.
        config.settings.warnings.clear();
        config
    }
}

/// Runs `work` on a separate connection and closes it.
pub(super) async fn with_connection<T>(config: Config, work: impl AsyncFnOnce(&Database) -> Result<T>) -> Result<T> {
    let database = Database::connect(config).await?;
    let result = work(&database).await;
    // `work` has ended; an error of closing does not change its result.
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
