//! The common part of creating and dropping databases: the server, time limits, and error messages.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::AssertSqlSafe;
use tokio::runtime::Handle;

pub(super) use crate::backend::rules::{Admin, CreateOptions};
use crate::backend::rules::{AdminSession, Administration};
use crate::config::{Config, IntoConfig};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Params, Row};

/// Default time limit of each step.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

impl AdminSession for Database {
    fn run(&self, sql: String, params: Params) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.execute(AssertSqlSafe(sql), params).await.map(drop) })
    }

    fn rows(&self, sql: &'static str, params: Params) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(async move { self.fetch_all(sql, params).await })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.disconnect().await;
        })
    }

    #[cfg(feature = "macros")]
    fn close_now(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.disconnect_now().await;
        })
    }
}

fn open(config: Config) -> BoxFuture<'static, Result<Box<dyn AdminSession>>> {
    Box::pin(async move { Ok(Box::new(Database::connect(config).await?) as Box<dyn AdminSession>) })
}

impl Admin {
    pub(super) fn new(source: impl IntoConfig) -> Result<Self> {
        Ok(Self {
            // Replicas cannot tell whether the database exists.
            config: source.into_config()?.without_replicas(),
            beside: None,
            limit: LIMIT,
            open,
        })
    }

    /// Returns whether the database is in memory. Such a database always exists and never has to be created.
    pub(super) fn in_memory(&self) -> bool {
        self.config.url().is_memory()
    }

    /// Returns the way to create, find and drop the database.
    pub(super) fn administration(&self) -> &'static dyn Administration {
        self.config.dialect().rules().administration()
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
}

/// Runs `work` on a separate connection and closes it.
#[cfg(feature = "macros")]
pub(super) async fn with_connection<T>(config: Config, work: impl AsyncFnOnce(&Database) -> Result<T>) -> Result<T> {
    let database = Database::connect(config).await?;
    let result = work(&database).await;
    // `work` has ended; an error of closing does not change its result.
    let _ = database.disconnect().await;
    result
}
