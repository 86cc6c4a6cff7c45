//! Checks that a database exists.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::Admin;
use crate::config::IntoConfig;
use crate::error::Result;

/// Returns whether the database that `source` names exists.
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. On PostgreSQL the
/// connection uses the database `postgres`, or another one that accepts the user. For SQLite, it checks that the file
/// exists; a database in memory always exists.
///
/// # Errors
///
/// When awaited. `false` means that the server, or the file system, said so. Everything else is an error:
/// [`Connect`](crate::ErrorKind::Connect), [`Timeout`](crate::ErrorKind::Timeout),
/// [`Authentication`](crate::ErrorKind::Authentication), [`Permission`](crate::ErrorKind::Permission) (MySQL hides
/// databases that the user may not access; a directory that may not be read), and [`Url`](crate::ErrorKind::Url) and
/// [`Config`](crate::ErrorKind::Config) for the source and for invalid names.
///
/// # Cancel safety
///
/// Cancel safe: nothing is changed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// use ebbtide::testing;
///
/// assert!(testing::database_exists("sqlite::memory:").await?);
/// assert!(!testing::database_exists("sqlite://no/such/file.db").await?);
/// # Ok(()) }
/// ```
pub fn database_exists(source: impl IntoConfig) -> DatabaseExists {
    DatabaseExists {
        admin: Admin::new(source),
    }
}

/// A check that starts when awaited. Returned by [`database_exists`].
#[must_use = "nothing is looked up until this is awaited"]
pub struct DatabaseExists {
    admin: Result<Admin>,
}

impl DatabaseExists {
    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout). Default 30 seconds. Each connection attempt
    /// is also limited by the setting `connect_timeout` (10 seconds).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.admin = self.admin.map(|admin| Admin { limit, ..admin });
        self
    }
}

impl Admin {
    pub(super) async fn exists(&self) -> Result<bool> {
        if self.in_memory() {
            return Ok(true);
        }
        self.within("look for", self.administration().exists(self)).await
    }
}

impl IntoFuture for DatabaseExists {
    type Output = Result<bool>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.admin?.exists().await })
    }
}

impl fmt::Debug for DatabaseExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseExists").field("admin", &self.admin).finish()
    }
}
