//! rusqlite, inline: SQLite on the caller's own thread, which no other task can use meanwhile. A lower bound, not an
//! option for asynchronous programs.

use rusqlite::{Connection, Row};

use super::records::Tuple;
use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, Job, RECORDS, Workload};
use crate::memory::Growth;

struct Held(Connection);

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    if job.backend != Backend::Sqlite {
        return Err("rusqlite is for SQLite".into());
    }
    let path = url.trim_start_matches("sqlite://");
    let workers = (0..job.held())
        .map(|_| {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(Held(connection))
        })
        .collect::<Outcome<Vec<_>>>()?;
    super::serve::serve(&runtime()?, counter, job, workers)
}

fn tuple(row: &Row<'_>) -> rusqlite::Result<Tuple> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

impl Worker for Held {
    async fn select(&mut self, id: i64) -> Outcome<Item> {
        let mut statement = self.0.prepare_cached(Backend::Sqlite.select())?;
        Ok(statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    async fn transaction(&mut self, amount: i64) -> Outcome {
        let transaction = self.0.transaction()?;
        transaction
            .prepare_cached(Backend::Sqlite.insert())?
            .execute(("an entry", amount))?;
        Ok(transaction.commit()?)
    }

    async fn tuples(&mut self) -> Outcome<usize> {
        let mut statement = self.0.prepare_cached(RECORDS)?;
        let tuples: Vec<Tuple> = statement.query_map([], tuple)?.collect::<Result<_, _>>()?;
        Ok(tuples.len())
    }

    async fn stream(&mut self, factor: i64, growth: &mut Growth) -> Outcome<usize> {
        let mut statement = self.0.prepare_cached(Backend::Sqlite.stream())?;
        let mut count = 0;
        for row in statement.query_map([factor], tuple)? {
            row?;
            count += 1;
            growth.row(count);
        }
        Ok(count)
    }

    async fn batch(&mut self, amounts: &[i64]) -> Outcome<u64> {
        let transaction = self.0.transaction()?;
        let mut affected = 0;
        for amount in amounts {
            let mut statement = transaction.prepare_cached(Backend::Sqlite.insert())?;
            affected += statement.execute(("an entry", amount))? as u64;
        }
        transaction.commit()?;
        Ok(affected)
    }

    async fn insert(&mut self, amount: i64) -> Outcome {
        let mut statement = self.0.prepare_cached(Backend::Sqlite.insert())?;
        statement.execute(("an entry", amount))?;
        Ok(())
    }

    async fn list(&mut self, ids: &[i64]) -> Outcome<i64> {
        let marks = vec!["?"; ids.len()].join(", ");
        let mut statement = self
            .0
            .prepare(&format!("SELECT count(*) FROM item WHERE id IN ({marks})"))?;
        Ok(statement.query_row(rusqlite::params_from_iter(ids), |row| row.get(0))?)
    }

    async fn before(&mut self, workload: Workload) -> Outcome {
        if workload == Workload::Batch {
            self.0.execute_batch(Backend::Sqlite.clear())?;
        }
        Ok(())
    }
}
