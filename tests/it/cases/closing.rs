//! Use while not connected, and what is left behind at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ebbtide::{Database, Error, ErrorKind};
use futures::StreamExt as _;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::lifecycle::{until_all_is_closed, watched};
use super::pool::{LONG, hold, open, select_one, until};
use super::tasks::numbers;
use crate::support::cases;

pub(crate) fn is_not_connected<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::NotConnected && error.to_string().contains("connect"))
}

cases! {
    async fn l7_use_before_connect_says_so_at_once(t: Test) {
        refuses_everything(&Database::new(t.url()).unwrap()).await;
    }

    async fn l7_use_after_the_last_disconnect_says_so_at_once(t: Test) {
        let database = t.database().await;
        let unused = database.connection();
        assert!(database.disconnect().await.unwrap());
        refuses_everything(&database).await;
        assert!(is_not_connected(unused.execute("select 1", ()).await), "also through a connection it gave before");
        assert!(is_not_connected(unused.transaction().await.map(drop)));
    }

    async fn l7_waiters_for_a_connection_fail_at_once(t: Test) {
        let database = open(&t, "pool_size=1").await;
        let held = hold(&database).await;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { database.fetch_value::<i64>("select 1", ()).await })
            })
            .collect();
        until("all wait", || database.status().unwrap().waiting == 3).await;
        let closing = tokio::spawn({
            let database = database.clone();
            async move { database.disconnect().await }
        });
        for waiting in waiting {
            assert!(is_not_connected(timeout(LONG, waiting).await.expect("no hang").unwrap()));
        }
        held.release().await;
        assert!(timeout(LONG, closing).await.expect("no hang").unwrap().unwrap());
    }

    async fn l7_a_connection_in_use_is_closed_when_it_is_given_back(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        assert!(database.disconnect().await.unwrap());
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await.unwrap(), 1, "what has begun may end");
        transaction.commit().await.unwrap();
        drop(transaction);
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    async fn l8_dropping_the_last_handle_closes_everything(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        for held in [hold(&database).await, hold(&database).await, hold(&database).await] {
            held.release().await;
        }
        assert!(database.status().unwrap().idle == 3);
        drop(database);
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn l8_handles_of_all_kinds_may_outlive_the_database(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        let connection = database.connection();
        connection.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let transaction = connection.transaction().await.unwrap();
        transaction.execute(t.sql("insert into {things} values (1)"), ()).await.unwrap();
        let inner = transaction.transaction().await.unwrap();
        let mut rows = inner.iterate(numbers(&t, 2), ());
        assert!(rows.next().await.unwrap().is_ok());
        drop(database);
        assert!(rows.next().await.unwrap().is_ok());
        drop(transaction);
        drop(connection);
        drop(rows);
        drop(inner);
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    async fn l8_dropping_it_off_a_runtime_never_panics(t: Test) {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await.unwrap();
        let held = hold(&database).await;
        held.release().await;
        thread::spawn(move || {
            drop(database);
            drop(transaction);
        })
        .join()
        .expect("no panic");
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    async fn l8_dropping_it_after_its_runtime_never_panics(t: Test) {
        let (url, proxy) = watched(&t);
        let two = numbers(&t, 2);
        let end = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let (database, transaction, rows) = runtime.block_on(async {
                let database = Database::connect(url.as_str()).await.unwrap();
                hold(&database).await.release().await;
                let transaction = database.transaction().await.unwrap();
                transaction.fetch_value::<i64>(select_one(&database), ()).await.unwrap();
                let mut rows = transaction.iterate(two, ());
                assert!(rows.next().await.unwrap().is_ok());
                (database, transaction, rows)
            });
            drop(runtime);
            drop(database);
            drop(transaction);
            drop(rows);
        });
        end.join().expect("no panic");
        until_all_is_closed(&t, proxy.as_ref()).await;
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn l8_a_runtime_that_ends_with_everything_in_it_never_panics(t: Test) {
        let (url, proxy) = watched(&t);
        let panics = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&panics);
        let end = thread::spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let database = Database::connect(url.as_str()).await.unwrap();
                let (ready, is_ready) = tokio::sync::oneshot::channel();
                // The task owns the last handles; the end of the runtime drops it.
                tokio::spawn(async move {
                    let counter = PanicCounter(seen);
                    let transaction = database.transaction().await.unwrap();
                    let inner = transaction.transaction().await.unwrap();
                    inner.fetch_value::<i64>(select_one(&database), ()).await.unwrap();
                    ready.send(()).unwrap();
                    std::future::pending::<()>().await;
                    drop((inner, transaction, database, counter));
                });
                is_ready.await.unwrap();
            });
            drop(runtime);
        });
        end.join().expect("no panic");
        assert_eq!(panics.load(Ordering::SeqCst), 0);
        until_all_is_closed(&t, proxy.as_ref()).await;
    }
}

/// Checks that every way to use a database fails at once and reports that it is not connected.
async fn refuses_everything(database: &Database) {
    let start = Instant::now();
    assert!(is_not_connected(database.status()));
    assert!(is_not_connected(database.execute("select 1", ()).await));
    assert!(is_not_connected(
        database.execute_many("select :n", [ebbtide::params! { n: 1 }]).await
    ));
    assert!(is_not_connected(database.fetch_all("select 1", ()).await));
    assert!(is_not_connected(database.fetch_one("select 1", ()).await));
    assert!(is_not_connected(database.fetch_optional("select 1", ()).await));
    assert!(is_not_connected(database.fetch_value::<i64>("select 1", ()).await));
    assert!(is_not_connected(database.iterate("select 1", ()).next().await.unwrap()));
    assert!(is_not_connected(
        database.batched_iterate("select 1", (), 2).next().await.unwrap()
    ));
    assert!(is_not_connected(database.transaction().await));
    assert!(is_not_connected(
        database.transaction().run(async |_| Ok::<_, Error>(())).await
    ));
    assert!(is_not_connected(database.connection().execute("select 1", ()).await));
    assert!(is_not_connected(database.connection().transaction().await));
    assert!(start.elapsed() < Duration::from_secs(2), "at once");
}

/// Signals when it is dropped by a panic.
struct PanicCounter(Arc<AtomicUsize>);

impl Drop for PanicCounter {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
