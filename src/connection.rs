//! A connection of the database, as held by a task.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::future::Either;

use crate::error::Result;
use crate::query::{Addressee, verbs};
use crate::session::{Chain, Pin, Target};
use crate::sql::Dialect;

/// A connection of the pool, held by a task until the last handle to it is dropped.
///
/// Returned by [`Database::connection`](crate::Database::connection); the connection itself is acquired at first use. A
/// clone is another handle to the same connection. Moved into another task, it shares the connection and its
/// transaction. Statements on one connection run in the order of the calls.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// let connection = database.connection();
/// let one: i64 = connection.fetch_value("SELECT 1", ()).await?;
/// assert_eq!(one, 1);
/// # Ok(()) }
/// ```
pub struct Connection {
    addressee: Addressee,
}

impl Clone for Connection {
    /// Returns another handle. A clone of a transaction's connection shares the transaction but is not the guard. So it
    /// does not move the guard's binding to another task.
    fn clone(&self) -> Self {
        let addressee = match &self.addressee {
            Addressee::Known(Target::Guard(handle)) => Addressee::Known(Target::Connection(Arc::clone(handle))),
            other => other.clone(),
        };
        Self { addressee }
    }
}

impl Connection {
    pub(crate) fn new(addressee: Addressee) -> Self {
        Self { addressee }
    }

    pub(crate) fn addressee(&self) -> Addressee {
        self.addressee.clone()
    }

    pub(crate) fn target(&self) -> Result<Target> {
        self.addressee.target()
    }

    /// Returns the dialect of the database, for statements that differ between servers.
    pub fn dialect(&self) -> Dialect {
        self.addressee.dialect()
    }

    /// Lets a future, usually a spawned one, join this connection: plain `database.…` calls in it run here, inside the
    /// open transaction.
    ///
    /// If the transaction ends before the future does, calls in it fail with
    /// [`ErrorKind::TransactionEnded`](crate::ErrorKind::TransactionEnded); they never run outside of it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    /// let transaction = database.transaction().await?;
    /// let task = tokio::spawn(transaction.share({
    ///     let database = database.clone();
    ///     async move { database.execute("INSERT INTO note VALUES ('shared')", ()).await }
    /// }));
    /// task.await.expect("the task did not panic")?;
    /// transaction.rollback().await?;
    /// let count: i64 = database.fetch_value("SELECT count(*) FROM note", ()).await?;
    /// assert_eq!(count, 0);
    /// # Ok(()) }
    /// ```
    pub fn share<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let chain = Chain::current();
        match &self.addressee {
            Addressee::Known(target) => Either::Left(chain.share(shared(target)).run(future)),
            Addressee::Late(late) => {
                let late = Arc::clone(late);
                // Boxed, like every rare case.
                Either::Right(Box::pin(async move {
                    let pins = late.target().as_ref().map_or_else(|_| Vec::new(), shared);
                    // As otherwise, the future does not keep the connection.
                    drop(late);
                    chain.share(pins).run(future).await
                }))
            }
        }
    }
}

verbs!(Connection);

/// Returns the part of a connection that can be shared.
fn shared(target: &Target) -> Vec<Pin> {
    let (Target::Connection(handle) | Target::Guard(handle)) = target else {
        return Vec::new();
    };
    vec![Pin::Shared {
        engine: handle.level.engine.id,
        handle: Arc::downgrade(handle),
    }]
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
