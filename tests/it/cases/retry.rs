//! Transactions that are run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ebbtide::{
    AssertSqlSafe, Config, Connection, Database, Error, ErrorKind, IsolationLevel, Result, Transaction, params,
};
use futures::executor::block_on;
use tokio::sync::Barrier;
use tokio::time::sleep;

use super::tasks::{add, config, kind, notes, notes_with, soon};
use crate::support::{Proxy, Test, cases};

/// Creates a table of two accounts with 100 each.
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

/// Waits for the other task at its first attempt, so that the two conflict.
async fn meet(barrier: &Barrier, attempt: usize) {
    if attempt == 1 {
        soon("the other transaction", barrier.wait()).await;
    }
}

/// Returns the server's error when it ends a statement in favour of others, in a savepoint that is rolled back.
async fn given_up(t: &Test, connection: &Connection) -> Error {
    let sql = if t.backend().is_postgres() {
        "do $$ begin raise exception using errcode = '40001'; end $$"
    } else {
        "signal sqlstate 'HY000' set mysql_errno = 1205"
    };
    let inner = connection.transaction().run(async |inner| inner.execute(sql, ()).await);
    let error = inner.await.map(drop).expect_err("it was given up");
    assert!(error.is_retryable(), "{error}");
    error
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
        let seen = database.transaction().deferred().retry().run(async |transaction| {
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
        let begin = database.transaction().deferred().retry().attempts(3).backoff(Duration::from_millis(1));
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
        // The server's error for the victim of a deadlock.
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

    /// The error of MariaDB where MySQL would overwrite the change of another transaction.
    #[only(mysql)]
    async fn x10_a_row_that_has_changed_since_is_read_again(t: Test) -> Result<()> {
        let database = accounts(&t).await;
        let known = "select count(*) from information_schema.system_variables where variable_name = 'innodb_snapshot_isolation'";
        // MySQL has neither that table nor the setting.
        let known = database.fetch_value::<i64>(known, ()).await.is_ok_and(|count| count > 0);
        let attempts = AtomicUsize::new(0);
        let read = t.words("select balance from {accounts} where id = 1");
        let write = t.words("update {accounts} set balance = balance + 1 where id = 1");
        let config = config(&t).isolation_level(IsolationLevel::RepeatableRead);
        let config = if known { config.server_setting("innodb_snapshot_isolation", "1") } else { config };
        let strict = Database::connect(config).await?;
        let seen = strict.transaction().retry().run(async |transaction| {
            let seen: i64 = transaction.fetch_value(AssertSqlSafe(read.clone()), ()).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                t.observe_exec("update {accounts} set balance = 7 where id = 1").await;
            }
            let written = transaction.execute(AssertSqlSafe(write.clone()), ()).await;
            if let (true, Err(error)) = (known, &written) {
                assert!((error.kind(), error.is_retryable()) == (ErrorKind::Serialization, true), "{error}");
                let gone = transaction.execute("select 1", ()).await.expect_err("the server has ended it");
                assert_eq!(gone.kind(), ErrorKind::TransactionEnded, "{gone}");
            }
            written.map(|_| seen)
        });
        let expected = if known { (7, 2) } else { (100, 1) };
        assert_eq!((seen.await?, attempts.into_inner()), expected);
        assert_eq!(t.observe("select balance from {accounts} where id = 1").await, 8);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_what_was_ended_by_hand_is_not_run_again_unless_it_was_undone(t: Test) -> Result<()> {
        let database = accounts(&t).await;
        for commits in [true, false] {
            let attempts = AtomicUsize::new(0);
            let sql = t.words("update {accounts} set balance = balance + 1 where id = 1");
            let ran: Result<()> = database
                .transaction()
                .retry()
                .backoff(Duration::from_millis(1))
                .attempts(3)
                .run(async |transaction| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    transaction.execute(AssertSqlSafe(sql.clone()), ()).await?;
                    let error = given_up(&t, &transaction).await;
                    if commits {
                        transaction.commit().await?;
                    } else {
                        transaction.rollback().await?;
                    }
                    Err(error)
                })
                .await;
            assert!(ran.unwrap_err().is_retryable());
            assert_eq!(attempts.into_inner(), if commits { 1 } else { 3 });
            assert_eq!(t.observe("select balance from {accounts} where id = 1").await, 101);
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_a_commit_whose_answer_is_lost_is_not_run_again(t: Test) -> Result<()> {
        accounts(&t).await;
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(proxy.url()).await?;
        let attempts = AtomicUsize::new(0);
        let sql = t.words("update {accounts} set balance = balance + 1 where id = 1");
        let ran = database.transaction().retry().run(async |transaction| {
            attempts.fetch_add(1, Ordering::Relaxed);
            transaction.execute(AssertSqlSafe(sql.clone()), ()).await?;
            given_up(&t, &transaction).await;
            proxy.hold_answers();
            Ok::<_, Error>(())
        });
        let lost = async {
            for _ in 0..1000 {
                if t.observe("select balance from {accounts} where id = 1").await == 101 {
                    break;
                }
                sleep(Duration::from_millis(5)).await;
            }
            proxy.cut();
        };
        let (ran, ()) = soon("the transaction", async { tokio::join!(ran, lost) }).await;
        let error = ran.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false), "{error}");
        assert_eq!(attempts.into_inner(), 1);
        assert_eq!(t.observe("select balance from {accounts} where id = 1").await, 101, "it was committed, once");
        Ok(())
    }

    async fn x10_it_takes_the_closures_that_run_takes(t: Test) -> Result<()> {
        let database = notes(&t).await;
        // One that borrows, one that gives away what it owns, and one that returns a future, each in a task.
        let (first, second, third) = (add(&t, "a").0, add(&t, "b").0, add(&t, "c").0);
        let (one, other, last) = (database.clone(), database.clone(), database.clone());
        let borrowing = tokio::spawn(async move {
            let run = one.transaction().retry().run(async |transaction| {
                transaction.execute(AssertSqlSafe(first.as_str()), ()).await
            });
            run.await
        });
        let owning = tokio::spawn(async move {
            let run = other.transaction().retry().run(async move |transaction| {
                transaction.execute(AssertSqlSafe(second), ()).await
            });
            run.await
        });
        let returning = tokio::spawn(async move {
            let run = last.transaction().retry().run(|transaction: Transaction| {
                let sql = AssertSqlSafe(third.clone());
                async move { transaction.execute(sql, ()).await }
            });
            run.await
        });
        assert_eq!(soon("the first", borrowing).await.expect("no panic")?.rows_affected, 1);
        assert_eq!(soon("the second", owning).await.expect("no panic")?.rows_affected, 1);
        assert_eq!(soon("the third", returning).await.expect("no panic")?.rows_affected, 1);
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_each_attempt_has_what_the_closure_owns(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (attempts, test, sql) = (AtomicUsize::new(0), &t, add(&t, "once").0);
        let counted = &attempts;
        let begin = database.transaction().retry().backoff(Duration::from_millis(1));
        let run = begin.run(async move |transaction| {
            transaction.execute(AssertSqlSafe(sql), ()).await?;
            match counted.fetch_add(1, Ordering::Relaxed) {
                0 => Err(given_up(test, &transaction).await),
                _ => Ok(()),
            }
        });
        run.await?;
        assert_eq!(attempts.into_inner(), 2);
        assert_eq!(database.fetch_value::<String>(super::tasks::list(&t), ()).await?, "once");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn x10_in_a_sandbox_it_needs_no_runtime(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let attempts = AtomicUsize::new(0);
        let work = async {
            let sql = add(&t, "once").0;
            let begin = sandbox.transaction().retry().backoff(Duration::from_millis(20));
            begin
                .run(async |transaction| {
                    transaction.execute(AssertSqlSafe(sql.clone()), ()).await?;
                    match attempts.fetch_add(1, Ordering::Relaxed) {
                        0 => Err(given_up(&t, &transaction).await),
                        _ => Ok(()),
                    }
                })
                .await
        };
        let ran = thread::scope(|scope| scope.spawn(|| block_on(work)).join()).expect("no panic");
        ran?;
        assert_eq!(attempts.into_inner(), 2);
        assert_eq!(sandbox.fetch_value::<String>(super::tasks::list(&t), ()).await?, "once");
        Ok(())
    }

    async fn x10_without_a_runtime_it_says_so_and_runs_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let ran = thread::scope(|scope| {
            let work = async {
                let run = database.transaction().retry().run(async |_| -> Result<()> { panic!("it cannot run") });
                run.await
            };
            scope.spawn(|| block_on(work)).join()
        });
        let error = ran.expect("no panic").unwrap_err();
        assert!(error.to_string().contains("runtime"), "{error}");
        Ok(())
    }
}
