//! `mysql_async` and its pool, without the reset when a connection is returned.

use chrono::NaiveDateTime;
use futures::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, Row, TxOpts};

use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, CONNECTIONS, Job, RECORDS};
use crate::memory::Growth;

/// Times have no zone in this driver.
type Tuple = (i64, String, f64, bool, NaiveDateTime);

struct Handle(Pool);

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    if job.backend != Backend::MySql {
        return Err("mysql_async is for MariaDB and MySQL".into());
    }
    let runtime = runtime()?;
    let constraints = PoolConstraints::new(CONNECTIONS, CONNECTIONS).ok_or("the size of the pool")?;
    let pool_options = PoolOpts::default()
        .with_constraints(constraints)
        .with_reset_connection(false);
    // By TCP, like all lanes.
    let options = OptsBuilder::from_opts(Opts::from_url(url)?)
        .pool_opts(pool_options)
        .prefer_socket(false);
    let pool = runtime.block_on(async {
        let pool = Pool::new(options);
        // Connects now, so that a wrong address is found before the measurement.
        drop(pool.get_conn().await?);
        Outcome::Ok(pool)
    })?;
    let workers = (0..job.tasks).map(|_| Handle(pool.clone())).collect();
    super::serve::serve(&runtime, counter, job, workers)
}

impl Worker for Handle {
    async fn select(&mut self, id: i64) -> Outcome<Item> {
        let mut connection = self.0.get_conn().await?;
        let item = connection.exec_first(Backend::MySql.select(), (id,)).await?;
        Ok(item.ok_or("no row came")?)
    }

    async fn transaction(&mut self, amount: i64) -> Outcome {
        let mut transaction = self.0.start_transaction(TxOpts::default()).await?;
        transaction
            .exec_drop(Backend::MySql.insert(), ("an entry", amount))
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn tuples(&mut self) -> Outcome<usize> {
        let mut connection = self.0.get_conn().await?;
        let tuples: Vec<Tuple> = connection.exec(RECORDS, ()).await?;
        Ok(tuples.len())
    }

    async fn rows(&mut self) -> Outcome<usize> {
        let mut connection = self.0.get_conn().await?;
        let rows: Vec<Row> = connection.exec(RECORDS, ()).await?;
        Ok(rows.len())
    }

    async fn insert(&mut self, amount: i64) -> Outcome {
        let mut connection = self.0.get_conn().await?;
        connection
            .exec_drop(Backend::MySql.insert(), ("an entry", amount))
            .await?;
        Ok(())
    }

    async fn stream(&mut self, factor: i64, growth: &mut Growth) -> Outcome<usize> {
        let mut connection = self.0.get_conn().await?;
        let rows = connection.exec_stream::<Tuple, _, _>(Backend::MySql.stream(), (factor,));
        let mut rows = rows.await?;
        let mut count = 0;
        while rows.try_next().await?.is_some() {
            count += 1;
            growth.row(count);
        }
        Ok(count)
    }
}
