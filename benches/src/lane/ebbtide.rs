//! This library, as an application uses it: one `Database`, its own pool, all defaults except the size.
//!
//! It uses only features that old commits have too, so that they can be measured in the same run.

use ebbtide::{Config, Connection, Database, SslMode, params};
use futures::TryStreamExt;

use super::records::{NamedItem, Record, Tuple};
use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, CONNECTIONS, Job, RECORDS, Workload};
use crate::memory::Growth;

#[derive(Clone)]
struct Handle {
    database: Database,
    /// Only where it is measured: it belongs to the task that asks for it, whose calls on the database would all run on it.
    connection: Option<Connection>,
    backend: Backend,
}

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    let runtime = runtime()?;
    let database = runtime.block_on(async {
        let mut config = Config::from_url(url)?.pool_size(CONNECTIONS as u32).max_overflow(0);
        if job.backend != Backend::Sqlite {
            config = config.ssl_mode(SslMode::Disable);
        }
        Outcome::Ok(Database::connect(config).await?)
    })?;
    let worker = Handle {
        // Acquired at its first use, and held.
        connection: (job.workload == Workload::Held).then(|| database.connection()),
        database: if job.workload == Workload::Insert {
            runtime.block_on(async { database.sandbox().await })?
        } else {
            database.clone()
        },
        backend: job.backend,
    };
    let workers = vec![worker; job.tasks];
    super::serve::serve(&runtime, counter, job, workers)
}

impl Worker for Handle {
    async fn select(&mut self, id: i64) -> Outcome<Item> {
        let query = self.database.fetch_one(self.backend.select(), (id,));
        Ok(query.decode::<Item>().await?)
    }

    async fn held(&mut self, id: i64) -> Outcome<Item> {
        let connection = self.connection.as_ref().ok_or("no connection is held")?;
        let query = connection.fetch_one(self.backend.select(), (id,));
        Ok(query.decode::<Item>().await?)
    }

    async fn named(&mut self, id: i64) -> Outcome<Item> {
        let sql = "SELECT id, name FROM item WHERE id = :id";
        let query = self.database.fetch_one(sql, params! { id });
        let NamedItem { id, name } = query.decode::<NamedItem>().await?;
        Ok((id, name))
    }

    async fn transaction(&mut self, amount: i64) -> Outcome {
        let transaction = self.database.transaction().await?;
        transaction.execute(self.backend.insert(), ("an entry", amount)).await?;
        Ok(transaction.commit().await?)
    }

    async fn tuples(&mut self) -> Outcome<usize> {
        Ok(self.database.fetch_all(RECORDS, ()).decode::<Tuple>().await?.len())
    }

    async fn structs(&mut self) -> Outcome<usize> {
        Ok(self.database.fetch_all(RECORDS, ()).decode::<Record>().await?.len())
    }

    async fn rows(&mut self) -> Outcome<usize> {
        Ok(self.database.fetch_all(RECORDS, ()).await?.len())
    }

    async fn stream(&mut self, factor: i64, growth: &mut Growth) -> Outcome<usize> {
        let rows = self.database.iterate(self.backend.stream(), (factor,));
        let mut rows = rows.decode::<Record>();
        let mut count = 0;
        while rows.try_next().await?.is_some() {
            count += 1;
            growth.row(count);
        }
        Ok(count)
    }

    async fn batch(&mut self, amounts: &[i64]) -> Outcome<u64> {
        let rows = amounts.iter().map(|amount| ("an entry", *amount));
        let done = self.database.execute_many(self.backend.insert(), rows).await?;
        Ok(done.rows_affected)
    }

    async fn insert(&mut self, amount: i64) -> Outcome {
        self.database
            .execute(self.backend.insert(), ("an entry", amount))
            .await?;
        Ok(())
    }

    async fn list(&mut self, ids: &[i64]) -> Outcome<i64> {
        let sql = "SELECT count(*) FROM item WHERE id IN (:ids)";
        Ok(self.database.fetch_value(sql, params! { ids: ids.to_vec() }).await?)
    }

    async fn before(&mut self, workload: Workload) -> Outcome {
        if workload == Workload::Batch {
            self.database.execute(self.backend.clear(), ()).await?;
        }
        Ok(())
    }
}
