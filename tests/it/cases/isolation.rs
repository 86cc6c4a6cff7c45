//! Full isolation: the connection of force rollback lives on a thread of its own, and any thread or runtime may use it.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ebbtide::{Config, Database, Error, ErrorKind, Result, Transaction};
use futures::executor::block_on;
use futures::{FutureExt as _, TryStreamExt as _};
use tokio::runtime::Builder;

use super::sandbox::{seen, slow};
use super::tasks::{add, config, count, in_task, kept, kind, list, soon};
use crate::drivers::Driver;
use crate::support::{SilentServer, Test, cases};

pub(super) fn isolated(t: &Test) -> Config {
    config(t).force_rollback(true).full_isolation(true)
}

/// Returns an isolated database that has the table `notes`; the table itself is committed.
pub(super) async fn isolated_notes(t: &Test, config: Config) -> Database {
    let database = Database::connect(config).await.expect("the database");
    let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
    database
        .force_rollback(false)
        .run(database.execute(create, ()).into_future())
        .await
        .expect("the table");
    database
}

/// Runs a closure on a plain thread, where there is no runtime.
pub(super) fn off_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // Scoped, so that the closure may borrow; the runtime of the test has other threads, if it needs them.
    thread::scope(|scope| {
        scope
            .spawn(|| {
                assert!(tokio::runtime::Handle::try_current().is_err());
                work()
            })
            .join()
            .expect("no panic")
    })
}

/// Returns a statement that does not end for a long time.
pub(super) fn endless(t: &Test) -> &'static str {
    match t.backend().family() {
        "postgres" => "select count(*) from (select pg_sleep(3)) as s",
        "mysql" => "select sleep(3)",
        _ if matches!(t.driver(), Some(Driver::Hsqldb | Driver::Derby)) => {
            "select count(*) from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) a (n), (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) b (n),
             (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) c (n), (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) d (n),
             (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) e (n), (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) f (n),
             (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) g (n), (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) h (n)"
        }
        _ => "with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000000) select count(*) from n",
    }
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_several_runtimes_and_threads_use_one_connection_at_once(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t).lease_timeout(Duration::from_secs(30))).await;
        let (used, t) = (&database, &t);
        let one = move |name: String| async move {
            let work = async |transaction: Transaction| {
                transaction.execute(add(t, format!("{name}a")), ()).await?;
                used.execute(add(t, format!("{name}b")), ()).await?;
                Ok::<_, Error>(())
            };
            used.transaction().run(work).await?;
            used.execute(add(t, format!("{name}c")), ()).await.map(drop)
        };
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for thread in 0..6 {
                threads.push(scope.spawn(move || -> Result<()> {
                    for number in 0..5 {
                        let name = format!("{thread}{number}");
                        if thread % 2 == 0 {
                            block_on(one(name))?;
                        } else {
                            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
                            runtime.block_on(one(name))?;
                        }
                    }
                    Ok(())
                }));
            }
            threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })?;
        assert_eq!(database.fetch_value::<i64>(count(t), ()).await?, 6 * 5 * 3);
        soon("disconnect", database.disconnect()).await?;
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_the_connection_survives_the_runtime_that_used_it_first(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t)).await;
        let (used, sql, slow) = (database.clone(), add(&t, "a"), slow(&t));
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                used.execute(sql, ()).await.expect("it writes");
                // It is cut off in the middle of a statement.
                let _ = tokio::time::timeout(Duration::from_millis(20), used.execute(slow, ()).into_future()).await;
            });
        });
        soon("the thread", tokio::task::spawn_blocking(move || thread.join())).await.expect("no panic").expect("no panic");
        assert_eq!(soon("the sandbox", database.fetch_value::<String>(list(&t), ())).await?, "a");
        Ok(())
    }

    /// A transaction that begins on one runtime continues on another, and ends where there is none.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_a_transaction_outlives_the_runtime_it_began_on(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t)).await;
        for how in ["commit", "rollback", "drop"] {
            let (used, sql) = (database.clone(), [add(&t, format!("{how}1")), add(&t, format!("{how}2"))]);
            let thread = thread::spawn(move || -> Result<()> {
                let [one, two] = sql;
                let runtime = || Builder::new_current_thread().enable_all().build().expect("a runtime");
                let transaction = runtime().block_on(async {
                    let transaction = used.transaction().await?;
                    transaction.execute(one, ()).await?;
                    Ok::<_, Error>(transaction)
                })?;
                runtime().block_on(transaction.execute(two, ()).into_future())?;
                match how {
                    "commit" => block_on(transaction.commit()),
                    "rollback" => block_on(transaction.rollback()),
                    _ => Ok(drop(transaction)),
                }
            });
            soon("the thread", tokio::task::spawn_blocking(move || thread.join()))
                .await
                .expect("no panic")
                .expect("no panic")?;
            assert_eq!(soon("the sandbox", database.fetch_value::<String>(list(&t), ())).await?, "commit1,commit2");
        }
        Ok(())
    }

    // Definitions commit there, so that a sandbox refuses them.
    #[except(jdbc_h2, jdbc_hsqldb)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i2_it_can_be_started_again(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t)).await;
        for round in 0..3 {
            if t.can_observe() {
                database.execute(add(&t, "a"), ()).await?;
                assert_eq!(seen(&t, &database).await, "a", "round {round}");
            } else {
                database.execute("create table scratch (n int)", ()).await?;
            }
            assert!(soon("disconnect", database.disconnect()).await?);
            assert_eq!(kind(&database.execute("select 1", ()).await), Some(ErrorKind::NotConnected));
            Database::connect(&database).await?;
        }
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
        }
        Ok(())
    }

    /// The error of connecting is passed on, with its cause.
    #[only(postgres, mysql)]
    async fn i2_a_start_failure_carries_its_cause(t: Test) -> Result<()> {
        let nowhere = isolated(&t).port(1).lazy(true);
        let database = Database::connect(nowhere).await?;
        for _ in 0..2 {
            let error = soon("the first use", database.execute("select 1", ())).await.expect_err("no server is there");
            assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
            assert!(std::error::Error::source(&error).is_some(), "{error:?}");
        }
        let t = &t;
        let used = &database;
        let error = off_runtime(|| block_on(used.execute("select 1", ()).into_future())).expect_err("no server is there");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        soon("disconnect", database.disconnect()).await?;
        // A server that accepts and never answers.
        let silent = SilentServer::start().expect("a silent server");
        let config = Config::from_url(silent.url(t.backend().family()).as_str())?
            .force_rollback(true)
            .full_isolation(true)
            .lazy(true)
            .connect_timeout(Duration::from_millis(200));
        let database = Database::connect(config).await?;
        let used = &database;
        let error = off_runtime(|| block_on(used.execute("select 1", ()).into_future())).expect_err("it is silent");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn i2_a_connection_that_dies_is_an_error_and_no_hang(t: Test) -> Result<()> {
        let proxy = crate::support::Proxy::start(&t.url());
        let config = Config::from_url(proxy.url().as_str())?.force_rollback(true).full_isolation(true);
        let database = isolated_notes(&t, config).await;
        database.execute(add(&t, "a"), ()).await?;
        proxy.cut();
        let first = soon("the first", database.fetch_value::<i64>(count(&t), ())).await.expect_err("it is cut");
        let later = soon("a later one", database.fetch_value::<i64>(count(&t), ())).await.expect_err("it is broken");
        assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{first:?}, {later:?}");
        soon("disconnect", database.disconnect()).await?;
        Database::connect(&database).await?;
        assert_eq!(seen(&t, &database).await, "");
        Ok(())
    }

    /// A lock of the standard library, and a runtime whose single thread is blocked.
    #[current_thread]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i3_blocking_locks_of_the_caller_do_not_stop_it(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t)).await;
        let lock = Arc::new(Mutex::new(0_i64));
        let (other, shared, sql) = (database.clone(), Arc::clone(&lock), add(&t, "b"));
        let held = lock.lock().expect("no panic");
        // Another task waits for the same lock when it gets its turn; so does another thread.
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                let mut count = shared.lock().expect("no panic");
                *count += 1;
            }
        });
        let thread = thread::spawn(move || {
            block_on(async {
                let done = other.execute(sql, ()).await;
                *shared.lock().expect("no panic") += 1;
                done
            })
        });
        // This blocks the only thread of the runtime while it holds the lock.
        block_on(async {
            database.execute(add(&t, "a"), ()).await?;
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "c"), ()).await?;
            transaction.commit().await
        })?;
        let rows: Vec<_> = block_on(database.iterate(t.sql("select body from {notes}"), ()).try_collect())?;
        assert!(rows.len() >= 2);
        drop(held);
        thread.join().expect("no panic")?;
        task.await.expect("no panic");
        assert_eq!(*lock.lock().expect("no panic"), 2);
        assert_eq!(seen(&t, &database).await, "a,b,c");
        Ok(())
    }

    /// A statement, and the end of a transaction, that were sent give the connection back when they are answered, whatever
    /// their caller's thread does.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i3_an_answered_call_gives_the_connection_back_while_its_thread_is_blocked_found_e5(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t).lease_timeout(Duration::from_mins(1))).await;
        let use_elsewhere = |body: &'static str| {
            let (database, sql) = (database.clone(), add(&t, body));
            let thread = thread::spawn(move || block_on(database.execute(sql, ()).into_future()));
            // Blocks the only thread of this runtime.
            thread.join().expect("no panic")
        };
        // The first poll sends it. It may be answered by then, and is polled again only after the other thread's.
        let mut statement = database.execute(add(&t, "a"), ()).into_future();
        let early = (&mut statement).now_or_never();
        use_elsewhere("b")?;
        match early {
            Some(done) => done?,
            None => statement.await?,
        };

        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "c"), ()).await?;
        let mut end = transaction.commit().into_future();
        let early = (&mut end).now_or_never();
        use_elsewhere("d")?;
        match early {
            Some(done) => done?,
            None => end.await?,
        }
        assert_eq!(seen(&t, &database).await, "a,b,c,d");

        // One that is dropped before its turn is not run.
        let transaction = database.transaction().await?;
        let (other, sql) = (database.clone(), add(&t, "never"));
        let waiting = in_task(async move { other.execute(sql, ()).into_future().now_or_never().is_none() }).await;
        assert!(waiting, "another task has to wait for the transaction");
        transaction.commit().await?;
        use_elsewhere("e")?;
        assert_eq!(seen(&t, &database).await, "a,b,c,d,e");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i4_the_limit_of_one_wait_turns_lock_ups_into_errors(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t).result_timeout(Duration::from_millis(300))).await;
        database.execute(add(&t, "a"), ()).await?;
        let since = Instant::now();
        let error = soon("the statement", database.fetch_all(endless(&t), ())).await.expect_err("it takes too long");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(error.message().contains("result_timeout"), "{error}");
        assert!(since.elapsed() < Duration::from_secs(5), "after {:?}", since.elapsed());
        let error = soon("a later one", database.fetch_value::<i64>(count(&t), ())).await.expect_err("it is broken");
        assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{error:?}");
        assert!(error.message().contains("result_timeout"), "it says why: {error}");
        soon("disconnect", database.disconnect()).await?;
        Database::connect(&database).await?;
        // An abandoned statement continues on its thread for a while and keeps its locks; the limit also holds for
        // waiters.
        for _ in 0..60 {
            let sql = if t.can_observe() { count(&t) } else { t.sql("select 0 {from}") };
            match soon("a new one", database.fetch_value::<i64>(sql, ())).await {
                Ok(count) => {
                    assert_eq!(count, 0);
                    return Ok(());
                }
                Err(error) => assert!(t.backend().is_sqlite(), "{error:?}"),
            }
            soon("disconnect", database.disconnect()).await?;
            Database::connect(&database).await?;
        }
        panic!("it never comes back")
    }

    #[only(postgres, mysql)]
    async fn i4_a_server_that_falls_silent_is_an_error(t: Test) -> Result<()> {
        let proxy = crate::support::Proxy::start(&t.url());
        let config = Config::from_url(proxy.url().as_str())?
            .force_rollback(true)
            .full_isolation(true)
            .result_timeout(Duration::from_millis(300));
        let database = isolated_notes(&t, config).await;
        database.execute(add(&t, "a"), ()).await?;
        let transaction = database.transaction().await?;
        proxy.hold_answers();
        let error = soon("the statement", transaction.fetch_value::<i64>(count(&t), ())).await.expect_err("silence");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        soon("the commit", transaction.commit()).await.expect_err("it is gone");
        soon("the sandbox", database.execute("select 1", ())).await.expect_err("it is gone");
        proxy.resume();
        soon("disconnect", database.disconnect()).await?;
        Database::connect(&database).await?;
        assert_eq!(seen(&t, &database).await, "");
        Ok(())
    }
}
