//! Removal of databases.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::Admin;
use crate::config::IntoConfig;
use crate::error::{Error, ErrorKind, Result};

/// Drops the database that `source` names, with everything in it. When awaited, returns whether it existed. The result
/// is `false` only with [`if_exists`](DropDatabase::if_exists), and for a SQLite database in memory, which ends by
/// itself.
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`.
///
/// Other sessions in it are ended first. PostgreSQL does that itself from version 13 on. On MySQL the sessions that the
/// user may end are ended, so that a forgotten transaction does not block the drop. For SQLite, the file is removed
/// with its `-wal`, `-shm` and `-journal`; a file that is not SQLite's is left alone. A process that still has a
/// removed file open continues with a copy that others cannot see.
///
/// # Errors
///
/// When awaited: [`DatabaseNotFound`](crate::ErrorKind::DatabaseNotFound) if it does not exist, and for a file that is
/// no database; [`Permission`](crate::ErrorKind::Permission) if the user may not drop it;
/// [`LockTimeout`](crate::ErrorKind::LockTimeout) if another session keeps a lock on it (MySQL);
/// [`Url`](crate::ErrorKind::Url) and [`Config`](crate::ErrorKind::Config) for the source; and
/// [`Connect`](crate::ErrorKind::Connect), [`Authentication`](crate::ErrorKind::Authentication) and
/// [`Timeout`](crate::ErrorKind::Timeout) for the server.
///
/// # Cancel safety
///
/// If dropped early, the database may have been dropped.
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

/// A database removal that starts when awaited. Returned by [`drop_database`].
#[must_use = "nothing is dropped until this is awaited"]
pub struct DropDatabase {
    admin: Result<Admin>,
    if_exists: bool,
}

impl DropDatabase {
    /// Treats a missing database as dropped; the result is then `false`. Other errors are still returned.
    pub fn if_exists(mut self) -> Self {
        self.if_exists = true;
        self
    }

    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout). Default 30 seconds. Each connection attempt
    /// is also limited by the setting `connect_timeout` (10 seconds).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.admin = self.admin.map(|admin| Admin { limit, ..admin });
        self
    }
}

impl Admin {
    /// Drops the database. Returns `false` if it did not exist and `if_exists` allows that.
    pub(super) async fn drop(&self, if_exists: bool) -> Result<bool> {
        if self.in_memory() {
            return Ok(false);
        }
        match self.within("drop", self.administration().drop(self)).await {
            Ok(true) => Ok(true),
            Ok(false) if if_exists => Ok(false),
            Ok(false) => Err(Error::new(
                ErrorKind::DatabaseNotFound,
                format!("cannot drop {}: there is no such database", self.config.url()),
            )
            .help("with `if_exists()`, a missing database is not an error")),
            Err(error) => Err(error),
        }
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
