//! F4: transactions in the sandbox, one after the other.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ebbtide::{Error, ErrorKind, Result, Transaction};
use futures::future::join_all;
use futures::{FutureExt as _, poll};
use tokio::sync::{Barrier, Mutex, oneshot};

use super::{sandboxed, seen_by_another_task, undo};
use crate::cases::tasks::{add, count, kind, let_others_run, list, soon, until};
use crate::support::cases;

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
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
        assert!(log.lock().await.is_empty(), "no other caller came in between");
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

    /// In the libraries that served as models, the sibling's committed work is lost here.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
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

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
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

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
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
            assert!(error.message().matches(file!()).count() >= 2, "{error}");
            first.await?.commit().await?;
            assert!(database.disconnect().await?);
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f4_statements_outside_transactions_interleave(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        // Each waits for the other after every statement, and holds a handle to its connection all the time.
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

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f4_a_guard_dropped_or_aborted_lets_the_next_in_clean(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        for (round, body) in ["a", "b", "c"].into_iter().enumerate() {
            let (written, signal) = oneshot::channel();
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
            signal.await.expect("it came so far");
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

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f4_a_caller_that_stops_waiting_leaves_the_queue(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        let (begun, signal) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let holder = tokio::spawn(async move {
            let transaction = other.transaction().await?;
            begun.send(()).expect("the test waits");
            gone.await.expect("the test tells");
            transaction.execute(sql, ()).await?;
            transaction.commit().await
        });
        signal.await.expect("it came so far");
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

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
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
