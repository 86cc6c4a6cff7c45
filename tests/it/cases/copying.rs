//! `copy_in` and `copy_out`: COPY of PostgreSQL, outside of transactions, in them, and in sandboxes.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, ConstraintKind, CopyOut, Database, ErrorKind, Result};
use futures::{FutureExt as _, TryStreamExt as _};

use super::queries::{assert_says, with_notes, with_rows};
use super::tasks::soon;
use crate::support::{Test, cases};

fn into(t: &Test) -> AssertSqlSafe<String> {
    t.sql("copy {notes} (id, body) from stdin (format csv)")
}

fn out(t: &Test) -> AssertSqlSafe<String> {
    t.sql("copy (select id, body from {notes} order by id) to stdout (format csv)")
}

async fn read(copy: CopyOut) -> Result<String> {
    let chunks: Vec<_> = copy.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).expect("it is text"))
}

async fn count(database: &Database, t: &Test) -> Result<i64> {
    database.fetch_value(t.sql("select count(*) from {notes}"), ()).await
}

async fn session(database: &Database) -> Result<i64> {
    database.fetch_value("select pg_backend_pid()::bigint", ()).await
}

/// Returns a database with one connection, so that every statement shows what the one before it has left.
async fn one_connection(t: &Test) -> Result<Database> {
    let config = Config::from_url(t.url().as_str())?.pool_size(1).max_overflow(0);
    Database::connect(config).await
}

cases! {
    #[only(postgres)]
    #[sqlx]
    async fn m2_rows_go_in_and_come_out(t: Test) -> Result<()> {
        let _creates = with_notes(&t).await;
        let database = one_connection(&t).await?;
        let pid = session(&database).await?;
        let mut copy = database.copy_in(into(&t)).await?;
        // Rows begin and end anywhere in the pieces.
        for piece in ["1,o", "ne\n2,\"t\"\"w", "o\"\n", "", "3,\n"] {
            copy.send(piece).await?;
        }
        assert_eq!(copy.finish().await?, 3);
        assert_eq!(read(database.copy_out(out(&t)).await?).await?, "1,one\n2,\"t\"\"wo\"\n3,\n");
        // The binary format comes back as it went.
        let binary = t.sql("copy {notes} to stdout (format binary)");
        let chunks: Vec<_> = database.copy_out(binary).await?.try_collect().await?;
        database.execute(t.sql("delete from {notes}"), ()).await?;
        let mut copy = database.copy_in(t.sql("copy {notes} from stdin (format binary)")).await?;
        for chunk in chunks {
            copy.send(chunk).await?;
        }
        assert_eq!(copy.finish().await?, 3);
        assert_eq!(session(&database).await?, pid, "it is the same connection");
        database.disconnect().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_many_rows_need_little_memory_and_no_row_is_lost(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        let mut copy = database.copy_in(into(&t)).await?;
        let mut id = 0_i64;
        for _ in 0..100 {
            let rows: Vec<String> = (id + 1..=id + 1_000).map(|id| format!("{id},note {id}\n")).collect();
            copy.send(rows.concat()).await?;
            id += 1_000;
        }
        assert_eq!(copy.finish().await?, 100_000);
        let mut copy = database.copy_out(out(&t)).await?;
        let (mut lines, mut last) = (0, Vec::new());
        while let Some(chunk) = copy.try_next().await? {
            lines += String::from_utf8_lossy(&chunk).lines().count();
            last = chunk.to_vec();
        }
        assert_eq!(lines, 100_000);
        assert!(String::from_utf8_lossy(&last).ends_with("100000,note 100000\n"));
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_copy_belongs_to_its_transaction(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        for commits in [false, true] {
            let transaction = database.transaction().await?;
            let mut copy = transaction.copy_in(into(&t)).await?;
            copy.send("1,one\n").await?;
            copy.finish().await?;
            // Plain calls of the task are in the transaction, too.
            assert_eq!(read(database.copy_out(out(&t)).await?).await?, "1,one\n");
            if commits { transaction.commit().await? } else { transaction.rollback().await? }
            assert_eq!(count(&database, &t).await?, i64::from(commits));
        }
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_without_finish_nothing_is_written(t: Test) -> Result<()> {
        let _creates = with_notes(&t).await;
        let database = one_connection(&t).await?;
        let pid = session(&database).await?;
        for _ in 0..3 {
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("1,one\n").await?;
            drop(copy);
            assert_eq!(count(&database, &t).await?, 0);
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("1,one\n").await?;
            copy.abort("it is not wanted any more").await?;
            assert_eq!(count(&database, &t).await?, 0);
            let copy = database.copy_in(into(&t)).await?;
            assert_eq!(copy.finish().await?, 0);
        }
        assert_eq!(session(&database).await?, pid, "the connection stays in use");

        // In a transaction a savepoint is the way back.
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("insert into {notes} (id) values (7)"), ()).await?;
        let savepoint = transaction.transaction().await?;
        let mut copy = savepoint.copy_in(into(&t)).await?;
        copy.send("1,one\n").await?;
        drop(copy);
        savepoint.rollback().await?;
        transaction.commit().await?;
        assert_eq!(count(&database, &t).await?, 1);
        assert_eq!(session(&database).await?, pid);
        database.disconnect().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_copy_that_is_dropped_off_the_runtime_writes_nothing(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        let mut copy = database.copy_in(into(&t)).await?;
        copy.send("1,one\n").await?;
        std::thread::spawn(move || drop(copy)).join().expect("no panic");
        assert_eq!(count(&database, &t).await?, 0);
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_copy_out_that_is_dropped_half_way_leaves_its_connection(t: Test) -> Result<()> {
        let _creates = with_rows(&t, 5_000).await;
        let database = one_connection(&t).await?;
        let pid = session(&database).await?;
        for _ in 0..3 {
            let mut copy = database.copy_out(out(&t)).await?;
            assert!(copy.try_next().await?.is_some());
            drop(copy);
            assert_eq!(count(&database, &t).await?, 5_000);
        }
        let transaction = database.transaction().await?;
        let mut copy = transaction.copy_out(out(&t)).await?;
        assert!(copy.try_next().await?.is_some());
        drop(copy);
        transaction.execute(t.sql("delete from {notes} where id = 1"), ()).await?;
        transaction.commit().await?;
        assert_eq!((count(&database, &t).await?, session(&database).await?), (4_999, pid));
        database.disconnect().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_errors_have_their_kinds_and_leave_the_connection(t: Test) -> Result<()> {
        let _creates = with_rows(&t, 1).await;
        let database = one_connection(&t).await?;
        let pid = session(&database).await?;
        for _ in 0..2 {
            for (sql, inwards) in [("copy ebbtide_nothing from stdin", true), ("copy ebbtide_nothing to stdout", false)] {
                let error = if inwards {
                    database.copy_in(sql).await.expect_err("no such table")
                } else {
                    database.copy_out(sql).await.expect_err("no such table")
                };
                assert_says(&error, ErrorKind::UndefinedObject, &["ebbtide_nothing"]);
                assert_eq!(count(&database, &t).await?, 1);
            }
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("2,two\n1,one\n").await?;
            let error = copy.finish().await.expect_err("there is a 1");
            assert_eq!(error.constraint().expect("a constraint").kind, ConstraintKind::Unique);
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("2,two\nmany,three\n").await?;
            let error = copy.finish().await.expect_err("no number");
            assert_says(&error, ErrorKind::Database, &["bigint"]);
            // Refused while it is sent, and only then aborted.
            let mut copy = database.copy_in(into(&t)).await?;
            for _ in 0..50 {
                copy.send(format!("many,{}\n", "x".repeat(10_000))).await?;
            }
            let error = copy.abort("it is not wanted any more").await.expect_err("no number");
            assert_says(&error, ErrorKind::Database, &["bigint"]);
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("many\n").await?;
            drop(copy);
            assert_eq!(count(&database, &t).await?, 1);
            let error = read(database.copy_out("copy (select 1 / (10 - n) from generate_series(1, 20) n) to stdout").await?);
            assert!(error.await.expect_err("a division by zero").sqlstate() == Some("22012"));
            assert_eq!(count(&database, &t).await?, 1);
        }
        // In a transaction they are errors like others.
        let transaction = database.transaction().await?;
        transaction.copy_out("copy ebbtide_nothing to stdout").await.expect_err("no such table");
        let error = transaction.copy_in(into(&t)).await.expect_err("the transaction has failed");
        assert_eq!(error.sqlstate(), Some("25P02"), "{error}");
        let error = transaction.copy_out(out(&t)).await.expect_err("the transaction has failed");
        assert_eq!(error.sqlstate(), Some("25P02"), "{error}");
        transaction.rollback().await?;
        assert_eq!((count(&database, &t).await?, session(&database).await?), (1, pid));
        database.disconnect().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_connection_that_is_lost_before_the_end_leaves_nothing(t: Test) -> Result<()> {
        let observer = with_notes(&t).await;
        for inside in [true, false] {
            let database = one_connection(&t).await?;
            let transaction = if inside { Some(database.transaction().await?) } else { None };
            let pid = session(&database).await?;
            let mut copy = database.copy_in(into(&t)).await?;
            copy.send("1,one\n").await?;
            observer.execute("select pg_terminate_backend(:pid::int)", ebbtide::params! { pid }).await?;
            let error = soon("the end", async {
                loop {
                    if let Err(error) = copy.send("x".repeat(100_000)).await {
                        return error;
                    }
                }
            }).await;
            assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
            if let Some(transaction) = transaction {
                transaction.rollback().await.expect_err("its connection is lost");
            }
            // What only reads can be read again.
            let pid = session(&database).await?;
            let mut copy = database.copy_out("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout").await?;
            observer.execute("select pg_terminate_backend(:pid::int)", ebbtide::params! { pid }).await?;
            let error = soon("the end", async {
                loop {
                    if let Err(error) = copy.try_next().await {
                        return error;
                    }
                }
            }).await;
            assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        }
        assert_eq!(count(&observer, &t).await?, 0);
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_statement_beside_an_open_copy_is_told_at_once(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        let transaction = database.transaction().await?;
        let mut copy = transaction.copy_in(into(&t)).await?;
        let error = soon("the answer", transaction.execute("select 1", ())).await.expect_err("it is in use");
        assert_says(&error, ErrorKind::ConcurrentUse, &["COPY begun at", "copying.rs"]);
        copy.send("1,one\n").await?;
        copy.finish().await?;
        transaction.commit().await?;
        assert_eq!(count(&database, &t).await?, 1);
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_dropped_send_has_sent_nothing(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        let mut copy = database.copy_in(into(&t)).await?;
        let mut sent = 0;
        for id in 0..500 {
            let row = format!("{id},{}\n", "x".repeat(20_000));
            if copy.send(row).now_or_never().transpose()?.is_some() {
                sent += 1;
            }
        }
        assert_eq!(copy.finish().await?, sent);
        assert_eq!(count(&database, &t).await?, i64::try_from(sent).expect("it is small"));
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_a_copy_that_is_cancelled_while_it_waits_is_not_sent(t: Test) -> Result<()> {
        let _creates = with_notes(&t).await;
        let database = one_connection(&t).await?;
        let transaction = database.transaction().await?;
        let slow = transaction.execute("select pg_sleep(0.2)", ()).into_future();
        let waits = async {
            assert!(transaction.copy_in(into(&t)).now_or_never().is_none());
            assert!(transaction.copy_out(out(&t)).now_or_never().is_none());
        };
        let (slow, ()) = futures::join!(slow, waits);
        slow?;
        // It has not failed.
        transaction.execute(t.sql("insert into {notes} (id) values (7)"), ()).await?;
        transaction.commit().await?;
        assert_eq!(count(&database, &t).await?, 1);
        database.disconnect().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_each_wait_for_the_server_has_the_limit_of_statements(t: Test) -> Result<()> {
        let creates = with_notes(&t).await;
        let limit = Duration::from_millis(300);
        let config = Config::from_url(t.url().as_str())?.statement_timeout(limit);
        let database = Database::connect(config).await?;
        // The first row is larger than what the server keeps back.
        let sql = "copy (select repeat('x', 100000), case when n = 3 then pg_sleep(3) end from generate_series(1, 5) n) to stdout";
        let mut copy = database.copy_out(sql).await?;
        let error = soon("the limit", async {
            loop {
                match copy.try_next().await {
                    Ok(piece) => assert!(piece.is_some(), "it is slower than the limit"),
                    Err(error) => return error,
                }
            }
        }).await;
        // A function might have written.
        assert_says(&error, ErrorKind::OutcomeUnknown, &["COPY begun at", "copying.rs", "300ms"]);
        assert!(copy.try_next().await?.is_none());
        // A row that another transaction has inserted makes its key wait.
        let transaction = creates.transaction().await?;
        transaction.execute(t.sql("insert into {notes} (id) values (1)"), ()).await?;
        let mut copy = database.copy_in(into(&t)).await?;
        copy.send("1,one\n").await?;
        // The time between the calls does not count.
        tokio::time::sleep(limit * 2).await;
        copy.send("2,two\n").await?;
        let error = soon("the limit", copy.finish()).await.expect_err("it waits for the key");
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::OutcomeUnknown), "{error}");
        transaction.rollback().await?;
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_the_server_waits_for_a_slow_reader(t: Test) -> Result<()> {
        let database = t.database().await;
        let sql = "copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout";
        let mut copy = database.copy_out(sql).await?;
        assert!(copy.try_next().await?.is_some());
        let waits = "select count(*) from pg_stat_activity where query like 'copy (select repeat%' and wait_event = 'ClientWrite'";
        soon("the server waits", async {
            while database.fetch_value::<i64>(waits, ()).await.expect("an answer") == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }).await;
        let mut pieces = 1;
        while copy.try_next().await?.is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, 100_000);
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_in_a_sandbox_a_copy_is_undone_with_it(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        let sandbox = database.sandbox().await?;
        let mut copy = sandbox.copy_in(into(&t)).await?;
        copy.send("1,one\n").await?;
        assert_eq!(copy.finish().await?, 1);
        // A failure undoes itself alone, and so does what is dropped.
        let mut copy = sandbox.copy_in(into(&t)).await?;
        copy.send("2,two\n1,one\n").await?;
        copy.finish().await.expect_err("there is a 1");
        let mut copy = sandbox.copy_in(into(&t)).await?;
        copy.send("3,three\n").await?;
        drop(copy);
        sandbox.copy_out("copy ebbtide_nothing to stdout").await.expect_err("no such table");
        assert_eq!(read(sandbox.copy_out(out(&t)).await?).await?, "1,one\n");
        let transaction = sandbox.transaction().await?;
        let mut copy = transaction.copy_in(into(&t)).await?;
        copy.send("4,four\n").await?;
        copy.finish().await?;
        transaction.commit().await?;
        assert_eq!(count(&sandbox, &t).await?, 2);
        assert_eq!(count(&database, &t).await?, 0);
        sandbox.disconnect().await?;
        assert_eq!(count(&database, &t).await?, 0);
        Ok(())
    }

    #[only(postgres)]
    #[sqlx]
    async fn m2_other_texts_are_not_sent(t: Test) -> Result<()> {
        let database = with_notes(&t).await;
        for sql in ["select 1", "copy (select 1) to stdout", "copy a from stdin; select 1", "", "copy a from program 'x'",
            "copy a (stdin) from '/dev/null'", "copy a from '/dev/null' with (null 'x') where stdin = 1", "copy a from \"stdin\""] {
            let error = database.copy_in(sql).await.expect_err("it is another");
            assert_says(&error, ErrorKind::Syntax, &["copy_in", "FROM STDIN"]);
        }
        for sql in ["copy a (stdout) to '/tmp/ebbtide'", "copy (select 1 as stdout) to program 'cat'"] {
            let error = database.copy_out(sql).await.expect_err("it is on the server");
            assert_says(&error, ErrorKind::Syntax, &["copy_out", "TO STDOUT"]);
        }
        let error = database.copy_out("copy a from stdin").await.expect_err("it is the other");
        assert_says(&error, ErrorKind::Syntax, &["copy_out", "TO STDOUT"]);
        let error = database.execute(out(&t), ()).await.expect_err("it cannot run so");
        assert_says(&error, ErrorKind::Unsupported, &["copy_out"]);
        Ok(())
    }

    #[except(postgres)]
    async fn m2_other_databases_say_that_they_have_no_copy(t: Test) -> Result<()> {
        let database = t.database().await;
        let error = database.copy_in("copy a from stdin").await.expect_err("it has none");
        assert_says(&error, ErrorKind::Unsupported, &["COPY", "execute_many"]);
        let error = database.copy_out("copy a to stdout").await.expect_err("it has none");
        assert_says(&error, ErrorKind::Unsupported, &["COPY", "iterate"]);
        Ok(())
    }
}
