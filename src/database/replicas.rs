//! Replicas, as the user of a database sees them.

use std::sync::Arc;

use super::Database;
use crate::backend::{self, Connector};
use crate::config::Config;
use crate::error::Result;
use crate::session::{Reads, ReplicaStatus};

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

    fn reading(&self, reads: Reads) -> Self {
        Self {
            core: Arc::clone(&self.core),
            reads,
        }
    }
}
