//! B6: the process of the drivers is killed at each await point: those who wait get an error, the next statement works,
//! and nothing is reported as committed that was not.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ebbtide::{Database, Error, ErrorKind, Result, params};
use futures::TryStreamExt as _;

use crate::support::{OwnSidecar, Test, cases};

/// Runs a future, and kills the process of its drivers after a number of polls. Returns `None` in the second place if
/// the future ended before.
async fn killed<F: IntoFuture>(sidecar: &OwnSidecar, polls: usize, future: F) -> (F::Output, bool) {
    let mut future = pin!(future.into_future());
    let (mut left, mut dead) = (polls, false);
    let begun = Instant::now();
    let ended = poll_fn(|context| {
        if left == 0 && !dead {
            sidecar.signal("KILL");
            dead = true;
        }
        left = left.saturating_sub(1);
        match future.as_mut().poll(context) {
            Poll::Pending if left == 0 && !dead => {
                sidecar.signal("KILL");
                dead = true;
                future.as_mut().poll(context)
            }
            poll => poll,
        }
    });
    let output = tokio::time::timeout(Duration::from_secs(20), ended).await;
    let output = output.unwrap_or_else(|_| panic!("killed after {polls} polls, it hangs since {:?}", begun.elapsed()));
    (output, dead)
}

/// Asserts that an error is the loss of a connection.
fn lost(error: &Error, after: &str) {
    let kinds = [
        ErrorKind::ConnectionLost,
        ErrorKind::OutcomeUnknown,
        ErrorKind::TransactionEnded,
        ErrorKind::Connect,
    ];
    assert!(kinds.contains(&error.kind()), "{after}: {error:?}");
}

struct Ledger<'t> {
    t: &'t Test,
    sidecar: OwnSidecar,
    database: Database,
    number: i64,
}

impl<'t> Ledger<'t> {
    async fn new(t: &'t Test) -> Self {
        let sidecar = OwnSidecar::new(t);
        let database = Database::connect(sidecar.config(t).pool_size(2)).await.unwrap();
        database
            .execute(t.sql("create table {ledger} (n bigint not null)"), ())
            .await
            .unwrap();
        Self {
            t,
            sidecar,
            database,
            number: 0,
        }
    }

    fn insert(&self, number: i64) -> impl IntoFuture<Output = Result<ebbtide::QueryResult>> + use<> {
        let insert = self.t.sql("insert into {ledger} (n) values (:number)");
        self.database.execute(insert, params! { number })
    }

    /// Asserts that the next statement works, after at most as many failures as there were idle connections, and returns
    /// whether a number is there.
    async fn has(&self, number: i64, after: &str) -> bool {
        for _ in 0..3 {
            let sql = self.t.sql("select count(*) from {ledger} where n = :number");
            match self.database.fetch_value::<i64>(sql, params! { number }).await {
                Ok(count) => return count == 1,
                Err(error) => lost(&error, after),
            }
        }
        panic!("{after}: nothing works any more");
    }
}

const POINTS: usize = 12;

cases! {
    #[only(jdbc_sqlite, jdbc_postgresql, jdbc_mariadb, dbapi2_sqlite3, dbapi2_apsw, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    #[limit(240)]
    async fn b6_a_sidecar_killed_at_each_point_of_a_statement(t: Test) {
        let mut ledger = Ledger::new(&t).await;
        for polls in 0..POINTS {
            ledger.number += 1;
            let number = ledger.number;
            let after = format!("killed after {polls} polls of a statement");
            let (inserted, dead) = killed(&ledger.sidecar, polls, ledger.insert(number)).await;
            let there = ledger.has(number, &after).await;
            match &inserted {
                Ok(_) => assert!(there, "{after}"),
                Err(error) => {
                    lost(error, &after);
                    assert!(error.kind() != ErrorKind::ConnectionLost || !there, "{after}: {error:?}");
                }
            }
            if !dead {
                break;
            }
        }
        ledger.database.disconnect().await.unwrap();
        ledger.sidecar.ended().await;
    }

    #[only(jdbc_sqlite, jdbc_postgresql, jdbc_mariadb, dbapi2_sqlite3, dbapi2_apsw, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    #[limit(240)]
    async fn b6_a_sidecar_killed_at_each_point_of_begin_and_commit(t: Test) {
        let mut ledger = Ledger::new(&t).await;
        for polls in 0..POINTS {
            let after = format!("killed after {polls} polls of a begin");
            let (begun, dead) = killed(&ledger.sidecar, polls, ledger.database.transaction()).await;
            match begun {
                Err(error) => lost(&error, &after),
                Ok(transaction) if dead => {
                    // It began just before.
                    if let Err(error) = transaction.commit().await {
                        lost(&error, &after);
                    }
                }
                Ok(transaction) => transaction.rollback().await.unwrap(),
            }
            assert!(!ledger.has(0, &after).await);
            if !dead {
                break;
            }
        }
        for polls in 0..POINTS {
            ledger.number += 1;
            let number = ledger.number;
            let after = format!("killed after {polls} polls of a commit");
            let transaction = ledger.database.transaction().await.unwrap();
            let insert = t.sql("insert into {ledger} (n) values (:number)");
            transaction.execute(insert, params! { number }).await.unwrap();
            let (committed, dead) = killed(&ledger.sidecar, polls, transaction.commit()).await;
            drop(transaction);
            let there = ledger.has(number, &after).await;
            match &committed {
                Ok(()) => assert!(there, "{after}"),
                Err(error) => {
                    lost(error, &after);
                    assert!(error.outcome_unknown() || !there, "{after}: {error:?}");
                }
            }
            if !dead {
                break;
            }
        }
        ledger.database.disconnect().await.unwrap();
        ledger.sidecar.ended().await;
    }

    #[only(jdbc_sqlite, jdbc_postgresql, jdbc_mariadb, dbapi2_sqlite3, dbapi2_apsw, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    #[limit(240)]
    async fn b6_a_sidecar_killed_at_each_point_of_a_stream(t: Test) {
        let ledger = Ledger::new(&t).await;
        let rows: Vec<_> = (1..=500_i64).map(|number| (number,)).collect();
        ledger.database.execute_many(t.sql("insert into {ledger} (n) values (?)"), rows).await.unwrap();
        for polls in 0..POINTS {
            let after = format!("killed after {polls} polls of a stream");
            let stream = ledger.database.iterate(
                t.sql("select a.n from {ledger} a, {ledger} b order by a.n"),
                (),
            );
            let read = async {
                let mut count = 0;
                let mut stream = pin!(stream);
                while stream.try_next().await?.is_some() {
                    count += 1;
                }
                Result::<i64>::Ok(count)
            };
            let (read, dead) = killed(&ledger.sidecar, polls, read).await;
            match read {
                Ok(count) => assert_eq!(count, 250_000, "{after}"),
                Err(error) => lost(&error, &after),
            }
            assert!(ledger.has(1, &after).await, "{after}");
            if !dead {
                break;
            }
        }
        ledger.database.disconnect().await.unwrap();
        ledger.sidecar.ended().await;
    }

    /// A process that is stopped, not dead, is a time-out; nothing hangs.
    #[only(jdbc_sqlite, dbapi2_sqlite3)]
    async fn b6_a_sidecar_that_hangs_is_a_time_out(t: Test) {
        let ledger = Ledger::new(&t).await;
        ledger.sidecar.signal("STOP");
        let begun = Instant::now();
        let limit = Duration::from_millis(300);
        let sql = t.sql("select count(*) from {ledger}");
        let error = ledger.database.fetch_value::<i64>(sql, ()).timeout(limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        ledger.sidecar.signal("CONT");
        assert!(!ledger.has(0, "continued").await);
        ledger.database.disconnect().await.unwrap();
        ledger.sidecar.ended().await;
    }

    /// It starts with the first connection, once, and ends with the last one.
    #[only(jdbc_h2, jdbc_sqlite, dbapi2_sqlite3, dbapi2_duckdb)]
    async fn b6_a_sidecar_starts_once_and_ends_with_the_database(t: Test) {
        let sidecar = OwnSidecar::new(&t);
        let database = Database::new(sidecar.config(&t).pool_size(8)).unwrap();
        assert_eq!(sidecar.processes().len(), 0, "nothing is needed yet");
        database.connect().await.unwrap();
        let selects = (0..16).map(|_| database.fetch_value::<i64>("select 1", ()).into_future());
        for one in futures::future::join_all(selects).await {
            assert_eq!(one.unwrap(), 1);
        }
        assert_eq!(sidecar.processes().len(), 1);
        database.disconnect().await.unwrap();
        sidecar.ended().await;
        database.connect().await.unwrap();
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        assert_eq!(sidecar.processes().len(), 2);
        drop(database);
        sidecar.ended().await;
    }
}
