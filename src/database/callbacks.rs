//! Callbacks through the database: of the transaction that is open here, and captured by a test.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Asker;
use crate::session::{Finish, Ground, Recorded, Target};

impl Database {
    /// Has something done once the transaction that is open here is really committed; without one it is done at once.
    ///
    /// Callbacks run once, in the order they were given, after the outermost commit and before `commit` (or `run`)
    /// returns. A savepoint that is rolled back drops those given inside it. In a sandbox they run after the commit of what
    /// the application takes for the outermost transaction.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected); [`TransactionEnded`](ErrorKind::TransactionEnded) if the transaction
    /// shared here has ended.
    ///
    /// # Cancel safety
    ///
    /// The callbacks of a commit that was dropped while they ran go on in a task of their own.
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
    ///         // Nobody is told of a note that is not there in the end.
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
        let (target, asker) = (self.target(), Asker::at(Location::caller()));
        async move {
            if let Some(level) = target?.transaction(asker)? {
                return level.after(Finish::Commit, Box::new(move || Box::pin(callback())));
            }
            callback().await;
            Ok(())
        }
    }

    /// Keeps the callbacks of commits in this sandbox instead of running them, for a test that wants to see them.
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
        let Target::Database(ground, _) = self.target()? else {
            return Err(Error::new(ErrorKind::NotConnected, "the database is not connected"));
        };
        ground.capture(true)?;
        Ok(CapturedCallbacks { ground })
    }

    /// The last statements that were given to the sandbox, the oldest first; without their values. Those that were refused,
    /// and those that ran outside of it under [`force_rollback(false)`](Self::force_rollback), are among them and marked.
    ///
    /// Empty unless the sandbox was opened with [`record`](crate::OpenSandbox::record). They can also be had after it was
    /// disconnected.
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
    pub fn recorded(&self) -> Vec<Recorded> {
        match (&self.core.berth, self.target()) {
            (Some(berth), _) => berth.journal.entries(),
            (None, Ok(Target::Database(ground, _))) => ground.recorded(),
            _ => Vec::new(),
        }
    }

    /// Where the statements of a sandbox are kept, if it keeps some; of another connected database the last `count` are kept
    /// from now on.
    #[cfg(feature = "macros")]
    pub(crate) fn record(&self, count: usize) -> Arc<crate::session::Journal> {
        match (&self.core.berth, self.target()) {
            (Some(berth), _) => Arc::clone(&berth.journal),
            (None, Ok(Target::Database(ground, _))) => ground.record(count),
            _ => Arc::default(),
        }
    }

    /// What is open at the moment: handles to connections, transactions, and in a sandbox the statements under way; each
    /// with the place in the source it comes from. A sandbox that ends while something is open tells so.
    pub fn open_handles(&self) -> Vec<String> {
        match self.target() {
            Ok(Target::Database(ground, _)) => ground.still_open(),
            _ => Vec::new(),
        }
    }
}

/// The callbacks of commits since [`Database::capture_on_commit`]. Dropping it drops them, and later ones run again.
#[must_use = "callbacks are captured until this is dropped"]
pub struct CapturedCallbacks {
    ground: Arc<Ground>,
}

impl CapturedCallbacks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ground.captured()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs those there are, in their order. Later ones are captured on.
    pub async fn run(&self) {
        self.ground.run_captured().await;
    }
}

impl Drop for CapturedCallbacks {
    fn drop(&mut self) {
        // It is a sandbox: it could be switched on.
        let _ = self.ground.capture(false);
    }
}

impl fmt::Debug for CapturedCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedCallbacks").field("len", &self.len()).finish()
    }
}
