//! T8: guards of transactions side by side in one task.

use std::cell::RefCell;
use std::task::Poll;

use ebbtide::{Error, Result, Transaction};
use futures::{TryStreamExt as _, poll};
use tokio::sync::{Barrier, oneshot};

use super::{
    add, config, count, in_use, is_undo, kept, let_others_run, list, logged, notes, notes_with, numbers, refused, soon,
    undo,
};
use crate::support::cases;

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_runs_joined_inside_a_guard_are_savepoints_one_after_the_other(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let log = RefCell::default();
        let outer = database.transaction().await?;
        let (a, b, c) = soon("join!", async {
            futures::join!(
                logged(&t, &database, &log, "a", true),
                logged(&t, &database, &log, "b", false),
                logged(&t, &database, &log, "c", true),
            )
        })
        .await;
        assert!(a.is_ok() && is_undo(&b) && c.is_ok(), "{a:?} {b:?} {c:?}");
        assert_eq!(log.take(), ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
        assert_eq!(in_use(&database), 1);
        assert_eq!(outer.fetch_value::<String>(list(&t), ()).await?, "a1,a2,c1,c2");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a1,a2,c1,c2");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_runs_on_the_guard_itself_queue_as_well(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let one = async |body: &str, keep: bool| {
            let work = async |inner: Transaction| {
                inner.execute(add(&t, body), ()).await?;
                let_others_run().await;
                if keep { Ok(()) } else { Err(undo()) }
            };
            outer.transaction().run(work).await
        };
        let (a, b) = soon("join!", async { futures::join!(one("a", false), one("b", true)) }).await;
        assert!(is_undo(&a) && b.is_ok(), "{a:?} {b:?}");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    async fn t8_guards_begun_side_by_side_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // A begin that is done at its first poll is not concurrent; then it is tried again.
        for _ in 0..5000 {
            let mut first = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut first) {
                early?.rollback().await?;
                continue;
            }
            refused(soon("the second", database.transaction().into_future()).await, 2);
            let first = first.await?;
            first.execute(add(&t, "a"), ()).await?;
            first.commit().await?;
            assert_eq!(kept(&t, &database).await, "a");
            assert_eq!(in_use(&database), 0);
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_guards_begun_side_by_side_inside_a_transaction_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        for _ in 0..5000 {
            let mut first = database.transaction().into_future();
            if let Poll::Ready(early) = poll!(&mut first) {
                early?.rollback().await?;
                continue;
            }
            refused(soon("the second", database.transaction().into_future()).await, 2);
            let first = first.await?;
            first.execute(add(&t, "a"), ()).await?;
            first.rollback().await?;
            outer.execute(add(&t, "b"), ()).await?;
            outer.commit().await?;
            assert_eq!(kept(&t, &database).await, "b");
            return Ok(());
        }
        panic!("two begins were never under way at once");
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_joined_guards_inside_run_are_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for _ in 0..5000 {
            let tried = database
                .transaction()
                .run(async |_| {
                    let mut first = database.transaction().into_future();
                    if poll!(&mut first).is_ready() {
                        return Ok(false);
                    }
                    refused(database.transaction().await, 2);
                    first.await?.commit().await?;
                    Ok::<_, Error>(true)
                })
                .await?;
            if tried {
                return Ok(());
            }
        }
        panic!("two begins were never under way at once");
    }

    async fn t8_a_begin_beside_a_statement_of_the_same_transaction_is_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        for round in 0..5000 {
            let mut statement = outer.execute(add(&t, round), ()).into_future();
            if poll!(&mut statement).is_ready() {
                continue;
            }
            refused(soon("the begin", database.transaction().into_future()).await, 2);
            assert_eq!(statement.await?.rows_affected, 1);
            outer.execute(add(&t, "usable"), ()).await?;
            outer.rollback().await?;
            assert_eq!(kept(&t, &database).await, "");
            return Ok(());
        }
        panic!("no statement was ever under way");
    }

    async fn t8_a_begin_beside_a_statement_on_the_tasks_connection_is_refused(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let connection = database.connection();
        for _ in 0..5000 {
            let mut statement = connection.fetch_all(numbers(&t, 900), ()).into_future();
            if poll!(&mut statement).is_ready() {
                continue;
            }
            refused(soon("the begin", database.transaction().into_future()).await, 2);
            assert_eq!(statement.await?.len(), 900);
            database.transaction().await?.commit().await?;
            return Ok(());
        }
        panic!("no statement was ever under way");
    }

    async fn t8_a_begin_beside_an_unbound_statement_is_none_of_its_business(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let mut statement = database.fetch_value::<i64>(count(&t), ()).into_future();
        let early = poll!(&mut statement);
        let transaction = database.transaction().await?;
        let counted = match early {
            Poll::Ready(counted) => counted,
            Poll::Pending => statement.await,
        };
        assert_eq!(counted?, 0);
        transaction.rollback().await
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_a_statement_through_an_outer_guard_is_refused_while_an_inner_is_open(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        refused(outer.execute(add(&t, "a"), ()).await, 2);
        refused(outer.transaction().await, 2);
        let streamed = outer.iterate(count(&t), ()).try_next().await;
        refused(streamed, 2);
        inner.execute(add(&t, "b"), ()).await?;
        inner.commit().await?;
        outer.execute(add(&t, "c"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b,c");
        Ok(())
    }

    /// The trap: the arms of `join!` are one task, and the second guard would be a savepoint inside the first.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_guards_in_the_arms_of_join_are_noticed(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (first_begun, second_begun) = (oneshot::channel(), oneshot::channel());
        let first = async {
            let guard = database.transaction().await?;
            first_begun.0.send(()).expect("the second waits");
            second_begun.1.await.expect("the second tells");
            let refusal = guard.execute(add(&t, "a"), ()).await;
            Ok::<_, Error>((guard, refusal))
        };
        let second = async {
            first_begun.1.await.expect("the first tells");
            let guard = database.transaction().await?;
            second_begun.0.send(()).expect("the first waits");
            Ok::<_, Error>(guard)
        };
        let (first, second) = soon("join!", async { futures::join!(first, second) }).await;
        let ((guard, refusal), second) = (first?, second?);
        refused(refusal, 2);
        second.rollback().await?;
        guard.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t8_select_drops_an_arm_and_its_transaction_is_undone(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let (written, wait) = oneshot::channel();
        let arm = database.transaction().run(async |_| {
            database.execute(add(&t, "a"), ()).await?;
            written.send(()).expect("the other arm waits");
            std::future::pending::<Result<()>>().await
        });
        let selected = async {
            tokio::select! {
                _ = arm => false,
                _ = wait => true,
            }
        };
        assert!(soon("select!", selected).await);
        // The pool has one connection only: this waits until the connection is clean.
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "b");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_select_inside_a_transaction_undoes_the_dropped_arm_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let (written, wait) = oneshot::channel();
        let arm = database.transaction().run(async |_| {
            database.execute(add(&t, "a"), ()).await?;
            written.send(()).expect("the other arm waits");
            std::future::pending::<Result<()>>().await
        });
        let selected = async {
            tokio::select! {
                _ = arm => false,
                _ = wait => true,
            }
        };
        assert!(soon("select!", selected).await);
        let next = database.transaction().run(async |_| database.execute(add(&t, "b"), ()).await);
        soon("the next savepoint", next).await?;
        assert_eq!(outer.fetch_value::<String>(list(&t), ()).await?, "b,outer");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "b,outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t8_guards_inside_a_run_belong_to_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let both = Barrier::new(2);
        // Each run begins a guard of its own inside; they must not conflict with each other.
        let one = async |keep: bool| {
            let work = async |_| {
                both.wait().await;
                let guard = database.transaction().await?;
                both.wait().await;
                assert_eq!(database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?, 1);
                both.wait().await;
                guard.commit().await?;
                if keep { Ok(()) } else { Err(undo()) }
            };
            database.transaction().deferred().run(work).await
        };
        let (first, second) = soon("join!", async { futures::join!(one(true), one(false)) }).await;
        assert!(first.is_ok() && is_undo(&second), "{first:?} {second:?}");
        assert_eq!(in_use(&database), 0);
        Ok(())
    }
}
