//! Sandboxes of a database: many at the same time, each like a separate database.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};

use super::lifecycle::{Lifecycle, LifecycleState, not_connected};
use super::pools::Live;
use super::shutdown::Hurry;
use super::{Core, Database};
use crate::config::IsolationPolicy;
use crate::error::Result;
use crate::force_rollback::Overrides;
use crate::session::{SandboxPlan, StatementLog};

/// A builder of a sandbox; await it for its [`Database`].
#[doc(alias = "OpenSandbox")]
#[must_use = "a sandbox is opened when this is awaited"]
pub struct SandboxBuilder {
    parent: Database,
    name: Option<String>,
    record: usize,
    policy: Option<IsolationPolicy>,
}

impl Database {
    /// Returns a sandbox: a separate database for one test, inside an outer transaction that never commits.
    ///
    /// Application code runs in it unchanged: its transactions become savepoints, its commits become releases. When the
    /// sandbox is dropped or disconnected, everything is undone. Any number may be open; each sees only its own
    /// data. They run on connections that this database keeps open on a runtime thread, so that any task, thread and
    /// tokio runtime may use them. A sandbox costs two round trips in addition to its own statements: BEGIN at the first
    /// use, and ROLLBACK.
    ///
    /// On SQLite, where a file has one writer, each of those connections uses a copy of the database in memory. The
    /// copy is recreated when the original has changed.
    ///
    /// A sandbox of a sandbox is independent: it sees nothing of the first. To undo a part of a sandbox alone, use a
    /// transaction in it.
    ///
    /// As many sandboxes are in use at once as the pool has connections: `pool_size` plus `max_overflow`. Further ones
    /// wait at their first use, up to `pool_timeout`.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected) if this database is not connected. The server is contacted at
    /// the first use.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing has begun.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::Database;
    /// let database = Database::connect("sqlite::memory:").await?;
    /// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    ///
    /// let (one, other) = (database.sandbox().await?, database.sandbox().await?);
    /// let transaction = one.transaction().await?;
    /// transaction.execute("INSERT INTO note VALUES ('only here')", ()).await?;
    /// transaction.commit().await?;
    /// for (sandbox, expected) in [(&one, 1), (&other, 0), (&database, 0)] {
    ///     let count: i64 = sandbox.fetch_value("SELECT count(*) FROM note", ()).await?;
    ///     assert_eq!(count, expected);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn sandbox(&self) -> SandboxBuilder {
        SandboxBuilder {
            parent: self.clone(),
            name: None,
            record: 0,
            policy: None,
        }
    }
}

impl SandboxBuilder {
    /// Sets the name of the sandbox, for messages. On PostgreSQL its session has it as `application_name`, with a
    /// number appended. Default: `sandbox`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Keeps the last `count` statements for [`Database::recorded`]. Default 0.
    pub fn record(mut self, count: usize) -> Self {
        self.record = count;
        self
    }

    /// Sets the policy for a transaction whose isolation level differs from that of the first one, with which the
    /// sandbox began. Default: the setting `isolation_policy`.
    pub fn isolation_policy(mut self, policy: IsolationPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    fn open(self) -> Result<Database> {
        // A sandbox of a sandbox is an independent one of the same parent.
        let parent = self.parent.core.parent.as_ref().unwrap_or(&self.parent.core);
        let options = SandboxOptions {
            name: self.name.unwrap_or_else(|| "sandbox".to_owned()),
            statement_log: Arc::new(StatementLog::new(self.record)),
            policy: self.policy,
        };
        let live = parent.open_sandbox(&options)?;
        let core = Core {
            config: parent.config.clone().force_rollback(true),
            hooks: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            hurry: Hurry::default(),
            state: RwLock::new(LifecycleState {
                count: 1,
                live: Some(Arc::new(live)),
                closing: None,
            }),
            overrides: Overrides::new(),
            parent: Some(Arc::clone(parent)),
            options: Some(options),
        };
        Ok(Database {
            lifecycle: Lifecycle { core: Arc::new(core) },
            reads: self.parent.reads,
        })
    }
}

/// The options of a sandbox, to open it again after it was disconnected.
#[derive(Clone, Debug)]
pub(super) struct SandboxOptions {
    name: String,
    pub(super) statement_log: Arc<StatementLog>,
    policy: Option<IsolationPolicy>,
}

impl Core {
    /// Opens a sandbox of this database.
    pub(super) fn open_sandbox(&self, options: &SandboxOptions) -> Result<Live> {
        let state = self.state.read();
        let live = state.live.as_ref().ok_or_else(not_connected)?;
        let plan = SandboxPlan {
            name: Some(options.name.clone()),
            statement_log: Arc::clone(&options.statement_log),
            policy: options.policy,
            warns_on_stderr: true,
            ..live.pools.plan()
        };
        Ok(live.pools.sandbox(plan))
    }
}

impl IntoFuture for SandboxBuilder {
    type Output = Result<Database>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.open() })
    }
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
