//! Reports about waiting: who holds a sandbox, who waits for it, and what was left open in it.

use std::time::Duration;

use ebbtide::{Database, Error, ErrorKind, OpenHandleKind, Result};
use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::sandbox::{seen, slow, slower};
use super::tasks::{add, config, count, kept, line_below, list, notes_with, soon};
use crate::support::{Test, cases};

/// Returns a parent whose sandboxes wait no longer than this for their turn.
async fn impatient(t: &Test, limit: Duration) -> Database {
    notes_with(t, config(t).lease_timeout(limit)).await
}

const LIMIT: Duration = Duration::from_millis(500);

/// Returns the age that a report gives right after a text, in seconds.
fn age_behind(report: &str, text: &str) -> f64 {
    let rest = &report[report.find(text).unwrap_or_else(|| panic!("no {text:?} in {report}")) + text.len()..];
    let number: String = rest
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let unit = rest
        .trim_start()
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = number
        .parse()
        .unwrap_or_else(|_| panic!("no age behind {text:?} in {report}"));
    if unit.starts_with("ms") {
        number / 1e3
    } else if unit.starts_with('s') {
        number
    } else {
        number / 1e6
    }
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f6_the_report_names_the_holder_and_the_other_waiters(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        let sandbox = parent.sandbox().await?;
        let (used, sql) = (sandbox.clone(), add(&t, "held"));
        let (begun, signal) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            let here = line_below();
            let transaction = used.transaction().await?;
            transaction.execute(sql, ()).await?;
            begun.send((here, tokio::task::id().to_string())).expect("the test waits");
            let _ = gone.await;
            transaction.commit().await
        });
        let (place, task) = signal.await.expect("it came so far");
        sleep(Duration::from_millis(150)).await;
        let here = line_below();
        let mut late = sandbox.execute(add(&t, "late"), ()).into_future();
        assert!((&mut late).now_or_never().is_none(), "it is held");
        // The other begins to wait later, so it is still there when the first gives up.
        sleep(Duration::from_millis(200)).await;
        let (other, sql) = (sandbox.clone(), add(&t, "other"));
        let (asked, asks) = oneshot::channel();
        let waiter = tokio::spawn(async move {
            let here = line_below();
            let mut statement = other.execute(sql, ()).into_future();
            assert!((&mut statement).now_or_never().is_none(), "it is held");
            asked.send(here).expect("the test waits");
            statement.await
        });
        let other_place = asks.await.expect("it asked");
        let error = soon("the statement", late).await.expect_err("it is held");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        let report = error.to_string();
        for part in [&here, &place, &format!("task {task}"), "insert into", "500ms", &other_place, "lease_timeout"] {
            assert!(report.contains(part), "{part} is missing: {report}");
        }
        assert!(!report.contains("late"), "no values: {report}");
        let (before, _) = report.split_once(" ago").expect("an age");
        let age = age_behind(&report, &before[..=before.rfind(' ').expect("a space")]);
        assert!((0.6..20.0).contains(&age), "{age}: {report}");
        waiter.await.expect("no panic").expect_err("it waited too long, too");
        go.send(()).expect("the holder waits");
        holder.await.expect("no panic")?;
        assert_eq!(seen(&t, &sandbox).await, "held");
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }

    /// The holder may be a single statement.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f6_a_statement_under_way_is_named_with_its_text(t: Test) -> Result<()> {
        let parent = impatient(&t, Duration::from_millis(60)).await;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let mut report = None;
        // The statement may be done before the limit on a fast machine: then a longer one is tried.
        for attempt in 0..8 {
            let (used, sql) = (sandbox.clone(), slower(&t, 1 << attempt));
            let (asked, asks) = oneshot::channel();
            let holder = tokio::spawn(async move {
                let mut statement = used.fetch_all(sql, ()).into_future();
                let early = (&mut statement).now_or_never();
                asked.send(()).expect("the test waits");
                match early {
                    Some(early) => early.map(drop),
                    None => statement.await.map(drop),
                }
            });
            asks.await.expect("it began");
            let waited = sandbox.execute(t.sql("delete from {notes} where body = 'b'"), ()).await;
            holder.await.expect("no panic")?;
            if let Err(error) = waited {
                report = Some(error.to_string());
                break;
            }
        }
        let report = report.expect("one had to wait");
        for part in ["waiting.rs:", "60ms", "running for"] {
            assert!(report.contains(part), "{part} is missing: {report}");
        }
        assert!(["sleep", "recursive", "values"].iter().any(|word| report.contains(word)), "{report}");
        assert_eq!(seen(&t, &sandbox).await, "a");
        Ok(())
    }

    /// The server's last statement of another sandbox is a savepoint; the report names the statement of its user
    /// instead.
    #[only(postgres)]
    async fn f6_of_another_sandbox_the_last_statement_of_its_user_is_named(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        let (blocking, blocked) = (parent.sandbox().name("the first").await?, parent.sandbox().name("the second").await?);
        blocking.transaction().run(async |_| blocking.execute(add(&t, "same"), ()).await).await?;
        let (used, sql) = (blocked.clone(), add(&t, "same"));
        let waiting = tokio::spawn(async move { used.execute(sql, ()).await });
        let mut late = None;
        for _ in 0..20 {
            if let Err(error) = soon("another statement", blocked.fetch_value::<i64>(count(&t), ())).await {
                late = Some(error.to_string());
                break;
            }
        }
        let report = late.expect("the connection is held by the statement that is blocked");
        let (_, blocker) = report.split_once("on the server it is blocked by ").unwrap_or_else(|| panic!("{report}"));
        assert!(blocker.contains("the first") && blocker.contains("last statement: insert into"), "{report}");
        assert!(!blocker.contains("ebbtide_") && !blocker.contains("SAVEPOINT"), "{report}");
        blocking.disconnect().await?;
        soon("the statement", waiting).await.expect("no panic")?;
        Ok(())
    }

    /// On PostgreSQL the report names the other session that keeps the sandbox waiting.
    #[only(postgres)]
    async fn f6_the_blocking_session_is_named(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        parent.execute(add(&t, "locked"), ()).await?;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let mut observer = t.observer().await;
        let name = format!("night shift {}", t.id());
        observer.execute(&format!("set application_name = '{name}'")).await.expect("its name");
        observer.execute(&t.words("begin; update {notes} set body = 'theirs' where body = 'locked'")).await.expect("a lock");
        let (used, sql) = (sandbox.clone(), t.sql("update {notes} set body = 'mine' where body = 'locked'"));
        let (asked, asks) = oneshot::channel();
        let holder = tokio::spawn(async move {
            let mut statement = used.execute(sql, ()).into_future();
            assert!((&mut statement).now_or_never().is_none(), "it is locked");
            asked.send(()).expect("the test waits");
            statement.await
        });
        asks.await.expect("it began");
        let error = soon("the statement", sandbox.execute(add(&t, "late"), ())).await.expect_err("it is held");
        let report = error.to_string();
        for part in [&*name, "idle in transaction", "set body = 'theirs'", "set body = 'mine'", "waiting.rs:"] {
            assert!(report.contains(part), "{part} is missing: {report}");
        }
        observer.execute("rollback").await.expect("it lets go");
        observer.close().await.expect("it leaves");
        assert_eq!(holder.await.expect("no panic")?.rows_affected, 1);
        assert_eq!(seen(&t, &sandbox).await, "a,mine");
        Ok(())
    }

    /// A row lock from outside on MySQL: no session can be named, but the holder is.
    #[only(mysql)]
    async fn f6_on_mysql_the_locked_statement_is_named(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        parent.execute(add(&t, "locked"), ()).await?;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let mut observer = t.observer().await;
        observer.execute(&t.words("begin; update {notes} set body = 'theirs' where body = 'locked'")).await.expect("a lock");
        let (used, sql) = (sandbox.clone(), t.sql("update {notes} set body = 'mine' where body = 'locked'"));
        let (asked, asks) = oneshot::channel();
        let holder = tokio::spawn(async move {
            let mut statement = used.execute(sql, ()).into_future();
            assert!((&mut statement).now_or_never().is_none(), "it is locked");
            asked.send(()).expect("the test waits");
            statement.await
        });
        asks.await.expect("it began");
        let error = soon("the statement", sandbox.execute(add(&t, "late"), ())).await.expect_err("it is held");
        let report = error.to_string();
        for part in ["set body = 'mine'", "waiting.rs:", "running for"] {
            assert!(report.contains(part), "{part} is missing: {report}");
        }
        observer.execute("rollback").await.expect("it lets go");
        observer.close().await.expect("it leaves");
        assert_eq!(holder.await.expect("no panic")?.rows_affected, 1);
        Ok(())
    }

    /// A task that requests what it already holds through another handle does not wait.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f6_the_holder_itself_never_waits(t: Test) -> Result<()> {
        let parent = impatient(&t, Duration::from_secs(30)).await;
        let sandbox = parent.sandbox().await?;
        let before = sandbox.connection();
        before.execute(add(&t, "a"), ()).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        let at_once = async {
            before.execute(add(&t, "c"), ()).await?;
            sandbox.clone().execute(add(&t, "d"), ()).await?;
            sandbox.connection().execute(add(&t, "e"), ()).await?;
            let inner = sandbox.transaction().await?;
            inner.execute(add(&t, "f"), ()).await?;
            inner.commit().await?;
            sandbox.transaction().run(async |_| sandbox.execute(add(&t, "g"), ()).await).await?;
            let (shared, sql) = (sandbox.clone(), add(&t, "h"));
            tokio::spawn(sandbox.share(async move { shared.execute(sql, ()).await })).await.expect("no panic")?;
            Ok::<_, Error>(())
        };
        tokio::time::timeout(Duration::from_secs(5), at_once).await.expect("at once")?;
        transaction.rollback().await?;
        assert_eq!(seen(&t, &sandbox).await, "a");
        // In a closure, an outer guard would wait for the task's own inner one: an error, at once.
        let outer = sandbox.transaction().await?;
        let inner = sandbox.transaction().await?;
        let error = tokio::time::timeout(Duration::from_secs(5), outer.execute(add(&t, "x"), ()).into_future()).await;
        assert_eq!(error.expect("at once").expect_err("the inner one is open").kind(), ErrorKind::ConcurrentUse);
        drop(inner);
        drop(outer);
        Ok(())
    }

    /// Many waiters get their turn in order, and the report does not list them all.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f6_many_waiters_are_summed_up(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        let sandbox = parent.sandbox().await?;
        let held = sandbox.transaction().await?;
        let tasks = (0..40).map(|number| {
            let (used, sql) = (sandbox.clone(), add(&t, number));
            tokio::spawn(async move { used.execute(sql, ()).await })
        });
        let results = join_all(tasks).await;
        for result in results {
            let error = result.expect("no panic").expect_err("it is held");
            assert!(error.to_string().len() < 4000, "{error}");
        }
        held.commit().await?;
        assert_eq!(sandbox.fetch_value::<i64>(count(&t), ()).await?, 0);
        assert_eq!(sandbox.fetch_value::<String>(list(&t), ()).await?, "");
        Ok(())
    }

    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f12_open_handles_are_reported(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        let sandbox = parent.sandbox().name("leaks").await?;
        assert!(sandbox.open_handles().is_empty());
        sandbox.execute(add(&t, "a"), ()).await?;
        assert!(sandbox.open_handles().is_empty(), "{:?}", sandbox.open_handles());
        let at_connection = line_below();
        let connection = sandbox.connection();
        connection.execute(add(&t, "b"), ()).await?;
        let open = sandbox.open_handles();
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!(open[0].kind, OpenHandleKind::Connection);
        assert!(at_connection.contains(&format!(":{}", open[0].place.line())), "{open:?}");
        assert!(open[0].to_string().contains(&at_connection), "{open:?}");
        let at_transaction = line_below();
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "c"), ()).await?;
        let open = sandbox.open_handles();
        let line = open.iter().find(|open| open.kind == OpenHandleKind::Transaction).expect("it is reported");
        let line = line.to_string();
        assert!(line.contains(&at_transaction) && line.contains("insert into"), "{open:?}");
        assert!(!line.contains("'c'") || t.backend().is_server() || line.contains("values"), "{open:?}");
        transaction.rollback().await?;
        drop(transaction);
        drop(connection);
        assert!(sandbox.open_handles().is_empty(), "{:?}", sandbox.open_handles());
        // A statement under way in another task.
        let (used, sql) = (sandbox.clone(), slow(&t));
        let (asked, asks) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut statement = used.fetch_all(sql, ()).into_future();
            let early = (&mut statement).now_or_never();
            asked.send(early.is_none()).expect("the test waits");
            match early {
                Some(early) => early.map(drop),
                None => statement.await.map(drop),
            }
        });
        if asks.await.expect("it began") {
            let open = sandbox.open_handles();
            let running = open.iter().find(|open| open.kind == OpenHandleKind::Operation).expect("it is reported");
            assert!(running.to_string().contains("a statement"), "{open:?}");
            assert!(running.place.file().ends_with("waiting.rs"), "{open:?}");
        }
        task.await.expect("no panic")?;
        assert!(sandbox.open_handles().is_empty(), "{:?}", sandbox.open_handles());
        // Handles of one sandbox are not those of another sandbox, nor of the parent.
        let other = parent.sandbox().await?;
        let _open = other.transaction().await?;
        assert!(sandbox.open_handles().is_empty() && parent.open_handles().is_empty());
        Ok(())
    }

    /// Ending a sandbox in which something is open takes no longer than the limit, and leaves nothing open.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f12_an_end_with_leaks_does_not_hang(t: Test) -> Result<()> {
        let parent = impatient(&t, LIMIT).await;
        let sandbox = parent.sandbox().name("leaks").await?;
        let connection = sandbox.connection();
        connection.execute(add(&t, "a"), ()).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        let (used, sql) = (sandbox.clone(), slow(&t));
        let task = tokio::spawn(sandbox.share(async move { used.fetch_all(sql, ()).await.map(drop) }));
        tokio::task::yield_now().await;
        soon("its end", sandbox.disconnect()).await?;
        let _ = soon("the task", task).await.expect("no panic");
        assert_eq!(kept(&t, &parent).await, "");
        soon("the guard", transaction.execute(add(&t, "c"), ())).await.expect_err("it is over");
        drop((transaction, connection));
        let next = parent.sandbox().await?;
        assert_eq!(soon("the next", next.fetch_value::<String>(list(&t), ())).await?, "");
        Ok(())
    }
}
