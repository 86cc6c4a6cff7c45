//! T1, T2, T6: a task and its connection.

use std::pin::pin;

use ebbtide::{Error, ErrorKind, Result, params};
use futures::{TryStreamExt as _, poll};
use tokio::sync::oneshot;

use super::{add, config, in_task, in_use, kept, kind, list, next_number, notes, notes_with, numbers, until};
use crate::support::cases;

cases! {
    // It has words of its own for a temporary table.
    #[except(jdbc_derby)]
    async fn t1_a_task_keeps_one_connection_while_a_handle_lives(t: Test) -> Result<()> {
        let database = t.database().await;
        let first = database.connection();
        assert_eq!(in_use(&database), 0, "nothing is acquired before the first use");
        // Only its own connection sees a temporary table.
        first.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        assert_eq!(in_use(&database), 1);
        let second = database.connection();
        drop(first);
        let mine = || t.sql("select count(*) from {mine}");
        assert_eq!(second.fetch_value::<i64>(mine(), ()).await?, 0, "another handle is the same connection");
        assert_eq!(database.fetch_value::<i64>(mine(), ()).await?, 0, "plain calls run on it");
        assert_eq!(in_use(&database), 1);
        drop(second);
        // Its session is reset first, or it is closed.
        until("the last handle gives it back", || in_use(&database) == 0).await;
        Ok(())
    }

    // Each has words of its own for a temporary table.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn t1_other_tasks_get_other_connections(t: Test) -> Result<()> {
        let database = t.database().await;
        let mine = database.connection();
        mine.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        let (other, sql) = (database.clone(), t.sql("select count(*) from {mine}"));
        let seen = in_task(async move {
            let connection = other.connection();
            let seen = connection.fetch_value::<i64>(sql, ()).await;
            (seen, in_use(&other))
        })
        .await;
        assert_eq!((kind(&seen.0), seen.1), (Some(ErrorKind::UndefinedObject), 2));
        Ok(())
    }

    async fn t1_in_a_transaction_the_tasks_connection_is_inside_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let connection = database.connection();
        connection.execute(add(&t, "a"), ()).await?;
        assert_eq!(in_use(&database), 1);
        transaction.rollback().await?;
        connection.execute(add(&t, "b"), ()).await?;
        assert_eq!(in_use(&database), 1, "the connection outlives the transaction while a handle lives");
        drop(connection);
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    // It has words of its own for a temporary table.
    #[except(jdbc_derby)]
    async fn t1_a_transaction_begins_on_the_tasks_connection(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        connection.execute(t.sql("create temporary table {mine} (id int)"), ()).await?;
        let transaction = database.transaction().await?;
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select count(*) from {mine}"), ()).await?, 0);
        assert_eq!(in_use(&database), 1);
        transaction.commit().await?;
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t2_plain_calls_run_inside_the_tasks_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        database.execute(add(&t, "a"), ()).await?;
        let sql = t.sql("insert into {notes} (body) values (:body)");
        database.execute_many(sql, ["b", "c"].map(|body| params! { body })).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,c");
        assert_eq!(database.fetch_all(t.sql("select body from {notes}"), ()).await?.len(), 3);
        let rows: Vec<_> = database.iterate(t.sql("select body from {notes}"), ()).try_collect().await?;
        assert_eq!((rows.len(), in_use(&database)), (3, 1));
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        database.execute(add(&t, "d"), ()).await?;
        assert_eq!(kept(&t, &database).await, "d", "afterwards calls commit for themselves");
        Ok(())
    }

    async fn t2_another_task_is_outside_of_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // No lock is taken yet, so that others may write on SQLite too.
        let transaction = database.transaction().deferred().await?;
        let (other, sql) = (database.clone(), add(&t, "other"));
        in_task(async move { other.execute(sql, ()).await }).await?;
        assert_eq!(kept(&t, &database).await, "other");
        transaction.execute(add(&t, "mine"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "other");
        Ok(())
    }

    async fn t2_without_a_binding_calls_run_side_by_side(t: Test) -> Result<()> {
        let database = t.database().await;
        let (mut first, mut second) = (database.iterate(numbers(&t, 100), ()), database.iterate(numbers(&t, 100), ()));
        assert_eq!(futures::join!(next_number(&mut first), next_number(&mut second)), (Some(1), Some(1)));
        assert_eq!(in_use(&database), 2, "each stream has a connection");
        assert_eq!(database.fetch_value::<i64>(t.sql("select 42 {from}"), ()).await?, 42, "and a statement beside them too");
        drop((first, second));
        until("the streams' connections are free", || in_use(&database) == 0).await;
        // Several statements in `join!` are under way at once, too; one that is too quick to be seen is tried again.
        for _ in 0..5000 {
            {
                let mut one = pin!(database.fetch_value::<i64>(numbers(&t, 500), ()).into_future());
                let mut two = pin!(database.fetch_value::<i64>(numbers(&t, 500), ()).into_future());
                if poll!(&mut one).is_pending() && poll!(&mut two).is_pending() && in_use(&database) == 2 {
                    let (one, two) = futures::join!(one, two);
                    return Ok(assert_eq!((one?, two?), (1, 1)));
                }
            }
            until("all is quiet", || in_use(&database) == 0).await;
        }
        panic!("two statements were never under way at once");
    }

    // A driver of another language is never sent the text of a transaction.
    #[native]
    async fn t6_the_last_handle_gives_a_clean_connection_back(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let connection = database.connection();
        let clone = connection.clone();
        connection.execute("begin", ()).await?;
        connection.execute(add(&t, "a"), ()).await?;
        drop(connection);
        assert_eq!(clone.fetch_value::<String>(list(&t), ()).await?, "a", "a clone keeps it");
        drop(clone);
        // The only connection has no open transaction any more.
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b");
        assert_eq!(kept(&t, &database).await, "b");
        until("it is free", || in_use(&database) == 0).await;
        Ok(())
    }

    async fn t6_a_finished_task_leaves_nothing_behind(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (other, sql) = (database.clone(), add(&t, "a"));
        in_task(async move {
            let transaction = other.transaction().await?;
            other.execute(sql, ()).await?;
            drop(transaction);
            let _left_to_the_end = other.transaction().await?;
            Ok::<_, Error>(())
        })
        .await?;
        until("its connection is free", || in_use(&database) == 0).await;
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t6_an_aborted_task_leaves_nothing_behind(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for closure in [false, true] {
            let (inside, signal) = oneshot::channel();
            let (other, sql) = (database.clone(), add(&t, "a"));
            let task = tokio::spawn(async move {
                let work = async {
                    other.execute(sql, ()).await.expect("an insert");
                    inside.send(()).expect("the test waits");
                    std::future::pending::<()>().await;
                };
                if closure {
                    other.transaction().run(async |_| Ok::<_, Error>(work.await)).await
                } else {
                    let _guard = other.transaction().await?;
                    Ok(work.await)
                }
            });
            signal.await.expect("it came so far");
            assert_eq!(in_use(&database), 1);
            task.abort();
            assert!(task.await.expect_err("it was aborted").is_cancelled());
            until("its connection is free", || in_use(&database) == 0).await;
            assert_eq!(kept(&t, &database).await, "");
        }
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t6_without_a_task_bindings_end_with_the_handle_too(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for (round, body) in ["a", "b", "c"].into_iter().enumerate() {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "inside"), ()).await?;
            if round == 1 { transaction.rollback().await? } else { drop(transaction) }
            database.execute(add(&t, body), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "a,b,c");
        Ok(())
    }
}
