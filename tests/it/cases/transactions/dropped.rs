//! X3: guards that are dropped unfinished.

use ebbtide::{ErrorKind, Result, Transaction};
use tokio::sync::oneshot;

use super::narrow;
use crate::cases::tasks::{add, config, count, in_use, kept, kind, notes, notes_with, soon, until};
use crate::support::cases;

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x3_a_dropped_guard_rolls_back_before_the_next_user(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for round in 0..20 {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "dropped"), ()).await?;
            let savepoint = (round % 2 == 0).then(|| database.transaction());
            if let Some(savepoint) = savepoint {
                let savepoint = savepoint.await?;
                savepoint.execute(add(&t, "in a savepoint"), ()).await?;
                drop(savepoint);
            }
            drop(transaction);
            database.execute(add(&t, 10 + round), ()).await?;
            assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, round + 1);
        }
        let all: Vec<_> = (10..30).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, all.join(","));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x3_dropped_in_the_wrong_order_both_are_rolled_back(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "a"), ()).await?;
        let inner = database.transaction().await?;
        inner.execute(add(&t, "b"), ()).await?;
        drop(outer);
        let after = inner.execute(add(&t, "c"), ()).await;
        assert_eq!(kind(&after), Some(ErrorKind::TransactionEnded), "{after:?}");
        assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
        drop(inner);
        soon("the next user", database.execute(add(&t, "d"), ()).into_future()).await?;
        assert_eq!(kept(&t, &database).await, "d");
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_with_a_statement_under_way(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let mut under_way = 0;
        for round in 0.. {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "a"), ()).await?;
            let mut statement = transaction.execute(add(&t, "b"), ()).into_future();
            // An answer can come so soon that the first poll has it.
            let early = futures::poll!(&mut statement).is_ready();
            under_way += i32::from(!early);
            if !early && round % 2 == 0 {
                drop(transaction);
                // It was sent before the guard was dropped, and ends in either case.
                let _ = soon("the statement", statement).await;
            } else {
                drop(statement);
                drop(transaction);
            }
            soon("the next user", database.execute(add(&t, "next"), ())).await?;
            assert_eq!(kept(&t, &database).await, "next");
            database.execute(t.sql("delete from {notes}"), ()).await?;
            if under_way == 10 {
                break;
            }
            assert!(round < 5000, "no statement was ever under way");
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_with_a_stream_open(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for number in 10..40 {
            database.execute(add(&t, number), ()).await?;
        }
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        let mut rows = transaction.iterate(t.sql("select body from {notes}"), ());
        assert!(futures::TryStreamExt::try_next(&mut rows).await?.is_some());
        drop(transaction);
        drop(rows);
        soon("the next user", database.execute(add(&t, "b"), ()).into_future()).await?;
        assert_eq!(database.fetch_value::<i64>(count(&t), ()).await?, 31);
        assert!(!kept(&t, &database).await.contains('a'));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_by_cancellation(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for closure in [true, false] {
            let (written, signal) = oneshot::channel();
            let (other, sql) = (database.clone(), add(&t, "a"));
            let work = async move {
                let inside = async move |transaction: Transaction| {
                    transaction.execute(sql, ()).await?;
                    written.send(()).expect("the test waits");
                    std::future::pending::<Result<()>>().await
                };
                if closure { other.transaction().run(inside).await } else { inside(other.transaction().await?).await }
            };
            tokio::select! {
                _ = work => panic!("it never ends"),
                signal = signal => signal.expect("it came so far"),
            }
            soon("the next user", database.execute(add(&t, if closure { "b" } else { "c" }), ()).into_future()).await?;
        }
        assert_eq!(kept(&t, &database).await, "b,c");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x3_dropped_in_spawn_blocking_and_off_the_runtime(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        for (round, savepoint) in [false, true, false, true].into_iter().enumerate() {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "a"), ()).await?;
            let inner = if savepoint { Some(database.transaction().await?) } else { None };
            if round < 2 {
                tokio::task::spawn_blocking(move || drop((inner, transaction))).await.expect("no panic");
            } else {
                std::thread::spawn(move || drop((inner, transaction))).join().expect("no panic");
            }
            soon("the next user", database.execute(add(&t, format!("b{round}")), ()).into_future()).await?;
        }
        assert_eq!(kept(&t, &database).await, "b0,b1,b2,b3");
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn x3_dropped_when_its_runtime_shuts_down(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for in_background in [true, false] {
            let (other, sql) = (database.clone(), add(&t, "a"));
            let begun = move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.expect("a runtime");
                let (inside, signal) = oneshot::channel();
                let never = async move {
                    let transaction = other.transaction().await.expect("it begins");
                    transaction.execute(sql, ()).await.expect("it writes");
                    inside.send(()).expect("the test waits");
                    std::future::pending::<()>().await;
                    drop(transaction);
                };
                runtime.spawn(never);
                runtime.block_on(signal).expect("it came so far");
                if in_background { runtime.shutdown_background() } else { drop(runtime) }
            };
            tokio::task::spawn_blocking(begun).await.expect("no panic");
            until("the connection is given up", || in_use(&database) == 0).await;
            // The same key: if the transaction were still open on the server, this would wait for its end.
            soon("the next user", database.execute(add(&t, "a"), ()).into_future()).await?;
            assert_eq!(kept(&t, &database).await, "a");
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn x3_a_guard_that_outlives_its_runtime_can_be_dropped(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        let begun = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let transaction = other.transaction().await.expect("it begins");
                transaction.execute(sql, ()).await.expect("it writes");
                transaction
            })
        };
        let transaction = tokio::task::spawn_blocking(begun).await.expect("no panic");
        drop(transaction);
        until("the connection is given up", || in_use(&database) == 0).await;
        soon("the next user", database.execute(add(&t, "a"), ()).into_future()).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn x3_many_tasks_dropping_guards_never_disturb_each_other(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(3_u32)).await;
        let tasks = (0..12).map(|number| {
            let (other, dropped, kept) = (database.clone(), add(&t, format!("dropped{number}")), add(&t, 10 + number));
            tokio::spawn(async move {
                let transaction = other.transaction().await?;
                other.execute(dropped, ()).await?;
                drop(transaction);
                other.execute(kept, ()).await
            })
        });
        for task in futures::future::join_all(tasks).await {
            assert_eq!(task.expect("no panic")?.rows_affected, 1);
        }
        let all: Vec<_> = (10..22).map(|number| number.to_string()).collect();
        assert_eq!(kept(&t, &database).await, all.join(","));
        until("nothing is in use", || in_use(&database) == 0).await;
        Ok(())
    }
}
