//! Deliberate attacks on the library: interrupted ends, killed sessions, floods of tasks, and unusual input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, Error, ErrorKind, Result, Transaction, params};
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
                kill_backend(&t.url(), victim).await.expect("it is killed");
                let failed = soon(place, running).await.expect("no panic").expect_err("its session was killed");
                assert_eq!(failed.kind(), ErrorKind::ConnectionLost, "{place}: {failed:?}");
            } else {
                kill_backend(&t.url(), victim).await.expect("it is killed");
                match (place, &guard) {
                    ("commit", Some(guard)) => drop(soon(place, guard.commit()).await.expect_err("its session is gone")),
                    ("rollback", Some(guard)) => drop(soon(place, guard.rollback()).await),
                    ("begin", _) => drop(soon(place, sandbox.transaction()).await.expect_err("its session is gone")),
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
                let work = wave(texts, numbers(50), database.clone(), dice.roll(7));
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

    /// COPY has a protocol of its own, in which a connection could hang.
    #[only(postgres)]
    async fn q8_copy_as_a_statement_is_refused_before_it_is_sent(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        for database in [plain.clone(), plain.sandbox().await?] {
            for sql in [
                "copy {notes} (body) from stdin", "COPY {notes} TO STDOUT (FORMAT csv)", "copy (select 1) to stdout",
                "select 1; copy {notes} (body) from stdin",
            ] {
                let error = soon(sql, database.execute(t.sql(sql), ())).await.expect_err("it is refused");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error:?}");
                soon(sql, database.iterate(t.sql(sql), ()).try_next()).await.expect_err("it is refused");
                let transaction = database.transaction().await?;
                soon(sql, transaction.fetch_all(t.sql(sql), ())).await.expect_err("it is refused");
                transaction.execute(add(&t, "inside"), ()).await?;
                transaction.commit().await?;
                drop(transaction);
                assert_eq!(seen(&t, &database).await, "inside", "{sql}");
                database.execute(t.sql("delete from {notes}"), ()).await?;
            }
        }
        Ok(())
    }

    /// A NUL in a text must not hide the text after it.
    async fn q2_a_nul_in_a_text_never_cuts_it_short(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        plain.execute(add(&t, "a"), ()).await?;
        for database in [plain.clone(), plain.sandbox().await?] {
            for sql in [
                "delete from {notes} \0 where body = 'b'",
                "delete from {notes}\0where body = 'b'",
                "delete from {notes};\0 select 1",
                "delete from {notes} -- \0\n where body = 'b'",
                "delete from {notes} where body = 'a' or '\0' = 'x'",
            ] {
                for (number, sql) in [t.words(sql), t.words(&format!("{sql} and :name = :name"))].into_iter().enumerate() {
                    let given = if number == 0 { params! {} } else { params! { name: "x" } };
                    let done = soon("a text with a NUL", database.execute(AssertSqlSafe(sql.clone()), given)).await;
                    assert_eq!(seen(&t, &database).await, "a", "{sql:?}: {done:?}");
                    let error = done.expect_err("it is refused");
                    assert!(error.to_string().contains("NUL"), "{sql:?}: {error}");
                }
            }
            let error = database.fetch_value::<i64>("select 1\0", ()).await.expect_err("it is refused");
            assert!(error.to_string().contains("NUL"), "{error}");
        }
        Ok(())
    }

    /// Whatever the size, the next statement is answered.
    async fn q8_inputs_beyond_all_measure_spoil_nothing(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        let length = if t.backend().is_mysql() { "select char_length(:text)" } else { "select length(:text)" };
        let length = if t.backend().is_postgres() { "select length(:text)::bigint" } else { length };
        for database in [plain.clone(), plain.sandbox().await?] {
            // A megabyte of text, in a literal, in white space and in a list.
            let literal = AssertSqlSafe(format!("select '{}'", "x".repeat(1 << 20)));
            assert_eq!(soon("a literal", database.fetch_value::<String>(literal, ())).await?.len(), 1 << 20);
            let blank = AssertSqlSafe(format!("select {} 7", " ".repeat(1 << 20)));
            assert_eq!(soon("blanks", database.fetch_value::<i64>(blank, ())).await?, 7);
            let list = AssertSqlSafe(format!("select count(*) from {} where body in ({}'x')", t.table("notes"), "'y', ".repeat(200_000)));
            assert_eq!(soon("a list", database.fetch_value::<i64>(list, ())).await?, 0);
            let sum = soon("a value", database.fetch_value::<i64>(length, params! { text: "x".repeat(1 << 20) })).await?;
            assert_eq!(sum, 1 << 20);
            // Nested more deeply than a parser accepts.
            let deep = AssertSqlSafe(format!("select {}1{}", "(".repeat(2_000), ")".repeat(2_000)));
            match soon("parentheses", database.fetch_value::<i64>(deep, ())).await {
                Ok(one) => assert_eq!(one, 1),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            let many: Vec<i64> = (0..65_536).collect();
            let sql = AssertSqlSafe(format!("select count(*) from {} where id in (:ids)", t.table("notes")));
            if let Err(error) = soon("a list", database.fetch_value::<i64>(sql, params! { ids: many })).await {
                assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
            }
            for given in [params! {}, params! { a: 1, b: 2 }] {
                let error = database.fetch_value::<i64>("select :a", given).await.expect_err("one is wanted");
                assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
            }
            assert_eq!(soon("the last", database.fetch_value::<i64>("select 42", ())).await?, 42);
        }
        // More than MySQL accepts in one packet.
        let done = soon("a value", plain.fetch_value::<i64>(length, params! { text: "x".repeat(20 << 20) })).await;
        match done {
            Ok(found) => assert_eq!(found, 20 << 20),
            // The server reports this and closes the connection; which of the two is noticed first depends on timing.
            Err(error) => {
                assert!(t.backend().is_mysql(), "{error:?}");
                assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::Database), "{error:?}");
            }
        }
        assert_eq!(soon("the next", plain.fetch_value::<i64>("select 42", ())).await?, 42);
        Ok(())
    }

    /// No memory is kept by operations that were dropped, interrupted or undone.
    #[limit(120)]
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
