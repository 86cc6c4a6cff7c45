//! diesel-async in deadpool's pool, with diesel's own query builder; diesel reads by index.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::{ExpressionMethods, Insertable, QueryDsl};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl};

use super::serve::{Counter, runtime};
use super::worker::{Item, Worker};
use crate::Outcome;
use crate::job::{Backend, CONNECTIONS, Job};

diesel::table! {
    item (id) {
        id -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    entry (id) {
        id -> BigInt,
        label -> Text,
        amount -> BigInt,
    }
}

mod postgres {
    diesel::table! {
        record (id) {
            id -> BigInt,
            name -> Text,
            price -> Double,
            active -> Bool,
            at -> Timestamptz,
        }
    }
}

mod mysql {
    diesel::table! {
        record (id) {
            id -> BigInt,
            name -> Text,
            price -> Double,
            active -> Bool,
            at -> Timestamp,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = entry)]
struct Entry {
    label: &'static str,
    amount: i64,
}

pub(super) fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
    match job.backend {
        Backend::Postgres => PgHandle::serve(counter, job, url),
        // By TCP, like all lanes.
        Backend::MySql => MysqlHandle::serve(counter, job, &format!("{url}?prefer_socket=false")),
        Backend::Sqlite => Err("diesel-async reaches SQLite through blocking threads only".into()),
    }
}

/// Defines the operations in usual diesel code; generic code would need a page of bounds.
macro_rules! worker {
    ($handle:ident, $connection:ty, $records:ident, $time:ty) => {
        struct $handle(Pool<$connection>);

        impl $handle {
            fn serve(counter: Counter, job: &Job, url: &str) -> Outcome {
                let runtime = runtime()?;
                let mut config = ManagerConfig::default();
                config.recycling_method = RecyclingMethod::Fast;
                let manager = AsyncDieselConnectionManager::<$connection>::new_with_config(url, config);
                let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
                // Connects now, so that a wrong address is found before the measurement.
                drop(runtime.block_on(pool.get())?);
                let workers = (0..job.tasks).map(|_| $handle(pool.clone())).collect();
                super::serve::serve(&runtime, counter, job, workers)
            }
        }

        impl Worker for $handle {
            async fn select(&mut self, id: i64) -> Outcome<Item> {
                let mut connection = self.0.get().await?;
                let query = item::table.filter(item::id.eq(id)).select((item::id, item::name));
                Ok(query.first(&mut connection).await?)
            }

            async fn transaction(&mut self, amount: i64) -> Outcome {
                let mut connection = self.0.get().await?;
                let work = async |connection: &mut Object<$connection>| {
                    let entry = Entry {
                        label: "an entry",
                        amount,
                    };
                    let query = diesel::insert_into(entry::table).values(entry);
                    query.execute(connection).await
                };
                connection
                    .transaction::<usize, diesel::result::Error, _>(work)
                    .await?;
                Ok(())
            }

            async fn insert(&mut self, amount: i64) -> Outcome {
                let mut connection = self.0.get().await?;
                let entry = Entry {
                    label: "an entry",
                    amount,
                };
                let query = diesel::insert_into(entry::table).values(entry);
                query.execute(&mut connection).await?;
                Ok(())
            }

            async fn tuples(&mut self) -> Outcome<usize> {
                let mut connection = self.0.get().await?;
                let query = $records::record::table;
                let tuples: Vec<(i64, String, f64, bool, $time)> = query.load(&mut connection).await?;
                Ok(tuples.len())
            }
        }
    };
}

worker!(PgHandle, AsyncPgConnection, postgres, DateTime<Utc>);
worker!(MysqlHandle, AsyncMysqlConnection, mysql, NaiveDateTime);
