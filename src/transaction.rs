//! Transactions: a guard, or a closure.

mod end;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tracing::Instrument;

use crate::config::IsolationLevel;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::pool::Asker;
use crate::query::within;
use crate::session::{Anchor, BeginOptions, Callback, Chain, Finish, Ground, Guard, Mode, Owner, Target};

pub use end::EndTransaction;

/// A transaction about to begin: await it for a guard, or give it a closure with [`run`](Self::run).
///
/// # Cancel safety
///
/// Dropping the future begins nothing: a connection on which `BEGIN` was under way is closed, never given to anyone else.
#[must_use = "a transaction begins when this is awaited or run"]
pub struct Begin {
    target: Result<Target>,
    options: BeginOptions,
    asker: Asker,
    timeout: Option<Duration>,
}

impl Begin {
    pub(crate) fn new(target: Result<Target>, place: &'static Location<'static>) -> Self {
        Self {
            target,
            options: BeginOptions::default(),
            asker: Asker::at(place),
            timeout: None,
        }
    }

    /// The same on another target, which is known only now.
    pub(crate) fn aimed(mut self, target: Result<Target>) -> Self {
        self.target = target;
        self
    }

    /// Asks for an isolation level, for this transaction only. Without it the server's own default holds, or the
    /// setting `isolation_level`.
    ///
    /// # Errors
    ///
    /// At the await: [`Unsupported`](crate::ErrorKind::Unsupported) if the backend lacks the level, or if the
    /// transaction is nested. SQLite knows `Serializable` only.
    pub fn isolation(mut self, level: IsolationLevel) -> Self {
        self.options.isolation = Some(level);
        self
    }

    /// Makes the transaction read-only: writes in it fail with [`ReadOnly`](crate::ErrorKind::ReadOnly).
    pub fn read_only(mut self) -> Self {
        self.options.read_only = true;
        self
    }

    /// Makes it deferrable (PostgreSQL): a serializable read-only transaction waits for a moment in which it can run
    /// without the risk of a serialization failure. Other backends need no such wait and ignore it.
    pub fn deferrable(mut self) -> Self {
        self.options.deferrable = true;
        self
    }

    /// Takes SQLite's write lock at the beginning (`BEGIN IMMEDIATE`), so that the transaction never fails at its first
    /// write because another has written since it read. That is the default there, unless the transaction is
    /// [`read_only`](Self::read_only) or [`deferred`](Self::deferred). Other backends lock rows instead and ignore it, as
    /// nested transactions do.
    pub fn immediate(mut self) -> Self {
        self.options.mode = Some(Mode::Immediate);
        self
    }

    /// Locks everyone else out of a SQLite database from the beginning (`BEGIN EXCLUSIVE`).
    ///
    /// # Errors
    ///
    /// At the await: [`Unsupported`](crate::ErrorKind::Unsupported) on other backends, and if the transaction is nested.
    pub fn exclusive(mut self) -> Self {
        self.options.mode = Some(Mode::Exclusive);
        self
    }

    /// Takes SQLite's locks only when they are needed (`BEGIN DEFERRED`). For transactions that mostly read: they never wait
    /// for a writer, but one that writes after all can fail with
    /// [`Serialization`](crate::ErrorKind::Serialization) or [`LockTimeout`](crate::ErrorKind::LockTimeout), and has to be
    /// run again ([`retry`](Self::retry)). Other backends do so anyway and ignore it.
    pub fn deferred(mut self) -> Self {
        self.options.mode = Some(Mode::Deferred);
        self
    }

    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout); waiting for a connection counts. The
    /// default is the setting `statement_timeout`, which is unset; `Duration::ZERO` means no limit. It limits the beginning,
    /// not the transaction; its end has a [limit of its own](EndTransaction::timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    async fn begin(self, closure: bool, owner: Owner, chain: &Chain) -> Result<Arc<Anchor>> {
        let target = self.target?;
        let limit = target.ground().limit(self.timeout);
        let begin = || target.begin(self.options, closure, owner, chain, self.asker);
        match (limit, target.sandboxed()) {
            (None, None) => begin().await,
            // Boxed, as is everything rare on this path.
            (limit, sandboxed) => Box::pin(within(limit, sandboxed, self.asker.place, begin())).await,
        }
    }

    /// With `true`, the transaction is rolled back at its end also where it is committed.
    pub fn force_rollback(mut self, on: bool) -> Self {
        self.options.rollback_only = on;
        self
    }

    /// Runs a closure in the transaction: commits when it returns `Ok`, rolls back when it returns `Err`, panics or is
    /// cancelled.
    ///
    /// This is the form to prefer: the transaction is bound to the closure's own future. Two of them joined are two
    /// independent transactions on two connections; joined inside another transaction they are two savepoints, one
    /// after the other. Plain `database.…` calls inside the closure run in its transaction.
    ///
    /// The closure is written `async |transaction| …`, not `|transaction| async move …`. Where its last expression is
    /// `Ok(…)`, the compiler wants to be told the error type: write `async |transaction| -> ebbtide::Result<()> { … }` or
    /// `Ok::<_, MyError>(…)`. Any error type will do that has `From<ebbtide::Error>`.
    ///
    /// # Errors
    ///
    /// Those of the closure, of beginning, and of the commit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let count: i64 = database
    ///     .transaction()
    ///     .run(async |transaction| {
    ///         transaction.execute("INSERT INTO note VALUES ('hello')", ()).await?;
    ///         transaction.fetch_value("SELECT count(*) FROM note", ()).await
    ///     })
    ///     .await?;
    /// assert_eq!(count, 1);
    /// # Ok(()) }
    /// ```
    pub async fn run<T, E, F>(self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(Transaction) -> Result<T, E>,
        E: From<Error>,
    {
        self.attempt(work).await.result
    }

    /// The same, and whether the server gave the transaction up in a way that calls for another attempt.
    pub(crate) async fn attempt<T, E, F>(self, work: F) -> Attempt<T, E>
    where
        F: AsyncFnOnce(Transaction) -> Result<T, E>,
        E: From<Error>,
    {
        let chain = Chain::current();
        let scope = chain.enter(Vec::new());
        let place = self.asker.place;
        let anchor = match self.begin(true, scope.owner(), &chain).await {
            Ok(anchor) => anchor,
            Err(error) => {
                return Attempt {
                    retryable: error.is_retryable(),
                    result: Err(error.into()),
                };
            }
        };
        let guard = Guard::new(anchor);
        let transaction = Transaction {
            connection: Connection::new(Target::Guard(guard.anchor())),
            guard: None,
        };
        let span = guard.anchor().node.span();
        let result = scope
            .run(guarded(&guard, work, transaction, place))
            .instrument(span)
            .await;
        Attempt {
            retryable: guard.anchor().node.wants_retry(),
            result,
        }
    }

    /// Makes beginnings like this one; tells the sandbox they are for, if it is one.
    pub(crate) fn repeated(self) -> Result<(impl Fn() -> Self, Option<Arc<Ground>>)> {
        let target = self.target?;
        let sandboxed = target.sandboxed();
        let (options, asker, timeout) = (self.options, self.asker, self.timeout);
        let again = move || Self {
            target: Ok(target.clone()),
            options,
            asker,
            timeout,
        };
        Ok((again, sandboxed))
    }
}

/// What became of a transaction.
pub(crate) struct Attempt<T, E> {
    pub(crate) result: Result<T, E>,
    pub(crate) retryable: bool,
}

/// Runs the closure of a transaction and ends that as the closure's result says.
async fn guarded<T, E, F>(
    guard: &Guard,
    work: F,
    transaction: Transaction,
    place: &'static Location<'static>,
) -> Result<T, E>
where
    F: AsyncFnOnce(Transaction) -> Result<T, E>,
    E: From<Error>,
{
    match work(transaction).await {
        // The closure may have ended the transaction by hand.
        Ok(value) if guard.has_ended() => Ok(value),
        Ok(value) => {
            guard.finish(Finish::Commit, place, None).await?;
            Ok(value)
        }
        Err(error) => {
            if !guard.has_ended()
                && let Err(second) = guard.finish(Finish::Rollback, place, None).await
            {
                // The closure's error says more; the connection has been thrown away.
                tracing::warn!(error = %second, "rolling back after an error failed");
            }
            Err(error)
        }
    }
}

impl IntoFuture for Begin {
    type Output = Result<Transaction>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let chain = Chain::current();
            let anchor = self.begin(false, chain.innermost(), &chain).await?;
            let guard = Guard::new(anchor);
            Ok(Transaction {
                connection: Connection::new(Target::Guard(guard.anchor())),
                guard: Some(guard),
            })
        })
    }
}

impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A transaction, or, inside another one, a savepoint.
///
/// It has the verbs of [`Connection`]. Dropped before [`commit`](Self::commit) or [`rollback`](Self::rollback), it rolls
/// back before anyone else uses the connection. Moved to another task, it takes its binding along at its first use
/// there. Its clone is a [`Connection`], a second handle that does not end it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// let outer = database.transaction().await?;
/// outer.execute("INSERT INTO note VALUES ('kept')", ()).await?;
/// {
///     let inner = database.transaction().await?; // a savepoint
///     inner.execute("INSERT INTO note VALUES ('dropped')", ()).await?;
/// } // dropped unfinished: rolled back to the savepoint
/// outer.commit().await?;
/// let count: i64 = database.fetch_value("SELECT count(*) FROM note", ()).await?;
/// assert_eq!(count, 1);
/// # Ok(()) }
/// ```
pub struct Transaction {
    connection: Connection,
    /// Absent in the closure form, where `run` holds it.
    guard: Option<Guard>,
}

impl Transaction {
    fn anchor(&self) -> Option<Arc<Anchor>> {
        match self.connection.target() {
            Ok(Target::Guard(anchor)) => Some(anchor),
            _ => None,
        }
    }

    /// Has something done once this transaction's work is really committed: after the outermost commit, in the order
    /// given. Rolling this level back, or one below it, drops it. See [`Database::on_commit`](crate::Database::on_commit),
    /// which finds the transaction by itself.
    ///
    /// # Errors
    ///
    /// [`TransactionEnded`](crate::ErrorKind::TransactionEnded).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let transaction = database.transaction().await?;
    /// transaction.on_commit(async || println!("committed"))?;
    /// transaction.on_rollback(async || println!("undone"))?;
    /// transaction.commit().await?; // prints "committed"
    /// # Ok(()) }
    /// ```
    pub fn on_commit<F, R>(&self, callback: F) -> Result<()>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.after(Finish::Commit, Box::new(move || Box::pin(callback())))
    }

    /// Has something done once this transaction's work is rolled back, by whatever level. If the transaction is dropped
    /// unfinished, it is done in a task. It is never done if nobody can know whether a commit succeeded.
    ///
    /// # Errors
    ///
    /// [`TransactionEnded`](crate::ErrorKind::TransactionEnded).
    pub fn on_rollback<F, R>(&self, callback: F) -> Result<()>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.after(Finish::Rollback, Box::new(move || Box::pin(callback())))
    }

    fn after(&self, end: Finish, callback: Callback) -> Result<()> {
        match self.anchor() {
            Some(anchor) => anchor.node.after(end, callback),
            None => Ok(()),
        }
    }

    /// Commits; inside another transaction, releases the savepoint.
    ///
    /// # Errors
    ///
    /// [`TransactionEnded`](crate::ErrorKind::TransactionEnded) if it was ended before;
    /// [`ConcurrentUse`](crate::ErrorKind::ConcurrentUse) if a transaction inside it is still open (then both stay
    /// usable); [`TransactionAborted`](crate::ErrorKind::TransactionAborted) if a statement had failed and PostgreSQL
    /// therefore rolls back; what the server reports, such as a violated deferred constraint. After an error of the
    /// server the transaction is rolled back. [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the answer was lost, or did
    /// not come in time: then it may have been committed.
    ///
    /// # Cancel safety
    ///
    /// See [`EndTransaction`].
    #[track_caller]
    pub fn commit(&self) -> EndTransaction<'_> {
        EndTransaction::new(self.anchor(), Finish::Commit, Location::caller())
    }

    /// Rolls back; inside another transaction, to the savepoint.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), but for the server's and `OutcomeUnknown`: whatever error comes, nothing of the
    /// transaction stays.
    ///
    /// # Cancel safety
    ///
    /// See [`EndTransaction`].
    #[track_caller]
    pub fn rollback(&self) -> EndTransaction<'_> {
        EndTransaction::new(self.anchor(), Finish::Rollback, Location::caller())
    }

    /// Whether it can still be used: not yet committed, rolled back, or ended by the server.
    pub fn is_open(&self) -> bool {
        self.anchor().is_some_and(|anchor| anchor.node.usable().is_ok())
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("guard", &self.guard.is_some())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A transaction on this connection; on a transaction's connection, a savepoint.
    #[track_caller]
    pub fn transaction(&self) -> Begin {
        Begin::new(self.target(), Location::caller())
    }
}
