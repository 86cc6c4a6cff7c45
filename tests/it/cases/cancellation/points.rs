//! X3, X4: transactions cut off at each of their await points.

use std::future::poll_fn;

use ebbtide::{ErrorKind, IsolationLevel, Result, Transaction, params};
use futures::TryStreamExt as _;
use tokio::sync::oneshot;

use super::{Narrow, Points, may_have_ended, rows};
use crate::cases::tasks::{add, config, kept, kind, list, notes_with, soon};
use crate::support::cases;

cases! {
    async fn x4_a_begin_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let begun = points.cut(narrow.database.transaction()).await;
            let after = format!("begin, cut at {}", points.polls);
            if let Some(transaction) = begun {
                let transaction = transaction?;
                transaction.execute(add(&t, "dropped"), ()).await?;
            }
            narrow.assert_clean(&after).await;
        }
        assert!(!narrow.has("dropped").await);
        Ok(())
    }

    async fn x4_a_begin_with_options_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let begin = narrow.database.transaction().isolation(IsolationLevel::Serializable).read_only();
            drop(points.cut(begin).await);
            // A write succeeds: the read-only setting was reset as well.
            narrow.assert_clean(&format!("begin read-only, cut at {}", points.polls)).await;
        }
        Ok(())
    }

    async fn x4_a_commit_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("c{}", narrow.fresh());
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, &body), ()).await?;
            let committed = points.cut(transaction.commit()).await;
            let after = format!("commit, cut at {}", points.polls);
            if points.polls == 1 {
                assert!(transaction.is_open(), "it was never asked for");
            }
            drop(transaction);
            narrow.assert_clean(&after).await;
            let there = narrow.has(&body).await;
            if let Some(committed) = committed {
                committed?;
                assert!(there, "{after}");
            } else if points.polls == 1 {
                assert!(!there, "{after}");
            }
            narrow.assert_clean(&after).await;
            assert_eq!(narrow.has(&body).await, there, "{after}: what became of it is settled");
        }
        Ok(())
    }

    async fn x4_after_a_cut_commit_the_guard_says_so(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, format!("c{}", narrow.fresh())), ()).await?;
            let committed = points.cut(transaction.commit()).await;
            let after = format!("commit, cut at {}", points.polls);
            if committed.is_none() && points.polls > 1 {
                let used = soon("a statement", transaction.execute(add(&t, "silent"), ())).await;
                assert_eq!(kind(&used), Some(ErrorKind::TransactionEnded), "{after}");
                let used = soon("a plain call", narrow.database.execute(add(&t, "autocommitted"), ())).await;
                assert_eq!(kind(&used), Some(ErrorKind::TransactionEnded), "{after}: the task still holds the guard");
                assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::TransactionEnded), "{after}");
            }
            drop(transaction);
            narrow.assert_clean(&after).await;
        }
        assert!(!narrow.has("silent").await && !narrow.has("autocommitted").await);
        Ok(())
    }

    async fn x4_a_rollback_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let transaction = narrow.database.transaction().await?;
            transaction.execute(add(&t, "undone"), ()).await?;
            let rolled_back = points.cut(transaction.rollback()).await;
            drop(transaction);
            narrow.assert_clean(&format!("rollback, cut at {}", points.polls)).await;
            rolled_back.transpose()?;
            assert!(!narrow.has("undone").await);
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x4_a_run_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("r{}", narrow.fresh());
            let done = points
                .cut(narrow.database.transaction().run(async |transaction: Transaction| {
                    transaction.execute(add(&t, &body), ()).await?;
                    let nested = narrow.database.transaction().run(async |_| {
                        narrow.database.execute(add(&t, format!("{body}n")), ()).await
                    });
                    nested.await
                }))
                .await;
            let after = format!("run, cut at {}", points.polls);
            narrow.assert_clean(&after).await;
            let there = narrow.has(&body).await;
            assert_eq!(narrow.has(&format!("{body}n")).await, there, "{after}: all or nothing");
            if let Some(done) = done {
                done?;
                assert!(there, "{after}");
            }
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x4_a_savepoints_begin_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let body = format!("o{}", narrow.fresh());
            let outer = narrow.database.transaction().await?;
            outer.execute(add(&t, &body), ()).await?;
            let inner = points.cut(outer.transaction()).await;
            let after = format!("savepoint, cut at {}", points.polls);
            drop(inner.transpose()?);
            let next = soon("the outer", outer.execute(add(&t, format!("{body}x")), ())).await;
            let goes_on = may_have_ended(next, &after).is_some();
            let committed = may_have_ended(soon("its commit", outer.commit()).await, &after).is_some();
            assert_eq!(goes_on, committed, "{after}");
            drop(outer);
            narrow.assert_clean(&after).await;
            assert_eq!((narrow.has(&body).await, narrow.has(&format!("{body}x")).await), (committed, committed), "{after}");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x4_a_savepoints_end_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for commits in [true, false] {
            let mut points = Points::new();
            while points.next() {
                let body = format!("o{}", narrow.fresh());
                let outer = narrow.database.transaction().await?;
                outer.execute(add(&t, &body), ()).await?;
                let inner = outer.transaction().await?;
                inner.execute(add(&t, format!("{body}i")), ()).await?;
                let ended = if commits { points.cut(inner.commit()).await } else { points.cut(inner.rollback()).await };
                let after = format!("savepoint's end (commit: {commits}), cut at {}", points.polls);
                drop(inner);
                let next = soon("the outer", outer.execute(add(&t, format!("{body}x")), ())).await;
                let goes_on = may_have_ended(next, &after).is_some();
                let committed = may_have_ended(soon("its commit", outer.commit()).await, &after).is_some();
                assert_eq!(goes_on, committed, "{after}");
                drop(outer);
                narrow.assert_clean(&after).await;
                assert_eq!((narrow.has(&body).await, narrow.has(&format!("{body}x")).await), (committed, committed), "{after}");
                let inner_there = narrow.has(&format!("{body}i")).await;
                if !commits || points.polls == 1 && ended.is_none() {
                    assert!(!inner_there, "{after}: it was rolled back");
                } else if ended.transpose()?.is_some() {
                    assert_eq!(inner_there, committed, "{after}");
                }
            }
        }
        Ok(())
    }

    async fn x4_a_statement_in_a_transaction_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for shape in 0..4 {
            let mut points = Points::new();
            while points.next() {
                let number = narrow.fresh();
                let transaction = narrow.database.transaction().await?;
                transaction.execute(add(&t, format!("t{number}")), ()).await?;
                let done = match shape {
                    0 => points.cut(transaction.execute(add(&t, format!("s{number}")), ())).await.is_some(),
                    1 => {
                        let sql = t.sql("insert into {notes} (body) values (:body)");
                        points.cut(transaction.execute(sql, params! { body: format!("s{number}") })).await.is_some()
                    }
                    2 => points.cut(transaction.fetch_all(rows(&t, number), ())).await.is_some(),
                    _ => points.cut(transaction.iterate(rows(&t, number), ()).try_collect::<Vec<_>>()).await.is_some(),
                };
                let after = format!("statement of shape {shape} in a transaction, cut at {}", points.polls);
                let question = t.sql(&format!("select {number} {{from}}"));
                let next = soon("the next statement", transaction.fetch_value::<i64>(question, ())).await;
                let goes_on = may_have_ended(next, &after);
                assert!(goes_on.is_none_or(|answer| answer == i64::from(number)), "{after}: {goes_on:?}");
                let committed = may_have_ended(soon("the commit", transaction.commit()).await, &after).is_some();
                assert_eq!(goes_on.is_some(), committed, "{after}");
                assert!(committed || !done, "{after}: it was not cut at all");
                drop(transaction);
                narrow.assert_clean(&after).await;
                assert_eq!(narrow.has(&format!("t{number}")).await, committed, "{after}");
                assert!(committed || !narrow.has(&format!("s{number}")).await, "{after}");
            }
        }
        Ok(())
    }

    // To DuckDB it is a conflict if a connection that was closed has not yet undone its update; others wait.
    #[except(dbapi2_duckdb)]
    async fn x4_many_rows_at_once_cut_off_at_every_point_are_all_or_nothing(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        // An update cannot be sent as one statement with many tuples, so it needs a transaction of its own.
        let names = 10..16;
        for name in names.clone() {
            narrow.database.execute(add(&t, name), ()).await?;
        }
        let mut points = Points::new();
        while points.next() {
            let mark = format!("{}-", narrow.fresh());
            let sql = t.sql("update {notes} set body = :new where id = :id");
            let rows = (1..=6).map(|id| params! { new: format!("{mark}{id}"), id: i64::from(id) });
            let done = points.cut(narrow.database.execute_many(sql, rows)).await;
            let after = format!("execute_many, cut at {}", points.polls);
            narrow.assert_clean(&after).await;
            let changed = narrow.look(&format!("select count(*) from {{notes}} where body like '{mark}%'")).await;
            assert!(changed == 0 || changed == 6, "{after}: {changed} of 6");
            if let Some(done) = done {
                assert_eq!((done?.rows_affected, changed), (6, 6), "{after}");
            }
        }
        Ok(())
    }

    async fn x4_waiting_for_a_connection_cut_off_at_every_point(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        let mut points = Points::new();
        while points.next() {
            let (release, released) = oneshot::channel::<()>();
            let (held, holds) = oneshot::channel();
            let database = narrow.database.clone();
            let holder = tokio::spawn(async move {
                let transaction = database.transaction().await.expect("it begins");
                held.send(()).expect("the test waits");
                let _ = released.await;
                drop(transaction);
            });
            holds.await.expect("the holder tells");
            let mut release = Some(release);
            // The connection becomes free between the first and the second poll.
            let begin = async {
                let mut begin = narrow.database.transaction().into_future();
                poll_fn(|context| {
                    let polled = begin.as_mut().poll(context);
                    drop(release.take());
                    polled
                })
                .await
            };
            drop(points.cut(begin).await.transpose()?);
            drop(release);
            holder.await.expect("no panic");
            narrow.assert_clean(&format!("waiting, cut at {}", points.polls)).await;
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x3_the_next_users_statement_cut_off_while_it_cleans_up(t: Test) -> Result<()> {
        let narrow = Narrow::new(&t).await;
        for kept_by_a_handle in [false, true] {
            let mut points = Points::new();
            while points.next() {
                let handle = kept_by_a_handle.then(|| narrow.database.connection());
                let transaction = narrow.database.transaction().await?;
                transaction.execute(add(&t, "dropped"), ()).await?;
                let inner = transaction.transaction().await?;
                inner.execute(add(&t, "dropped too"), ()).await?;
                drop((inner, transaction));
                let question = narrow.database.fetch_value::<i64>(t.sql("select 77 {from}"), ());
                if let Some(answer) = points.cut(question).await {
                    assert_eq!(answer?, 77);
                }
                if let Some(handle) = &handle {
                    let again = soon("the handle", handle.fetch_value::<i64>(t.sql("select 78 {from}"), ())).await;
                    let again = may_have_ended(again, "the handle's connection");
                    assert!(again.is_none_or(|answer| answer == 78));
                }
                drop(handle);
                narrow.assert_clean(&format!("the next user, cut at {}", points.polls)).await;
            }
        }
        assert!(!narrow.has("dropped").await && !narrow.has("dropped too").await);
        Ok(())
    }

    /// SQLite ends the transaction without reporting it. The check whether the transaction still exists must not be
    /// misled by the remains of an earlier check that was cut off.
    #[only(sqlite)]
    async fn x4_a_statement_that_ends_the_sandbox_cut_off_at_every_point(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t)).await;
        let ends = || t.sql("insert or rollback into {notes} (body) values ('before')");
        let mut points = Points::new();
        while points.next() {
            let sandbox = parent.sandbox().await?;
            sandbox.execute(add(&t, "before"), ()).await?;
            let done = points.cut(sandbox.execute(ends(), ())).await;
            // The next call checks, and is cut off too.
            let again = Points { ends: 0, ..points }.cut(sandbox.execute(add(&t, "next"), ())).await;
            let done = (done.is_some(), again.is_some());
            let after = format!("cut at {}, ended: {done:?}", points.polls);
            match soon("what comes later", sandbox.fetch_value::<String>(list(&t), ())).await {
                Ok(there) => assert!(there.starts_with("before"), "{after}: what was there is lost: {there:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{after}: {error:?}"),
            }
            sandbox.disconnect().await?;
        }
        assert_eq!(kept(&t, &parent).await, "");
        Ok(())
    }
}
