//! A test database from its creation to its end.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Mutex;

use super::admin::{Admin, CreateOptions};
use super::ending::{self, Ending};
use super::tested::Tested;
use crate::config::{Config, IntoConfig};
use crate::database::{Database, IntoDatabase};
use crate::error::{ErrorKind, Result};
use crate::queryable::queryable;

/// Time limit for closing the connections in the background.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A separate [`Database`] for a test: created next to the one the source names, connected, and dropped at the end.
///
/// For `postgres://host/shop` it is `test_shop` on the same server, for `sqlite:///dir/shop.db` the file
/// `/dir/test_shop.db`; a database in memory is already separate. It is new and empty: a database of that name from an
/// earlier run is dropped first. Use it like the `Database` it derefs to. Clones of that, given to the code under test,
/// end with it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ebbtide::testing::TestDatabase;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// # let url = format!("sqlite://{}", path.display());
/// let database = TestDatabase::builder(&url) // the URL of the application's own database
///     .await?;
/// database.execute("CREATE TABLE note (text TEXT)", ()).await?;
/// database.execute("INSERT INTO note VALUES ('in test_shop.db')", ()).await?;
/// # assert!(folder.path().join("test_shop.db").exists() && !path.exists());
/// database.close().await?;
/// # assert!(!folder.path().join("test_shop.db").exists());
/// # Ok(()) }
/// ```
///
/// # The end
///
/// [`close`](Self::close) disconnects, whatever the count of connects is, drops the database, and reports errors. A
/// `TestDatabase` dropped without `close`, as in a failing test, neither blocks nor panics. A background thread then
/// does the same within the time limits, and reports a failure through `tracing`. This is not guaranteed, because the
/// end of the process stops the thread; the next run then drops what is left. The next `TestDatabase` of the same name
/// in this process waits for that thread.
///
/// Two of the same name at the same time, in one process or several, drop the database under each other. Give each its
/// own [`prefix`](super::TestDatabaseBuilder::prefix).
#[doc(alias = "TestClient")]
#[doc(alias = "DatabaseTestClient")]
pub struct TestDatabase {
    database: Database,
    plan: TestDatabasePlan,
    /// `true` while the database exists and is connected.
    open: Mutex<bool>,
    /// `true` if there may be a database that this has to drop.
    owes: AtomicBool,
}

/// The options of a test database.
pub(super) struct TestDatabasePlan {
    pub(super) admin: Admin,
    pub(super) create_options: CreateOptions,
    pub(super) use_existing: bool,
    pub(super) drop_database: Option<bool>,
    /// Set if the database has a name of its own.
    pub(super) _tested: Option<Tested>,
}

impl TestDatabase {
    pub(super) fn planned(database: Database, plan: TestDatabasePlan) -> Self {
        Self {
            database,
            plan,
            open: Mutex::new(false),
            owes: AtomicBool::new(false),
        }
    }

    /// Returns the database, for code that needs a `&Database` or a clone of it.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Creates the database and connects, unless that is done. Use it for test databases built with
    /// [`lazy`](super::TestDatabaseBuilder::lazy), and to start again after [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// Those of [`builder`](Self::builder). A created database is then dropped.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, it can be called again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::testing::TestDatabase;
    /// let database = TestDatabase::builder("sqlite::memory:")
    ///     .lazy(true)
    ///     .await?;
    /// assert!(!database.is_connected());
    /// database.open().await?;
    /// assert!(database.is_connected());
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
                // The first error is more useful.
                tracing::warn!(error = %second, "a test database that could not be used was not dropped");
            }
            return Err(error);
        }
        *open = true;
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        let TestDatabasePlan {
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
        admin.within("wait for the end of the previous use of", last).await?;
        let drops_what_was_there = *drop_database == Some(true);
        if *use_existing && admin.exists().await? {
            self.owes.store(drops_what_was_there, Ordering::Release);
            return Ok(());
        }
        if !use_existing {
            admin.drop(true).await?;
        }
        // Set before the creation: if the future is dropped early, it is unknown whether the server has created it.
        self.owes.store(*drop_database != Some(false), Ordering::Release);
        match self.create().await {
            Ok(true) => {}
            // Another process was faster.
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
        let TestDatabasePlan {
            admin,
            create_options,
            use_existing,
            ..
        } = &self.plan;
        match admin.create(create_options, *use_existing).await {
            Err(error) if error.kind() == ErrorKind::DuplicateObject => {
                // The server has just created it for a cancelled caller.
                admin.drop(true).await?;
                admin.create(create_options, *use_existing).await
            }
            other => other,
        }
    }

    /// Decrements the count of connects, as [`Database::disconnect`] does. The last call also drops the database, as
    /// [`close`](Self::close) does. Returns `true` if it was the last.
    ///
    /// # Errors
    ///
    /// Those of [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// If dropped early, [`close`](Self::close) or dropping this does the rest.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # use ebbtide::testing::TestDatabase;
    /// let database = TestDatabase::builder("sqlite::memory:").await?;
    /// assert!(database.disconnect().await?);
    /// assert!(!database.is_connected());
    /// # Ok(()) }
    /// ```
    pub async fn disconnect(&self) -> Result<bool> {
        let mut open = self.open.lock().await;
        let disconnect = self.database.disconnect();
        let disconnected = self.plan.admin.within("disconnect from", disconnect).await;
        if self.database.is_connected() {
            return disconnected;
        }
        *open = false;
        self.settle().await?;
        disconnected
    }

    /// Disconnects and drops the database, as [`close`](Self::close) does. Returns whether it was connected.
    ///
    /// # Errors
    ///
    /// Those of [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Self::close).
    pub async fn disconnect_now(&self) -> Result<bool> {
        let connected = self.database.is_connected();
        self.close().await.map(|_| connected)
    }

    /// Disconnects, whatever the count of connects is, and drops the database. Returns whether it dropped one. A second
    /// call does nothing.
    ///
    /// # Errors
    ///
    /// Those of [`drop_database`](super::drop_database), and [`Hook`](ErrorKind::Hook) from `on_disconnect`, after
    /// everything was done. A database that is already gone is no error.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, it can be called again. Dropping this does the rest.
    pub async fn close(&self) -> Result<bool> {
        let mut open = self.open.lock().await;
        *open = false;
        let disconnect = self.database.disconnect_now();
        let disconnected = self.plan.admin.within("disconnect from", disconnect).await;
        let dropped = self.settle().await?;
        disconnected.map(|_| dropped)
    }

    /// Drops the database if this has to.
    async fn settle(&self) -> Result<bool> {
        if !self.owes.load(Ordering::Acquire) {
            return Ok(false);
        }
        let dropped = self.plan.admin.drop(true).await?;
        self.owes.store(false, Ordering::Release);
        Ok(dropped)
    }
}

impl Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

queryable!(TestDatabase, by Database);

impl IntoConfig for &TestDatabase {
    fn into_config(self) -> Result<Config> {
        self.database().into_config()
    }
}

impl IntoDatabase for &TestDatabase {
    /// Returns the same database: connecting it again is counted.
    fn into_database(self) -> Result<Database> {
        self.database().into_database()
    }
}

impl Drop for TestDatabase {
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
        let thread = thread::Builder::new().name("ebbtide test database".to_owned());
        if let Err(error) = thread.spawn(work) {
            let url = self.plan.admin.config.url();
            tracing::warn!(%error, %url, "cannot start a thread to drop a test database, which is not dropped");
        }
    }
}

/// Disconnects and drops the database on a separate runtime.
fn end(database: &Database, admin: &Admin) {
    let url = admin.config.url();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::warn!(%error, %url, "cannot start a runtime to drop a test database, which is not dropped");
            return;
        }
    };
    let ended = runtime.block_on(async {
        // First: a connection to a SQLite file that is closed later removes the side files of the next database.
        let _ = tokio::time::timeout(CLOSE_LIMIT, database.disconnect_now()).await;
        admin.drop(true).await
    });
    if let Err(error) = ended {
        tracing::warn!(%error, %url, "a test database was not dropped; the next run drops it");
    }
    // Pending file system calls are not awaited.
    runtime.shutdown_background();
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
