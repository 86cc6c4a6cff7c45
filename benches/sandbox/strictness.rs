//! The cost of single operations inside of a sandbox, beside the same ones outside of it.

use ebbtide::Database;
use ebbtide_bench::Outcome;
use tokio::runtime::Runtime;

use crate::contenders::fresh;
use crate::effort::Effort;
use crate::race::{Runner, Times, lane, nothing, race};
use crate::tables::Peer;

const READ: &str = "SELECT label FROM bench_2 WHERE id = 1";
const READ_OF_VIEW: &str = "SELECT label FROM bench_view WHERE id = 1";
const WRITE: &str = "INSERT INTO bench_3 (label, amount) VALUES ('an entry', 7)";

/// The databases of one backend that are compared.
pub(crate) struct Strictness {
    runtime: Runtime,
    outside: Database,
    inside: Database,
    isolated: Database,
    /// A sandbox with a temporary table that each commit empties, where there are such tables.
    with_temporary: Option<Database>,
}

impl Strictness {
    /// Connects. The tables are those of the other cases.
    pub(crate) fn new<P: Peer>(url: &str) -> Outcome<Self> {
        let runtime = fresh()?;
        let (outside, inside, isolated, with_temporary) = runtime.block_on(async {
            let config = P::config(url)?.pool_size(1).max_overflow(0);
            let outside = Database::connect(config.clone()).await?;
            outside
                .execute("CREATE VIEW bench_view AS SELECT id, label FROM bench_2", ())
                .await?;
            let sandboxed = config.force_rollback(true);
            let inside = Database::connect(sandboxed.clone()).await?;
            let isolated = Database::connect(sandboxed.clone().full_isolation(true)).await?;
            let with_temporary = match P::TEMPORARY {
                Some(sql) => {
                    let database = Database::connect(sandboxed).await?;
                    database.execute(sql, ()).await?;
                    Some(database)
                }
                None => None,
            };
            Ok::<_, ebbtide_bench::Failure>((outside, inside, isolated, with_temporary))
        })?;
        Ok(Self {
            runtime,
            outside,
            inside,
            isolated,
            with_temporary,
        })
    }

    /// Compares a statement that reads.
    pub(crate) fn race_reads(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        self.race_statement(READ, effort)
    }

    /// Compares a statement that reads a view, which might write.
    pub(crate) fn race_views(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        self.race_statement(READ_OF_VIEW, effort)
    }

    /// Compares a transaction with one insert.
    pub(crate) fn race_transactions(&self, effort: &Effort) -> Outcome<Vec<Times>> {
        let mut lanes = vec![
            self.committing("outside of a sandbox, rolled back", &self.outside),
            self.committing("in a sandbox, committed", &self.inside),
            self.committing("the same with `full_isolation`", &self.isolated),
        ];
        if let Some(database) = &self.with_temporary {
            lanes.push(self.committing("in a sandbox with a table that commits empty", database));
        }
        futures::executor::block_on(race(&mut lanes, effort, 1, 20, nothing))
    }

    fn race_statement(&self, sql: &'static str, effort: &Effort) -> Outcome<Vec<Times>> {
        let mut lanes = [
            self.reading("outside of a sandbox", &self.outside, sql),
            self.reading("in a sandbox", &self.inside, sql),
            self.reading("the same with `full_isolation`", &self.isolated, sql),
        ];
        futures::executor::block_on(race(&mut lanes, effort, 1, 20, nothing))
    }

    fn reading<'a>(&'a self, name: &'static str, database: &'a Database, sql: &'static str) -> Box<dyn Runner + 'a> {
        lane(name, async move |times| {
            self.runtime.block_on(async {
                for _ in 0..times {
                    database.fetch_all(sql, ()).await?;
                }
                Ok(())
            })
        })
    }

    /// Outside of a sandbox the transaction is rolled back, so that no lane writes to the disk.
    fn committing<'a>(&'a self, name: &'static str, database: &'a Database) -> Box<dyn Runner + 'a> {
        lane(name, async move |times| {
            self.runtime.block_on(async {
                for _ in 0..times {
                    let transaction = database.transaction().await?;
                    transaction.execute(WRITE, ()).await?;
                    if database.is_force_rollback() {
                        transaction.commit().await?;
                    } else {
                        transaction.rollback().await?;
                    }
                }
                Ok(())
            })
        })
    }
}
