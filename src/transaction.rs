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

use crate::backend::rules::{BeginOptions, Mode};
use crate::config::IsolationLevel;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Caller;
use crate::query::{Addressee, within};
use crate::session::{Callback, Chain, Finish, Guard, LevelHandle, Owner, Target};

pub use end::EndTransaction;

/// A transaction that has not begun yet: await it for a guard, or pass a closure to [`run`](Self::run).
///
/// # Cancel safety
///
/// If the future is dropped, no transaction begins. A connection on which `BEGIN` was in progress is closed, never
/// reused.
#[doc(alias = "Begin")]
#[must_use = "a transaction begins when this is awaited or run"]
pub struct TransactionBuilder {
    addressee: Option<Addressee>,
    options: BeginOptions,
    caller: Caller,
    timeout: Option<Duration>,
}

impl TransactionBuilder {
    pub(crate) fn new(addressee: Addressee, place: &'static Location<'static>) -> Self {
        Self::without_target(place).on(addressee)
    }

    /// Returns a builder without a database, which [`on`](Self::on) sets.
    pub(crate) fn without_target(place: &'static Location<'static>) -> Self {
        Self {
            addressee: None,
            options: BeginOptions::default(),
            caller: Caller::at(place),
            timeout: None,
        }
    }

    pub(crate) fn on(mut self, addressee: Addressee) -> Self {
        self.addressee = Some(addressee);
        self
    }

    /// Sets the isolation level for this transaction only. The default is the setting `isolation_level`, or else the
    /// server's own default.
    ///
    /// # Errors
    ///
    /// At the await: [`Unsupported`](crate::ErrorKind::Unsupported) if the backend lacks the level, or if the
    /// transaction is nested. SQLite supports `Serializable` only.
    pub fn isolation(mut self, level: IsolationLevel) -> Self {
        self.options.isolation = Some(level);
        self
    }

    /// Makes the transaction read-only: writes in it fail with [`ReadOnly`](crate::ErrorKind::ReadOnly).
    pub fn read_only(mut self) -> Self {
        self.options.read_only = true;
        self
    }

    /// Makes it deferrable (PostgreSQL): a serializable read-only transaction waits until it can run without the risk
    /// of a serialization failure. Other backends need no such wait and ignore it.
    pub fn deferrable(mut self) -> Self {
        self.options.deferrable = true;
        self
    }

    /// Takes SQLite's write lock at the beginning (`BEGIN IMMEDIATE`). Then the transaction never fails at its first
    /// write because another has written since its first read. That is the default there, unless the transaction is
    /// [`read_only`](Self::read_only) or [`deferred`](Self::deferred). Other backends lock rows instead and ignore it,
    /// as nested transactions do.
    pub fn immediate(mut self) -> Self {
        self.options.mode = Some(Mode::Immediate);
        self
    }

    /// Locks all other connections out of a SQLite database from the beginning (`BEGIN EXCLUSIVE`).
    ///
    /// # Errors
    ///
    /// At the await: [`Unsupported`](crate::ErrorKind::Unsupported) on other backends, and if the transaction is
    /// nested.
    pub fn exclusive(mut self) -> Self {
        self.options.mode = Some(Mode::Exclusive);
        self
    }

    /// Takes SQLite's locks only when they are needed (`BEGIN DEFERRED`), for transactions that rarely write. They
    /// never wait for a writer. But one that does write can fail with
    /// [`Serialization`](crate::ErrorKind::Serialization) or [`LockTimeout`](crate::ErrorKind::LockTimeout), and has to
    /// be [retried](Self::retry). Other backends do so anyway and ignore it.
    pub fn deferred(mut self) -> Self {
        self.options.mode = Some(Mode::Deferred);
        self
    }

    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout); waiting for a connection counts. The default
    /// is the setting `statement_timeout`, which is unset; `Duration::ZERO` means no limit. It limits the beginning,
    /// not the transaction; its end has its [own limit](EndTransaction::timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    async fn begin(self, closure: bool, owner: Owner, chain: &Chain) -> Result<Arc<LevelHandle>> {
        let target = target_of(self.addressee)?;
        let limit = target.engine().limit(self.timeout);
        match (limit, target.sandboxed()) {
            (None, None) => target.begin(self.options, closure, owner, chain, self.caller).await,
            // Boxed, like every rare case on this path.
            (limit, sandboxed) => {
                let (options, caller, chain) = (self.options, self.caller, chain.clone());
                let begin = async move {
                    let begin = target.begin(options, closure, owner, &chain, caller);
                    within(limit, None, caller.place, begin).await
                };
                match sandboxed {
                    Some(engine) => Box::pin(engine.isolate(begin)).await,
                    None => Box::pin(begin).await,
                }
            }
        }
    }

    /// Rolls the transaction back at its end, even if it is committed.
    #[doc(alias = "force_rollback")]
    pub fn rollback_only(mut self) -> Self {
        self.options.rollback_only = true;
        self
    }

    /// Runs a closure in the transaction: commits when it returns `Ok`, rolls back when it returns `Err`, panics or is
    /// cancelled.
    ///
    /// This form is recommended, because the transaction is bound to the closure's own future. Two of them joined are
    /// two independent transactions on two connections. Joined inside another transaction, they are two savepoints, one
    /// after the other. Plain `database.…` calls inside the closure run in its transaction.
    ///
    /// The closure is written `async |transaction| …`, not `|transaction| async move …`. If its last expression is
    /// `Ok(…)`, the compiler needs the error type: write `async |transaction| -> ebbtide::Result<()> { … }` or
    /// `Ok::<_, MyError>(…)`. Any error type with `From<ebbtide::Error>` is accepted.
    ///
    /// # Errors
    ///
    /// Those of the closure, of the beginning, and of the commit.
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

    /// Does the same as [`run`](Self::run), and also returns whether the server aborted the transaction with a
    /// retryable error.
    pub(crate) async fn attempt<T, E, F>(self, work: F) -> Attempt<T, E>
    where
        F: AsyncFnOnce(Transaction) -> Result<T, E>,
        E: From<Error>,
    {
        let chain = Chain::current();
        let scope = chain.enter(Vec::new());
        let place = self.caller.place;
        let handle = match self.begin(true, scope.owner(), &chain).await {
            Ok(handle) => handle,
            Err(error) => {
                return Attempt {
                    retryable: error.is_retryable(),
                    result: Err(error.into()),
                };
            }
        };
        let guard = Guard::new(handle);
        let transaction = Transaction {
            connection: Connection::new(Addressee::Known(Target::Guard(guard.handle()))),
            guard: None,
        };
        let span = guard.handle().level.span();
        let result = scope
            .run(guarded(&guard, work, transaction, place))
            .instrument(span)
            .await;
        Attempt {
            retryable: guard.handle().level.wants_retry(),
            result,
        }
    }

    /// Returns a function that creates builders like this one for a target, and the target of this one.
    pub(crate) fn repeated(self) -> Result<(impl Fn(&Target) -> Self, Target)> {
        let target = target_of(self.addressee)?;
        let (options, caller, timeout) = (self.options, self.caller, self.timeout);
        let again = move |target: &Target| Self {
            addressee: Some(Addressee::Known(target.clone())),
            options,
            caller,
            timeout,
        };
        Ok((again, target))
    }
}

fn target_of(addressee: Option<Addressee>) -> Result<Target> {
    let missing = || Error::new(ErrorKind::NotConnected, "the transaction has no database yet");
    addressee.ok_or_else(missing)?.into_target()
}

/// The outcome of a transaction.
pub(crate) struct Attempt<T, E> {
    pub(crate) result: Result<T, E>,
    pub(crate) retryable: bool,
}

/// Runs the closure of a transaction and ends the transaction according to its result.
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
        // The closure may have ended the transaction itself.
        Ok(value) if guard.has_ended() => Ok(value),
        Ok(value) => {
            guard.finish(Finish::Commit, place, None).await?;
            Ok(value)
        }
        Err(error) => {
            if !guard.has_ended()
                && let Err(second) = guard.finish(Finish::Rollback, place, None).await
            {
                // The closure's error is more useful; the connection has been closed.
                tracing::warn!(error = %second, "rolling back after an error failed");
            }
            Err(error)
        }
    }
}

impl IntoFuture for TransactionBuilder {
    type Output = Result<Transaction>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let chain = Chain::current();
            let handle = self.begin(false, chain.innermost(), &chain).await?;
            let guard = Guard::new(handle);
            Ok(Transaction {
                connection: Connection::new(Addressee::Known(Target::Guard(guard.handle()))),
                guard: Some(guard),
            })
        })
    }
}

impl fmt::Debug for TransactionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A transaction, or a savepoint inside another one.
///
/// It has the verbs of [`Connection`]. If dropped before [`commit`](Self::commit) or [`rollback`](Self::rollback), it
/// is rolled back before the next use of the connection. When it is moved to another task, its binding follows at its
/// first use there. For a second handle, which does not end the transaction, call [`connection`](Self::connection).
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
    fn handle(&self) -> Option<Arc<LevelHandle>> {
        match self.connection.target() {
            Ok(Target::Guard(handle)) => Some(handle),
            _ => None,
        }
    }

    /// Registers a callback that runs after the changes of this transaction are really committed: after the outermost
    /// commit, in the order of registration. Rolling back this level or an outer one drops it. See
    /// [`Database::on_commit`](crate::Database::on_commit), which finds the transaction by itself.
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

    /// Registers a callback that runs after the changes of this transaction are rolled back, at any level. If the
    /// transaction is dropped unfinished, the callback runs in a task. It never runs if it is unknown whether a commit
    /// succeeded.
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
        match self.handle() {
            Some(handle) => handle.level.after(end, callback),
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
    /// therefore rolls back; errors of the server, such as a violated deferred constraint. After an error of the server
    /// the transaction is rolled back. [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the answer was lost or
    /// late: then it may have been committed.
    ///
    /// # Cancel safety
    ///
    /// See [`EndTransaction`].
    #[track_caller]
    pub fn commit(&self) -> EndTransaction<'_> {
        EndTransaction::new(self.handle(), Finish::Commit, Location::caller())
    }

    /// Rolls back; inside another transaction, to the savepoint.
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Self::commit), except for the server's and `OutcomeUnknown`. Whatever the error, no changes
    /// of the transaction remain.
    ///
    /// # Cancel safety
    ///
    /// See [`EndTransaction`].
    #[track_caller]
    pub fn rollback(&self) -> EndTransaction<'_> {
        EndTransaction::new(self.handle(), Finish::Rollback, Location::caller())
    }

    /// Returns the connection that the transaction runs on, as a handle of its own. Its statements run in the
    /// transaction as long as that is open.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let transaction = database.transaction().await?;
    /// let connection = transaction.connection();
    /// assert_eq!(connection.fetch_value::<i64>("SELECT 1", ()).await?, 1);
    /// transaction.rollback().await?;
    /// # Ok(()) }
    /// ```
    pub fn connection(&self) -> Connection {
        Connection::clone(self)
    }

    /// Returns whether the transaction can still be used: not yet committed, rolled back, or ended by the server.
    pub fn is_open(&self) -> bool {
        self.handle().is_some_and(|handle| handle.level.usable().is_ok())
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
    /// Returns a transaction on this connection; on a transaction's connection, a savepoint.
    #[track_caller]
    pub fn transaction(&self) -> TransactionBuilder {
        TransactionBuilder::new(self.addressee(), Location::caller())
    }
}
