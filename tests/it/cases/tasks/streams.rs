//! T5: statements on the connection of an open stream.

use ebbtide::{Database, ErrorKind, Result, Transaction};
use tokio::sync::oneshot;

use super::{add, config, count, in_task, kept, line_below, list, next_number, notes, numbers, rest, soon};
use crate::support::cases;

fn one_to(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

cases! {
    async fn t5_a_statement_beside_an_open_stream_works(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(&t, 300), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        soon("a statement beside the stream", transaction.execute(add(&t, "a"), ())).await?;
        assert_eq!(next_number(&mut rows).await, Some(2));
        let here = soon("a plain query beside the stream", database.fetch_value::<String>(list(&t), ())).await?;
        assert_eq!(here, "a");
        assert_eq!(rest(rows).await, one_to(300)[2..], "no row is lost");
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    async fn t5_a_statement_inside_the_loop_over_a_stream_works(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        let mut rows = connection.iterate(numbers(&t, 30), ());
        let mut sum = 0;
        while let Some(number) = next_number(&mut rows).await {
            soon("a statement in the loop", connection.execute(add(&t, 100 + number), ())).await?;
            sum += number;
        }
        assert_eq!((sum, connection.fetch_value::<i64>(count(&t), ()).await?), (465, 30));
        Ok(())
    }

    async fn t5_streams_on_one_connection_interleave(t: Test) -> Result<()> {
        let database = t.database().await;
        let transaction = database.transaction().await?;
        let (mut first, mut second) = (transaction.iterate(numbers(&t, 200), ()), transaction.iterate(numbers(&t, 100), ()));
        let interleaved = async {
            for number in 1..=100 {
                assert_eq!(next_number(&mut first).await, Some(number));
                assert_eq!(next_number(&mut second).await, Some(number));
            }
        };
        soon("two streams", interleaved).await;
        assert_eq!(next_number(&mut second).await, None);
        assert_eq!(rest(first).await, one_to(200)[100..]);
        transaction.rollback().await
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t5_savepoints_and_commits_beside_an_open_stream_work(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(&t, 50), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let savepoint = soon("a savepoint", transaction.transaction().into_future()).await?;
        savepoint.execute(add(&t, "a"), ()).await?;
        soon("its rollback", savepoint.rollback()).await?;
        transaction.execute(add(&t, "b"), ()).await?;
        assert_eq!(next_number(&mut rows).await, Some(2));
        let mut more = transaction.iterate(numbers(&t, 50), ());
        assert_eq!(next_number(&mut more).await, Some(1));
        soon("the commit", transaction.commit()).await?;
        assert_eq!(rest(rows).await, one_to(50)[2..]);
        assert_eq!(rest(more).await, one_to(50)[1..]);
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t5_a_statement_waits_for_no_stream_that_was_dropped_or_never_read(t: Test) -> Result<()> {
        let database = t.database().await;
        let transaction = database.transaction().await?;
        let unread = transaction.iterate(numbers(&t, 100), ());
        assert_eq!(soon("beside one not read", transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ())).await?, 1);
        let mut dropped = transaction.iterate(numbers(&t, 900), ());
        assert_eq!(next_number(&mut dropped).await, Some(1));
        drop(dropped);
        assert_eq!(soon("after one dropped", transaction.fetch_value::<i64>(t.sql("select 2 {from}"), ())).await?, 2);
        assert_eq!(rest(unread).await, one_to(100));
        transaction.rollback().await
    }

    async fn t5_joined_and_spawned_statements_beside_a_stream_work(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let mut rows = transaction.iterate(numbers(&t, 200), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        // The reader of the stream waits for the writer, in the same task.
        let (written, wait) = oneshot::channel();
        let reader = async {
            wait.await.expect("the writer tells");
            rest(rows).await
        };
        let writer = async {
            let done = database.execute(add(&t, "a"), ()).await;
            written.send(()).expect("the reader waits");
            done
        };
        let (numbers_read, done) = soon("join!", async { futures::join!(reader, writer) }).await;
        assert_eq!((numbers_read, done?.rows_affected), (one_to(200)[1..].to_vec(), 1));

        let mut rows = transaction.iterate(numbers(&t, 200), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let (other, sql) = (database.clone(), add(&t, "b"));
        let task = in_task(database.share(async move { other.execute(sql, ()).await }));
        soon("a spawned statement", task).await?;
        assert_eq!(rest(rows).await, one_to(200)[1..]);
        transaction.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }

    async fn t5_a_stream_read_by_another_task_goes_on(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        let (ask, mut asked) = tokio::sync::mpsc::channel::<oneshot::Sender<Option<i64>>>(1);
        let mut rows = transaction.iterate(numbers(&t, 40), ());
        let reader = tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send(next_number(&mut rows).await);
            }
        });
        for number in 1..=40 {
            let (answer, answered) = oneshot::channel();
            ask.send(answer).await.expect("the reader is there");
            assert_eq!(soon("the reader", answered).await, Ok(Some(number)));
            soon("a statement", transaction.execute(add(&t, number), ())).await?;
        }
        drop(ask);
        reader.await.expect("no panic");
        transaction.rollback().await
    }

    async fn t5_too_many_rows_to_put_aside_fail_at_once_naming_the_stream(t: Test) -> Result<()> {
        let database = Database::connect(config(&t).stream_buffer_rows(10_usize)).await?;
        let transaction = database.transaction().await?;
        let opened = line_below();
        let mut rows = transaction.iterate(numbers(&t, 500), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        let beside = soon("the statement", transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ())).await;
        let error = beside.expect_err("there are more rows than are buffered");
        assert_eq!(error.kind(), ErrorKind::ConcurrentUse);
        assert!(error.message().contains(&opened), "{opened} is named: {error}");
        assert_eq!(rest(rows).await, one_to(500)[1..], "the stream has lost nothing");
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select 8 {from}"), ()).await?, 8);
        transaction.rollback().await
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t5_in_the_sandbox_too(t: Test) -> Result<()> {
        let database = Database::connect(config(&t).force_rollback(true)).await?;
        let mut rows = database.iterate(numbers(&t, 100), ());
        assert_eq!(next_number(&mut rows).await, Some(1));
        assert_eq!(soon("a statement", database.fetch_value::<i64>(t.sql("select 7 {from}"), ())).await?, 7);
        let other = database.clone();
        let eight = t.sql("select 8 {from}");
        let task = in_task(async move { other.fetch_value::<i64>(eight, ()).await });
        assert_eq!(soon("another task's", task).await?, 8);
        let inside = database.transaction().run(async |transaction: Transaction| {
            transaction.fetch_value::<i64>(t.sql("select 9 {from}"), ()).await
        });
        assert_eq!(soon("a transaction", inside).await?, 9);
        assert_eq!(rest(rows).await, one_to(100)[1..]);
        database.disconnect().await?;
        Ok(())
    }
}
