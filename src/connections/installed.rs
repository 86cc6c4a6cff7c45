//! The registry of the whole process.

use std::panic::Location;
use std::sync::OnceLock;

use super::transactions::not_installed;
use super::{Connections, InTransaction};
use crate::error::{Error, ErrorKind, Result};

static INSTALLED: OnceLock<Connections> = OnceLock::new();

impl Connections {
    /// Makes this registry the process-wide one, for [`connections`](crate::connections()),
    /// [`in_transaction`](crate::in_transaction()) and [`#[ebbtide::atomic]`](crate::atomic). It stays so until the process ends.
    ///
    /// Install it once, at the start of the program; a library takes a `Connections` or a `Database` instead. A test
    /// overrides its databases for itself alone by [`set`](Self::set), with a sandbox:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::{Connections, Result};
    ///
    /// async fn count() -> Result<i64> {
    ///     ebbtide::connections()?.get("default").await?.fetch_value("SELECT count(*) FROM note", ()).await
    /// }
    ///
    /// let connections = Connections::init("sqlite::memory:")?;
    /// connections.install()?;
    /// let database = connections.get("default").await?;
    /// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
    ///
    /// let sandbox = database.sandbox().await?;
    /// sandbox.execute("INSERT INTO note VALUES ('only here')", ()).await?;
    /// assert_eq!(connections.set("default", &sandbox).run(count()).await?, 1);
    /// assert_eq!(count().await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) if another registry is installed. Installing the same one again does nothing.
    pub fn install(&self) -> Result<()> {
        let installed = INSTALLED.get_or_init(|| self.clone());
        if installed.registry.id == self.registry.id {
            return Ok(());
        }
        Err(
            Error::new(ErrorKind::Config, "another registry is installed in this process")
                .help("install one at the start of the program, and override its databases with `set`"),
        )
    }
}

/// Returns the [installed](Connections::install) registry.
///
/// # Errors
///
/// [`NotConnected`](ErrorKind::NotConnected) if none is installed.
///
/// ```
/// use ebbtide::{Connections, ErrorKind};
///
/// assert_eq!(ebbtide::connections().unwrap_err().kind(), ErrorKind::NotConnected);
/// Connections::init("sqlite::memory:")?.install()?;
/// assert!(ebbtide::connections()?.config().aliases().eq(["default"]));
/// # Ok::<(), ebbtide::Error>(())
/// ```
pub fn connections() -> Result<Connections> {
    INSTALLED.get().cloned().ok_or_else(not_installed)
}

/// Returns a transaction on the database of that alias in the [installed](Connections::install) registry; see
/// [`Connections::in_transaction`].
///
/// # Errors
///
/// At the await: those of [`connections`] and of [`Connections::in_transaction`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// ebbtide::Connections::init("sqlite::memory:")?.install()?;
/// let one: i64 = ebbtide::in_transaction("default")
///     .run(async |transaction| transaction.fetch_value("SELECT 1", ()).await)
///     .await?;
/// assert_eq!(one, 1);
/// # Ok(()) }
/// ```
#[track_caller]
pub fn in_transaction<'a>(alias: impl Into<Option<&'a str>>) -> InTransaction {
    InTransaction::new(
        INSTALLED.get().cloned(),
        alias.into().map(str::to_owned),
        Location::caller(),
    )
}
