//! X4: calls cut off between a request and its answer, on a connection that can be paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebbtide::{Database, ErrorKind, IsolationLevel, Result};

use super::{Points, Proxied, may_have_ended, rows};
use crate::cases::tasks::{add, config, in_task, in_use, kept, list, notes_with, soon, until};
use crate::support::cases;

cases! {
    #[only(postgres, mysql)]
    #[except(tokio_postgres)]
    async fn x4_dropped_between_request_and_answer(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let database = &narrow.database;
        for round in 0..2 {
            proxied.cut_between(database.transaction()).await;
            proxy.resume();
            narrow.assert_clean("begin").await;

            proxied.cut_between(database.transaction().isolation(IsolationLevel::RepeatableRead)).await;
            proxy.resume();
            narrow.assert_clean("begin with a level").await;

            proxied.cut_between(database.execute(add(&t, format!("plain{round}")), ())).await;
            proxy.resume();
            narrow.assert_clean("a plain statement").await;

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, format!("commit{round}")), ()).await?;
            proxied.cut_between(transaction.commit()).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("commit").await;

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "rollback"), ()).await?;
            proxied.cut_between(transaction.rollback()).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("rollback").await;
            assert!(!narrow.has("rollback").await);

            for inner_commits in [true, false] {
                let body = format!("outer{round}{inner_commits}");
                let outer = database.transaction().await?;
                outer.execute(add(&t, &body), ()).await?;
                proxied.cut_between(outer.transaction()).await;
                proxy.resume();
                let inner = may_have_ended(soon("a savepoint", outer.transaction()).await, "a savepoint");
                if let Some(inner) = inner {
                    inner.execute(add(&t, "inner"), ()).await?;
                    if inner_commits {
                        proxied.cut_between(inner.commit()).await;
                    } else {
                        proxied.cut_between(inner.rollback()).await;
                    }
                    proxy.resume();
                    drop(inner);
                }
                may_have_ended(soon("the outer", outer.rollback()).await, "the outer");
                drop(outer);
                narrow.assert_clean("savepoints").await;
                assert!(!narrow.has(&body).await && !narrow.has("inner").await);
            }

            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "in it"), ()).await?;
            proxied.cut_between(transaction.fetch_all(rows(&t, 7), ())).await;
            proxy.resume();
            drop(transaction);
            narrow.assert_clean("a statement in a transaction").await;
            assert!(!narrow.has("in it").await);
        }
        until("one connection is open", || proxy.open_connections() == 1).await;
        Ok(())
    }

    // MySQL's driver cannot read on where the preparing of a statement was cut off.
    #[only(postgres)]
    async fn x4_a_statement_that_fails_after_it_was_cut_off_costs_nothing_else(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, database) = (&proxied.proxy, &proxied.narrow.database);
        let id = "select pg_backend_pid()::int8";
        let connection = database.connection();
        let before: i64 = connection.fetch_value(id, ()).await?;
        proxied.cut_between(connection.fetch_all("select * from a_table_that_is_missing", ())).await;
        proxy.resume();
        assert_eq!(connection.fetch_value::<i64>(id, ()).await?, before);
        drop(connection);

        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "in it"), ()).await?;
        proxied.cut_between(sandbox.fetch_all("select * from a_table_that_is_missing", ())).await;
        proxy.resume();
        let count: i64 = sandbox.fetch_value(t.sql("select count(*) from {notes} where body = 'in it'"), ()).await?;
        assert_eq!(count, 1);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x4_the_next_user_waits_while_the_answer_is_still_out(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let transaction = narrow.database.transaction().await?;
        transaction.execute(add(&t, "dropped"), ()).await?;
        proxied.cut_between(transaction.execute(add(&t, "dropped too"), ())).await;
        drop(transaction);
        let (database, sql) = (narrow.database.clone(), add(&t, "next"));
        let next = tokio::spawn(async move { database.execute(sql, ()).await });
        until("the next user waits, or opens another", || {
            let status = narrow.database.status().expect("it is connected");
            status.waiting == 1 || proxy.connections() > 1
        })
        .await;
        proxy.resume();
        soon("the next user", next).await.expect("no panic")?;
        narrow.assert_clean("it waited").await;
        assert!(narrow.has("next").await && !narrow.has("dropped").await && !narrow.has("dropped too").await);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn q8_a_connection_whose_answer_never_comes_is_thrown_away(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let (proxy, narrow) = (&proxied.proxy, &proxied.narrow);
        let transaction = narrow.database.transaction().await?;
        transaction.execute(add(&t, "dropped"), ()).await?;
        proxied.cut_between(transaction.execute(add(&t, "dropped too"), ())).await;
        drop(transaction);
        let (database, sql) = (narrow.database.clone(), add(&t, "next"));
        let next = tokio::spawn(async move { database.execute(sql, ()).await });
        until("the old connection is given up for a new one", || proxy.connections() >= 2).await;
        proxy.resume();
        soon("the next user", next).await.expect("no panic")?;
        narrow.assert_clean("a new connection").await;
        assert!(narrow.has("next").await && !narrow.has("dropped").await);
        until("the old one is closed", || proxy.open_connections() == 1).await;
        Ok(())
    }

    #[native]
    async fn x4_tasks_aborted_at_any_time_leave_what_they_committed_and_nothing_else(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(3_u32)).await;
        let mut tasks = Vec::new();
        for number in 100..180_u64 {
            let committing = Arc::new(AtomicBool::new(false));
            let (other, sql, nested, begun) =
                (database.clone(), add(&t, number), add(&t, format!("{number}n")), Arc::clone(&committing));
            let task = tokio::spawn(async move {
                let transaction = other.transaction().await?;
                transaction.execute(sql, ()).await?;
                other.transaction().run(async |_| other.execute(nested, ()).await).await?;
                begun.store(true, Ordering::SeqCst);
                transaction.commit().await
            });
            tasks.push((number, task, committing));
            // Some are aborted early, some late, some never.
            if number % 4 != 0 {
                tokio::time::sleep(Duration::from_micros(number * 37 % 900)).await;
                tasks[tasks.len() / 2..].iter().step_by(3).for_each(|(_, task, _)| task.abort());
            }
        }
        let mut must = Vec::new();
        let mut may = Vec::new();
        for (number, task, committing) in tasks {
            match soon("a task", task).await {
                Ok(Ok(())) => must.push(number.to_string()),
                Ok(Err(error)) => panic!("{number}: {error:?}"),
                Err(error) => {
                    assert!(error.is_cancelled(), "{number}: {error}");
                    if committing.load(Ordering::SeqCst) {
                        may.push(number.to_string());
                    }
                }
            }
        }
        until("nothing is in use", || in_use(&database) == 0).await;
        let there = kept(&t, &database).await;
        let there: Vec<_> = there.split(',').filter(|body| !body.is_empty()).collect();
        for body in &must {
            assert!(there.contains(&body.as_str()), "{body} was committed");
        }
        for body in there {
            let number = body.trim_end_matches('n').to_owned();
            assert!(must.contains(&number) || may.contains(&number), "{body} was never committed");
        }
        database.execute(add(&t, "next"), ()).await?;
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes} where body = 'next'"), ()).await?, 1);
        Ok(())
    }

    /// In the sandbox, too, a cut-off call of one task does not disturb other tasks.
    #[native]
    async fn x4_in_the_sandbox_cut_off_at_every_point(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t)).await;
        let sandbox = if t.can_observe() {
            Database::connect(config(&t).force_rollback(true)).await?
        } else {
            plain.clone()
        };
        // A database in memory is not visible to other connections, so there it is the sandbox of the plain database.
        let on = sandbox.force_rollback(true);
        let mut number = 100;
        let mut expected = Vec::new();
        for shape in 0..4 {
            let mut points = Points::new();
            while points.next() {
                number += 1;
                let body = number.to_string();
                let done = match shape {
                    0 => points.cut(sandbox.execute(add(&t, &body), ())).await.map(|done| done.map(drop)),
                    1 => points.cut(sandbox.transaction()).await.map(|begun| begun.map(drop)),
                    2 => {
                        let run = sandbox.transaction().run(async |_| sandbox.execute(add(&t, &body), ()).await);
                        points.cut(run).await.map(|done| done.map(drop))
                    }
                    _ => points.cut(sandbox.fetch_all(rows(&t, number), ())).await.map(|rows| rows.map(drop)),
                };
                let after = format!("shape {shape}, cut at {}", points.polls);
                let next = format!("next{number}");
                match soon("the next", sandbox.execute(add(&t, &next), ())).await {
                    Ok(_) => {}
                    // The driver cannot always save the connection; then the whole sandbox is lost, and reports it.
                    Err(error) => {
                        assert!(t.backend().is_mysql(), "{after}: {error:?}");
                        assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{after}: {error:?}");
                        sandbox.disconnect().await?;
                        Database::connect(&sandbox).await?;
                        expected.clear();
                        done.transpose()?;
                        continue;
                    }
                }
                if done.transpose()?.is_some() && matches!(shape, 0 | 2) {
                    expected.push(body);
                }
                expected.push(next);
                let (other, sql) = (sandbox.clone(), list(&t));
                let there = in_task(sandbox.share(async move { other.fetch_value::<String>(sql, ()).await })).await?;
                let there: Vec<_> = there.split(',').collect();
                for body in &expected {
                    assert!(there.contains(&body.as_str()), "{after}: {body} was lost");
                }
            }
        }
        drop(on);
        sandbox.disconnect().await?;
        if t.can_observe() {
            assert_eq!(kept(&t, &plain).await, "");
        }
        Ok(())
    }

    // The driver of MySQL cannot read on after a call that was cut off.
    #[only(mysql)]
    async fn t6_a_transaction_that_a_cancelled_call_ended_does_not_blame_the_server_found_a8(t: Test) -> Result<()> {
        let proxied = Proxied::new(&t).await;
        let transaction = proxied.narrow.database.transaction().await?;
        proxied.cut_between(transaction.execute(add(&t, "cut"), ())).await;
        proxied.proxy.resume();
        let error = transaction.execute(add(&t, "late"), ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionEnded, "{error:?}");
        assert!(error.message().contains("is no longer open") && error.message().contains("was cancelled"), "{error}");
        assert!(!error.message().contains("by the server"), "{error}");
        Ok(())
    }
}
