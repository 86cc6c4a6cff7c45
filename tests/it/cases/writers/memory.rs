//! X13: writers and concurrent streams, which exclude writers where there is no WAL.

use ebbtide::{AssertSqlSafe, Config, Database, Result, RowStream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::once;
use crate::cases::tasks::{add, config, in_use, kept, next_number, notes, notes_with, rest, soon, until};
use crate::support::{Test, cases};

/// Creates a table of `rows` numbers.
async fn filled(t: &Test, config: Config, rows: u32) -> Database {
    let database = notes_with(t, config).await;
    database
        .execute(t.sql("create table {filled} (i integer)"), ())
        .await
        .expect("a table");
    let fill = format!(
        "insert into {{filled}} with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) select i from n"
    );
    database.execute(t.sql(&fill), ()).await.expect("its rows");
    database
}

fn stream(t: &Test, database: &Database) -> RowStream {
    database.iterate(t.sql("select i from {filled}"), ())
}

cases! {
    #[only(sqlite_memory)]
    async fn x13_a_transaction_that_writes_again_waits_for_no_stream_that_waits_for_it_found_a10(t: Test) -> Result<()> {
        let database = filled(&t, config(&t), 300).await;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "a"), ()).await?;
        // In its own task, because in this task it would be in the transaction.
        let (other, sql) = (database.clone(), t.sql("select i from {filled}"));
        let reader = tokio::spawn(async move { other.iterate(sql, ()).try_collect::<Vec<_>>().await });
        until("it has a connection", || in_use(&database) == 2).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        for body in ["b", "c", "d"] {
            soon("another write", transaction.execute(add(&t, body), ())).await?;
        }
        soon("the commit", transaction.commit()).await?;
        let rows = soon("the stream", reader).await.expect("no panic")?;
        assert_eq!(rows.len(), 300);
        assert_eq!(kept(&t, &database).await, "a,b,c,d");
        Ok(())
    }

    /// Either of the two may have its lock first.
    #[only(sqlite_memory)]
    async fn x13_a_commit_beside_streams_that_nobody_reads_is_done_found_a10(t: Test) -> Result<()> {
        let database = filled(&t, config(&t), 300).await;
        for n in 0..30 {
            let mut streams: Vec<_> = (0..3).map(|_| (stream(&t, &database), 1)).collect();
            for (stream, next) in &mut streams {
                // It acquires its connection, and may have a row already.
                *next += i64::from(once(&mut stream.next()).await.is_ready());
            }
            let write = database.transaction().run(async |transaction| {
                transaction.execute(add(&t, n), ()).await?;
                transaction.execute(add(&t, format!("{n} again")), ()).await.map(drop)
            });
            soon("a transaction", write).await?;
            soon("a statement", database.execute(add(&t, format!("{n} plain")), ())).await?;
            for (stream, next) in streams {
                assert_eq!(soon("a stream", rest(stream)).await, (next..=300).collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    /// The tasks write in a loop over a stream of another connection.
    #[only(sqlite_memory)]
    async fn x13_tasks_that_write_in_a_loop_over_their_streams_wait_for_no_lock_found_a10(t: Test) -> Result<()> {
        let database = filled(&t, config(&t), 120).await;
        let tasks = (0..4).map(|task| {
            let (database, read, write) = (database.clone(), t.words("select i from {filled}"), t.words("insert into {notes} (body) values ('"));
            tokio::spawn(async move {
                let mut rows = database.iterate(AssertSqlSafe(read), ());
                while let Some(i) = next_number(&mut rows).await {
                    let sql = AssertSqlSafe(format!("{write}{task}.{i}')"));
                    if i % 3 == 0 {
                        database.transaction().run(async |transaction| transaction.execute(sql, ()).await.map(drop)).await?;
                    } else {
                        database.execute(sql, ()).await?;
                    }
                }
                Ok::<_, ebbtide::Error>(())
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no panic")?;
        }
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 480);
        Ok(())
    }

    /// Streams that have returned no row may have their locks before the one that writes.
    #[only(sqlite_memory)]
    #[sqlx]
    async fn x13_a_stream_of_sqlx_that_writes_waits_for_no_reader_found_a23(t: Test) -> Result<()> {
        let database = filled(&t, config(&t), 3000).await;
        let sqlx = database.sqlx::<sqlx::Sqlite>()?;
        for n in 0..30 {
            let mut streams: Vec<_> = (0..3).map(|_| (stream(&t, &database), 1)).collect();
            for (stream, next) in &mut streams {
                for _ in 0..n % 6 {
                    if *next == 1 {
                        *next += i64::from(once(&mut stream.next()).await.is_ready());
                        tokio::task::yield_now().await;
                    }
                }
            }
            let insert = t.words(&format!("insert into {{notes}} (body) values ('{n}') returning id"));
            let written = sqlx::query(AssertSqlSafe(insert)).fetch(&sqlx).try_collect::<Vec<_>>();
            assert_eq!(soon("a stream that writes", written).await.expect("its row").len(), 1);
            for (stream, next) in streams {
                assert_eq!(soon("a stream", rest(stream)).await, (next..=3000).collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    /// Within `force_rollback(false)` of a sandbox the same pool belongs to another database.
    #[only(sqlite_memory)]
    async fn x13_a_stream_of_another_database_of_the_pool_keeps_no_writer_waiting_found_a23(t: Test) -> Result<()> {
        let database = filled(&t, config(&t), 3000).await;
        let sandbox = database.sandbox().await?;
        for n in 0..3 {
            let mut rows = stream(&t, &database);
            assert_eq!(next_number(&mut rows).await, Some(1));
            let write = sandbox.force_rollback(false).run(async {
                sandbox.execute(add(&t, n), ()).await?;
                sandbox
                    .transaction()
                    .run(async |transaction| transaction.execute(add(&t, format!("{n} too")), ()).await.map(drop))
                    .await
            });
            soon("what is written beside it", write).await?;
            assert_eq!(soon("the stream", rest(rows)).await, (2..=3000).collect::<Vec<_>>());
        }
        assert_eq!(kept(&t, &database).await, "0,0 too,1,1 too,2,2 too");
        Ok(())
    }

    /// It has returned its connection, so its rows keep nobody waiting, however many they are.
    #[only(sqlite)]
    async fn x13_a_stream_of_rows_that_were_written_refuses_nobody_found_a22(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).stream_buffer_rows(10_usize)).await;
        let connection = database.connection();
        for (n, shared) in [true, false].into_iter().enumerate() {
            let insert = format!(
                "insert into {{notes}} (body) with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)                  select '{n}r' || i from n returning id"
            );
            let mut rows = if shared { connection.iterate(t.sql(&insert), ()) } else { database.iterate(t.sql(&insert), ()) };
            assert!(soon("a row", rows.next()).await.expect("a row").is_ok());
            for m in 0..3 {
                let read = async || soon("a read", connection.fetch_value::<i64>("select 1", ())).await;
                // The second waits for the connection.
                let (first, second) = futures::join!(read(), read());
                first.and(second)?;
                soon("a write", connection.execute(add(&t, format!("{n}c{m}")), ())).await?;
                soon("a write beside it", database.execute(add(&t, format!("{n}d{m}")), ())).await?;
            }
            assert_eq!(rest(rows).await.len(), 299);
        }
        Ok(())
    }

    /// SQLite keeps the lock until the last of the written rows is read.
    #[only(sqlite)]
    async fn x13_a_stream_of_rows_that_were_written_keeps_no_lock(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let insert = "insert into {notes} (body) with recursive n(i) as (select 1 union all select i + 1 from n where i < 900) \
                      select 'r' || i from n returning id";
        let mut rows = database.iterate(t.sql(insert), ());
        let mut read = 0;
        while let Some(row) = soon("a row", rows.next()).await {
            row?;
            read += 1;
            if read % 100 == 0 {
                soon("a write in the loop", database.execute(add(&t, format!("in the loop {read}")), ())).await?;
            }
        }
        assert_eq!((read, database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?), (900, 909));
        let mut rows = database.iterate(t.sql("update {notes} set body = 'u' || id returning id"), ());
        assert!(rows.next().await.is_some());
        soon("a write beside it", database.execute(add(&t, "beside"), ())).await?;
        drop(rows);
        let changed: i64 = database.fetch_value(t.sql("select count(*) from {notes} where body like 'u%'"), ()).await?;
        assert_eq!(changed, 909, "all of it was written, whatever was read");
        Ok(())
    }
}
