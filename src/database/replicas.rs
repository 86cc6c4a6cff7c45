//! Replicas, as the user of a database sees them.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::Database;
use crate::backend::{self, Connector};
use crate::config::Config;
use crate::error::Result;
use crate::pool::Asker;
use crate::session::{Bookmark, Reads, ReplicaStatus};

/// What makes the connections of each replica, and how.
pub(super) fn connectors(config: &Config) -> Result<Vec<(Arc<dyn Connector>, Config)>> {
    let replicas = config.of_replicas()?;
    let each = |config| Ok((backend::connector(&config)?, config));
    replicas.into_iter().map(each).collect()
}

impl Database {
    /// The replicas that this database was [given](crate::Config::replica), and how they are; empty without any.
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

    /// A handle to the same database whose reads go to the primary, also where a replica could answer them.
    ///
    /// Without replicas, and inside transactions and sandboxes, it makes no difference.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// # database.execute("CREATE TABLE account (balance INTEGER)", ()).await?;
    /// // What somebody else committed a moment ago counts here.
    /// let sum: Option<i64> = database.primary().fetch_value("SELECT sum(balance) FROM account", ()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn primary(&self) -> Self {
        self.reading(Reads::Primary)
    }

    /// A handle to the same database whose reads may be older than the caller's own writes: any replica that is up will do.
    ///
    /// Its user also vouches for functions of which this library knows nothing: a `SELECT` that calls them goes to a replica,
    /// and to the primary if the replica says that it writes. Everything else goes to the primary, as always; and inside
    /// transactions and sandboxes it makes no difference.
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

    /// Where the writes of the caller end, for whoever is to see them: the next request of the same user, which is another
    /// task and perhaps another process. Take it after the commit.
    ///
    /// It costs a round trip to the primary if the caller has written and not read since, else nothing. Without replicas, in
    /// a sandbox, and of a caller that wrote nothing, it is empty.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](crate::ErrorKind::NotConnected), and those of reaching the primary.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing has changed.
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
        let asker = Asker::at(Location::caller());
        let target = self.target();
        async move { target?.ground().bookmark(asker).await }
    }

    /// Has the caller read from a replica only if that has everything up to a [bookmark](Self::bookmark), beside what the
    /// caller wrote itself. It holds for the task, as its own writes do, and costs nothing now.
    ///
    /// A bookmark of another kind of server leads to the primary for `replica_window`. With `read_your_writes=off`, without replicas and while not
    /// connected it does nothing.
    pub fn read_after(&self, bookmark: &Bookmark) {
        if let Ok(target) = self.target() {
            target.ground().read_after(bookmark);
        }
    }

    fn reading(&self, reads: Reads) -> Self {
        Self {
            core: Arc::clone(&self.core),
            reads,
        }
    }
}
