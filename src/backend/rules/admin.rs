//! The database that is created, looked for or dropped, and the sessions in which that is done.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Params, Row};

/// A function that opens a session with a configuration. The sessions are those of the modules right of this one.
pub(crate) type OpenSession = fn(Config) -> BoxFuture<'static, Result<Box<dyn AdminSession>>>;

/// A session in which databases are created, looked for and dropped.
pub(crate) trait AdminSession: Send + Sync {
    /// Runs a statement.
    fn run(&self, sql: String, params: Params) -> BoxFuture<'_, Result<()>>;

    /// Runs a query.
    fn rows(&self, sql: &'static str, params: Params) -> BoxFuture<'_, Result<Vec<Row>>>;

    /// Closes the session. An error does not change the result of what was done in it.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Closes the session at once, and ends what runs in it.
    #[cfg(feature = "macros")]
    fn close_now(&self) -> BoxFuture<'_, ()>;
}

/// The options of a new database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CreateOptions {
    pub(crate) encoding: Option<String>,
    pub(crate) template: Option<String>,
}

/// The database that is created, looked for or dropped.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) config: Config,
    /// One more database of the server that may accept the user.
    pub(crate) beside: Option<String>,
    /// Time limit of each step.
    pub(crate) limit: Duration,
    pub(crate) open: OpenSession,
}

impl Admin {
    /// Returns settings for another database of the same server or file system, without the application's own.
    pub(crate) fn seen_from(&self, database: Option<&str>) -> Config {
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
            .statement_timeout(None)
            // Its locks belong to the session.
            .keep_session(true);
        // The application's own connection logs them.
        config.settings.warnings.clear();
        config
    }

    /// Opens a session in another database of the same server; `None` is a session in no database.
    pub(crate) async fn session(&self, database: Option<&str>) -> Result<Box<dyn AdminSession>> {
        (self.open)(self.seen_from(database)).await
    }

    /// Returns whether a database can be opened.
    pub(crate) async fn opens(&self, database: &str) -> Result<()> {
        let session = self.session(Some(database)).await?;
        session.close().await;
        Ok(())
    }
}

/// Adds advice to errors of one kind that have none.
pub(crate) fn advise(error: Error, kind: ErrorKind, advice: impl FnOnce() -> String) -> Error {
    if error.kind() == kind && error.advice().is_none() {
        return error.help(advice());
    }
    error
}
