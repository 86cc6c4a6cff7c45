//! The sandbox: everything happens in one transaction that is undone at the end.
//!
//! A SQLite sandbox holds the write lock of its file from its first use on, so the cases do what is really written
//! before that. Beside a sandbox in memory nobody can even read, and what was there is gone with its last connection:
//! the cases that look from the side leave it out.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ebbtide::{Config, Database, Error, ErrorKind, Result, Transaction, params};
use futures::future::join_all;
use futures::{FutureExt as _, TryStreamExt as _, poll};
use tokio::sync::{Barrier, Mutex, oneshot};

use super::tasks::{add, config, count, in_task, in_use, kept, kind, let_others_run, list, notes, soon, until};
use crate::support::{Test, cases};

/// The settings of a sandbox.
fn sandbox(t: &Test) -> Config {
    config(t).force_rollback(true)
}

/// A sandbox in which the table `notes` is; the table itself is really there.
async fn sandboxed(t: &Test) -> Database {
    let database = Database::connect(sandbox(t)).await.expect("the database");
    let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
    database
        .force_rollback(false)
        .run(database.execute(create, ()).into_future())
        .await
        .expect("the table");
    database
}

/// What a task of its own sees in the sandbox.
async fn seen_by_another_task(t: &Test, database: &Database) -> String {
    let (database, sql) = (database.clone(), list(t));
    in_task(async move { database.fetch_value::<String>(sql, ()).await })
        .await
        .expect("the list of notes")
}

fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

cases! {
    #[except(sqlite_memory)]
    async fn f1_nothing_stays_after_the_last_disconnect(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        let sql = t.sql("insert into {notes} (body) values (:body)");
        database.execute_many(sql, ["b", "c"].map(|body| params! { body })).await?;
        database.transaction().run(async |_| database.execute(add(&t, "d"), ()).await).await?;
        let connection = database.connection();
        connection.execute(add(&t, "e"), ()).await?;
        drop(connection);
        let (other, sql) = (database.clone(), add(&t, "f"));
        in_task(async move { other.execute(sql, ()).await }).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c,d,e,f");
        assert_eq!(kept(&t, &database).await, "", "nobody outside sees it");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "");
        // A second life begins empty.
        Database::connect(&database).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "");
        database.execute(add(&t, "a"), ()).await?;
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn f1_every_task_shares_one_connection(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let tasks = (10..20).map(|number| {
            let (other, sql) = (database.clone(), add(&t, number));
            tokio::spawn(async move {
                other.execute(sql, ()).await?;
                let connection = other.connection();
                connection.fetch_value::<i64>("select 1", ()).await?;
                Ok::<_, Error>(in_use(&other))
            })
        });
        for task in join_all(tasks).await {
            assert_eq!(task.expect("no panic")?, 1);
        }
        let connection = database.connection();
        assert_eq!(connection.fetch_value::<i64>(count(&t), ()).await?, 10);
        assert_eq!(in_use(&database), 1);
        drop(connection);
        assert_eq!(in_use(&database), 1, "the sandbox keeps it");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f1_it_begins_at_first_use(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        assert_eq!(in_use(&database), 0, "connecting alone begins nothing");
        let connection = database.connection();
        let transaction = database.transaction();
        assert_eq!(in_use(&database), 0, "nor do handles");
        drop((connection, transaction));
        database.fetch_value::<i64>("select 1", ()).await?;
        assert_eq!(in_use(&database), 1);
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f1_a_sandbox_never_used_ends_quietly(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        Database::connect(&database).await?;
        assert!(!database.disconnect().await?, "it was connected twice");
        assert!(database.disconnect().await?);
        assert_eq!(kind(&database.execute("select 1", ()).await), Some(ErrorKind::NotConnected));
        Ok(())
    }

    async fn f1_an_earlier_disconnect_of_several_undoes_nothing(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        Database::connect(&database).await?;
        database.execute(add(&t, "a"), ()).await?;
        assert!(!database.disconnect().await?);
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_dropping_everything_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let database = Database::connect(sandbox(&t)).await?;
        database.execute(add(&t, "a"), ()).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        drop((transaction, database));
        // The same key: were the sandbox still open on the server, this would wait for its end.
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_a_panic_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let (config, sql) = (sandbox(&t), [add(&t, "a"), add(&t, "b")]);
        let test = async move {
            let [a, b] = sql;
            let database = Database::connect(config).await.expect("it connects");
            database.execute(a, ()).await.expect("it writes");
            let _open = database.transaction().await.expect("it begins");
            database.execute(b, ()).await.expect("it writes");
            let nothing: Option<()> = std::hint::black_box(None);
            nothing.expect("a test that fails");
        };
        assert!(tokio::spawn(test).await.expect_err("it panicked").is_panic());
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_a_panic_that_ends_the_runtime_rolls_back(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let (config, sql) = (sandbox(&t), add(&t, "a"));
        let test = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let database = Database::connect(config).await.expect("it connects");
                database.execute(sql, ()).await.expect("it writes");
                let nothing: Option<()> = std::hint::black_box(None);
                nothing.expect("a test that fails");
            });
        };
        assert!(std::thread::spawn(test).join().is_err());
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f1_disconnecting_with_a_transaction_open_undoes_it_and_tells_its_user(t: Test) -> Result<()> {
        let database = Database::connect(sandbox(&t).lease_timeout(Duration::from_millis(100))).await?;
        let create = t.sql("create table {notes} (id {id}, body {key} not null unique)");
        database.force_rollback(false).run(database.execute(create, ()).into_future()).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let _ = soon("disconnect", database.disconnect()).await;
        let after = soon("a statement", transaction.execute(add(&t, "b"), ())).await;
        assert!(after.is_err());
        assert!(soon("commit", transaction.commit()).await.is_err());
        drop(transaction);
        let plain = t.database().await;
        soon("the next user", plain.execute(add(&t, "a"), ())).await?;
        assert_eq!(kept(&t, &plain).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_the_default_of_the_handle_holds_without_an_override(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        plain.execute(add(&t, "a"), ()).await?;
        let copy = Database::new(plain.config().force_rollback(true))?;
        Database::connect(&copy).await?;
        copy.execute(add(&t, "b"), ()).await?;
        assert_eq!(copy.fetch_value::<String>(list(&t), ()).await?, "a,b");
        assert_eq!(plain.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(copy.disconnect().await?);
        assert_eq!(kept(&t, &plain).await, "a");
        let back = Database::connect(copy.config().force_rollback(false)).await?;
        back.execute(add(&t, "c"), ()).await?;
        assert_eq!(kept(&t, &plain).await, "a,c");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_a_scoped_false_really_writes(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        {
            let _really = database.force_rollback(false);
            database.execute(add(&t, "a"), ()).await?;
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "b"), ()).await?;
            transaction.commit().await?;
            database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await).await?;
            database.connection().execute(add(&t, "d"), ()).await?;
            assert_eq!(in_use(&database), 0, "the sandbox was not begun");
        }
        database.execute(add(&t, "undone"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c,d,undone");
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_a_scoped_true_is_a_sandbox_of_a_plain_database(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        {
            let _sandbox = database.force_rollback(true);
            database.execute(add(&t, "b"), ()).await?;
            database.transaction().run(async |_| database.execute(add(&t, "c"), ()).await).await?;
            assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        }
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a");
        assert!(database.disconnect().await?);
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_nested_guards_restore_in_whatever_order_they_go(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        // Whether calls here are inside shows in what they see.
        let inside = async || Ok::<_, Error>(database.fetch_value::<String>(list(&t), ()).await? == "sandbox");
        assert!(inside().await?);
        let off = database.force_rollback(false);
        assert!(!inside().await?);
        let on = database.force_rollback(true);
        assert!(inside().await?);
        let off_again = database.force_rollback(false);
        assert!(!inside().await?);
        drop(off_again);
        assert!(inside().await?);
        drop(on);
        assert!(!inside().await?);
        drop(off);
        assert!(inside().await?, "leaving removes the override");

        let off = database.force_rollback(false);
        let on = database.force_rollback(true);
        drop(off);
        assert!(inside().await?, "the later one still holds");
        drop(on);
        assert!(inside().await?);
        let (on, off) = (database.force_rollback(true), database.force_rollback(false));
        drop(on);
        assert!(!inside().await?);
        drop(off);
        assert!(inside().await?);
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_an_override_is_of_its_task_and_what_it_shares_with(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        let look = |database: &Database| {
            let (database, sql) = (database.clone(), list(&t));
            async move { database.fetch_value::<String>(sql, ()).await }
        };
        let off = database.force_rollback(false);
        assert_eq!(look(&database).await?, "");
        assert_eq!(in_task(look(&database)).await?, "sandbox", "another task keeps the default");
        assert_eq!(in_task(database.share(look(&database))).await?, "", "a shared one has the override");
        let transaction = database.transaction().await?;
        assert_eq!(in_task(transaction.share(look(&database))).await?, "");
        transaction.rollback().await?;
        let run = database.transaction().run(async |_| look(&database).await);
        assert_eq!(run.await?, "", "and so has a closure");
        drop(off);
        assert_eq!(look(&database).await?, "sandbox");
        assert!(database.disconnect().await?);
        Ok(())
    }

    #[except(sqlite_memory)]
    async fn f2_the_closure_form_binds_to_its_own_future(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "sandbox"), ()).await?;
        let both = Barrier::new(2);
        let look = async || {
            both.wait().await;
            let first: String = database.fetch_value(list(&t), ()).await?;
            both.wait().await;
            let second = database.connection().fetch_value::<String>(list(&t), ()).await?;
            both.wait().await;
            Ok::<_, Error>((first, second))
        };
        let scoped = database.force_rollback(false).run(look());
        let (scoped, plain) = soon("join!", async { futures::join!(scoped, look()) }).await;
        assert_eq!(scoped?, (String::new(), String::new()));
        assert_eq!(plain?, ("sandbox".to_owned(), "sandbox".to_owned()));
        // Nested closures, and a guard inside one, restore as well.
        let nested = database.force_rollback(false).run(async {
            let on = database.force_rollback(true).run(database.fetch_value::<String>(list(&t), ()).into_future()).await?;
            let guarded: String = {
                let _on = database.force_rollback(true);
                database.fetch_value(list(&t), ()).await?
            };
            Ok::<_, Error>((on, guarded, database.fetch_value::<String>(list(&t), ()).await?))
        });
        assert_eq!(nested.await?, ("sandbox".to_owned(), "sandbox".to_owned(), String::new()));
        // A closure that was dropped half-way leaves nothing behind.
        let mut dropped = Box::pin(database.force_rollback(false).run(async { look().await }));
        assert!(poll!(&mut dropped).is_pending());
        drop(dropped);
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "sandbox");
        assert!(database.disconnect().await?);
        Ok(())
    }

    /// Code as an application has it, which knows nothing of the sandbox.
    async fn f3_application_code_runs_unchanged(t: Test) -> Result<()> {
        async fn transfer(t: &Test, database: &Database, fail: bool) -> Result<()> {
            let transaction = database.transaction().await?;
            transaction.execute(add(t, if fail { "failed" } else { "done" }), ()).await?;
            let part = database.transaction().await?;
            part.execute(add(t, "part"), ()).await?;
            part.rollback().await?;
            if fail {
                return Err(undo());
            }
            transaction.commit().await
        }
        let database = sandboxed(&t).await;
        transfer(&t, &database, false).await?;
        assert!(transfer(&t, &database, true).await.is_err());
        let run = database.transaction().run(async |_| {
            database.execute(add(&t, "run"), ()).await?;
            Err::<(), _>(undo())
        });
        assert!(run.await.is_err());
        assert_eq!(seen_by_another_task(&t, &database).await, "done", "what was committed is seen by others");
        let listed: Vec<_> = database.iterate(t.sql("select body from {notes}"), ()).try_collect().await?;
        assert_eq!(listed.len(), 1);
        assert_eq!(in_use(&database), 1);
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
        }
        assert!(database.disconnect().await?);
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
        }
        Ok(())
    }

    async fn f3_commit_releases_and_rollback_undoes(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        for (body, end) in [("b", "commit"), ("c", "rollback"), ("d", "drop"), ("e", "commit")] {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, body), ()).await?;
            let inner = transaction.transaction().await?;
            inner.execute(add(&t, format!("{body}{body}")), ()).await?;
            inner.commit().await?;
            match end {
                "commit" => transaction.commit().await?,
                "rollback" => transaction.rollback().await?,
                _ => drop(transaction),
            }
        }
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,bb,e,ee");
        let forced = database.transaction().force_rollback(true).await?;
        forced.execute(add(&t, "f"), ()).await?;
        forced.commit().await?;
        assert_eq!(seen_by_another_task(&t, &database).await, "a,b,bb,e,ee");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f3_the_errors_of_guards_are_the_same(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        assert_eq!(kind(&outer.commit().await), Some(ErrorKind::ConcurrentUse));
        assert_eq!(kind(&outer.execute(add(&t, "a"), ()).await), Some(ErrorKind::ConcurrentUse));
        inner.commit().await?;
        assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
        outer.rollback().await?;
        assert_eq!(kind(&outer.rollback().await), Some(ErrorKind::TransactionEnded));
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_a_transaction_holds_the_sandbox_alone_and_others_queue_in_order(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let log = Arc::new(Mutex::new(Vec::new()));
        let first = database.transaction().await?;
        first.execute(add(&t, "first"), ()).await?;
        let mut waiting = Vec::new();
        for number in 0..6 {
            let (other, log, sql) = (database.clone(), Arc::clone(&log), [add(&t, 10 + number), add(&t, 20 + number)]);
            let (asked, asks) = oneshot::channel();
            waiting.push(tokio::spawn(async move {
                let [one, two] = sql;
                if number % 2 == 0 {
                    let mut begin = other.transaction().into_future();
                    let early = poll!(&mut begin);
                    asked.send(early.is_ready()).expect("the test waits");
                    let transaction = begin.await?;
                    log.lock().await.push(number);
                    transaction.execute(one, ()).await?;
                    let_others_run().await;
                    other.execute(two, ()).await?;
                    log.lock().await.push(number);
                    transaction.commit().await
                } else {
                    // A statement outside of any transaction waits in the same queue.
                    let mut statement = other.execute(one, ()).into_future();
                    let early = poll!(&mut statement);
                    asked.send(early.is_ready()).expect("the test waits");
                    statement.await?;
                    log.lock().await.push(number);
                    Ok(())
                }
            }));
            assert!(!asks.await.expect("it asked"), "it has to wait");
        }
        let_others_run().await;
        assert!(log.lock().await.is_empty(), "nobody came in between");
        first.execute(add(&t, "second"), ()).await?;
        first.rollback().await?;
        for task in join_all(waiting).await {
            task.expect("no panic")?;
        }
        let log: Vec<_> = log.lock().await.iter().copied().filter(|number| number % 2 == 0).collect();
        assert_eq!(log, [0, 0, 2, 2, 4, 4], "in the order of asking, and one at a time");
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "10,11,12,13,14,15,20,22,24");
        assert!(database.disconnect().await?);
        Ok(())
    }

    /// In the models, the sibling's committed work is lost here.
    async fn f4_interleaved_siblings_lose_nothing(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let (a_begun, b_asked) = (oneshot::channel(), oneshot::channel());
        let (other, sql) = (database.clone(), [add(&t, "a1"), add(&t, "a2")]);
        let a = tokio::spawn(async move {
            let [one, two] = sql;
            let transaction = other.transaction().await?;
            transaction.execute(one, ()).await?;
            a_begun.0.send(()).expect("the other waits");
            b_asked.1.await.expect("the other tells");
            other.execute(two, ()).await?;
            transaction.rollback().await
        });
        let (other, sql) = (database.clone(), add(&t, "b"));
        let b = tokio::spawn(async move {
            a_begun.1.await.expect("the other tells");
            let mut begin = other.transaction().into_future();
            assert!(poll!(&mut begin).is_pending());
            b_asked.0.send(()).expect("the other waits");
            let transaction = begin.await?;
            transaction.execute(sql, ()).await?;
            transaction.commit().await
        });
        soon("the first", a).await.expect("no panic")?;
        soon("the second", b).await.expect("no panic")?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_sibling_futures_of_one_task_queue_too(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let log = RefCell::new(Vec::new());
        let one = async |name: &str, keep: bool| {
            let work = async |transaction: Transaction| {
                log.borrow_mut().push(format!("{name} begins"));
                transaction.execute(add(&t, format!("{name}1")), ()).await?;
                let_others_run().await;
                database.execute(add(&t, format!("{name}2")), ()).await?;
                log.borrow_mut().push(format!("{name} ends"));
                if keep { Ok(()) } else { Err(undo()) }
            };
            database.transaction().run(work).await
        };
        let plain = async {
            let_others_run().await;
            database.execute(add(&t, "plain"), ()).await
        };
        let (a, b, c, plain) =
            soon("join!", async { futures::join!(one("a", false), one("b", true), one("c", true), plain) }).await;
        assert!(a.is_err());
        b?;
        c?;
        plain?;
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b1,b2,c1,c2,plain");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_joined_guards_of_one_task_are_refused(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        for _ in 0..5000 {
            let mut first = database.transaction().into_future();
            if let std::task::Poll::Ready(early) = poll!(&mut first) {
                early?.rollback().await?;
                continue;
            }
            let second = soon("the second", database.transaction()).await;
            let error = second.expect_err("it comes from a sibling");
            assert_eq!(error.kind(), ErrorKind::ConcurrentUse, "{error}");
            assert!(error.message().matches("force_rollback.rs:").count() >= 2, "{error}");
            first.await?.commit().await?;
            assert!(database.disconnect().await?);
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    async fn f4_statements_outside_transactions_interleave(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        // Each waits for the other after every statement, holding a handle to its connection all the time.
        let turn = Arc::new(Barrier::new(2));
        let tasks = [0, 1].map(|task| {
            let (other, turn) = (database.clone(), Arc::clone(&turn));
            let statements: Vec<_> = (0..5).map(|number| add(&t, format!("{task}{number}"))).collect();
            tokio::spawn(async move {
                let connection = other.connection();
                for (number, statement) in statements.into_iter().enumerate() {
                    if number % 2 == 0 { connection.execute(statement, ()).await? } else { other.execute(statement, ()).await? };
                    turn.wait().await;
                }
                Ok::<_, Error>(())
            })
        });
        for task in soon("both", join_all(tasks)).await {
            task.expect("no panic")?;
        }
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 10);
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_a_guard_dropped_or_aborted_lets_the_next_in_clean(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        for (round, body) in ["a", "b", "c"].into_iter().enumerate() {
            let (written, told) = oneshot::channel();
            let (go, gone) = oneshot::channel::<()>();
            let (other, sql) = (database.clone(), add(&t, "undone"));
            let holder = tokio::spawn(async move {
                let transaction = other.transaction().await.expect("it begins");
                transaction.execute(sql, ()).await.expect("it writes");
                written.send(()).expect("the test waits");
                let _ = gone.await;
                if round == 1 {
                    let inner = other.transaction().await.expect("it nests");
                    drop(transaction);
                    drop(inner);
                }
            });
            told.await.expect("it came so far");
            let mut next = database.execute(add(&t, body), ()).into_future();
            assert!(poll!(&mut next).is_pending(), "it waits");
            if round == 2 { holder.abort() } else { go.send(()).expect("the holder waits") }
            soon("the next", next).await?;
            let _ = holder.await;
        }
        assert_eq!(seen_by_another_task(&t, &database).await, "a,b,c");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_whoever_gives_up_waiting_leaves_the_queue(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        let (begun, told) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            let transaction = other.transaction().await?;
            begun.send(()).expect("the test waits");
            gone.await.expect("the test tells");
            transaction.execute(sql, ()).await?;
            transaction.commit().await
        });
        told.await.expect("it came so far");
        for _ in 0..3 {
            let mut begin = database.transaction().into_future();
            assert!(poll!(&mut begin).is_pending());
            let mut statement = database.connection().execute(add(&t, "given up"), ()).into_future();
            assert!(poll!(&mut statement).is_pending());
        }
        let limited = database.execute(add(&t, "given up"), ()).timeout(Duration::from_millis(20)).await;
        assert_eq!(kind(&limited), Some(ErrorKind::Timeout));
        let mut patient = database.transaction().into_future();
        assert!(poll!(&mut patient).is_pending());
        go.send(()).expect("the holder waits");
        holder.await.expect("no panic")?;
        let transaction = soon("the patient one", patient).await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.commit().await?;
        assert_eq!(seen_by_another_task(&t, &database).await, "a,b");
        assert!(database.disconnect().await?);
        Ok(())
    }

    async fn f4_many_tasks_with_transactions_keep_exactly_what_they_committed(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let tasks = (10..40).map(|number| {
            let (other, one, two) = (database.clone(), add(&t, format!("{number}a")), add(&t, format!("{number}b")));
            tokio::spawn(async move {
                let work = async |transaction: Transaction| {
                    transaction.execute(one, ()).await?;
                    tokio::task::yield_now().await;
                    other.execute(two, ()).await?;
                    if number % 3 == 0 { Err(undo()) } else { Ok(()) }
                };
                other.transaction().run(work).await
            })
        });
        let results = soon("all tasks", join_all(tasks)).await;
        let undone = results.iter().filter(|result| result.as_ref().expect("no panic").is_err()).count();
        assert_eq!(undone, 10);
        let all: Vec<_> = (10..40).filter(|number| number % 3 != 0).map(|number| format!("{number}a,{number}b")).collect();
        assert_eq!(seen_by_another_task(&t, &database).await, all.join(","));
        assert!(soon("disconnect", database.disconnect().boxed()).await?);
        until("it is disconnected", || !database.is_connected()).await;
        Ok(())
    }
}
