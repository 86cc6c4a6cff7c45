//! SQLite on one thread per connection, which closures are sent to.

#[path = "../../../src/lane/serve.rs"]
mod serve;
#[path = "../../../src/lane/worker.rs"]
mod worker;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use tokio_rusqlite::{Connection, rusqlite};

pub use self::serve::{Counter, Counts};
use self::worker::{Item, Worker};
use crate::job::{Backend, Job, RECORDS, Workload};
use crate::{LANE_URL, Outcome};

type Tuple = (i64, String, f64, bool, DateTime<Utc>);

struct Held(Connection);

/// Runs a lane process; `counter` reads the allocations so far.
pub fn main(counter: Counter) -> ExitCode {
    serve::main(counter, open)
}

fn open(counter: Counter, job: &Job) -> Outcome {
    let url = std::env::var(LANE_URL).map_err(|_| format!("{LANE_URL} is not set"))?;
    let path = url.trim_start_matches("sqlite://").to_owned();
    let runtime = serve::runtime()?;
    let workers = runtime.block_on(async {
        let mut workers = Vec::new();
        for _ in 0..job.held() {
            let connection = Connection::open(&path).await?;
            connection
                .call(|connection| {
                    connection.pragma_update(None, "journal_mode", "WAL")?;
                    connection.pragma_update(None, "synchronous", "NORMAL")
                })
                .await?;
            workers.push(Held(connection));
        }
        Outcome::Ok(workers)
    })?;
    serve::serve(&runtime, counter, job, workers)
}

impl Worker for Held {
    async fn select(&mut self, id: i64) -> Outcome<Item> {
        let work = move |connection: &mut rusqlite::Connection| {
            let mut statement = connection.prepare_cached(Backend::Sqlite.select())?;
            statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        Ok(self.0.call(work).await?)
    }

    async fn transaction(&mut self, amount: i64) -> Outcome {
        let work = move |connection: &mut rusqlite::Connection| {
            // Takes the write lock at the beginning; a transaction that becomes a writer later may fail at once.
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction
                .prepare_cached(Backend::Sqlite.insert())?
                .execute(("an entry", amount))?;
            transaction.commit()
        };
        Ok(self.0.call(work).await?)
    }

    async fn tuples(&mut self) -> Outcome<usize> {
        let work = |connection: &mut rusqlite::Connection| {
            let mut statement = connection.prepare_cached(RECORDS)?;
            let rows = statement.query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<Tuple>>>()
        };
        Ok(self.0.call(work).await?.len())
    }

    async fn batch(&mut self, amounts: &[i64]) -> Outcome<u64> {
        let amounts = amounts.to_vec();
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            let mut affected = 0;
            for amount in amounts {
                let mut statement = transaction.prepare_cached(Backend::Sqlite.insert())?;
                affected += statement.execute(("an entry", amount))? as u64;
            }
            transaction.commit()?;
            Ok::<u64, rusqlite::Error>(affected)
        };
        Ok(self.0.call(work).await?)
    }

    async fn insert(&mut self, amount: i64) -> Outcome {
        let work = move |connection: &mut rusqlite::Connection| {
            let mut statement = connection.prepare_cached(Backend::Sqlite.insert())?;
            statement.execute(("an entry", amount))
        };
        self.0.call(work).await?;
        Ok(())
    }

    async fn before(&mut self, workload: Workload) -> Outcome {
        if workload != Workload::Batch {
            return Ok(());
        }
        let work = |connection: &mut rusqlite::Connection| connection.execute_batch(Backend::Sqlite.clear());
        Ok(self.0.call(work).await?)
    }
}
