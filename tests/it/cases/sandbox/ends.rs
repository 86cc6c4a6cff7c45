//! T7: every way in which a sandbox ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ebbtide::{Database, Error, ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::{narrow, seen, slow};
use crate::cases::tasks::{add, count, in_task, kept, list, notes, notes_with, soon, until};
use crate::support::{Proxy, Test, cases};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Checks that the next sandbox gets the connection, and sees nothing of the last one.
async fn next_is_clean(t: &Test, parent: &Database) {
    let next = parent.sandbox().await.expect("a sandbox");
    assert_eq!(
        soon("the next sandbox", next.fetch_value::<String>(list(t), ()))
            .await
            .expect("it is usable"),
        ""
    );
    next.execute(add(t, "next"), ()).await.expect("it can be written");
    assert_eq!(seen(t, &next).await, "next");
    next.disconnect().await.expect("it ends");
    assert_eq!(kept(t, parent).await, "");
}

/// Never returns: a statement may end before the runtime does, and the task must still exist then.
async fn unreachable_unless_fast() {
    std::future::pending::<()>().await;
}

cases! {
    #[limit(150)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn t7_two_hundred_sandboxes_on_eight_threads_share_four_connections(t: Test) -> Result<()> {
        let proxy = t.backend().is_server().then(|| Proxy::start(&t.url()));
        let url = proxy.as_ref().map_or_else(|| t.url(), Proxy::url);
        let config = ebbtide::Config::from_url(url.as_str())?.pool_size(4).pool_timeout(Duration::from_mins(1));
        let database = notes_with(&t, config).await;
        // The parent's own connection stays open in addition to those of the sandboxes.
        let own = database.status()?.size;
        let (most, t) = (AtomicUsize::new(0), &t);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (database, proxy, most) = (&database, &proxy, &most);
                scope.spawn(move || {
                    for number in 0..25 {
                        let runtime = runtime();
                        let left = runtime.block_on(async {
                            let sandbox = database.sandbox().await.expect("a sandbox");
                            sandbox.execute(add(t, format!("{thread}-{number}")), ()).await.expect("a note");
                            let transaction = sandbox.transaction().await.expect("a transaction");
                            transaction.execute(add(t, format!("{thread}-{number}-t")), ()).await.expect("a note");
                            if number % 3 > 0 {
                                transaction.commit().await.expect("it commits");
                            }
                            let expected = if number % 3 > 0 { 2 } else { 1 };
                            let guard = (number % 3 == 0).then_some(transaction);
                            if guard.is_none() {
                                assert_eq!(sandbox.fetch_value::<i64>(count(t), ()).await.expect("a count"), expected);
                            }
                            if let Some(proxy) = proxy {
                                most.fetch_max(proxy.open_connections(), Ordering::SeqCst);
                            }
                            match number % 4 {
                                0 => {
                                    drop(guard);
                                    assert!(sandbox.disconnect().await.expect("it ends"));
                                    None
                                }
                                1 => {
                                    drop((guard, sandbox));
                                    None
                                }
                                // They outlive their runtime.
                                _ => Some((guard, sandbox)),
                            }
                        });
                        if number % 4 == 2 {
                            drop(left);
                            drop(runtime);
                        } else {
                            drop(runtime);
                            drop(left);
                        }
                    }
                });
            }
        });
        let most = most.load(Ordering::SeqCst);
        assert!(most <= 4 + own, "{most} connections were open");
        assert_eq!(kept(t, &database).await, "");
        soon("disconnect", database.disconnect()).await?;
        if let Some(proxy) = &proxy {
            until("every connection is closed", || proxy.open_connections() == 0).await;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t7_a_runtime_shut_down_in_the_middle_of_a_statement(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for _ in 0..3 {
            let sandbox = database.sandbox().await?;
            let (used, sql, slow) = (sandbox.clone(), add(&t, "a"), slow(&t));
            let (begun, signal) = oneshot::channel();
            let thread = thread::spawn(move || {
                let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
                runtime.spawn(async move {
                    let transaction = used.transaction().await.expect("it begins");
                    transaction.execute(sql, ()).await.expect("it writes");
                    begun.send(()).expect("the test waits");
                    let _ = transaction.fetch_all(slow, ()).await;
                    unreachable_unless_fast().await;
                });
                signal.blocking_recv().expect("it came so far");
                runtime.shutdown_timeout(Duration::from_secs(5));
            });
            soon("the thread", tokio::task::spawn_blocking(move || thread.join())).await.expect("no panic").expect("no panic");
            // Its transaction has ended, and the sandbox is usable from here.
            assert_eq!(soon("the sandbox", sandbox.fetch_value::<String>(list(&t), ())).await?, "");
            sandbox.execute(add(&t, "b"), ()).await?;
            drop(sandbox);
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t7_a_task_that_panics(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for shape in 0..3 {
            let (parent, sql) = (database.clone(), [add(&t, "a"), add(&t, "b")]);
            let task = tokio::spawn(async move {
                let [one, two] = sql;
                let sandbox = parent.sandbox().await.expect("a sandbox");
                sandbox.execute(one, ()).await.expect("it writes");
                assert!(shape != 0, "in the sandbox");
                let transaction = sandbox.transaction().await.expect("it begins");
                transaction.execute(two, ()).await.expect("it writes");
                assert!(shape != 1, "in a transaction");
                let _ = transaction.transaction().run(async |_| -> Result<()> { panic!("in a closure") }).await;
            });
            assert!(task.await.expect_err("it panics").is_panic());
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // The library makes private copies of SQLite databases only through sqlx, so the guard keeps the turn to write.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    async fn t7_a_forgotten_guard_keeps_nothing(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for disconnected in [true, false] {
            let sandbox = database.sandbox().await?;
            let (used, sql) = (sandbox.clone(), add(&t, "a"));
            in_task(async move {
                let transaction = used.transaction().await?;
                transaction.execute(sql, ()).await?;
                std::mem::forget(transaction);
                Ok::<_, Error>(())
            })
            .await?;
            if disconnected {
                soon("disconnect", sandbox.disconnect()).await?;
            }
            drop(sandbox);
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // The library makes private copies of SQLite databases only through sqlx, so the guard keeps the turn to write.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    async fn t7_a_guard_that_outlives_its_sandbox_says_so(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let connection = transaction.connection();
        drop(sandbox);
        let error = soon("the guard", transaction.execute(add(&t, "b"), ())).await.expect_err("its sandbox is gone");
        assert!(error.to_string().contains("disconnected"), "{error}");
        soon("the connection", connection.execute(add(&t, "b"), ())).await.expect_err("its sandbox is gone");
        soon("the commit", transaction.commit()).await.expect_err("its sandbox is gone");
        next_is_clean(&t, &database).await;
        drop((transaction, connection));
        next_is_clean(&t, &database).await;
        Ok(())
    }

    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t7_sandboxes_outlive_the_handle_of_their_parent_but_not_its_connection(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let other = database.clone();
        let (first, second) = (database.sandbox().await?, database.sandbox().await?);
        first.execute(add(&t, "first"), ()).await?;
        second.execute(add(&t, "second"), ()).await?;
        drop(other);
        // The one in use and the one not yet used.
        let third = database.sandbox().await?;
        let waiting = second.transaction().await?;
        assert!(soon("disconnect", database.disconnect()).await?);
        soon("a sandbox", third.fetch_value::<i64>(count(&t), ())).await.expect_err("its parent is disconnected");
        if t.backend().is_server() {
            // A private copy of a SQLite database does not depend on its parent.
            soon("a sandbox", first.fetch_value::<i64>(count(&t), ())).await.expect_err("its parent is disconnected");
            soon("a guard", waiting.execute(add(&t, "x"), ())).await.expect_err("its parent is disconnected");
        }
        drop(waiting);
        let late = database.sandbox().await;
        assert_eq!(late.err().map(|error| error.kind()), Some(ErrorKind::NotConnected));
        soon("its end", first.disconnect()).await?;
        drop((second, third));
        Database::connect(&database).await?;
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
            Database::connect(&first).await?;
            assert_eq!(seen(&t, &first).await, "", "it can be opened again");
        }
        drop(database);
        if t.can_observe() {
            assert_eq!(seen(&t, &first).await, "", "a sandbox keeps its parent");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t7_a_sandbox_is_given_back_after_its_runtime_is_gone(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for in_transaction in [false, true] {
            let (parent, sql) = (database.clone(), [add(&t, "a"), add(&t, "b")]);
            let thread = thread::spawn(move || {
                let runtime = runtime();
                let left = runtime.block_on(async {
                    let [one, two] = sql;
                    let sandbox = parent.sandbox().await.expect("a sandbox");
                    sandbox.execute(one, ()).await.expect("it writes");
                    let mut guard = None;
                    if in_transaction {
                        let transaction = sandbox.transaction().await.expect("it begins");
                        transaction.execute(two, ()).await.expect("it writes");
                        guard = Some(transaction);
                    }
                    (guard, sandbox)
                });
                drop(runtime);
                drop(left);
            });
            soon("the thread", tokio::task::spawn_blocking(move || thread.join())).await.expect("no panic").expect("no panic");
            next_is_clean(&t, &database).await;
        }
        Ok(())
    }
}
