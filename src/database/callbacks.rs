//! Callbacks of transactions through the database: of the open transaction, and captured by a test.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::session::{Engine, Finish, OpenHandle, RecordedStatement, Target};

impl Database {
    /// Registers a callback that runs after the open transaction is really committed. Without a transaction it runs at
    /// once.
    ///
    /// Callbacks run once, in the order of registration, after the outermost commit and before `commit` (or `run`)
    /// returns. A savepoint that is rolled back drops those registered inside it. In a sandbox they run after the
    /// commit of the application's outermost transaction.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected); [`TransactionEnded`](ErrorKind::TransactionEnded) if the transaction
    /// shared here has ended.
    ///
    /// # Cancel safety
    ///
    /// If a commit is dropped while its callbacks run, they continue in their own task.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let outbox = database.clone();
    /// database
    ///     .transaction()
    ///     .run(async |_| {
    ///         database.execute("INSERT INTO note VALUES ('hello')", ()).await?;
    ///         // No message about a note that was rolled back.
    ///         database.on_commit(async move || println!("tell everyone: {outbox:?}")).await
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_commit<F, R>(&self, callback: F) -> impl Future<Output = Result<()>> + Send + use<F, R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let (addressee, caller) = (self.addressee(), Caller::at(Location::caller()));
        async move {
            if let Some(level) = addressee.into_target()?.transaction(caller)? {
                return level.after(Finish::Commit, Box::new(move || Box::pin(callback())));
            }
            callback().await;
            Ok(())
        }
    }

    /// Captures the callbacks of commits in this sandbox instead of running them, for inspection by a test.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) outside of a sandbox; [`NotConnected`](ErrorKind::NotConnected).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::{Config, Database};
    /// let database = Database::connect(Config::from_url("sqlite::memory:")?.force_rollback(true)).await?;
    /// let captured = database.capture_on_commit()?;
    /// let transaction = database.transaction().await?;
    /// transaction.on_commit(async || println!("mail sent"))?;
    /// transaction.commit().await?;
    /// assert_eq!(captured.len(), 1);
    /// captured.run().await; // now
    /// # Ok(()) }
    /// ```
    pub fn capture_on_commit(&self) -> Result<CapturedCallbacks> {
        let Target::Database(engine, _) = self.target()? else {
            return Err(Error::new(ErrorKind::NotConnected, "the database is not connected"));
        };
        engine.capture(true)?;
        Ok(CapturedCallbacks { engine })
    }

    /// Returns the last statements of the sandbox, the oldest first, without their values. Refused statements are
    /// included and marked. So are those that ran outside of it under [`force_rollback(false)`](Self::force_rollback).
    ///
    /// Empty unless the sandbox was opened with [`record`](crate::SandboxBuilder::record). Still available after the
    /// sandbox is disconnected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let sandbox = database.sandbox().record(10).await?;
    /// sandbox.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let recorded = sandbox.recorded();
    /// assert_eq!(recorded[0].sql, "CREATE TABLE note (text TEXT)");
    /// assert!(recorded[0].error.is_none() && !recorded[0].outside);
    /// # Ok(()) }
    /// ```
    pub fn recorded(&self) -> Vec<RecordedStatement> {
        match (&self.core.options, self.target()) {
            (Some(options), _) => options.statement_log.entries(),
            (None, Ok(Target::Database(engine, _))) => engine.recorded(),
            _ => Vec::new(),
        }
    }

    /// Returns the statement log of a sandbox, if it keeps one. On another connected database, starts keeping the last
    /// `count` statements.
    #[cfg(feature = "macros")]
    pub(crate) fn record(&self, count: usize) -> Arc<crate::session::StatementLog> {
        match (&self.core.options, self.target()) {
            (Some(options), _) => Arc::clone(&options.statement_log),
            (None, Ok(Target::Database(engine, _))) => engine.record(count),
            _ => Arc::default(),
        }
    }

    /// Returns everything open at the moment: handles to connections, transactions, and in a sandbox the running
    /// statements, each with its place in the source. A sandbox that ends while something is open reports it.
    pub fn open_handles(&self) -> Vec<OpenHandle> {
        match self.target() {
            Ok(Target::Database(engine, _)) => engine.open_handles(),
            _ => Vec::new(),
        }
    }
}

/// The callbacks of commits since [`Database::capture_on_commit`]. Dropping it drops them; later ones run again.
#[must_use = "callbacks are captured until this is dropped"]
pub struct CapturedCallbacks {
    engine: Arc<Engine>,
}

impl CapturedCallbacks {
    /// Returns the number of captured callbacks.
    pub fn len(&self) -> usize {
        self.engine.captured()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs the captured callbacks, in order. Later ones are still captured.
    pub async fn run(&self) {
        self.engine.run_captured().await;
    }
}

impl Drop for CapturedCallbacks {
    fn drop(&mut self) {
        // Cannot fail: switching it on succeeded, so this is a sandbox.
        let _ = self.engine.capture(false);
    }
}

impl fmt::Debug for CapturedCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedCallbacks").field("len", &self.len()).finish()
    }
}
