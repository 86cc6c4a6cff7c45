//! Making a database.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::{Admin, Wishes};
use crate::config::IntoConfig;
use crate::error::Result;

/// Makes the database that `source` names; awaited, it tells whether it was made (`false` only with
/// [`if_missing`](CreateDatabase::if_missing), and for a SQLite database in memory, which needs no making).
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. The name is quoted, so
/// it may hold anything that the server takes: quotes, spaces, any alphabet. SQLite gets a new file in a directory that
/// is there.
///
/// # Errors
///
/// When awaited. [`DuplicateObject`](crate::ErrorKind::DuplicateObject) if it is there already;
/// [`Permission`](crate::ErrorKind::Permission) if the user may not make databases; [`Config`](crate::ErrorKind::Config)
/// for names and encodings that there cannot be: empty, longer than PostgreSQL's 63 bytes or MySQL's 64 characters;
/// [`Url`](crate::ErrorKind::Url) for those that hold a NUL character; [`Unsupported`](crate::ErrorKind::Unsupported) for
/// a template on MySQL; [`DatabaseNotFound`](crate::ErrorKind::DatabaseNotFound) for a missing directory or template of
/// SQLite; and [`Connect`](crate::ErrorKind::Connect), [`Authentication`](crate::ErrorKind::Authentication) and
/// [`Timeout`](crate::ErrorKind::Timeout) for the server.
///
/// # Cancel safety
///
/// Dropped half-way, the database may have been made, and SQLite's file may be there and empty.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ebbtide::testing;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// let url = format!("sqlite://{}", path.display());
/// assert!(testing::create_database(&url).encoding("UTF-8").await?);
/// assert!(!testing::create_database(&url).if_missing().await?);
/// assert!(testing::drop_database(&url).await?);
/// # Ok(()) }
/// ```
pub fn create_database(source: impl IntoConfig) -> CreateDatabase {
    CreateDatabase {
        admin: Admin::new(source),
        wishes: Wishes::default(),
        if_missing: false,
    }
}

/// A database about to be made: await it. [`create_database`] makes it.
#[must_use = "nothing is made until this is awaited"]
pub struct CreateDatabase {
    admin: Result<Admin>,
    wishes: Wishes,
    if_missing: bool,
}

impl CreateDatabase {
    /// Sets the encoding of its texts; without it the server's own is taken. `UTF-8` (also `utf8`) is known everywhere.
    ///
    /// PostgreSQL: any of its encodings; one that is not `template1`'s is taken from `template0`. MySQL: a character set,
    /// or a collation (`utf8mb4_bin`); `utf8` is `utf8mb4`. SQLite: `UTF-8`, `UTF-16`, `UTF-16le` or `UTF-16be`.
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.wishes.encoding = Some(encoding.into());
        self
    }

    /// Copies another database. PostgreSQL: its name, and nobody may be connected to it meanwhile. SQLite: the path of its
    /// file, seen from the working directory; it may be in use. MySQL has no templates:
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.wishes.template = Some(template.into());
        self
    }

    /// Leaves a database that is there as it is, whatever its encoding; awaited, this then gives `false`.
    pub fn if_missing(mut self) -> Self {
        self.if_missing = true;
        self
    }

    /// Gives up after `limit` with [`Timeout`](crate::ErrorKind::Timeout). Default 30 seconds. A server that does not
    /// let in within the setting `connect_timeout` (10 seconds) is given up then.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.admin = self.admin.map(|admin| Admin { limit, ..admin });
        self
    }
}

impl IntoFuture for CreateDatabase {
    type Output = Result<bool>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.admin?.create(&self.wishes, self.if_missing).await })
    }
}

impl fmt::Debug for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatabase")
            .field("admin", &self.admin)
            .field("wishes", &self.wishes)
            .field("if_missing", &self.if_missing)
            .finish()
    }
}
