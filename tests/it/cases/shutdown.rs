//! L9: the end of a database beside work in progress, and databases for the time of one closure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{Config, Database, Error, ErrorKind, Result};
use futures::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::closing::is_not_connected;
use super::lifecycle::{answers, dead_url, until_all_is_closed, watched};
use super::pool::{LONG, hold, open, select_one, until};
use super::tasks::{add, config, kept, line_below, notes, notes_with, numbers};
use crate::support::{Test, Watcher, cases};

/// A transaction in a task of its own, which has written.
struct InProgress {
    place: String,
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

async fn in_progress(t: &Test, database: &Database) -> InProgress {
    let (begun, has_begun) = oneshot::channel();
    let (end, may_end) = oneshot::channel::<()>();
    let (database, first, second) = (database.clone(), add(t, "first"), add(t, "second"));
    let place = Arc::new(std::sync::Mutex::new(String::new()));
    let noted = Arc::clone(&place);
    let task = tokio::spawn(async move {
        *noted.lock().unwrap() = line_below();
        let transaction = database.transaction();
        transaction
            .run(async |_| {
                database.execute(first, ()).await?;
                begun.send(()).unwrap();
                let _ = may_end.await;
                database.execute(second, ()).await?;
                // A savepoint needs no other connection.
                database
                    .transaction()
                    .run(async |inner| inner.execute(select_one(&database), ()).await)
                    .await
                    .map(drop)
            })
            .await
    });
    has_begun.await.expect("it has begun");
    let place = place.lock().unwrap().clone();
    InProgress { place, end, task }
}

fn warnings(watcher: &Watcher) -> Vec<String> {
    let events = watcher.events("ebbtide::database::shutdown");
    events.iter().map(|event| event.field("message").to_owned()).collect()
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn l9_disconnect_waits_for_a_transaction_in_progress_found_n3(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let work = in_progress(&t, &database).await;
        let closing = tokio::spawn({
            let database = database.clone();
            async move { database.disconnect().await }
        });
        until("nothing new begins", || !database.is_connected()).await;
        assert!(is_not_connected(database.execute(t.sql("select 1 {from}"), ()).await), "at once");
        assert!(is_not_connected(database.transaction().await.map(drop)));
        sleep(Duration::from_millis(50)).await;
        assert!(!closing.is_finished(), "it waits");
        work.end.send(()).expect("it waits");
        work.task.await.expect("no panic")?;
        assert!(timeout(LONG, closing).await.expect("no hang").expect("no panic")?);
        if t.can_observe() {
            database.connect().await?;
            assert_eq!(kept(&t, &database).await, "first,second");
            database.disconnect().await?;
        }
        Ok(())
    }

    async fn l9_disconnect_waits_for_statements_streams_and_connections_found_n3(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let held = hold(&database).await;
        let mut rows = database.iterate(numbers(&t, 2), ());
        let first = futures::StreamExt::next(&mut rows).await.expect("a row")?;
        assert_eq!(first.get::<i64>(0)?, 1);
        let closing = tokio::spawn({
            let database = database.clone();
            async move { database.disconnect().await }
        });
        until("nothing new begins", || !database.is_connected()).await;
        held.release().await;
        sleep(Duration::from_millis(30)).await;
        assert!(!closing.is_finished(), "the stream is open");
        assert_eq!(futures::TryStreamExt::try_collect::<Vec<_>>(rows).await?.len(), 1, "and can be read to its end");
        assert!(timeout(LONG, closing).await.expect("no hang").expect("no panic")?);
        Ok(())
    }

    async fn l9_disconnect_names_what_it_gave_up_found_f8(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).disconnect_timeout(Duration::from_millis(100))).await;
        let watcher = Watcher::default();
        let work = in_progress(&t, &database).await;
        let (started, closed) = (Instant::now(), watcher.watch(database.disconnect()).await?);
        assert!(closed && started.elapsed() >= Duration::from_millis(100));
        let warned = warnings(&watcher);
        assert!(warned.len() == 1 && warned[0].contains(&work.place), "{} in {warned:?}", work.place);
        assert!(warned[0].contains("1 connection ") && warned[0].contains("disconnect_timeout"), "{warned:?}");
        work.end.send(()).expect("it waits");
        let ended = timeout(LONG, work.task).await.expect("no hang").expect("no panic");
        // Plain calls no longer find the database. What goes through the transaction itself can go on.
        assert!(is_not_connected(ended), "the rest of the work is refused");
        Ok(())
    }

    async fn l9_disconnect_does_not_wait_for_its_own_caller_found_f8(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await?;
        let watcher = Watcher::default();
        let place = line_below();
        let transaction = database.transaction().await?;
        assert!(timeout(Duration::from_secs(5), watcher.watch(database.disconnect())).await.expect("at once")?);
        let warned = warnings(&watcher);
        assert!(warned.len() == 1 && warned[0].contains(&place), "{warned:?}");
        transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
        transaction.commit().await?;
        drop(transaction);
        until_all_is_closed(&t, proxy.as_ref()).await;

        let database = Database::connect(url.as_str()).await?;
        let inside = database.clone();
        let run = database.transaction().run(async |_| inside.disconnect().await);
        assert!(timeout(Duration::from_secs(5), run).await.expect("at once")?, "in a closure");
        until_all_is_closed(&t, proxy.as_ref()).await;
        Ok(())
    }

    // In memory a transaction that has written keeps the others out.
    #[except(sqlite_memory)]
    async fn l2_disconnect_now_closes_the_connections_in_use_found_f8(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await?;
        database.execute(t.sql("create table {notes} (id {id}, body {key} not null unique)"), ()).await?;
        let connection = database.connection();
        connection.execute("select 1", ()).await?;
        let outer = connection.transaction().await?;
        outer.execute(add(&t, "lost"), ()).await?;
        let inner = outer.transaction().await?;
        inner.execute(add(&t, "lost too"), ()).await?;
        let held = hold(&database).await;
        let watcher = Watcher::default();
        assert!(timeout(Duration::from_secs(5), watcher.watch(database.disconnect_now())).await.expect("at once")?);
        let warned = warnings(&watcher);
        assert!(warned.len() == 1 && warned[0].contains("2 connections"), "{warned:?}");
        assert!(warned[0].contains("shutdown.rs:") && warned[0].contains("pool.rs:"), "{warned:?}");
        until_all_is_closed(&t, proxy.as_ref()).await;
        for used in [
            inner.execute("select 1", ()).await.map(drop),
            inner.commit().await,
            inner.rollback().await,
            outer.commit().await,
            connection.execute("select 1", ()).await.map(drop),
        ] {
            assert!(is_not_connected(used));
        }
        held.release().await;
        drop((inner, outer, connection));
        if t.can_observe() {
            database.connect().await?;
            assert_eq!(kept(&t, &database).await, "");
            database.disconnect().await?;
        }
        Ok(())
    }

    async fn l2_disconnect_now_frees_the_locks_of_a_forgotten_guard_found_f8(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        std::mem::forget(transaction);
        assert!(database.disconnect_now().await?);
        if t.can_observe() {
            database.connect().await?;
            let other = database.clone();
            let again = add(&t, "a");
            let written = tokio::spawn(async move { other.execute(again, ()).await });
            timeout(Duration::from_secs(5), written).await.expect("no lock is left").expect("no panic")?;
            assert_eq!(kept(&t, &database).await, "a");
            database.disconnect().await?;
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn l2_disconnect_now_closes_a_connection_after_the_statement_on_it_found_f8(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let database = Database::connect(url.as_str()).await?;
        let long = if t.backend().is_mysql() { "select sleep(0.5)" } else { "select pg_sleep(0.5)" };
        let connection = database.connection();
        let transaction = connection.transaction().await?;
        let mut statement = Box::pin(transaction.execute(long, ()).into_future());
        assert!(statement.as_mut().now_or_never().is_none());
        assert!(database.disconnect_now().await?);
        statement.await?;
        assert!(is_not_connected(transaction.commit().await));
        until_all_is_closed(&t, proxy.as_ref()).await;
        assert!(is_not_connected(connection.execute("select 1", ()).await));
        Ok(())
    }

    async fn l9_disconnect_now_ends_the_wait_of_disconnect_found_n3(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let work = in_progress(&t, &database).await;
        let closing = tokio::spawn({
            let database = database.clone();
            async move { database.disconnect().await }
        });
        until("it waits", || !database.is_connected()).await;
        assert!(!timeout(Duration::from_secs(5), database.disconnect_now()).await.expect("at once")?);
        assert!(closing.await.expect("no panic")?, "the first caller closed it");
        work.end.send(()).expect("it waits");
        assert!(is_not_connected(work.task.await.expect("no panic")));
        Ok(())
    }

    async fn l9_a_cancelled_disconnect_has_disconnected(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let work = in_progress(&t, &database).await;
        assert!(timeout(Duration::from_millis(50), database.disconnect()).await.is_err());
        assert!(!database.is_connected());
        database.connect().await?;
        assert!(answers(&database).await, "it can be connected again");
        // What its plain calls would do now is another matter: they would be those of the new connection.
        work.task.abort();
        assert!(timeout(LONG, work.task).await.expect("no hang").is_err());
        assert!(database.disconnect().await?);
        Ok(())
    }

    // Their databases are in memory: nobody can be away.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // Its database is a file: nobody can be away.
    #[except(dbapi2_duckdb)]
    async fn l9_connect_is_a_method_too_and_counted(t: Test) -> Result<()> {
        let database = Database::new(t.url())?;
        database.connect().await?;
        Database::connect(&database).await?;
        database.connect().await?;
        assert!(!database.disconnect().await? && !database.disconnect().await?);
        assert!(answers(&database).await);
        assert!(database.disconnect().await?);
        let dead = Database::new(dead_url(&t))?;
        assert!(dead.connect().await.is_err());
        assert!(!dead.is_connected());
        Ok(())
    }

    async fn l9_with_disconnects_on_success_error_and_panic(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let answer = Database::with(url.as_str(), async |database| database.fetch_value::<i64>(t.sql("select 42 {from}"), ()).await).await?;
        assert_eq!(answer, 42);
        until_all_is_closed(&t, proxy.as_ref()).await;

        let database = Database::new(url.as_str())?;
        let failed: Result<()> = Database::with(&database, async |database| {
            assert!(answers(&database).await);
            database.fetch_value::<i64>(t.sql("select missing {from}"), ()).await.map(drop)
        }).await;
        assert!(failed.is_err() && !database.is_connected());

        let panics = Database::with(&database, async |database| -> Result<()> {
            assert!(answers(&database).await);
            panic!("at the disco");
        });
        let panic = std::panic::AssertUnwindSafe(panics).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"at the disco"));
        assert!(!database.is_connected());

        database.connect().await?;
        Database::with(&database, async |database| { assert!(answers(&database).await); Ok::<_, Error>(()) }).await?;
        assert!(answers(&database).await, "connects are counted");
        assert!(database.disconnect().await?);
        until_all_is_closed(&t, proxy.as_ref()).await;

        let missing: Result<()> = Database::with(dead_url(&t), async |_| unreachable!()).await;
        assert!(missing.is_err());
        Ok(())
    }

    async fn l9_with_that_is_cancelled_disconnects(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let database = Database::new(url.as_str())?;
        let runs = Database::with(&database, async |database| {
            assert!(answers(&database).await);
            std::future::pending::<Result<()>>().await
        });
        assert!(timeout(Duration::from_millis(300), runs).await.is_err());
        assert!(!database.is_connected());
        until_all_is_closed(&t, proxy.as_ref()).await;
        Ok(())
    }

    async fn l9_the_last_hook_runs_after_the_work_in_progress(t: Test) -> Result<()> {
        let ended = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&ended);
        let database = Database::new(t.url())?.on_disconnect(move || {
            let seen = seen.load(Ordering::Acquire);
            async move { if seen == 1 { Ok(()) } else { Err("it came too early".into()) } }
        });
        database.connect().await?;
        let transaction = database.transaction().deferred();
        let (begun, has_begun) = oneshot::channel();
        let work = tokio::spawn(async move {
            let transaction = transaction.await?;
            begun.send(()).expect("the test waits");
            sleep(Duration::from_millis(50)).await;
            ended.store(1, Ordering::Release);
            transaction.commit().await
        });
        has_begun.await.expect("it begins");
        assert!(database.disconnect().await?);
        work.await.expect("no panic")
    }

    async fn l9_a_limit_of_zero_does_not_wait(t: Test) -> Result<()> {
        let database = open(&t, "disconnect_timeout=0").await;
        let held = hold(&database).await;
        assert!(timeout(Duration::from_secs(5), database.disconnect()).await.expect("at once")?);
        held.release().await;
        assert_eq!(database.status().unwrap_err().kind(), ErrorKind::NotConnected);
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn l9_a_forgotten_guard_in_force_rollback_frees_its_connection(t: Test) -> Result<()> {
        let (url, proxy) = watched(&t);
        let forced = Config::from_url(url)?.force_rollback(true).lease_timeout(Duration::from_millis(100));
        let database = Database::connect(forced).await?;
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("select 1 {from}"), ()).await?;
        std::mem::forget(transaction);
        assert!(timeout(Duration::from_secs(5), database.disconnect()).await.expect("it does not wait for ever")?);
        until_all_is_closed(&t, proxy.as_ref()).await;
        Ok(())
    }
}
