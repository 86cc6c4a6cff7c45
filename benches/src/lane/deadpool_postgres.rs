//! tokio-postgres in deadpool's pool.

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod};
use futures::{TryStreamExt, pin_mut};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row};

use super::records::Tuple;
use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, CONNECTIONS, Job, RECORDS, Workload};
use crate::memory::Growth;

struct Handle(Pool);

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    if job.backend != Backend::Postgres {
        return Err("deadpool-postgres is for PostgreSQL".into());
    }
    let runtime = runtime()?;
    let config: Config = url.parse()?;
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    // Connects now, so that a wrong address is found before the measurement.
    drop(runtime.block_on(pool.get())?);
    let workers = (0..job.tasks).map(|_| Handle(pool.clone())).collect();
    super::serve::serve(&runtime, counter, job, workers)
}

async fn all(client: &Client) -> Outcome<Vec<Row>> {
    let statement = client.prepare_cached(RECORDS).await?;
    Ok(client.query(&statement, &[]).await?)
}

fn tuple(row: &Row) -> Outcome<Tuple> {
    Ok((
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
        row.try_get(4)?,
    ))
}

impl Worker for Handle {
    async fn select(&mut self, id: i64) -> Outcome<Item> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(Backend::Postgres.select()).await?;
        let row = client.query_one(&statement, &[&id]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    async fn transaction(&mut self, amount: i64) -> Outcome {
        let mut client = self.0.get().await?;
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(Backend::Postgres.insert()).await?;
        transaction.execute(&statement, &[&"an entry", &amount]).await?;
        Ok(transaction.commit().await?)
    }

    async fn tuples(&mut self) -> Outcome<usize> {
        let client = self.0.get().await?;
        let tuples: Vec<Tuple> = all(&client).await?.iter().map(tuple).collect::<Outcome<_>>()?;
        Ok(tuples.len())
    }

    async fn rows(&mut self) -> Outcome<usize> {
        let client = self.0.get().await?;
        Ok(all(&client).await?.len())
    }

    async fn stream(&mut self, factor: i64, growth: &mut Growth) -> Outcome<usize> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(Backend::Postgres.stream()).await?;
        let rows = client.query_raw(&statement, [factor]).await?;
        pin_mut!(rows);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            tuple(&row)?;
            count += 1;
            growth.row(count);
        }
        Ok(count)
    }

    async fn batch(&mut self, amounts: &[i64]) -> Outcome<u64> {
        let client = self.0.get().await?;
        let copy = client
            .copy_in("COPY entry (label, amount) FROM STDIN (FORMAT binary)")
            .await?;
        let writer = BinaryCopyInWriter::new(copy, &[Type::TEXT, Type::INT8]);
        pin_mut!(writer);
        for amount in amounts {
            let row: [&(dyn ToSql + Sync); 2] = [&"an entry", amount];
            writer.as_mut().write(&row).await?;
        }
        Ok(writer.finish().await?)
    }

    async fn insert(&mut self, amount: i64) -> Outcome {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(Backend::Postgres.insert()).await?;
        client.execute(&statement, &[&"an entry", &amount]).await?;
        Ok(())
    }

    async fn before(&mut self, workload: Workload) -> Outcome {
        if workload == Workload::Batch {
            let client = self.0.get().await?;
            client.batch_execute(Backend::Postgres.clear()).await?;
        }
        Ok(())
    }
}
