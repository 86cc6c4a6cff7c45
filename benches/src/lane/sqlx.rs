//! sqlx: a bare connection that each task holds, the reference for every other lane, and its pool.

use ::sqlx::mysql::MySqlSslMode;
use ::sqlx::pool::PoolOptions;
use ::sqlx::postgres::PgSslMode;
use ::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use ::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, MySql, Pool, Postgres, QueryBuilder, Sqlite};
use futures::TryStreamExt;

use super::records::{NamedItem, Record, Tuple};
use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, CONNECTIONS, Job, RECORDS, Workload};
use crate::memory::Growth;

/// Number of rows per statement: more are hardly faster, and this is far below every limit.
const AT_ONCE: usize = 1_000;

struct Bare<P: Database>(P::Connection);

struct Pooled<P: Database>(Pool<P>);

type Options<P> = <<P as Database>::Connection as Connection>::Options;

trait Peer: Database {
    const BACKEND: Backend;

    fn options(url: &str) -> Outcome<Options<Self>>;
}

impl Peer for Postgres {
    const BACKEND: Backend = Backend::Postgres;

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options.ssl_mode(PgSslMode::Disable))
    }
}

impl Peer for MySql {
    const BACKEND: Backend = Backend::MySql;

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options.ssl_mode(MySqlSslMode::Disabled))
    }
}

impl Peer for Sqlite {
    const BACKEND: Backend = Backend::Sqlite;

    fn options(url: &str) -> Outcome<Options<Self>> {
        let options: Options<Self> = url.parse()?;
        Ok(options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal))
    }
}

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    match job.backend {
        Backend::Postgres => bare::<Postgres>(counter, job, url),
        Backend::MySql => bare::<MySql>(counter, job, url),
        Backend::Sqlite => bare::<Sqlite>(counter, job, url),
    }
}

pub(super) fn serve_pool(counter: Counter, job: &Job, url: &str) -> Outcome {
    match job.backend {
        Backend::Postgres => pooled::<Postgres>(counter, job, url),
        Backend::MySql => pooled::<MySql>(counter, job, url),
        Backend::Sqlite => pooled::<Sqlite>(counter, job, url),
    }
}

fn bare<P: Peer>(counter: Counter, job: &Job, url: &str) -> Outcome
where
    Bare<P>: Worker,
{
    let runtime = runtime()?;
    // A file has one writer: those who write one after the other waste nothing on waiting.
    let count = if job.only_one_writes() { 1 } else { job.held() };
    let workers = runtime.block_on(async {
        let options = P::options(url)?;
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            workers.push(Bare::<P>(options.connect().await?));
        }
        Outcome::Ok(workers)
    })?;
    super::serve::serve(&runtime, counter, job, workers)
}

fn pooled<P: Peer>(counter: Counter, job: &Job, url: &str) -> Outcome
where
    Pooled<P>: Worker,
{
    let runtime = runtime()?;
    let workers = runtime.block_on(async {
        let pool = PoolOptions::<P>::new()
            .max_connections(CONNECTIONS as u32)
            .connect_with(P::options(url)?)
            .await?;
        Outcome::Ok((0..job.tasks).map(|_| Pooled(pool.clone())).collect())
    })?;
    super::serve::serve(&runtime, counter, job, workers)
}

/// Defines the operations in usual sqlx code; generic code would need a page of bounds.
macro_rules! workers {
    ($database:ty) => {
        impl Worker for Bare<$database> {
            async fn select(&mut self, id: i64) -> Outcome<Item> {
                let query = ::sqlx::query_as::<$database, Item>(<$database>::BACKEND.select());
                Ok(query.bind(id).fetch_one(&mut self.0).await?)
            }

            async fn held(&mut self, id: i64) -> Outcome<Item> {
                self.select(id).await
            }

            async fn named(&mut self, id: i64) -> Outcome<Item> {
                let query = ::sqlx::query_as::<$database, NamedItem>(<$database>::BACKEND.select());
                let NamedItem { id, name } = query.bind(id).fetch_one(&mut self.0).await?;
                Ok((id, name))
            }

            async fn transaction(&mut self, amount: i64) -> Outcome {
                let mut transaction = self.0.begin().await?;
                let query = ::sqlx::query::<$database>(<$database>::BACKEND.insert());
                query
                    .bind("an entry")
                    .bind(amount)
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction.commit().await?)
            }

            async fn tuples(&mut self) -> Outcome<usize> {
                let query = ::sqlx::query_as::<$database, Tuple>(RECORDS);
                Ok(query.fetch_all(&mut self.0).await?.len())
            }

            async fn structs(&mut self) -> Outcome<usize> {
                let query = ::sqlx::query_as::<$database, Record>(RECORDS);
                Ok(query.fetch_all(&mut self.0).await?.len())
            }

            async fn rows(&mut self) -> Outcome<usize> {
                let query = ::sqlx::query::<$database>(RECORDS);
                Ok(query.fetch_all(&mut self.0).await?.len())
            }

            async fn stream(&mut self, factor: i64, growth: &mut Growth) -> Outcome<usize> {
                let query = ::sqlx::query_as::<$database, Record>(<$database>::BACKEND.stream());
                let mut rows = query.bind(factor).fetch(&mut self.0);
                let mut count = 0;
                while rows.try_next().await?.is_some() {
                    count += 1;
                    growth.row(count);
                }
                Ok(count)
            }

            async fn batch(&mut self, amounts: &[i64]) -> Outcome<u64> {
                let mut transaction = self.0.begin().await?;
                let mut affected = 0;
                for amounts in amounts.chunks(AT_ONCE) {
                    let mut query = QueryBuilder::<$database>::new("INSERT INTO entry (label, amount) ");
                    query.push_values(amounts, |mut row, amount| {
                        row.push_bind("an entry").push_bind(*amount);
                    });
                    affected += query.build().execute(&mut *transaction).await?.rows_affected();
                }
                transaction.commit().await?;
                Ok(affected)
            }

            async fn insert(&mut self, amount: i64) -> Outcome {
                let query = ::sqlx::query::<$database>(<$database>::BACKEND.insert());
                query.bind("an entry").bind(amount).execute(&mut self.0).await?;
                Ok(())
            }

            async fn list(&mut self, ids: &[i64]) -> Outcome<i64> {
                let marks = vec!["?"; ids.len()].join(", ");
                let sql = format!("SELECT count(*) FROM item WHERE id IN ({marks})");
                let mut query = ::sqlx::query_scalar::<$database, i64>(AssertSqlSafe(sql));
                for id in ids {
                    query = query.bind(*id);
                }
                Ok(query.fetch_one(&mut self.0).await?)
            }

            async fn before(&mut self, workload: Workload) -> Outcome {
                let sql = match workload {
                    Workload::Batch => <$database>::BACKEND.clear(),
                    // Inside an open transaction, as statements in a sandbox are.
                    Workload::Insert => "BEGIN",
                    _ => return Ok(()),
                };
                ::sqlx::raw_sql(sql).execute(&mut self.0).await?;
                Ok(())
            }

            async fn after(&mut self, workload: Workload) -> Outcome {
                if workload == Workload::Insert {
                    ::sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await?;
                }
                Ok(())
            }
        }

        impl Worker for Pooled<$database> {
            async fn select(&mut self, id: i64) -> Outcome<Item> {
                let query = ::sqlx::query_as::<$database, Item>(<$database>::BACKEND.select());
                Ok(query.bind(id).fetch_one(&self.0).await?)
            }

            async fn transaction(&mut self, amount: i64) -> Outcome {
                let mut transaction = self.0.begin().await?;
                let query = ::sqlx::query::<$database>(<$database>::BACKEND.insert());
                query
                    .bind("an entry")
                    .bind(amount)
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction.commit().await?)
            }

            async fn tuples(&mut self) -> Outcome<usize> {
                let query = ::sqlx::query_as::<$database, Tuple>(RECORDS);
                Ok(query.fetch_all(&self.0).await?.len())
            }

            async fn insert(&mut self, amount: i64) -> Outcome {
                let query = ::sqlx::query::<$database>(<$database>::BACKEND.insert());
                query.bind("an entry").bind(amount).execute(&self.0).await?;
                Ok(())
            }
        }
    };
}

workers!(Postgres);
workers!(MySql);
workers!(Sqlite);
