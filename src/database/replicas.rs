//! Replicas of a database.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Database;
use crate::backend::{self, Connector};
use crate::config::Config;
use crate::error::Result;
use crate::pool::Caller;
use crate::session::{Bookmark, Reads, ReplicaStatus};

/// Returns the connector of each replica and its settings.
pub(super) fn connectors(config: &Config) -> Result<Vec<(Arc<dyn Connector>, Config)>> {
    let replicas = config.of_replicas()?;
    let each = |config| Ok((backend::connector(&config)?, config));
    replicas.into_iter().map(each).collect()
}

impl Database {
    /// Returns the status of the replicas that this database was [given](crate::Config::replica); empty without any.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected).
    ///
    #[doc = include_str!("../../docs/REPLICAS.md")]
    pub fn replicas(&self) -> Result<Vec<ReplicaStatus>> {
        let live = self.live()?;
        Ok(live
            .pools
            .replicas()
            .map_or_else(Vec::new, |replicas| replicas.status()))
    }

    /// Returns a handle to the same database whose reads go to the primary, even if a replica could answer them.
    ///
    /// Without replicas, and inside transactions and sandboxes, it makes no difference.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE account (balance INTEGER)", ()).await?;
    /// // What another session committed a moment ago counts here.
    /// let sum: Option<i64> = database.primary().fetch_value("SELECT sum(balance) FROM account", ()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn primary(&self) -> Self {
        self.reading(Reads::Primary)
    }

    /// Returns a handle to the same database whose reads may be older than the caller's own writes: they may go to any
    /// available replica.
    ///
    /// Its user also guarantees that functions unknown to this library only read. A `SELECT` that calls them goes to a
    /// replica, and to the primary if the replica reports that it writes. Everything else goes to the primary, as
    /// always. Inside transactions and sandboxes it makes no difference.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE account (balance INTEGER)", ()).await?;
    /// // A report of the night; it does not matter whether it has the last minute.
    /// let rows = database.stale().fetch_all("SELECT balance FROM account", ()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn stale(&self) -> Self {
        self.reading(Reads::Stale)
    }

    /// Returns the position of the caller's writes. Pass it to the readers that must see them, such as the next request
    /// of the same user in another task or process. Call it after the commit.
    ///
    /// It costs a round trip to the primary if the caller has written and not read since, otherwise nothing. It is
    /// empty without replicas, in a sandbox, and if the caller wrote nothing.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected), and those of reaching the primary.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, nothing has changed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// use ebbtide::Bookmark;
    ///
    /// // One request writes, and its answer carries a cookie.
    /// let cookie = database.bookmark().await?.to_string();
    /// // The next request of this user comes with it.
    /// database.read_after(&cookie.parse::<Bookmark>()?);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn bookmark(&self) -> impl Future<Output = Result<Bookmark>> + Send + use<> {
        let caller = Caller::at(Location::caller());
        let addressee = self.addressee();
        async move { addressee.into_target()?.engine().bookmark(caller).await }
    }

    /// Restricts the caller's reads to replicas that have everything up to a [bookmark](Self::bookmark), in addition to
    /// the caller's own writes. It applies to the task, as its own writes do, and costs nothing now.
    ///
    /// After a bookmark of another kind of server, reads go to the primary for `replica_window`. It does nothing with
    /// `read_your_writes=off`, without replicas, or while not connected.
    pub fn read_after(&self, bookmark: &Bookmark) {
        if let Ok(target) = self.target() {
            target.engine().read_after(bookmark);
        }
    }

    fn reading(&self, reads: Reads) -> Self {
        Self {
            lifecycle: self.lifecycle.clone(),
            reads,
        }
    }
}
