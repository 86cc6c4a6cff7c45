//! T3, T4: several tasks on one connection.

use std::cell::RefCell;
use std::task::Poll;

use ebbtide::{Connection, Error, ErrorKind, Result, Transaction};
use futures::future::join_all;
use futures::poll;
use tokio::sync::{Barrier, oneshot};

use super::{add, in_task, in_use, is_undo, kept, kind, let_others_run, list, logged, notes, soon, undo, until};
use crate::support::cases;

cases! {
    async fn t3_a_connection_moved_into_a_task_shares_the_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (connection, sql) = (database.connection(), add(&t, "a"));
        in_task(async move { connection.execute(sql, ()).await }).await?;
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b");
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_a_clone_of_the_guards_connection_shares_and_leaves_the_binding(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (connection, sql) = (Connection::clone(&transaction), add(&t, "a"));
        in_task(async move { connection.execute(sql, ()).await }).await?;
        // The guard did not move, so plain calls of this task are still inside.
        soon("a plain call", database.execute(add(&t, "b"), ())).await?;
        transaction.execute(add(&t, "c"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_inside_run_connections_can_be_moved_into_tasks(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let run = database.transaction().run(async |transaction: Transaction| {
            let (connection, sql) = (database.connection(), add(&t, "a"));
            soon("the task's connection", in_task(async move { connection.execute(sql, ()).await })).await?;
            let (connection, sql) = (Connection::clone(&transaction), add(&t, "b"));
            soon("the guard's connection", in_task(async move { connection.execute(sql, ()).await })).await?;
            soon("a plain call", database.execute(add(&t, "c"), ())).await?;
            assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
            Err::<(), _>(undo())
        });
        assert!(is_undo(&run.await));
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t3_share_lets_a_spawned_task_join_the_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(database.share(async move { other.execute(sql, ()).await })).await?;
        let (other, sql, inner) = (database.clone(), add(&t, "b"), add(&t, "c"));
        in_task(transaction.share(async move {
            other.execute(sql, ()).await?;
            // And the future that this task shares in turn.
            let innermost = other.clone();
            in_task(other.share(async move { innermost.execute(inner, ()).await })).await
        }))
        .await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t3_a_shared_task_can_begin_transactions_inside(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (other, one, two) = (database.clone(), add(&t, "a"), add(&t, "b"));
        in_task(database.share(async move {
            let savepoint = other.transaction().await?;
            other.execute(one, ()).await?;
            savepoint.rollback().await?;
            let savepoint = other.transaction().await?;
            savepoint.execute(two, ()).await?;
            savepoint.commit().await
        }))
        .await?;
        assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "b");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    // It has words of its own for a temporary table.
    #[except(jdbc_derby)]
    async fn t3_share_of_a_plain_connection_shares_that(t: Test) -> Result<()> {
        let database = t.database().await;
        let connection = database.connection();
        connection.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        for by_database in [true, false] {
            let (other, sql) = (database.clone(), t.sql("select count(*) from {mine}"));
            let work = async move { other.fetch_value::<i64>(sql, ()).await };
            let seen = if by_database {
                in_task(database.share(work)).await
            } else {
                in_task(connection.share(work)).await
            };
            assert_eq!(seen?, 0);
        }
        Ok(())
    }

    async fn t3_share_without_a_binding_is_just_the_future(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(database.share(async move { other.execute(sql, ()).await })).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn t3_after_its_end_sharers_get_an_error_and_write_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for how in ["commit", "rollback", "drop"] {
            let transaction = database.transaction().await?;
            let (go, gone) = oneshot::channel::<()>();
            let (other, sql, again) = (database.clone(), add(&t, "silent"), add(&t, "silent"));
            let child = tokio::spawn(database.share(async move {
                gone.await.expect("the parent tells");
                let plain = other.execute(sql, ()).await;
                (kind(&plain), kind(&other.connection().execute(again, ()).await), kind(&other.transaction().await))
            }));
            let (moved, sql) = (Connection::clone(&transaction), add(&t, "silent"));
            match how {
                "commit" => transaction.commit().await?,
                "rollback" => transaction.rollback().await?,
                _ => drop(transaction),
            }
            go.send(()).expect("the child waits");
            let ended = Some(ErrorKind::TransactionEnded);
            assert_eq!(child.await.expect("no panic"), (ended, ended, ended), "{how}");
            assert_eq!(kind(&in_task(async move { moved.execute(sql, ()).await }).await), ended, "{how}");
        }
        assert_eq!(kept(&t, &database).await, "");
        until("nothing is held", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn t4_statements_of_one_task_queue_in_order(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let all = (10..60).map(|number| transaction.execute(add(&t, number), ()).into_future());
        for done in join_all(all).await {
            assert_eq!(done?.rows_affected, 1);
        }
        transaction.commit().await?;
        let connection = database.connection();
        let all = (60..90).map(|number| connection.execute(add(&t, number), ()).into_future());
        for done in join_all(all).await {
            done?;
        }
        let order: Vec<String> = connection.fetch_all(t.sql("select body from {notes} order by id"), ()).value().await?;
        assert_eq!(order, (10..90).map(|number| number.to_string()).collect::<Vec<_>>());
        Ok(())
    }

    async fn t4_statements_of_many_tasks_queue_and_none_fails(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let start = std::sync::Arc::new(Barrier::new(8));
        let tasks = (0..8).map(|task| {
            let (other, start) = (database.clone(), start.clone());
            let statements: Vec<_> = (10..20).map(|number| add(&t, format!("{task}{number}"))).collect();
            tokio::spawn(database.share(async move {
                start.wait().await;
                for statement in statements {
                    other.execute(statement, ()).await?;
                }
                Ok::<_, Error>(())
            }))
        });
        for task in join_all(tasks).await {
            task.expect("no panic")?;
        }
        for task in 0..8 {
            let sql = t.sql(&format!("select body from {{notes}} where body like '{task}%' order by id"));
            let order: Vec<String> = transaction.fetch_all(sql, ()).value().await?;
            assert_eq!(order, (10..20).map(|number| format!("{task}{number}")).collect::<Vec<_>>());
        }
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_a_run_inside_share_and_shares_side_by_side(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().await?;
        let (a, b) = soon("join!", async {
            futures::join!(
                database.share(logged(&t, &database, &log, "a", true)),
                outer.share(logged(&t, &database, &log, "b", false)),
            )
        })
        .await;
        assert!(a.is_ok() && is_undo(&b), "{a:?} {b:?}");
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends"]);
        // A guard awaited inside a share belongs to that share, not to the task.
        let (begun, wait) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        let guarded = database.share(async {
            let guard = database.transaction().await?;
            begun.send(()).expect("the sibling waits");
            database.execute(add(&t, "c"), ()).await?;
            finished.await.expect("the sibling tells");
            guard.rollback().await
        });
        let sibling = async {
            wait.await.expect("the share tells");
            let mut plain = database.execute(add(&t, "d"), ()).into_future();
            assert!(poll!(&mut plain).is_pending(), "it waits for the savepoint's end");
            finish.send(()).expect("the share waits");
            plain.await
        };
        let (guarded, plain) = soon("join!", async { futures::join!(guarded, sibling) }).await;
        guarded?;
        plain?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a1,a2,d");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_spawned_shares_run_one_after_the_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let tasks = (10..18).map(|number| {
            let (other, sql) = (database.clone(), add(&t, number));
            tokio::spawn(database.share(async move {
                let work = async |transaction: Transaction| {
                    transaction.execute(sql, ()).await?;
                    let_others_run().await;
                    if number % 2 == 0 { Err(undo()) } else { Ok(()) }
                };
                other.transaction().run(work).await
            }))
        });
        let results = soon("all tasks", join_all(tasks)).await;
        let undone = results.iter().filter(|result| is_undo(result.as_ref().expect("no panic"))).count();
        assert_eq!((undone, results.len()), (4, 8), "{results:?}");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "11,13,15,17");
        Ok(())
    }

    /// Before a transaction has begun there is nothing to share, and no more after it has ended.
    async fn t3_a_share_beside_a_begin_under_way_has_a_connection_of_its_own(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for _ in 0..5000 {
            let mut begin = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut begin) {
                early?.rollback().await?;
                continue;
            }
            let (child, sql) = (database.clone(), list(&t));
            let shared = database.share(async move { child.fetch_value::<String>(sql, ()).await });
            let transaction = soon("the begin", begin).await?;
            assert_eq!(soon("the child", in_task(shared)).await?, "");
            transaction.commit().await?;
            return Ok(());
        }
        panic!("no begin was ever under way");
    }
}
