//! Sandboxes of a database: many at once, each a database of its own.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::RwLock;

use super::lifecycle::{Live, State, not_connected};
use super::{Core, Database, Hooks};
use crate::config::IsolationPolicy;
use crate::error::Result;
use crate::force_rollback::Overrides;
use crate::session::{Journal, Plan};

/// A sandbox about to be opened: await it for its [`Database`].
#[must_use = "a sandbox is opened when this is awaited"]
pub struct OpenSandbox {
    parent: Database,
    name: Option<String>,
    record: usize,
    policy: Option<IsolationPolicy>,
}

impl Database {
    /// A sandbox: a database of its own for one test, inside an outer transaction that never commits.
    ///
    /// Application code runs in it unchanged: its transactions become savepoints, its commits become releases. When the
    /// sandbox is dropped or disconnected, everything is undone. Any number can be open at once, each sees its own data
    /// only; they run on connections that this database keeps warm on a thread of its own, so that any task, thread and
    /// tokio runtime may use them, and one that is opened, used and dropped costs two round trips beyond its own
    /// statements: BEGIN at the first use, and ROLLBACK.
    ///
    /// On SQLite, where a file has one writer, each of those connections works on a copy of the database in memory, which
    /// is made anew when the original has changed.
    ///
    /// A sandbox of a sandbox is another one beside it: it sees nothing of the first. What is to be undone alone inside a
    /// sandbox is a transaction there.
    ///
    /// At most `pool_size` and `max_overflow` sandboxes are in use at once; further ones wait at their first use, up to
    /// `pool_timeout`.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected) if this database is not. Reaching the server is left to the first
    /// use.
    ///
    /// # Cancel safety
    ///
    /// Nothing has begun when the future is dropped.
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
    pub fn sandbox(&self) -> OpenSandbox {
        OpenSandbox {
            parent: self.clone(),
            name: None,
            record: 0,
            policy: None,
        }
    }
}

impl OpenSandbox {
    /// Names the sandbox, for messages; on PostgreSQL its session bears the name as `application_name`, with a number
    /// behind it. Default: `sandbox`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Keeps the last `count` statements for [`Database::recorded`]. Default 0.
    pub fn record(mut self, count: usize) -> Self {
        self.record = count;
        self
    }

    /// What happens when a transaction asks for another isolation level than that of the first one, with which the sandbox
    /// began. Default: the setting `isolation_policy`.
    pub fn isolation_policy(mut self, policy: IsolationPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    fn open(self) -> Result<Database> {
        // A sandbox of a sandbox is another one beside it.
        let parent = self.parent.core.parent.as_ref().unwrap_or(&self.parent.core);
        let berth = Berth {
            name: self.name.unwrap_or_else(|| "sandbox".to_owned()),
            journal: Arc::new(Journal::new(self.record)),
            policy: self.policy,
        };
        let live = parent.berth(&berth)?;
        let core = Core {
            config: parent.config.clone().force_rollback(true),
            hooks: Hooks::default(),
            changing: tokio::sync::Mutex::new(()),
            state: RwLock::new(State {
                count: 1,
                live: Some(Arc::new(live)),
            }),
            overrides: Overrides::new(),
            parent: Some(Arc::clone(parent)),
            berth: Some(berth),
        };
        Ok(Database {
            core: Arc::new(core),
            reads: self.parent.reads,
        })
    }
}

/// What a sandbox was asked to be, to open it again after it was disconnected.
#[derive(Clone, Debug)]
pub(super) struct Berth {
    name: String,
    pub(super) journal: Arc<Journal>,
    policy: Option<IsolationPolicy>,
}

impl Core {
    /// A place for a sandbox of this database.
    pub(super) fn berth(&self, berth: &Berth) -> Result<Live> {
        let state = self.state.read();
        let live = state.live.as_ref().ok_or_else(not_connected)?;
        let plan = Plan {
            name: Some(berth.name.clone()),
            journal: Arc::clone(&berth.journal),
            policy: berth.policy,
            aloud: true,
            ..live.pools.plan()
        };
        Ok(live.pools.sandbox(plan))
    }
}

impl IntoFuture for OpenSandbox {
    type Output = Result<Database>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.open() })
    }
}

impl fmt::Debug for OpenSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSandbox")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
