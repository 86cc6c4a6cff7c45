//! Creation of databases.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::{Admin, CreateOptions};
use crate::config::IntoConfig;
use crate::error::{ErrorKind, Result};

/// Creates the database that `source` names. When awaited, returns whether it was created. The result is `false` only
/// with [`if_missing`](CreateDatabase::if_missing), and for a SQLite database in memory, which needs no creation.
///
/// The source is a URL, a [`Config`](crate::Config), a credentials dictionary, or a `&Database`. The name is quoted, so
/// it may contain anything that the server accepts: quotes, spaces, any alphabet. For SQLite, a new file is created in
/// an existing directory.
///
/// # Errors
///
/// When awaited: [`DuplicateObject`](crate::ErrorKind::DuplicateObject) if it already exists;
/// [`Permission`](crate::ErrorKind::Permission) if the user may not create databases;
/// [`Config`](crate::ErrorKind::Config) for an invalid name or encoding: empty, longer than PostgreSQL's 63 bytes or
/// MySQL's 64 characters; [`Url`](crate::ErrorKind::Url) for one that contains a NUL character;
/// [`Unsupported`](crate::ErrorKind::Unsupported) for a template on MySQL;
/// [`DatabaseNotFound`](crate::ErrorKind::DatabaseNotFound) for a missing directory or template of SQLite; and
/// [`Connect`](crate::ErrorKind::Connect), [`Authentication`](crate::ErrorKind::Authentication) and
/// [`Timeout`](crate::ErrorKind::Timeout) for the server.
///
/// # Cancel safety
///
/// If dropped early, the database may have been created. A SQLite file may exist and be empty.
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
        create_options: CreateOptions::default(),
        if_missing: false,
    }
}

/// A database creation that starts when awaited. Returned by [`create_database`].
#[must_use = "nothing is created until this is awaited"]
pub struct CreateDatabase {
    admin: Result<Admin>,
    create_options: CreateOptions,
    if_missing: bool,
}

impl CreateDatabase {
    /// Sets the text encoding; the default is the server's. `UTF-8` (also `utf8`) is supported everywhere.
    ///
    /// PostgreSQL: any of its encodings; if it differs from that of `template1`, the database is created from
    /// `template0`. MySQL: a character set, or a collation (`utf8mb4_bin`); `utf8` means `utf8mb4`. SQLite: `UTF-8`,
    /// `UTF-16`, `UTF-16le` or `UTF-16be`.
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.create_options.encoding = Some(encoding.into());
        self
    }

    /// Copies another database. PostgreSQL: its name; no session may be connected to it meanwhile. SQLite: the path of
    /// its file, relative to the working directory; it may be in use. MySQL has no templates:
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.create_options.template = Some(template.into());
        self
    }

    /// Keeps an existing database as it is, whatever its encoding. The result is then `false`.
    pub fn if_missing(mut self) -> Self {
        self.if_missing = true;
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
    /// Creates the database. Returns `false` if it existed and `if_missing` allows that.
    pub(super) async fn create(&self, create_options: &CreateOptions, if_missing: bool) -> Result<bool> {
        if self.in_memory() {
            return Ok(false);
        }
        let create = self.administration().create(self, create_options, if_missing);
        match self.within("create", create).await {
            Err(error) if if_missing && error.kind() == ErrorKind::DuplicateObject => Ok(false),
            other => other,
        }
    }
}

impl IntoFuture for CreateDatabase {
    type Output = Result<bool>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.admin?.create(&self.create_options, self.if_missing).await })
    }
}

impl fmt::Debug for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatabase")
            .field("admin", &self.admin)
            .field("wishes", &self.create_options)
            .field("if_missing", &self.if_missing)
            .finish()
    }
}
