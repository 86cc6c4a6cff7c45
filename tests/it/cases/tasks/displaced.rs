//! T9: the first owner of a guard that another task uses. The owner's plain calls are refused; they never run outside.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{Database, Error, ErrorKind, Result, Transaction, params};
use futures::TryStreamExt as _;
use tokio::sync::oneshot;

use super::{add, config, in_task, in_use, kept, kind, notes, refused, soon};
use crate::cases::messages::assert_error;
use crate::cases::pool::select_one;
use crate::support::{Test, cases};

/// Uses a guard in a separate task. This takes no lock, so that other tasks can write on SQLite.
async fn used_elsewhere(t: &Test, transaction: &Arc<Transaction>) {
    let (used, one) = (Arc::clone(transaction), t.sql("select 1 {from}"));
    let one = in_task(async move { used.fetch_value::<i64>(one, ()).await }).await;
    assert_eq!(one.expect("the guard works anywhere"), 1);
}

/// Checks that every sort of plain call is refused, and that each error names the call, the beginning and the other
/// task's use.
async fn every_plain_call_is_refused(t: &Test, database: &Database) {
    const PLACES: usize = 2;
    refused(soon("execute", database.execute(add(t, "outside"), ())).await, PLACES);
    refused(soon("fetch", database.fetch_value::<i64>("select 1", ())).await, PLACES);
    let insert = || t.sql("insert into {notes} (body) values (:body)");
    refused(
        soon("one", database.execute_many(insert(), [params! { body: "outside" }])).await,
        PLACES,
    );
    let select = t.sql("insert into {notes} (body) select :body");
    let rows = [params! { body: "outside" }, params! { body: "outside too" }];
    refused(soon("many", database.execute_many(select, rows)).await, PLACES);
    let stream = database.iterate("select 1", ()).try_collect::<Vec<_>>();
    refused(soon("a stream", stream).await, PLACES);
    refused(soon("a guard", database.transaction()).await, PLACES);
    let run = database.transaction().run(async |_| Ok::<_, Error>(()));
    refused(soon("a closure", run).await, PLACES);
    let connection = database.connection();
    refused(
        soon("a connection", connection.execute(add(t, "outside"), ())).await,
        PLACES,
    );
    refused(database.on_commit(async || {}).await, PLACES);
}

cases! {
    async fn t9_plain_calls_of_the_first_owner_are_refused_while_another_task_has_the_guard_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = Arc::new(database.transaction().await?);
        used_elsewhere(&t, &transaction).await;
        every_plain_call_is_refused(&t, &database).await;
        assert_eq!(in_use(&database), 1, "nothing took a connection");
        // The owner's own use restores the binding.
        transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
        database.execute(add(&t, "inside"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        database.execute(add(&t, "after"), ()).await?;
        assert_eq!(kept(&t, &database).await, "after");
        Ok(())
    }

    /// In a sandbox the owner does not wait for itself either.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t9_in_a_sandbox_the_first_owner_is_refused_at_once_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let patient = Database::connect(config(&t).lease_timeout(Duration::from_mins(5))).await?;
        let sandbox = if t.can_observe() { patient.sandbox().await? } else { database.sandbox().await? };
        let transaction = Arc::new(sandbox.transaction().await?);
        used_elsewhere(&t, &transaction).await;
        every_plain_call_is_refused(&t, &sandbox).await;
        transaction.execute(add(&t, "inside"), ()).await?;
        sandbox.execute(add(&t, "inside too"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 0);
        Ok(())
    }

    async fn t9_a_closure_that_gives_its_transaction_to_a_task_never_runs_outside_of_it_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database
            .transaction()
            .run(async |transaction| {
                let transaction = Arc::new(transaction);
                used_elsewhere(&t, &transaction).await;
                every_plain_call_is_refused(&t, &database).await;
                transaction.execute(add(&t, "a"), ()).await?;
                database.execute(add(&t, "b"), ()).await?;
                used_elsewhere(&t, &transaction).await;
                Ok::<_, Error>(())
            })
            .await?;
        assert_eq!(kept(&t, &database).await, "a,b", "its end is the closure's own use");
        database.execute(add(&t, "c"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a,b,c");
        Ok(())
    }

    /// The other task loses the binding as well, and its calls do not commit by themselves.
    async fn t9_who_lost_the_guard_to_its_first_owner_is_refused_too_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = Arc::new(database.transaction().await?);
        let (used, first_use) = oneshot::channel();
        let (taken, may_go_on) = oneshot::channel::<()>();
        let (other, guard, sql) = (database.clone(), Arc::clone(&transaction), [add(&t, "a"), add(&t, "b")]);
        let task = tokio::spawn(async move {
            let [a, b] = sql;
            guard.fetch_value::<i64>(select_one(&other), ()).await?;
            used.send(()).expect("the test waits");
            may_go_on.await.expect("the test tells");
            assert_eq!(kind(&other.execute(a, ()).await), Some(ErrorKind::ConcurrentUse));
            guard.fetch_value::<i64>(select_one(&other), ()).await?;
            other.execute(b, ()).await.map(drop)
        });
        first_use.await.expect("the task tells");
        transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
        taken.send(()).expect("the task waits");
        soon("the task", task).await.expect("no panic")?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t9_a_guard_that_ends_elsewhere_sets_its_first_owner_free_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for end in ["commit", "rollback", "drop"] {
            let transaction = database.transaction().await?;
            let sql = add(&t, format!("{end} inside"));
            in_task(async move {
                transaction.execute(sql, ()).await?;
                match end {
                    "commit" => transaction.commit().await,
                    "rollback" => transaction.rollback().await,
                    _ => Ok(()),
                }
            })
            .await?;
            soon("a plain call", database.execute(add(&t, format!("{end} outside")), ())).await?;
        }
        let expected = "commit inside,commit outside,drop outside,rollback outside";
        assert_eq!(kept(&t, &database).await, expected);
        assert_eq!(in_use(&database), 0);
        Ok(())
    }

    async fn t9_who_shares_a_transaction_and_uses_its_guard_takes_it_from_nobody_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = Arc::new(database.transaction().await?);
        let (guard, other, sql) = (Arc::clone(&transaction), database.clone(), [add(&t, "a"), add(&t, "b")]);
        in_task(transaction.share(async move {
            let [a, b] = sql;
            guard.execute(a, ()).await?;
            other.execute(b, ()).await
        }))
        .await?;
        soon("a plain call", database.execute(add(&t, "c"), ())).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    async fn t9_only_the_database_of_the_guard_is_refused_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let second = t.database().await;
        let transaction = Arc::new(database.transaction().await?);
        used_elsewhere(&t, &transaction).await;
        refused(database.fetch_value::<i64>("select 1", ()).await, 2);
        assert_eq!(soon("another database", second.fetch_value::<i64>(select_one(&second), ())).await?, 1);
        // Another task is unaffected.
        let other = database.clone();
        assert_eq!(in_task(async move { other.fetch_value::<i64>(select_one(&other), ()).await }).await?, 1);
        transaction.rollback().await
    }

    /// A task that has ended leaves no binding to later tasks.
    async fn t9_a_guard_outlives_the_task_that_began_it_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let begun = database.clone();
        let transaction = in_task(async move { begun.transaction().await }).await?;
        transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
        for _ in 0..50 {
            let other = database.clone();
            assert_eq!(in_task(async move { other.fetch_value::<i64>(select_one(&other), ()).await }).await?, 1);
        }
        database.execute(add(&t, "inside"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// Joined closures that use each other's transactions.
    async fn t9_siblings_take_each_others_guards_and_never_run_outside_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (give, given) = oneshot::channel();
        let (back, returned) = oneshot::channel::<()>();
        let one = database.transaction().run(async |transaction| {
            let transaction = Arc::new(transaction);
            give.send(Arc::clone(&transaction)).expect("the other waits");
            returned.await.expect("the other tells");
            refused(database.execute(add(&t, "outside"), ()).await, 2);
            transaction.execute(add(&t, "one"), ()).await?;
            database.execute(add(&t, "two"), ()).await
        });
        let other = database.share(async {
            let transaction = given.await.expect("it is given");
            transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await?;
            drop(transaction);
            back.send(()).expect("the other waits");
            Ok::<_, Error>(())
        });
        let (one, other) = soon("both", async { tokio::join!(one, other) }).await;
        other?;
        one?;
        assert_eq!(kept(&t, &database).await, "one,two");
        Ok(())
    }

    /// A call after the end of its transaction in a closure must not commit by itself.
    async fn t3_what_follows_the_end_by_hand_in_a_closure_fails_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for commits in [true, false] {
            let ended = |error: &Error| assert_error(error, ErrorKind::TransactionEnded, &[file!()]);
            database
                .transaction()
                .run(async |transaction| {
                    transaction.execute(add(&t, format!("inside {commits}")), ()).await?;
                    if commits {
                        transaction.commit().await?;
                    } else {
                        transaction.rollback().await?;
                    }
                    ended(&database.execute(add(&t, "outside"), ()).await.unwrap_err());
                    ended(&database.fetch_value::<i64>("select 1", ()).await.unwrap_err());
                    ended(&database.connection().execute(add(&t, "outside"), ()).await.unwrap_err());
                    ended(&database.transaction().await.unwrap_err());
                    let run = database.transaction().run(async |_| Ok::<_, Error>(()));
                    ended(&run.await.unwrap_err());
                    ended(&database.on_commit(async || {}).await.unwrap_err());
                    let (other, sql) = (database.clone(), add(&t, "outside"));
                    let shared = in_task(database.share(async move { other.execute(sql, ()).await })).await;
                    assert_eq!(kind(&shared), Some(ErrorKind::TransactionEnded));
                    Ok::<_, Error>(())
                })
                .await?;
            database.execute(add(&t, format!("after {commits}")), ()).await?;
        }
        assert_eq!(kept(&t, &database).await, "after false,after true,inside true");
        assert_eq!(in_use(&database), 0);
        Ok(())
    }

    /// Callbacks are not in the transaction any more, and their writes are committed.
    async fn t3_callbacks_of_a_commit_by_hand_run_outside_of_the_closure_found_w11(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database
            .transaction()
            .run(async |transaction| {
                let (other, sql) = (database.clone(), add(&t, "callback"));
                transaction.on_commit(async move || assert!(other.execute(sql, ()).await.is_ok()))?;
                transaction.execute(add(&t, "inside"), ()).await?;
                transaction.commit().await?;
                assert_eq!(kind(&database.execute(add(&t, "outside"), ()).await), Some(ErrorKind::TransactionEnded));
                Ok::<_, Error>(())
            })
            .await?;
        assert_eq!(kept(&t, &database).await, "callback,inside");
        Ok(())
    }
}
