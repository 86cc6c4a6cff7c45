//! One database and several tokio runtimes.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use ebbtide::ErrorKind;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::pool::{LONG, caller, hold, numbered, numbers, one, open, poll_once, select_one, until, with};
use crate::drivers::Driver;
use crate::support::cases;

/// Creates a runtime that only runs inside `block_on`.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a future on a separate thread and runtime, which end with it.
fn elsewhere<T, F>(future: impl FnOnce() -> F + Send + 'static) -> thread::JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    thread::spawn(move || runtime().block_on(future()))
}

cases! {
    async fn t7_several_runtimes_at_once_share_one_limit(t: Test) {
        let database = open(&t, "pool_size=2").await;
        let (in_use, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (database, in_use, most) = (database.clone(), Arc::clone(&in_use), Arc::clone(&most));
                elsewhere(move || async move {
                    for _ in 0..15 {
                        let transaction = database.transaction().await.unwrap();
                        most.fetch_max(in_use.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        assert_eq!(transaction.fetch_value::<i64>(select_one(&database), ()).await.unwrap(), 1);
                        assert!(database.status().unwrap().size <= 2);
                        in_use.fetch_sub(1, Ordering::SeqCst);
                        transaction.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("every runtime got its turns");
        }
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
        assert_eq!(database.fetch_value::<i64>(select_one(&database), ()).await.unwrap(), 1);
        let status = database.status().unwrap();
        assert!(status.size <= 2 && status.in_use == 0 && status.waiting == 0, "{status:?}");
    }

    async fn t7_runtimes_one_after_the_other_use_one_database(t: Test) {
        let (database, opened) = numbered(&t, &with(&t.url(), "pool_size=1&pool_timeout=5s")).await;
        for _ in 0..5 {
            let used = database.clone();
            let thread = elsewhere(move || async move {
                for _ in 0..3 {
                    assert_eq!(used.fetch_value::<i64>(select_one(&used), ()).await.unwrap(), 1);
                }
                // One transaction is left half done, and its runtime ends.
                let transaction = used.transaction().await.unwrap();
                transaction.fetch_value::<i64>(select_one(&used), ()).await.unwrap();
                drop(transaction);
            });
            thread.join().unwrap();
        }
        let answer = timeout(LONG, database.fetch_value::<i64>(select_one(&database), ())).await;
        assert_eq!(answer.expect("no hang").unwrap(), 1);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
        assert!(opened.load(Ordering::SeqCst) <= 7, "one for each runtime at most: {opened:?}");
    }

    async fn t7_connections_of_a_runtime_that_ended_are_forgotten(t: Test) {
        let database = open(&t, "pool_size=3&lazy=true").await;
        let used = database.clone();
        let thread = elsewhere(move || async move {
            let held = [hold(&used).await, hold(&used).await, hold(&used).await];
            for held in held {
                held.release().await;
            }
            assert_eq!(numbers(used.status().unwrap()), (3, 3, 0, 0));
        });
        thread.join().unwrap();
        // SQLite's connections, and those of other languages, have threads of their own and serve every runtime.
        let left = if t.backend().is_sqlite() || t.driver().is_some_and(Driver::is_foreign) { 3 } else { 0 };
        assert_eq!(numbers(database.status().unwrap()), (left, left, 0, 0));
        assert_eq!(timeout(LONG, database.fetch_value::<i64>(select_one(&database), ())).await.unwrap().unwrap(), 1);
    }

    async fn t7_a_guard_that_outlives_its_runtime_gives_its_place_back(t: Test) {
        let database = open(&t, "pool_size=1&lazy=true").await;
        database.execute(t.sql("create table {things} (n {int})"), ()).await.unwrap();
        let (used, insert) = (database.clone(), t.sql("insert into {things} values (1)"));
        let thread = elsewhere(move || async move {
            let transaction = used.transaction().await.unwrap();
            transaction.execute(insert, ()).await.unwrap();
            transaction
        });
        let transaction = thread.join().unwrap();
        assert_eq!(numbers(database.status().unwrap()), (1, 0, 1, 0));
        let waiting = caller(&database);
        until("it waits", || database.status().unwrap().waiting == 1).await;
        drop(transaction);
        assert_eq!(timeout(LONG, waiting).await.expect("no hang").unwrap().unwrap(), 1);
        let count: i64 = database.fetch_value(t.sql("select count(*) from {things}"), ()).await.unwrap();
        assert_eq!(count, 0);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
    }

    async fn t7_a_guard_used_after_its_runtime_ended_never_hangs(t: Test) {
        let database = open(&t, "pool_size=1&lazy=true").await;
        let used = database.clone();
        let transaction = elsewhere(move || async move {
            let transaction = used.transaction().await.unwrap();
            transaction.fetch_value::<i64>(select_one(&used), ()).await.unwrap();
            transaction
        });
        let transaction = transaction.join().unwrap();
        let answer = timeout(LONG, transaction.fetch_value::<i64>(select_one(&database), ()).into_future()).await.expect("no hang");
        if t.backend().is_sqlite() || t.driver().is_some_and(Driver::is_foreign) {
            assert_eq!(answer.unwrap(), 1);
        } else {
            let error = answer.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::TransactionEnded), "{error:?}");
            assert!(error.to_string().contains("runtime"), "it says why: {error}");
        }
        drop(transaction);
        assert_eq!(timeout(LONG, caller(&database)).await.unwrap().unwrap().unwrap(), 1);
    }

    async fn t7_idle_connections_of_another_runtime_make_room(t: Test) {
        let database = open(&t, "pool_size=2&lazy=true").await;
        let first = runtime();
        let used = database.clone();
        // The runtime still exists, but no thread drives it.
        let first = thread::spawn(move || {
            first.block_on(async {
                let held = [hold(&used).await, hold(&used).await];
                for held in held {
                    held.release().await;
                }
            });
            first
        });
        let first = first.join().unwrap();
        assert_eq!(numbers(database.status().unwrap()), (2, 2, 0, 0));
        let held = timeout(LONG, async { [hold(&database).await, hold(&database).await] }).await.expect("no hang");
        assert_eq!(numbers(database.status().unwrap()), (2, 0, 2, 0));
        for held in held {
            held.release().await;
        }
        thread::spawn(move || drop(first)).join().unwrap();
        assert_eq!(numbers(database.status().unwrap()), (2, 2, 0, 0));
    }

    async fn t7_one_runtime_waits_for_what_another_gives_back(t: Test) {
        let database = open(&t, "pool_size=1&lazy=true").await;
        let used = database.clone();
        let (runtime, connection) = thread::spawn(move || {
            let runtime = runtime();
            let connection = runtime.block_on(async {
                let connection = used.connection();
                one(&connection).await.unwrap();
                connection
            });
            (runtime, connection)
        })
        .join()
        .unwrap();
        let waiting = caller(&database);
        until("it waits", || database.status().unwrap().waiting == 1).await;
        // Returned to the pool outside of its runtime, which no thread drives.
        thread::spawn(move || drop(connection)).join().unwrap();
        assert_eq!(timeout(LONG, waiting).await.expect("no hang").unwrap().unwrap(), 1);
        // A connection that was handed over is cleaned on its current runtime, not on the one it came from.
        drop(database.transaction().await.unwrap());
        assert_eq!(timeout(LONG, caller(&database)).await.expect("no hang").unwrap().unwrap(), 1);
        thread::spawn(move || drop(runtime)).join().unwrap();
        assert_eq!(timeout(LONG, caller(&database)).await.expect("no hang").unwrap().unwrap(), 1);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
    }

    async fn t7_a_connection_handed_over_is_cleaned_by_its_new_runtime(t: Test) {
        let database = open(&t, "pool_size=1&lazy=true&pool_timeout=5s").await;
        let used = database.clone();
        let (runtime, connection) = thread::spawn(move || {
            let runtime = runtime();
            let connection = runtime.block_on(async {
                let connection = used.connection();
                one(&connection).await.unwrap();
                connection
            });
            (runtime, connection)
        })
        .join()
        .unwrap();
        {
            let begin = database.transaction().into_future();
            let mut begin = pin!(begin);
            assert!(poll_once(&mut begin).await.is_pending());
            thread::spawn(move || drop(connection)).join().unwrap();
            drop(timeout(LONG, begin).await.expect("no hang").unwrap());
        }
        // The guard is dropped; the runtime that opened the connection is not driven and cannot clean it.
        assert_eq!(caller(&database).await.unwrap().unwrap(), 1);
        thread::spawn(move || drop(runtime)).join().unwrap();
    }

    async fn t7_a_runtime_that_ends_with_work_under_way_leaves_the_pool_whole(t: Test) {
        let database = open(&t, "pool_size=2&lazy=true").await;
        let used = database.clone();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                // Tasks that hold everything, and tasks that wait, when the runtime ends.
                let held = [hold(&used).await, hold(&used).await];
                let askers = [caller(&used), caller(&used)];
                until("two wait", || used.status().unwrap().waiting == 2).await;
                drop((held, askers));
            });
            drop(runtime);
        });
        thread.join().unwrap();
        let held = timeout(LONG, async { [hold(&database).await, hold(&database).await] }).await.expect("no hang");
        assert_eq!(numbers(database.status().unwrap()), (2, 0, 2, 0));
        for held in held {
            held.release().await;
        }
    }

    async fn t7_outside_of_a_runtime_it_says_so(t: Test) {
        let database = open(&t, "lazy=true").await;
        let thread = thread::spawn(move || {
            // Polled by hand, without a runtime.
            let mut query = pin!(database.fetch_value::<i64>(select_one(&database), ()).into_future());
            query.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        });
        let Poll::Ready(Err(error)) = thread.join().expect("no panic") else { panic!("no error at once") };
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("tokio runtime") && error.to_string().contains(file!()), "{error}");
    }
}
