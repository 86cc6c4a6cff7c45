//! How long a statement keeps the other tasks of its thread from running: the driver over rusqlite runs some statements on
//! the thread of their caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ebbtide::Database;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{Test, cases};

/// The longest time that is allowed. Without optimization, SQLite takes several times as long for each step.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 10 } else { 1 });

/// Number of rows in the table.
const ROWS: i64 = if cfg!(debug_assertions) { 100_000 } else { 300_000 };

/// Number of runs of each statement.
const RUNS: usize = 10;

cases! {
    #[only(rusqlite_file)]
    #[current_thread]
    #[limit(240)]
    async fn d1_no_statement_keeps_the_other_tasks_waiting(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {many} (id integer primary key, n integer, body text)"), ()).await.unwrap();
        let fill = t.sql(
            "insert into {many} with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?) \
             select n, n * 7919 % 10007, 'body ' || n from numbers",
        );
        database.execute(fill, (ROWS,)).await.unwrap();
        let ways: [(&str, Way); 9] = [
            ("point select", |t, database| async move {
                for id in 0..200_i64 {
                    let sql = t.sql("select body from {many} where id = ?");
                    database.fetch_optional(sql, (id,)).await.unwrap();
                }
            }.boxed()),
            ("count", |t, database| one(t, database, "select count(*) from {many}")),
            ("sort", |t, database| one(t, database, "select n from {many} order by n, body limit 1")),
            ("groups", |t, database| one(t, database, "select count(*) from (select n from {many} group by n)")),
            ("scan", |t, database| one(t, database, "select count(*) from {many} where n = -1")),
            ("scan with a function", |t, database| one(t, database, "select max(length(upper(body))) from {many}")),
            ("rows", |t, database| async move {
                let ids = database.fetch_all(t.sql("select id from {many}"), ()).value::<i64>().await.unwrap();
                assert_eq!(ids.len() as i64, ROWS);
            }.boxed()),
            ("a stream, dropped", |t, database| async move {
                let mut rows = database.iterate(t.sql("select id, body from {many}"), ());
                for _ in 0..1_000 {
                    rows.next().await.unwrap().unwrap();
                }
            }.boxed()),
            ("an update, and its checkpoint", |t, database| async move {
                database.execute(t.sql("update {many} set n = n + 1"), ()).await.unwrap();
                for id in 0..100_i64 {
                    database.execute(t.sql("update {many} set n = 0 where id = ?"), (id,)).await.unwrap();
                }
            }.boxed()),
        ];
        for (name, way) in ways {
            // The first run shows what the statement is like.
            way(&t, &database).await;
            let mut longest = Duration::ZERO;
            for _ in 0..RUNS {
                longest = longest.max(longest_wait(way(&t, &database)).await);
            }
            assert!(longest <= LIMIT, "{name}: another task waited for {longest:?}");
        }
    }

    #[only(rusqlite_file)]
    #[current_thread]
    async fn d1_a_lock_that_is_held_elsewhere_keeps_only_its_waiter_waiting(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id integer primary key, n integer)"), ()).await.unwrap();
        let insert = || t.sql("insert into {notes} (n) values (1)");
        database.execute(insert(), ()).await.unwrap();
        // The statement is known to be short.
        database.execute(insert(), ()).await.unwrap();
        let mut other = t.observer().await;
        other.execute("begin immediate").await.unwrap();
        let waiting = database.execute(insert(), ()).into_future();
        let waits = async {
            let released = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                other.execute("commit").await.unwrap();
            };
            let (inserted, ()) = futures::join!(waiting, released);
            assert_eq!(inserted.unwrap().rows_affected, 1);
        };
        let longest = longest_wait(waits).await;
        assert!(longest <= LIMIT, "another task waited for {longest:?}");
    }
}

type Way = for<'a> fn(&'a Test, &'a Database) -> BoxFuture<'a, ()>;

/// Reads one number.
fn one<'a>(t: &'a Test, database: &'a Database, sql: &str) -> BoxFuture<'a, ()> {
    let sql = t.sql(sql);
    async move {
        let _: i64 = database.fetch_value(sql, ()).await.unwrap();
    }
    .boxed()
}

/// Returns the longest time of the processor that another task of the thread waits during some work.
async fn longest_wait(work: impl Future<Output = ()>) -> Duration {
    let (longest, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (noted, stop) = (Arc::clone(&longest), Arc::clone(&done));
    let other = tokio::spawn(async move {
        let mut before = processor_time();
        while !stop.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
            let now = processor_time();
            noted.fetch_max(now.saturating_sub(before).as_nanos() as u64, Ordering::Relaxed);
            before = now;
        }
    });
    work.await;
    done.store(true, Ordering::Relaxed);
    other.await.unwrap();
    Duration::from_nanos(longest.load(Ordering::Relaxed))
}

/// Returns the time that this thread has had a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
