//! The end of a transaction.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Transaction;
use crate::error::{Error, Result};
use crate::session::{Finish, LevelHandle};

/// A commit or rollback that is sent when it is awaited. Returned by [`Transaction::commit`] and
/// [`Transaction::rollback`].
///
/// It borrows the guard, so the guard lives until the commit or rollback is complete. If the guard were dropped
/// earlier, it would roll back, or the callbacks of the commit would be lost. To end a transaction in another task, move
/// the guard or an `Arc` of it to that task.
///
/// # Cancel safety
///
/// If a commit is dropped early, it is unknown whether the server has committed; its connection is closed. A nested
/// transaction, and every transaction in a sandbox, only releases a savepoint: if that is dropped early, the connection
/// stays open and the changes belong to the outer level. A transaction whose rollback is dropped early is rolled back
/// before the next use of the connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// use std::time::Duration;
/// let transaction = database.transaction().await?;
/// transaction.execute("INSERT INTO note VALUES ('hello')", ()).await?;
/// match transaction.commit().timeout(Duration::from_secs(5)).await {
///     Ok(()) => println!("committed"),
///     Err(error) if error.outcome_unknown() => println!("perhaps committed: look at the data"),
///     Err(error) => println!("surely not committed: {error}"),
/// }
/// # Ok(()) }
/// ```
///
/// The compiler refuses code that drops the guard before the end is complete:
///
/// ```compile_fail,E0505
/// # async fn misuse(database: ebbtide::Database) -> ebbtide::Result<()> {
/// let transaction = database.transaction().await?;
/// let commit = transaction.commit();
/// drop(transaction);
/// commit.await
/// # }
/// ```
#[must_use = "a transaction is ended when this is awaited"]
pub struct EndTransaction<'t, E = Error>(State<'t, E>);

enum State<'t, E> {
    Asked(Ask<'t>),
    Sent(BoxFuture<'t, Result<(), E>>),
}

struct Ask<'t> {
    handle: Option<Arc<LevelHandle>>,
    /// The guard, if the end owns it.
    guard: Option<Transaction>,
    /// The borrow of the guard otherwise.
    borrowed: PhantomData<&'t Transaction>,
    how: Finish,
    place: &'static Location<'static>,
    timeout: Option<Duration>,
}

impl<E> EndTransaction<'_, E> {
    pub(super) fn new(handle: Option<Arc<LevelHandle>>, how: Finish, place: &'static Location<'static>) -> Self {
        Self(State::Asked(Ask {
            handle,
            guard: None,
            borrowed: PhantomData,
            how,
            place,
            timeout: None,
        }))
    }

    /// Gives up after `limit`. The time spent waiting for a running statement counts; that of callbacks does not. The
    /// default is the setting `statement_timeout`, which is unset; `Duration::ZERO` means no limit.
    ///
    /// A commit that times out after it was sent is [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). A rollback
    /// that times out is [`Timeout`](crate::ErrorKind::Timeout): its connection is closed, and the server undoes the
    /// transaction as soon as it notices. Until then its locks may remain. The release of a savepoint that times out is
    /// also `Timeout`; its changes stay with the outer level or are undone with it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        if let State::Asked(ask) = &mut self.0 {
            ask.timeout = Some(limit);
        }
        self
    }
}

impl Ask<'_> {
    async fn send(self) -> Result<()> {
        let Some(handle) = self.handle else { return Ok(()) };
        let ended = handle.finish(self.how, self.place, self.timeout).await;
        drop(self.guard);
        ended
    }
}

impl<E: From<Error> + Send + 'static> Future for EndTransaction<'_, E> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Asked(ask) = &mut self.0 {
            let ask = Ask {
                handle: ask.handle.take(),
                guard: ask.guard.take(),
                ..*ask
            };
            self.0 = State::Sent(Box::pin(ask.send().map(|ended| ended.map_err(E::from))));
        }
        match &mut self.0 {
            State::Sent(sent) => sent.as_mut().poll(context),
            State::Asked(_) => Poll::Pending,
        }
    }
}

impl Transaction {
    /// Returns the end of this transaction and takes ownership of the guard.
    #[cfg(feature = "sqlx-interop")]
    #[track_caller]
    pub(crate) fn into_end<E>(self, commits: bool) -> EndTransaction<'static, E> {
        let how = if commits { Finish::Commit } else { Finish::Rollback };
        let mut end = EndTransaction::new(self.handle(), how, Location::caller());
        if let State::Asked(ask) = &mut end.0 {
            ask.guard = Some(self);
        }
        end
    }
}

impl<E> fmt::Debug for EndTransaction<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Asked(ask) => f
                .debug_struct("EndTransaction")
                .field("how", &ask.how)
                .field("timeout", &ask.timeout)
                .finish_non_exhaustive(),
            State::Sent(_) => f.debug_struct("EndTransaction").finish_non_exhaustive(),
        }
    }
}
