//! What a test client can be asked to be.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;

use super::admin::{Admin, Wishes};
use super::client::{Plan, TestClient};
use super::name;
use crate::config::{Config, IntoConfig};
use crate::database::Database;
use crate::error::Result;

type Hooks = Box<dyn FnOnce(Database) -> Database + Send>;

/// A test client about to be made: await it. [`TestClient::new`] makes it.
#[must_use = "nothing is made until this is awaited"]
pub struct TestClientBuilder {
    source: Result<Config>,
    prefix: String,
    use_existing: bool,
    drop_database: Option<bool>,
    lazy: bool,
    full_isolation: bool,
    force_rollback: Option<bool>,
    limit: Option<Duration>,
    wishes: Wishes,
    hooks: Option<Hooks>,
}

impl TestClientBuilder {
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
            wishes: Wishes::default(),
            hooks: None,
        }
    }

    /// Sets what is put before the name of the database. Default `test_`. Tests that run at the same time want one
    /// each. An empty one means the database itself, and is refused unless it is used as it is and kept:
    /// `use_existing(true)` and `drop_database(false)`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets whether a database that is there is used as it is. Default false: it is what an earlier run left behind, and
    /// is dropped and made anew.
    pub fn use_existing(mut self, use_existing: bool) -> Self {
        self.use_existing = use_existing;
        self
    }

    /// Sets whether the database is dropped at the end. By default the client drops what it has made: always, but for a
    /// database that was there already and is used as it is ([`use_existing`](Self::use_existing)). `true` drops that
    /// one too; `false` keeps every one, to look at it afterwards.
    pub fn drop_database(mut self, drop_database: bool) -> Self {
        self.drop_database = Some(drop_database);
        self
    }

    /// Sets whether making the database and connecting is left to [`TestClient::open`]. Default false. Awaiting the
    /// builder then does no I/O.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Sets whether the connection of `force_rollback` lives on a thread of its own, so that any runtime, any thread and
    /// blocking code can share it. Default true.
    pub fn full_isolation(mut self, full_isolation: bool) -> Self {
        self.full_isolation = full_isolation;
        self
    }

    /// Sets whether all work happens in one transaction that is rolled back at the end. Default: as the source has it.
    pub fn force_rollback(mut self, force_rollback: bool) -> Self {
        self.force_rollback = Some(force_rollback);
        self
    }

    /// Sets the encoding of a database that is made; see [`CreateDatabase::encoding`](super::CreateDatabase::encoding).
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.wishes.encoding = Some(encoding.into());
        self
    }

    /// Sets the database to copy when one is made; see [`CreateDatabase::template`](super::CreateDatabase::template).
    pub fn template(mut self, template: impl Into<String>) -> Self {
        self.wishes.template = Some(template.into());
        self
    }

    /// Sets the time limit of each step: looking for the database, making, connecting, disconnecting, dropping. Default 30
    /// seconds each.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Gives the database its hooks before it is connected: those of a `&Database` are not taken over.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// use ebbtide::testing::TestClient;
    ///
    /// let client = TestClient::new("sqlite::memory:")
    ///     .hooks(|database| {
    ///         database.after_connect(|connection| {
    ///             Box::pin(async move {
    ///                 connection.execute("PRAGMA cache_size = 100").await?;
    ///                 Ok(())
    ///             })
    ///         })
    ///     })
    ///     .await?;
    /// client.close().await?;
    /// # Ok(()) }
    /// ```
    pub fn hooks(mut self, hooks: impl FnOnce(Database) -> Database + Send + 'static) -> Self {
        self.hooks = Some(Box::new(hooks));
        self
    }

    /// The client, of which nothing is there yet.
    fn build(self) -> Result<TestClient> {
        let source = self.source?;
        let test = name::prefixed(source.url(), &self.prefix)?;
        if test.as_deref() == source.url().database()
            && test.is_some()
            && !(self.use_existing && self.drop_database == Some(false))
        {
            let message = format!("without a prefix the test database is {} itself", source.url());
            return Err(
                name::unusable(message).help("give a prefix, or both `use_existing(true)` and `drop_database(false)`")
            );
        }
        let beside = source.url().database().map(str::to_owned);
        // The copies of the database are none of the test's own.
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
        let mut admin = Admin::new(&config)?;
        admin.beside = beside;
        admin.limit = self.limit.unwrap_or(admin.limit);
        let database = Database::new(config)?;
        let plan = Plan {
            admin,
            wishes: self.wishes,
            use_existing: self.use_existing,
            drop_database: self.drop_database,
        };
        Ok(TestClient::planned(
            match self.hooks {
                Some(hooks) => hooks(database),
                None => database,
            },
            plan,
        ))
    }
}

impl IntoFuture for TestClientBuilder {
    type Output = Result<TestClient>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let lazy = self.lazy;
            let client = self.build()?;
            if !lazy {
                client.open().await?;
            }
            Ok(client)
        })
    }
}

impl fmt::Debug for TestClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClientBuilder")
            .field("source", &self.source)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
