//! The options of a test database.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::{Admin, CreateOptions};
use super::name;
use super::test_database::{TestDatabase, TestDatabasePlan};
use super::tested::Tested;
use crate::backend::rules::unusable;
use crate::config::{Config, IntoConfig};
use crate::database::Database;
use crate::error::Result;

type Hooks = Box<dyn FnOnce(Database) -> Database + Send>;

/// A builder of a test database, which is created when awaited. Returned by [`TestDatabase::builder`].
#[doc(alias = "TestClientBuilder")]
#[must_use = "nothing is created until this is awaited"]
pub struct TestDatabaseBuilder {
    source: Result<Config>,
    prefix: String,
    use_existing: bool,
    drop_database: Option<bool>,
    lazy: bool,
    full_isolation: bool,
    force_rollback: Option<bool>,
    limit: Option<Duration>,
    create_options: CreateOptions,
    hooks: Option<Hooks>,
}

impl TestDatabase {
    /// Returns a builder of a database for tests of code that uses the database that `source` names. The source is a
    /// URL, a [`Config`](crate::Config), a credentials dictionary, or a database, whose settings it takes over.
    /// Awaiting the builder creates the database and connects to it.
    ///
    /// The source may be another test database: its name is prefixed once. With the same prefix, both are that database,
    /// and the first one drops it.
    ///
    /// # Errors
    ///
    /// When awaited, those of [`drop_database`](super::drop_database), [`create_database`](super::create_database) and
    /// [`Database::connect`], each naming the step that failed; [`Config`](crate::ErrorKind::Config) for a source that names
    /// no database, for an invalid prefixed name, and for an empty prefix.
    ///
    /// # Cancel safety
    ///
    /// If dropped early, what was created is dropped as when a `TestDatabase` is dropped. A database that the server is
    /// still creating at that moment may stay; the next run drops it.
    #[doc(alias = "new")]
    pub fn builder(source: impl IntoConfig) -> TestDatabaseBuilder {
        TestDatabaseBuilder::new(source)
    }
}

impl TestDatabaseBuilder {
    pub(super) fn new(source: impl IntoConfig) -> Self {
        Self {
            source: source.into_config(),
            prefix: "test_".to_owned(),
            use_existing: false,
            drop_database: None,
            lazy: false,
            full_isolation: true,
            force_rollback: None,
            limit: None,
            create_options: CreateOptions::default(),
            hooks: None,
        }
    }

    /// Sets the prefix of the database name. Default `test_`. Tests that run at the same time need different prefixes.
    /// An empty one means the database itself. It is refused unless the database is used as it is and kept:
    /// `use_existing(true)` and `drop_database(false)`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets whether an existing database is used as it is. Default false: it is left from an earlier run, and is
    /// dropped and recreated.
    pub fn use_existing(mut self, use_existing: bool) -> Self {
        self.use_existing = use_existing;
        self
    }

    /// Sets whether the database is dropped at the end. By default it is, unless it existed before and is used as
    /// it is ([`use_existing`](Self::use_existing)). `true` drops that one too; `false` keeps every one, for inspection.
    pub fn drop_database(mut self, drop_database: bool) -> Self {
        self.drop_database = Some(drop_database);
        self
    }

    /// Sets whether creating the database and connecting is left to [`TestDatabase::open`]. Default false. Awaiting the
    /// builder then does no I/O.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Sets whether the connection of `force_rollback` has its own thread, so that any runtime, any thread and blocking
    /// code can share it. Default true.
    pub fn full_isolation(mut self, full_isolation: bool) -> Self {
        self.full_isolation = full_isolation;
        self
    }

    /// Sets whether everything runs in one transaction that is rolled back at the end. Default: the source's setting.
    pub fn force_rollback(mut self, force_rollback: bool) -> Self {
        self.force_rollback = Some(force_rollback);
        self
    }

    /// Sets the encoding of a created database; see [`CreateDatabase::encoding`](super::CreateDatabase::encoding).
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.create_options.encoding = Some(encoding.into());
        self
    }

    /// Sets the database to copy on creation; see [`CreateDatabase::template`](super::CreateDatabase::template).
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.create_options.template = Some(template.into());
        self
    }

    /// Sets the time limit of each step: looking for the database, creating, connecting, disconnecting, dropping.
    /// Default 30 seconds each.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Adds hooks to the database before it is connected. Those of a `&Database` source are not taken over.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::testing::TestDatabase;
    ///
    /// let database = TestDatabase::builder("sqlite::memory:")
    ///     .hooks(|database| {
    ///         database.after_connect(|connection| {
    ///             Box::pin(async move {
    ///                 connection.execute("PRAGMA cache_size = 100").await?;
    ///                 Ok(())
    ///             })
    ///         })
    ///     })
    ///     .await?;
    /// database.close().await?;
    /// # Ok(()) }
    /// ```
    pub fn hooks(mut self, hooks: impl FnOnce(Database) -> Database + Send + 'static) -> Self {
        self.hooks = Some(Box::new(hooks));
        self
    }

    /// Builds it without any I/O.
    fn build(self) -> Result<TestDatabase> {
        let mut source = self.source?;
        // A test database is not prefixed again. With the same prefix it is that database, which is in use.
        let application = Tested::application(&source);
        let current = source.url().database().map(str::to_owned);
        if let Some(application) = &application {
            source = source.database(application.as_str());
        }
        let test = name::prefixed(source.url(), &self.prefix)?;
        if test.as_deref() == source.url().database()
            && test.is_some()
            && !(self.use_existing && self.drop_database == Some(false))
        {
            let message = format!("without a prefix, the test database would be {} itself", source.url());
            return Err(
                unusable(message).help("give a prefix, or both `use_existing(true)` and `drop_database(false)`")
            );
        }
        let use_existing = self.use_existing || (application.is_some() && test == current);
        let beside = source.url().database().map(str::to_owned);
        // Replicas do not replicate the test's database.
        let mut config = source
            .without_replicas()
            .lazy(false)
            .full_isolation(self.full_isolation);
        if let Some(test) = &test {
            config = config.database(test.as_str());
        }
        if let Some(force_rollback) = self.force_rollback {
            config = config.force_rollback(force_rollback);
        }
        let tested = test
            .zip(beside.clone())
            .map(|(_, application)| Tested::new(&config, application));
        let mut admin = Admin::new(&config)?;
        admin.beside = beside;
        admin.limit = self.limit.unwrap_or(admin.limit);
        let database = Database::new(config)?;
        let plan = TestDatabasePlan {
            admin,
            create_options: self.create_options,
            use_existing,
            drop_database: self.drop_database,
            _tested: tested,
        };
        Ok(TestDatabase::planned(
            match self.hooks {
                Some(hooks) => hooks(database),
                None => database,
            },
            plan,
        ))
    }
}

impl IntoFuture for TestDatabaseBuilder {
    type Output = Result<TestDatabase>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let lazy = self.lazy;
            let database = self.build()?;
            if !lazy {
                database.open().await?;
            }
            Ok(database)
        })
    }
}

impl fmt::Debug for TestDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabaseBuilder")
            .field("source", &self.source)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
