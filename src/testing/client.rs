//! A database for tests, from its making to its end.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Mutex;

use super::admin::{Admin, Wishes};
use super::builder::TestClientBuilder;
use super::ending::{self, Ending};
use crate::config::IntoConfig;
use crate::database::Database;
use crate::error::{ErrorKind, Result};

/// How long the connections may take to say good-bye when nobody waits for it.
const GOODBYE: Duration = Duration::from_secs(5);

/// A [`Database`] of its own for a test: made beside the one the source names, connected, and dropped at the end.
///
/// For `postgres://host/shop` that is `test_shop` on the same server, for `sqlite:///dir/shop.db` the file
/// `/dir/test_shop.db`; a database in memory is one of its own already. It is new and empty: one of that name that is
/// left from an earlier run is dropped first. A client is used like the `Database` it derefs to; clones of that,
/// given to the code under test, end with it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ebbtide::testing::TestClient;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// # let url = format!("sqlite://{}", path.display());
/// let client = TestClient::new(&url) // the URL of the application's own database
///     .await?;
/// client.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// client.execute("INSERT INTO note VALUES ('in test_shop.db')", ()).await?;
/// # assert!(folder.path().join("test_shop.db").exists() && !path.exists());
/// client.close().await?;
/// # assert!(!folder.path().join("test_shop.db").exists());
/// # Ok(()) }
/// ```
///
/// # The end
///
/// [`close`](Self::close) disconnects, whatever the count of connects is, and drops the database, and tells what went
/// wrong. A client that is dropped without it, as by a test that fails, neither blocks nor panics: a thread of its own
/// does the same within the time limits, and tells through `tracing` if it could not. That is the best a `Drop` can do and
/// no promise, because the thread is cut off when the process ends; what is left then is dropped by the next run. The next
/// client for the same database in this process waits for that thread.
///
/// Two clients for one database at the same time, in one process or several, take it away from each other: give each a
/// [`prefix`](TestClientBuilder::prefix) of its own.
pub struct TestClient {
    database: Database,
    plan: Plan,
    /// Whether the database is made and connected.
    open: Mutex<bool>,
    /// Whether there may be a database that this client has to drop.
    owes: AtomicBool,
}

/// What a client was asked to be.
pub(super) struct Plan {
    pub(super) admin: Admin,
    pub(super) wishes: Wishes,
    pub(super) use_existing: bool,
    pub(super) drop_database: Option<bool>,
}

impl TestClient {
    /// A client for tests of what uses the database that `source` names: a URL, a [`Config`](crate::Config), a credentials
    /// dictionary, or a `&Database`, whose settings it takes over. Options are set on the builder; awaiting that
    /// makes the database and connects to it.
    ///
    /// # Errors
    ///
    /// When awaited, those of [`drop_database`](super::drop_database), [`create_database`](super::create_database) and
    /// [`Database::connect`], each saying which step failed; [`Config`](ErrorKind::Config) for a source that names no
    /// database, for a prefixed name that no database can have, and for an empty prefix.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, what was made is dropped as when a client is dropped; what the server is still making at that
    /// moment may stay, and is dropped by the next run.
    #[expect(
        clippy::new_ret_no_self,
        reason = "it is awaited for one, as `Database::transaction` is"
    )]
    pub fn new(source: impl IntoConfig) -> TestClientBuilder {
        TestClientBuilder::new(source)
    }

    pub(super) fn planned(database: Database, plan: Plan) -> Self {
        Self {
            database,
            plan,
            open: Mutex::new(false),
            owes: AtomicBool::new(false),
        }
    }

    /// The database, for code that wants a `&Database` or a clone of it.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Makes the database and connects, unless that is done: for clients that were asked to be
    /// [`lazy`](TestClientBuilder::lazy), and to begin anew after [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new). What was made is dropped again.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it can be called again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::testing::TestClient;
    /// let client = TestClient::new("sqlite::memory:")
    ///     .lazy(true)
    ///     .await?;
    /// assert!(!client.is_connected());
    /// client.open().await?;
    /// assert!(client.is_connected());
    /// # Ok(()) }
    /// ```
    pub async fn open(&self) -> Result<()> {
        let mut open = self.open.lock().await;
        if *open {
            return Ok(());
        }
        self.make().await?;
        let connect = Database::connect(&self.database);
        if let Err(error) = self.plan.admin.within("connect to", connect).await {
            if let Err(second) = self.settle().await {
                // The first error says more.
                tracing::warn!(error = %second, "a test database that could not be used was not dropped");
            }
            return Err(error);
        }
        *open = true;
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        let Plan {
            admin,
            use_existing,
            drop_database,
            ..
        } = &self.plan;
        if admin.in_memory() {
            return Ok(());
        }
        let last = async {
            ending::wait(&admin.config).await;
            Ok(())
        };
        admin.within("wait for the end of the last", last).await?;
        let drops_what_was_there = *drop_database == Some(true);
        if *use_existing && admin.exists().await? {
            self.owes.store(drops_what_was_there, Ordering::Release);
            return Ok(());
        }
        if !use_existing {
            admin.drop(true).await?;
        }
        // Before it is made: dropped half-way, nobody knows whether the server has made it.
        self.owes.store(*drop_database != Some(false), Ordering::Release);
        match self.create().await {
            Ok(true) => {}
            // Someone else was quicker.
            Ok(false) => self.owes.store(drops_what_was_there, Ordering::Release),
            Err(error) => {
                if !(error.outcome_unknown() || matches!(error.kind(), ErrorKind::Timeout | ErrorKind::ConnectionLost))
                {
                    self.owes.store(false, Ordering::Release);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn create(&self) -> Result<bool> {
        let Plan {
            admin,
            wishes,
            use_existing,
            ..
        } = &self.plan;
        match admin.create(wishes, *use_existing).await {
            Err(error) if error.kind() == ErrorKind::DuplicateObject => {
                // The server has just made it for a caller who was cancelled.
                admin.drop(true).await?;
                admin.create(wishes, *use_existing).await
            }
            other => other,
        }
    }

    /// Disconnects, whatever the count of connects is, and drops the database; tells whether it dropped one. Called again,
    /// it does nothing.
    ///
    /// # Errors
    ///
    /// Those of [`drop_database`](super::drop_database), and [`Hook`](ErrorKind::Hook) from `on_disconnect`, after
    /// everything was done. That the database is gone already is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it can be called again; what is left is done when the client is dropped.
    pub async fn close(&self) -> Result<bool> {
        let mut open = self.open.lock().await;
        *open = false;
        let disconnect = self.database.disconnect_now();
        let disconnected = self.plan.admin.within("disconnect from", disconnect).await;
        let dropped = self.settle().await?;
        disconnected.map(|_| dropped)
    }

    /// Drops the database if that is to be done.
    async fn settle(&self) -> Result<bool> {
        if !self.owes.load(Ordering::Acquire) {
            return Ok(false);
        }
        let dropped = self.plan.admin.drop(true).await?;
        self.owes.store(false, Ordering::Release);
        Ok(dropped)
    }
}

impl Deref for TestClient {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        if !*self.owes.get_mut() {
            return;
        }
        let (database, admin) = (self.database.clone(), self.plan.admin.clone());
        let ending = Ending::new(&admin.config);
        let work = move || {
            end(&database, &admin);
            drop(ending);
        };
        let thread = thread::Builder::new().name("ebbtide test client".to_owned());
        if let Err(error) = thread.spawn(work) {
            let url = self.plan.admin.config.url();
            tracing::warn!(%error, %url, "no thread could be started to drop a test database; it is left behind");
        }
    }
}

/// Disconnects and drops the database, away from every other runtime.
fn end(database: &Database, admin: &Admin) {
    let url = admin.config.url();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::warn!(%error, %url, "no runtime could be started to drop a test database; it is left behind");
            return;
        }
    };
    let ended = runtime.block_on(async {
        // First, because a connection to a SQLite file that is closed later removes what lies beside the next one.
        let _ = tokio::time::timeout(GOODBYE, database.disconnect_now()).await;
        admin.drop(true).await
    });
    if let Err(error) = ended {
        tracing::warn!(%error, %url, "a test database was not dropped; the next run does it");
    }
    // Whatever still waits for the file system is not waited for.
    runtime.shutdown_background();
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
