//! Transactions that are run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, IsolationLevel, Result, params};
use tokio::sync::Barrier;

use super::tasks::{add, config, kind, notes, notes_with, soon};
use crate::support::{Test, cases};

/// A table of two accounts with 100 each.
async fn accounts(t: &Test) -> Database {
    let database = t.database().await;
    let create = t.sql("create table {accounts} (id {int} primary key, balance {int} not null)");
    database.execute(create, ()).await.unwrap();
    for id in [1_i64, 2] {
        let sql = t.sql("insert into {accounts} values (:id, 100)");
        database.execute(sql, params! { id }).await.unwrap();
    }
    database
}

/// Waits for the other task at its first attempt, so that they get into each other's way.
async fn meet(barrier: &Barrier, attempt: usize) {
    if attempt == 1 {
        soon("the other transaction", barrier.wait()).await;
    }
}

cases! {
    #[only(postgres, mysql)]
    async fn x10_a_deadlock_is_run_again(t: Test) {
        let database = accounts(&t).await;
        let barrier = Arc::new(Barrier::new(2));
        let tasks = [(1_i64, 2_i64), (2, 1)].map(|(first, second)| {
            let (database, barrier) = (database.clone(), Arc::clone(&barrier));
            let change = |id: i64, amount: i64| {
                (t.words("update {accounts} set balance = balance + :amount where id = :id"), params! { amount, id })
            };
            let (take, give) = (change(first, -10), change(second, 10));
            tokio::spawn(async move {
                let attempts = AtomicUsize::new(0);
                let ran = database.transaction().retry().run(async |transaction| {
                    let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                    transaction.execute(AssertSqlSafe(take.0.clone()), take.1.clone()).await?;
                    meet(&barrier, attempt).await;
                    transaction.execute(AssertSqlSafe(give.0.clone()), give.1.clone()).await?;
                    Ok::<_, Error>(())
                });
                ran.await.unwrap();
                attempts.into_inner()
            })
        });
        let mut attempts = Vec::new();
        for task in tasks {
            attempts.push(soon("a transaction", task).await.unwrap());
        }
        assert!(attempts.contains(&1) && attempts.iter().any(|count| *count > 1), "{attempts:?}");
        let sql = || t.sql("select balance from {accounts} order by id");
        let balances: Vec<i64> = database.fetch_all(sql(), ()).value().await.unwrap();
        assert_eq!(balances, [100, 100]);
    }

    #[only(postgres, mysql)]
    async fn x10_a_serialization_failure_is_run_again(t: Test) {
        let database = accounts(&t).await;
        let barrier = Arc::new(Barrier::new(2));
        let tasks = [1_i64, 2].map(|id| {
            let (database, barrier) = (database.clone(), Arc::clone(&barrier));
            // Either account may be emptied as long as the other is not.
            let total = t.words("select cast(sum(balance) as decimal(20, 0)) from {accounts}");
            let empty = t.words("update {accounts} set balance = 0 where id = :id");
            tokio::spawn(async move {
                let attempts = AtomicUsize::new(0);
                let begin = database.transaction().isolation(IsolationLevel::Serializable);
                let ran = begin.retry().backoff(Duration::from_millis(2)).run(async |transaction| {
                    let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                    let total: i64 = transaction.fetch_value(AssertSqlSafe(total.clone()), ()).await?;
                    meet(&barrier, attempt).await;
                    if total == 200 {
                        transaction.execute(AssertSqlSafe(empty.clone()), params! { id }).await?;
                    }
                    Ok::<_, Error>(())
                });
                ran.await.unwrap();
                attempts.into_inner()
            })
        });
        let mut attempts = Vec::new();
        for task in tasks {
            attempts.push(soon("a transaction", task).await.unwrap());
        }
        assert!(attempts.iter().any(|count| *count > 1), "{attempts:?}");
        let sql = t.sql("select balance from {accounts} order by balance");
        let balances: Vec<i64> = database.fetch_all(sql, ()).value().await.unwrap();
        assert_eq!(balances, [0, 100], "the second saw what the first had done");
    }

    #[only(sqlite_file)]
    async fn x10_a_snapshot_that_is_too_old_is_read_again(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let attempts = AtomicUsize::new(0);
        let (read, write) = (t.words("select count(*) from {notes}"), add(&t, "mine").0);
        let seen = database.transaction().retry().run(async |transaction| {
            let seen: i64 = transaction.fetch_value(AssertSqlSafe(read.clone()), ()).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                t.observe_exec("insert into {notes} (body) values ('theirs')").await;
            }
            transaction.execute(AssertSqlSafe(write.clone()), ()).await?;
            Ok::<_, Error>(seen)
        });
        assert_eq!(seen.await?, 1);
        assert_eq!(attempts.into_inner(), 2);
        Ok(())
    }

    #[only(sqlite_file)]
    async fn x10_it_gives_up_after_so_many_attempts(t: Test) {
        let database = notes_with(&t, config(&t).busy_timeout(Duration::ZERO)).await;
        let mut other = t.observer().await;
        other.execute("begin immediate").await.unwrap();
        let attempts = AtomicUsize::new(0);
        let sql = add(&t, "a").0;
        let begin = database.transaction().retry().attempts(3).backoff(Duration::from_millis(1));
        let ran = begin.run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(AssertSqlSafe(sql.clone()), ()).await
        });
        let error = ran.await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(attempts.into_inner(), 3);
        other.execute("rollback").await.unwrap();
        other.close().await.unwrap();
    }

    async fn x10_other_errors_are_not_run_again(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        let attempts = AtomicUsize::new(0);
        let sql = add(&t, "a").0;
        let ran = database.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(AssertSqlSafe(sql.clone()), ()).await
        });
        assert_eq!(kind(&ran.await), Some(ErrorKind::Constraint));
        assert_eq!(attempts.into_inner(), 1);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_inside_another_transaction_it_runs_once(t: Test) -> Result<()> {
        let database = accounts(&t).await;
        let wait = if t.backend().is_postgres() { "set lock_timeout = '100ms'" } else { "set innodb_lock_wait_timeout = 1" };
        let mut other = t.observer().await;
        other.execute(&t.words("begin; update {accounts} set balance = 1 where id = 1")).await.unwrap();
        let outer = database.transaction().await?;
        outer.execute(ebbtide::AssertSqlSafe(wait.to_owned()), ()).await?;
        let attempts = AtomicUsize::new(0);
        let sql = t.words("update {accounts} set balance = 2 where id = 1");
        let ran = database.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(AssertSqlSafe(sql.clone()), ()).await
        });
        let error = ran.await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(attempts.into_inner(), 1);
        outer.rollback().await?;
        other.execute("rollback").await.unwrap();
        other.close().await.unwrap();
        Ok(())
    }

    #[only(postgres)]
    async fn x10_in_a_sandbox_a_virtual_transaction_is_run_again(t: Test) -> Result<()> {
        let database = Database::connect(Config::from_url(t.url().as_str())?).await?;
        let sandbox = database.sandbox().await?;
        sandbox.execute(t.sql("create table {accounts} (id {int} primary key)"), ()).await?;
        let attempts = AtomicUsize::new(0);
        // What the server says to a deadlock's victim.
        let victim = "do $$ begin raise exception using errcode = '40P01'; end $$";
        let sql = t.words("insert into {accounts} values (1)");
        let ran = sandbox.transaction().retry().run(async |transaction| {
            transaction.execute(AssertSqlSafe(sql.clone()), ()).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                transaction.execute(victim, ()).await?;
            }
            Ok::<_, Error>(())
        });
        ran.await?;
        assert_eq!(attempts.into_inner(), 2);
        assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {accounts}"), ()).await?, 1);
        Ok(())
    }
}
