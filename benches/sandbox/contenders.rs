//! The ways to isolate a test from the next one.

use std::marker::PhantomData;

use ebbtide::{AssertSqlSafe, Database};
use ebbtide_bench::{Failure, Outcome};
use sqlx::Connection;
use sqlx::migrate::Migrator;
use tokio::runtime::{Builder, Runtime};

use crate::effort::Effort;
use crate::own;
use crate::race::{Runner, Times, lane, nothing, race};
use crate::tables::{Peer, STATEMENTS, STATEMENTS_BEFORE_EMPTYING, create};

pub(crate) const NOTE: &str = "Every row includes the creation and the drop of the test's runtime, as `#[tokio::test]` does. \
    Without isolation the statements run on a held connection, inside one transaction for many tests, so that no commit \
    hides the cost of isolation.";

pub(crate) struct Contenders<P> {
    url: String,
    /// Shared by all tests.
    runtime: Runtime,
    /// Database whose sandboxes are measured. It has one connection, so that a test cannot begin before the previous
    /// one is undone.
    database: Database,
    migrator: &'static Migrator,
    peer: PhantomData<P>,
}

/// Creates a runtime as `#[tokio::test]` does for every test.
pub(crate) fn fresh() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

async fn run(database: &Database, statements: [&'static str; 3]) -> ebbtide::Result<()> {
    for sql in statements {
        database.execute(sql, ()).await?;
    }
    Ok(())
}

impl<P: Peer> Contenders<P> {
    /// Connects and creates the tables.
    pub(crate) fn new(url: &str) -> Outcome<Self> {
        let runtime = fresh()?;
        let database = runtime.block_on(async {
            let database = Database::connect(P::config(url)?.pool_size(1).max_overflow(0)).await?;
            for name in ["bench", "emptied"] {
                database.execute(AssertSqlSafe(create::<P>(name)), ()).await?;
            }
            Ok::<_, Failure>(database)
        })?;
        Ok(Self {
            url: url.to_owned(),
            runtime,
            database,
            migrator: own::migrator::<P>(),
            peer: PhantomData,
        })
    }

    /// Compares the fast ones: no isolation, a sandbox, a new connection. Outside of any runtime: tests have their own.
    pub(crate) fn race_quick(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        let held = self.another()?;
        let mut lanes = [self.unisolated(&held), self.sandboxed(), self.on_new_connections()];
        futures::executor::block_on(race(&mut lanes, effort, 1, 20, nothing))
    }

    /// Compares a sandbox with those that take much longer.
    pub(crate) fn race_slow(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        let emptied = self.another()?;
        let mut lanes = [self.sandboxed(), self.emptying(&emptied), self.on_databases()];
        futures::executor::block_on(race(&mut lanes, effort, 1, 2, nothing))
    }

    /// Connects another handle of the library, with its own connections.
    fn another(&self) -> Outcome<Database> {
        Ok(self.runtime.block_on(Database::connect(P::config(&self.url)?))?)
    }

    fn unisolated<'a>(&'a self, held: &'a Database) -> Box<dyn Runner + 'a> {
        lane("no isolation", async |tests| {
            let open = self.runtime.block_on(async { held.transaction().await })?;
            for _ in 0..tests {
                fresh()?.block_on(async {});
                self.runtime.block_on(run(held, STATEMENTS))?; // in the transaction of the thread
            }
            Ok(self.runtime.block_on(open.rollback())?)
        })
    }

    fn sandboxed(&self) -> Box<dyn Runner + '_> {
        lane("ebbtide `sandbox()`", async |tests| {
            for _ in 0..tests {
                fresh()?.block_on(async {
                    let sandbox = self.database.sandbox().await?;
                    run(&sandbox, STATEMENTS).await?;
                    sandbox.disconnect().await
                })?;
            }
            Ok(())
        })
    }

    fn on_new_connections(&self) -> Box<dyn Runner + '_> {
        lane("a new connection, BEGIN … ROLLBACK", async |tests| {
            for _ in 0..tests {
                fresh()?.block_on(self.connected())?;
            }
            Ok(())
        })
    }

    fn emptying<'a>(&'a self, emptied: &'a Database) -> Box<dyn Runner + 'a> {
        lane("emptying ten tables", async |tests| {
            for _ in 0..tests {
                fresh()?.block_on(async {});
                self.runtime.block_on(async {
                    run(emptied, STATEMENTS_BEFORE_EMPTYING).await?;
                    emptied.execute(AssertSqlSafe(P::empty()), ()).await
                })?;
            }
            Ok(())
        })
    }

    fn on_databases(&self) -> Box<dyn Runner + '_> {
        lane("a database for each test, `#[sqlx::test]`", async |tests| {
            for _ in 0..tests {
                P::own(self.migrator)?;
            }
            Ok(())
        })
    }

    async fn connected(&self) -> Outcome {
        let mut connection = P::Connection::connect_with(&P::options(&self.url)?).await?;
        let mut transaction = connection.begin().await?;
        P::three(&mut transaction).await?;
        transaction.rollback().await?;
        connection.close().await?;
        Ok(())
    }
}
