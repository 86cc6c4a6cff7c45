//! Callbacks whose runtime ends, or whose transaction is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ebbtide::{Config, Transaction};
use futures::future::try_join_all;
use tokio::runtime::Builder;

use super::pool::polled;
use super::regressions::SOON;
use super::sandbox::seen;
use super::tasks::{add, in_task, in_use, let_others_run, notes, notes_with, soon, until};
use crate::support::cases;

cases! {
    /// A callback that can no longer run is dropped with all it holds, and that may be the next transaction.
    async fn x9_callbacks_that_hold_guards_end_with_their_runtime(t: Test) {
        let database = notes_with(&t, Config::from_url(t.url()).unwrap().pool_size(3)).await;
        for threads in [0, 1] {
            let database = database.clone();
            let thread = std::thread::spawn(move || {
                let mut builder = if threads == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
                let runtime = builder.enable_all().build().unwrap();
                let (held, holds) = std::sync::mpsc::channel();
                runtime.block_on(async {
                    let mut last: Option<Transaction> = None;
                    for _ in 0..3 {
                        let begun = in_task({
                            let database = database.clone();
                            async move { database.transaction().deferred().await.unwrap() }
                        })
                        .await;
                        if let Some(last) = last.take() {
                            begun.on_rollback(async move || drop(last)).unwrap();
                            begun.on_rollback(async || std::future::pending().await).unwrap();
                        }
                        last = Some(begun);
                    }
                    tokio::spawn(async move {
                        held.send(()).unwrap();
                        std::future::pending::<()>().await;
                        drop(last);
                    });
                    tokio::task::yield_now().await;
                });
                holds.recv_timeout(SOON).unwrap();
                drop(runtime);
            });
            tokio::task::spawn_blocking(move || thread.join()).await.unwrap().expect("no stack overflow, no panic");
        }
        until("every connection is back", || in_use(&database) == 0).await;
        let all = (0..3).map(|_| database.transaction().deferred().run(async |transaction: Transaction| {
            transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await
        }));
        soon("three connections", try_join_all(all)).await.unwrap();
        database.execute(add(&t, "nobody locks"), ()).await.unwrap();
    }

    /// In a sandbox there is one connection, so the callback of the outer transaction holds the inner one.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_callbacks_in_a_sandbox_that_hold_guards_end_with_their_runtime(t: Test) {
        let parent = notes_with(&t, Config::from_url(t.url()).unwrap().pool_size(1)).await;
        let sandbox = parent.sandbox().await.unwrap();
        let (used, sql) = (sandbox.clone(), add(&t, "undone"));
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let outer = used.transaction().await.unwrap();
                outer.execute(sql, ()).await.unwrap();
                let inner = used.transaction().await.unwrap();
                inner.on_rollback(async || std::future::pending().await).unwrap();
                outer.on_rollback(async move || drop(inner)).unwrap();
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(outer);
                });
                tokio::task::yield_now().await;
            });
            drop(runtime);
        });
        tokio::task::spawn_blocking(move || thread.join()).await.unwrap().expect("no stack overflow, no panic");
        soon("the sandbox", sandbox.execute(add(&t, "next"), ())).await.unwrap();
        assert_eq!(seen(&t, &sandbox).await, "next");
        sandbox.disconnect().await.unwrap();
        let next = parent.sandbox().await.unwrap();
        assert_eq!(seen(&t, &next).await, "");
    }

    /// After a rollback it is certain that nothing is kept, wherever it was cut off.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_callbacks_of_a_rollback_cut_off_run_once(t: Test) {
        let plain = notes(&t).await;
        for database in [plain.clone(), plain.sandbox().await.unwrap()] {
            for (polls, again) in (0..10).flat_map(|polls| [(polls, false), (polls, true)]) {
                let (undone, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
                let count = |counter: &Arc<AtomicUsize>| {
                    let counter = Arc::clone(counter);
                    async move || {
                        counter.fetch_add(1, Ordering::SeqCst);
                    }
                };
                let transaction = database.transaction().await.unwrap();
                transaction.execute(add(&t, "undone"), ()).await.unwrap();
                transaction.on_rollback(count(&undone)).unwrap();
                transaction.on_commit(count(&committed)).unwrap();
                polled(Box::pin(transaction.rollback()), polls).await;
                if again {
                    // It may report that the transaction has already ended.
                    let _ = transaction.rollback().await;
                }
                drop(transaction);
                until("the callback ran", || undone.load(Ordering::SeqCst) > 0).await;
                assert_eq!(seen(&t, &database).await, "", "after {polls} polls");
                let_others_run().await;
                let counts = (undone.load(Ordering::SeqCst), committed.load(Ordering::SeqCst));
                assert_eq!(counts, (1, 0), "after {polls} polls, again: {again}");
            }
        }
    }
}
