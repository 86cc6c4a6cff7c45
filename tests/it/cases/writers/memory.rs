//! X13: writers and concurrent streams, which exclude writers where there is no WAL.

use ebbtide::{Config, Database, Result, RowStream};
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
                let mut rows = database.iterate(ebbtide::AssertSqlSafe(read), ());
                while let Some(i) = next_number(&mut rows).await {
                    let sql = ebbtide::AssertSqlSafe(format!("{write}{task}.{i}')"));
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
