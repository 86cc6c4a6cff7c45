//! Those who isolate a test from the next one, each in its way.

use std::marker::PhantomData;

use ebbtide::{AssertSqlSafe, Database};
use sqlx::Connection;
use sqlx::migrate::Migrator;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::effort::Effort;
use crate::own;
use crate::race::{Times, lane, nothing, race};
use crate::tables::{Peer, STATEMENTS, create};

pub(crate) const NOTE: &str = "Every row has the runtime of a test in it, made and dropped, as `#[tokio::test]` does. \
    Without isolation the statements run on a connection that is held, inside one transaction for many tests, so that \
    no commit hides what isolating costs.";

pub(crate) struct Contenders<P> {
    url: String,
    /// Lives from test to test.
    runtime: Runtime,
    /// Its sandboxes are measured. One connection, so that a test cannot begin before the last one is undone.
    database: Database,
    migrator: &'static Migrator,
    peer: PhantomData<P>,
}

/// What `#[tokio::test]` makes for every test.
fn fresh() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

async fn run(database: &Database) -> ebbtide::Result<()> {
    for sql in STATEMENTS {
        database.execute(sql, ()).await?;
    }
    Ok(())
}

impl<P: Peer> Contenders<P> {
    /// Connects and makes the tables.
    pub(crate) fn new(url: &str) -> Outcome<Self> {
        let runtime = fresh()?;
        let database = runtime.block_on(async {
            let database = Database::connect(P::config(url)?.pool_size(1).max_overflow(0)).await?;
            database.execute(AssertSqlSafe(create::<P>()), ()).await?;
            Ok::<_, crate::Failure>(database)
        })?;
        Ok(Self {
            url: url.to_owned(),
            runtime,
            database,
            migrator: own::migrator::<P>(),
            peer: PhantomData,
        })
    }

    /// Each in its turn. Outside of any runtime: tests have their own.
    pub(crate) fn race(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        let held = self.runtime.block_on(Database::connect(P::config(&self.url)?))?;
        let truncating = self.runtime.block_on(Database::connect(P::config(&self.url)?))?;
        let mut lanes = [
            lane("no isolation", async |tests| {
                let open = self.runtime.block_on(async { held.transaction().await })?;
                for _ in 0..tests {
                    fresh()?.block_on(async {});
                    self.runtime.block_on(async {
                        for sql in STATEMENTS {
                            open.execute(sql, ()).await?;
                        }
                        Ok::<_, ebbtide::Error>(())
                    })?;
                }
                Ok(self.runtime.block_on(open.rollback())?)
            }),
            lane("ebbtide `sandbox()`", async |tests| {
                for _ in 0..tests {
                    fresh()?.block_on(async {
                        let sandbox = self.database.sandbox().await?;
                        run(&sandbox).await?;
                        sandbox.disconnect().await
                    })?;
                }
                Ok(())
            }),
            lane("a new connection, BEGIN … ROLLBACK", async |tests| {
                for _ in 0..tests {
                    fresh()?.block_on(self.connected())?;
                }
                Ok(())
            }),
            lane("emptying ten tables", async |tests| {
                for _ in 0..tests {
                    fresh()?.block_on(async {});
                    self.runtime.block_on(async {
                        run(&truncating).await?;
                        truncating.execute(AssertSqlSafe(P::empty()), ()).await
                    })?;
                }
                Ok(())
            }),
            lane("a database for each test, `#[sqlx::test]`", async |tests| {
                for _ in 0..tests {
                    P::own(self.migrator)?;
                }
                Ok(())
            }),
        ];
        futures::executor::block_on(race(&mut lanes, effort, 1, 1, nothing))
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
