//! What users have run at connecting, disconnecting, and on each new connection.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::SqlSafeStr;

use super::lifecycle::hook_failed;
use super::{Core, Database};
use crate::backend::{Done, RawConnection};
use crate::error::Result;
use crate::pool::Prepare;

/// Any error a hook may return.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

type Hook = Arc<dyn Fn() -> BoxFuture<'static, Result<(), HookError>> + Send + Sync>;
type AfterConnect = Arc<dyn for<'c> Fn(&'c mut NewConnection) -> BoxFuture<'c, Result<(), HookError>> + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Hooks {
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
    after_connect: Option<AfterConnect>,
}

/// A connection just opened, before anyone else gets it.
pub struct NewConnection {
    raw: Box<dyn RawConnection>,
    is_replica: bool,
}

impl NewConnection {
    /// Whether it is one to a [replica](crate::Config::replica), where a hook must not write.
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
        self.is_replica
    }

    /// Runs SQL without parameters, one statement or several.
    ///
    /// # Errors
    ///
    /// What the server reports; [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the answer was lost. The error of a hook
    /// [carries that on](crate::Error::outcome_unknown).
    ///
    /// # Cancel safety
    ///
    /// The connection is closed, since nobody has got it yet.
    #[track_caller]
    pub fn execute(&mut self, sql: impl SqlSafeStr) -> BoxFuture<'_, Result<Done>> {
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
    pub(super) async fn run_on_connect(&self) -> Result<()> {
        run("on_connect", self.on_connect.as_ref()).await
    }

    pub(super) async fn run_on_disconnect(&self) -> Result<()> {
        run("on_disconnect", self.on_disconnect.as_ref()).await
    }

    /// What a pool runs on each new connection, be it the primary's or a replica's.
    pub(super) fn prepare(&self, is_replica: bool) -> Option<Prepare> {
        let hook = self.after_connect.clone()?;
        Some(Arc::new(move |raw| {
            let hook = Arc::clone(&hook);
            Box::pin(async move {
                let mut connection = NewConnection { raw, is_replica };
                hook(&mut connection)
                    .await
                    .map_err(|error| hook_failed("after_connect", error))?;
                Ok(connection.raw)
            })
        }))
    }
}

async fn run(name: &str, hook: Option<&Hook>) -> Result<()> {
    match hook {
        Some(hook) => hook().await.map_err(|error| hook_failed(name, error)),
        None => Ok(()),
    }
}

impl Database {
    /// Has `hook` run at the first `connect`, before the pool is made. Its error fails the connect.
    ///
    /// Hooks belong to this database: set them before it is connected. A database made from its configuration has none.
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

    /// Has `hook` run at the last `disconnect`, after the pool is gone. Its error fails the disconnect, which has
    /// happened all the same.
    pub fn on_disconnect<F, R>(self, hook: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.with_hooks(|hooks| hooks.on_disconnect = Some(Arc::new(move || Box::pin(hook()))))
    }

    /// Has `hook` run once on each new connection, before anyone gets it: the place to set what a session needs. Its
    /// error closes the connection and fails whoever asked for one. It runs on those to
    /// [replicas](crate::Config::replica) too, and can [ask](NewConnection::is_replica) which it is.
    pub fn after_connect<F>(self, hook: F) -> Self
    where
        F: for<'c> Fn(&'c mut NewConnection) -> BoxFuture<'c, Result<(), HookError>> + Send + Sync + 'static,
    {
        self.with_hooks(|hooks| hooks.after_connect = Some(Arc::new(hook)))
    }

    /// A new database with the same configuration and other hooks. It is not connected yet.
    fn with_hooks(self, change: impl FnOnce(&mut Hooks)) -> Self {
        let mut hooks = self.core.hooks.clone();
        change(&mut hooks);
        let core = Core {
            config: self.core.config.clone(),
            hooks,
            changing: tokio::sync::Mutex::new(()),
            state: parking_lot::RwLock::default(),
            overrides: crate::force_rollback::Overrides::new(),
            parent: self.core.parent.clone(),
            berth: self.core.berth.clone(),
        };
        Self {
            core: Arc::new(core),
            reads: self.reads,
        }
    }
}
