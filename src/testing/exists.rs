//! Whether a database is there.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::Admin;
use crate::config::IntoConfig;
use crate::error::Result;

/// Tells whether the database that `source` names is there.
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. PostgreSQL is asked from
/// its database `postgres`, or from another one that lets the user in. SQLite: whether the file is there; a database
/// in memory always is.
///
/// # Errors
///
/// When awaited. `false` means that the server, or the file system, said so; everything else is an error:
/// [`Connect`](crate::ErrorKind::Connect), [`Timeout`](crate::ErrorKind::Timeout),
/// [`Authentication`](crate::ErrorKind::Authentication), [`Permission`](crate::ErrorKind::Permission) (MySQL does not
/// tell a user of databases that are closed to him; a directory that may not be read), and
/// [`Url`](crate::ErrorKind::Url) and [`Config`](crate::ErrorKind::Config) for the source and for names that no
/// database can have.
///
/// # Cancel safety
///
/// Nothing is changed.
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

/// A question to be asked: await it. [`database_exists`] makes it.
#[must_use = "nothing is asked until this is awaited"]
pub struct DatabaseExists {
    admin: Result<Admin>,
}

impl DatabaseExists {
    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout). Default 30 seconds. A server that does not
    /// let in within the setting `connect_timeout` (10 seconds) is given up then.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.admin = self.admin.map(|admin| Admin { limit, ..admin });
        self
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
