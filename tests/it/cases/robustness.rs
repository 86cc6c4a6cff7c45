//! Deliberate attacks on the library: interrupted ends, killed sessions, floods of tasks, and unusual input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, Result, Transaction};
use futures::TryStreamExt as _;

use super::failure::{long_query, until_busy};
use super::pool::polled;
use super::sandbox::seen;
use super::tasks::{add, config, count, in_use, kept, list, notes_with, numbers, soon, until};
use crate::support::{Dice, Test, cases, kill_backend};
#[cfg(target_os = "linux")]
use crate::support::{alone, resident};

/// Returns the server's number of the session.
async fn session(t: &Test, database: &Database) -> i64 {
    let sql = if t.backend().is_postgres() {
        "select pg_backend_pid()::bigint"
    } else {
        "select cast(connection_id() as signed)"
    };
    database.fetch_value(sql, ()).await.expect("its number")
}

/// Runs one task of the flood: a transaction of two notes, or an operation that leaves none.
async fn wave(
    t: [AssertSqlSafe<String>; 2],
    rows: AssertSqlSafe<String>,
    database: Database,
    kind: u64,
) -> Result<bool> {
    let [one, two] = t;
    match kind {
        0 | 1 => {
            let work = async |transaction: Transaction| {
                transaction.execute(one, ()).await?;
                database.execute(two, ()).await?;
                Ok::<_, Error>(())
            };
            database.transaction().run(work).await?;
            return Ok(true);
        }
        2 => {
            let outer = database.transaction().await?;
            outer.execute(one, ()).await?;
            let inner = database.transaction().await?;
            inner.execute(two, ()).await?;
            inner.commit().await?;
            outer.commit().await?;
            return Ok(true);
        }
        3 => {
            let transaction = database.transaction().await?;
            transaction.execute(one, ()).await?;
            transaction.execute(two, ()).await?;
        }
        4 => {
            let transaction = database.transaction().await?;
            transaction.execute(one, ()).await?;
            transaction
                .execute("select no_such_column", ())
                .await
                .expect_err("there is none");
            transaction.rollback().await?;
        }
        5 => {
            let transaction = database.transaction().await?;
            transaction.execute(one, ()).await?;
            let mut rows = transaction.iterate(rows, ());
            rows.try_next().await?;
        }
        _ => {
            database.fetch_all(rows, ()).await?;
        }
    }
    Ok(false)
}

/// Transactions that end in every way except by a commit.
#[cfg(target_os = "linux")]
async fn waste(t: &Test, database: &Database, polls: usize) -> Result<()> {
    polled(database.transaction().into_future(), polls).await.transpose()?;
    polled(database.fetch_value::<i64>(count(t), ()).into_future(), polls)
        .await
        .transpose()?;
    let transaction = soon("a begin", database.transaction()).await?;
    transaction.execute(add(t, "undone"), ()).await?;
    transaction.on_commit(async || {})?;
    transaction.on_rollback(async || {})?;
    let inner = transaction.transaction().await?;
    let mut rows = inner.iterate(list(t), ());
    rows.try_next().await?;
    drop(rows);
    inner
        .execute(add(t, "undone"), ())
        .await
        .expect_err("it is there already");
    polled(Box::pin(inner.rollback()), polls).await;
    drop(inner);
    polled(Box::pin(transaction.rollback()), polls).await;
    let (other, sql) = (database.clone(), add(t, "aborted"));
    let task = tokio::spawn(async move {
        let _guard = other.transaction().await?;
        other.execute(sql, ()).await?;
        std::future::pending::<Result<()>>().await
    });
    tokio::task::yield_now().await;
    task.abort();
    Ok(())
}

cases! {
    /// The end of a sandbox, dropped at each of its await points.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Each statement that is cut off there takes a tenth of a second to end.
    #[except(jdbc_derby)]
    async fn f1_an_end_cut_off_at_every_point_undoes_everything(t: Test) -> Result<()> {
        let narrow = config(&t).pool_size(1).lease_timeout(Duration::from_millis(30));
        let parent = notes_with(&t, narrow.clone()).await;
        for open in [false, true] {
            for polls in 0..8 {
                let after = format!("after {polls} polls, with a transaction: {open}");
                let sandbox = if polls % 2 == 0 || !t.can_observe() {
                    parent.sandbox().await?
                } else {
                    Database::connect(narrow.clone().force_rollback(true)).await?
                };
                soon(&after, sandbox.execute(add(&t, "lost"), ())).await?;
                let guard = if open { Some(sandbox.transaction().await?) } else { None };
                polled(Box::pin(sandbox.disconnect()), polls).await;
                soon(&after, sandbox.disconnect()).await?;
                assert!(!sandbox.is_connected(), "{after}");
                drop(guard);
                let next = parent.sandbox().await?;
                assert_eq!(soon(&after, next.fetch_value::<String>(list(&t), ())).await?, "", "{after}");
                soon(&after, next.execute(add(&t, "next"), ())).await?;
                assert_eq!(kept(&t, &parent).await, "", "{after}");
            }
        }
        Ok(())
    }

    /// The second call may be the one that checks the state after the first.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f5_two_calls_cut_off_in_a_row_leave_a_sandbox_whole(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t)).await;
        let sandbox = parent.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        for (first, second) in (1..6).flat_map(|first| (1..6).map(move |second| (first, second))) {
            let after = format!("after {first} and {second} polls");
            for transaction in [false, true] {
                let _ = polled(sandbox.execute(add(&t, "before"), ()).into_future(), first).await;
                if transaction {
                    let _ = polled(sandbox.transaction().into_future(), second).await;
                } else {
                    let _ = polled(sandbox.execute(add(&t, "before"), ()).into_future(), second).await;
                }
                let next = soon(&after, sandbox.execute(add(&t, format!("n{first}{second}{transaction}")), ())).await;
                assert!(next.is_ok(), "{after}: {next:?}");
            }
            assert!(seen(&t, &sandbox).await.starts_with("before,"), "{after}");
        }
        assert_eq!(seen(&t, &sandbox).await.split(',').count(), 51);
        Ok(())
    }

    /// The session of one sandbox ends in the middle of an operation; the other sandboxes are unaffected.
    #[only(postgres, mysql)]
    async fn f7_a_session_killed_in_the_middle_breaks_its_sandbox_only(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t).pool_size(3)).await;
        let bystander = parent.sandbox().await?;
        bystander.execute(add(&t, "bystander"), ()).await?;
        for place in ["statement", "in a transaction", "stream", "begin", "commit", "rollback", "end"] {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(add(&t, "lost"), ()).await?;
            let victim = session(&t, &sandbox).await;
            let mut guard = None;
            if matches!(place, "in a transaction" | "commit" | "rollback") {
                let transaction = sandbox.transaction().await?;
                transaction.execute(add(&t, "lost too"), ()).await?;
                guard = Some(transaction);
            }
            if matches!(place, "statement" | "in a transaction" | "stream") {
                let (used, sql) = (sandbox.clone(), long_query(&t));
                let connection = guard.as_deref().cloned();
                let running = tokio::spawn(async move {
                    match connection {
                        Some(connection) => connection.execute(sql, ()).await.map(drop),
                        None if place == "stream" => used.iterate(sql, ()).try_collect::<Vec<_>>().await.map(drop),
                        None => used.execute(sql, ()).await.map(drop),
                    }
                });
                until_busy(&t, victim).await;
                kill_backend(&t.side_url(), victim).await.expect("it is killed");
                let failed = soon(place, running).await.expect("no panic").expect_err("its session was killed");
                assert_eq!(failed.kind(), ErrorKind::ConnectionLost, "{place}: {failed:?}");
            } else {
                kill_backend(&t.side_url(), victim).await.expect("it is killed");
                match (place, &guard) {
                    ("commit", Some(guard)) => drop(soon(place, guard.commit()).await.expect_err("its session is gone")),
                    ("rollback", Some(guard)) => drop(soon(place, guard.rollback()).await),
                    ("begin", _) => {
                        // It may go out with its first statement.
                        if let Ok(begun) = soon(place, sandbox.transaction()).await {
                            let lost = soon(place, begun.execute(add(&t, "lost"), ())).await;
                            lost.expect_err("its session is gone");
                        }
                    }
                    _ => {}
                }
            }
            drop(guard);
            if place != "end" {
                let later = soon(place, sandbox.execute(add(&t, "later"), ())).await.expect_err("it is broken");
                assert_eq!(later.kind(), ErrorKind::SandboxBroken, "{place}: {later:?}");
            }
            assert!(soon(place, sandbox.disconnect()).await?);
            assert_eq!(seen(&t, &bystander).await, "bystander", "{place}");
            assert_eq!(soon(place, parent.fetch_value::<i64>(count(&t), ())).await?, 0);
        }
        Ok(())
    }

    /// Many more tasks than connections, of which a third is cancelled at any time.
    #[only(postgres, mysql)]
    async fn x4_a_flood_of_tasks_leaves_no_transaction_behind(t: Test) -> Result<()> {
        t.observe_exec("create table {sessions} (id bigint)").await;
        let note = t.words(if t.backend().is_postgres() {
            "insert into {sessions} values (pg_backend_pid())"
        } else {
            "insert into {sessions} values (connection_id())"
        });
        let narrow = config(&t).pool_size(4).max_overflow(0).pool_timeout(Duration::from_secs(50));
        let database = Database::new(narrow)?.after_connect(move |connection| {
            let note = AssertSqlSafe(note.clone());
            Box::pin(async move { connection.execute(note).await.map(drop).map_err(Into::into) })
        });
        Database::connect(&database).await?;
        database.execute(t.sql("create table {notes} (body varchar(20) not null)"), ()).await?;
        let mut dice = Dice::new(0);
        let tasks: Vec<_> = (0..1000)
            .map(|number| {
                let texts = [add(&t, number), add(&t, number)];
                let work = wave(texts, numbers(&t, 50), database.clone(), dice.roll(7));
                (number, tokio::spawn(work))
            })
            .collect();
        for (number, task) in &tasks {
            if dice.roll(3) == 0 {
                task.abort();
            }
            if number % 7 == 0 {
                tokio::time::sleep(Duration::from_micros(dice.roll(400))).await;
            }
        }
        let (mut must, mut never, mut aborted) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (number, task) in tasks {
            match soon("a task", task).await {
                Ok(done) => drop(if done? { must.insert(number) } else { never.insert(number) }),
                Err(error) => {
                    assert!(error.is_cancelled(), "{number}: {error}");
                    aborted += 1;
                }
            }
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        assert!(aborted > 50 && must.len() > 50, "{aborted} were aborted, {} committed", must.len());
        let bodies: Vec<String> = database.fetch_all(t.sql("select body from {notes}"), ()).value().await?;
        let mut there = BTreeMap::<i32, usize>::new();
        for body in bodies {
            *there.entry(body.parse().expect("a number")).or_default() += 1;
        }
        assert!(there.values().all(|count| *count == 2), "half of a transaction is there");
        assert!(must.iter().all(|number| there.contains_key(number)), "something committed was lost");
        assert!(never.iter().all(|number| !there.contains_key(number)), "something undone is there");
        let open = t.words(if t.backend().is_postgres() {
            "select count(*) from pg_stat_activity where xact_start is not null and pid in (select id from {sessions})"
        } else {
            "select count(*) from information_schema.innodb_trx where trx_mysql_thread_id in (select id from {sessions})"
        });
        let mut left = 1;
        for _ in 0..200 {
            left = t.observe(&open).await;
            if left == 0 {
                break;
            }
            // InnoDB refreshes the list only after 100 ms without a query of it.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        assert_eq!(left, 0, "transactions are open on the server");
        soon("disconnect", database.disconnect()).await?;
        Ok(())
    }

    /// No memory is kept by operations that were dropped, interrupted or undone.
    #[limit(120)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t6_what_was_dropped_and_cut_off_takes_no_memory(t: Test) -> Result<()> {
        #[cfg(target_os = "linux")]
        if alone(&t) {
            let database = notes_with(&t, config(&t).pool_size(4)).await;
            let mut before = 0;
            for round in 0..160 {
                if round == 40 {
                    before = resident();
                }
                waste(&t, &database, round % 9).await?;
                waste(&t, &database.sandbox().await?, round % 9).await?;
            }
            let grown = resident().saturating_sub(before);
            assert!(grown < 3_072, "{grown} kB");
            assert_eq!(kept(&t, &database).await, "");
        }
        Ok(())
    }
}
