//! User functions that run on connect, on disconnect, and on each new connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::SqlSafeStr;

use super::{Core, Database};
use crate::backend::{QueryResult, RawConnection};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Prepare;

/// Any error a hook may return.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

type Hook = Arc<dyn Fn() -> BoxFuture<'static, Result<(), HookError>> + Send + Sync>;
type AfterConnect = Arc<dyn for<'c> Fn(&'c mut NewConnection) -> BoxFuture<'c, Result<(), HookError>> + Send + Sync>;

#[derive(Default)]
pub(super) struct Hooks {
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
    after_connect: Option<AfterConnect>,
}

/// The database that a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionRole {
    Primary,
    Replica,
    /// A sandbox's own copy of a SQLite database.
    PrivateCopy,
}

/// A newly opened connection, before its first use.
pub struct NewConnection {
    raw: Box<dyn RawConnection>,
    role: ConnectionRole,
}

impl NewConnection {
    /// Returns whether the connection is to a [replica](crate::Config::replica), where a hook must not write.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Database;
    /// let database = Database::new("sqlite::memory:")?.after_connect(|connection| Box::pin(async move {
    ///     if !connection.is_replica() {
    ///         connection.execute("CREATE TABLE IF NOT EXISTS visit (at TEXT)").await?;
    ///     }
    ///     Ok(())
    /// }));
    /// Database::connect(&database).await?;
    /// # Ok(()) }
    /// ```
    pub fn is_replica(&self) -> bool {
        self.role == ConnectionRole::Replica
    }

    /// Returns whether the connection works on the private copy that a sandbox has of a SQLite database. Only the
    /// database of the URL is copied: a hook that attaches files attaches the real ones, so here it should attach
    /// something else.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Database;
    /// let database = Database::new("sqlite::memory:")?.after_connect(|connection| Box::pin(async move {
    ///     let archive = if connection.is_private_copy() { "ATTACH ':memory:' AS archive" } else { "ATTACH '' AS archive" };
    ///     connection.execute(archive).await?;
    ///     Ok(())
    /// }));
    /// Database::connect(&database).await?;
    /// # Ok(()) }
    /// ```
    pub fn is_private_copy(&self) -> bool {
        self.role == ConnectionRole::PrivateCopy
    }

    /// Runs SQL without parameters, one statement or several.
    ///
    /// # Errors
    ///
    /// Errors of the server; [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the answer was lost. The error of
    /// a hook [preserves that](crate::Error::outcome_unknown).
    ///
    /// # Cancel safety
    ///
    /// If dropped early, the connection is closed, since it is not in use yet.
    #[track_caller]
    pub fn execute(&mut self, sql: impl SqlSafeStr) -> BoxFuture<'_, Result<QueryResult>> {
        let place = Location::caller();
        let running = self.raw.run_script(sql.into_sql_str());
        Box::pin(async move {
            running.await.map_err(|error| {
                if error.leaves_open() {
                    error.unknown("the statement of a hook", place)
                } else {
                    error
                }
            })
        })
    }
}

impl fmt::Debug for NewConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewConnection").finish_non_exhaustive()
    }
}

impl Hooks {
    /// Returns the function that a pool runs on each new connection.
    pub(super) fn prepare(&self, role: ConnectionRole) -> Option<Prepare> {
        let hook = self.after_connect.clone()?;
        Some(Arc::new(move |raw| {
            let hook = Arc::clone(&hook);
            Box::pin(async move {
                let mut connection = NewConnection { raw, role };
                hook(&mut connection)
                    .await
                    .map_err(|error| hook_failed("after_connect", error))?;
                Ok(connection.raw)
            })
        }))
    }
}

impl Core {
    pub(super) async fn run_on_connect(&self) -> Result<()> {
        let hook = self.hooks.lock().on_connect.clone();
        run("on_connect", hook).await
    }

    pub(super) async fn run_on_disconnect(&self) -> Result<()> {
        let hook = self.hooks.lock().on_disconnect.clone();
        run("on_disconnect", hook).await
    }
}

async fn run(name: &str, hook: Option<Hook>) -> Result<()> {
    match hook {
        Some(hook) => hook().await.map_err(|error| hook_failed(name, error)),
        None => Ok(()),
    }
}

impl Database {
    /// Sets a `hook` that runs at the first `connect`, before the pool is created. Its error fails the connect.
    ///
    /// Hooks belong to the database and all its handles. Those set while it is connected run from the next connect or
    /// disconnect on. A database created from its configuration has none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Database;
    /// let database = Database::new("sqlite::memory:")?
    ///     .on_connect(async || Ok(println!("connecting")))
    ///     .after_connect(|connection| Box::pin(async move {
    ///         connection.execute("PRAGMA cache_size = 100").await?;
    ///         Ok(())
    ///     }));
    /// Database::connect(&database).await?;
    /// # Ok(()) }
    /// ```
    pub fn on_connect<F, R>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.with_hooks(|hooks| hooks.on_connect = Some(Arc::new(move || Box::pin(hook()))))
    }

    /// Sets a `hook` that runs at the last `disconnect`, after the pool is closed. Its error fails the disconnect,
    /// which has nevertheless happened.
    pub fn on_disconnect<F, R>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.with_hooks(|hooks| hooks.on_disconnect = Some(Arc::new(move || Box::pin(hook()))))
    }

    /// Sets a `hook` that runs once on each new connection, before its first use: the place to configure a session. Its
    /// error closes the connection and is returned to the caller that requested it. It also runs on connections to
    /// [replicas](crate::Config::replica), and can [check](NewConnection::is_replica) for them. Set while the database is
    /// connected, it runs from the next connect on.
    ///
    /// With a hook, a connection whose session was changed is closed when it is released, and the hook runs on the next
    /// one, unless `keep_session` is set: see [the guide](crate::guides::transactions).
    pub fn after_connect<F>(self, hook: F) -> Self
    where
        F: for<'c> Fn(&'c mut NewConnection) -> BoxFuture<'c, Result<(), HookError>> + Send + Sync + 'static,
    {
        self.with_hooks(|hooks| hooks.after_connect = Some(Arc::new(hook)))
    }

    fn with_hooks(self, change: impl FnOnce(&mut Hooks)) -> Self {
        change(&mut self.core.hooks.lock());
        self
    }
}

/// Returns the error of a failed hook.
pub(super) fn hook_failed(hook: &str, error: HookError) -> Error {
    Error::new(ErrorKind::Hook, format!("the hook `{hook}` failed: {error}")).with_source(error)
}
