//! Dropping a database.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::Admin;
use crate::config::IntoConfig;
use crate::error::Result;

/// Drops the database that `source` names, with everything in it; awaited, it tells whether it was there (`false`
/// only with [`if_exists`](DropDatabase::if_exists), and for a SQLite database in memory, which ends by itself).
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`.
///
/// Other sessions in it are ended first. PostgreSQL does that itself from version 13 on; on MySQL those the user may end
/// are ended, so that a forgotten transaction does not stop the drop. SQLite: the file is removed, with its
/// `-wal`, `-shm` and `-journal`; a file that is not SQLite's is left alone. Who still has a removed file open goes on
/// with what nobody else sees.
///
/// # Errors
///
/// When awaited. [`DatabaseNotFound`](crate::ErrorKind::DatabaseNotFound) if it is not there, and for a file that is no
/// database; [`Permission`](crate::ErrorKind::Permission) if the user may not drop it;
/// [`LockTimeout`](crate::ErrorKind::LockTimeout) if on MySQL someone keeps a lock on it;
/// [`Url`](crate::ErrorKind::Url) and [`Config`](crate::ErrorKind::Config) for the source; and
/// [`Connect`](crate::ErrorKind::Connect), [`Authentication`](crate::ErrorKind::Authentication) and
/// [`Timeout`](crate::ErrorKind::Timeout) for the server.
///
/// # Cancel safety
///
/// Dropped half-way, the database may have been dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::{ErrorKind, testing};
///
/// assert!(!testing::drop_database("sqlite://no/such/file.db").if_exists().await?);
/// let error = testing::drop_database("sqlite://no/such/file.db").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::DatabaseNotFound);
/// # Ok(()) }
/// ```
pub fn drop_database(source: impl IntoConfig) -> DropDatabase {
    DropDatabase {
        admin: Admin::new(source),
        if_exists: false,
    }
}

/// A database about to be dropped: await it. [`drop_database`] makes it.
#[must_use = "nothing is dropped until this is awaited"]
pub struct DropDatabase {
    admin: Result<Admin>,
    if_exists: bool,
}

impl DropDatabase {
    /// Takes a database that is not there for dropped; awaited, this then gives `false`. Only that it is missing is
    /// overlooked, no error.
    pub fn if_exists(mut self) -> Self {
        self.if_exists = true;
        self
    }

    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout). Default 30 seconds. A server that does not
    /// let in within the setting `connect_timeout` (10 seconds) is given up then.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.admin = self.admin.map(|admin| Admin { limit, ..admin });
        self
    }
}

impl IntoFuture for DropDatabase {
    type Output = Result<bool>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.admin?.drop(self.if_exists).await })
    }
}

impl fmt::Debug for DropDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropDatabase")
            .field("admin", &self.admin)
            .field("if_exists", &self.if_exists)
            .finish()
    }
}
