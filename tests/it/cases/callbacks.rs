//! The callbacks that run after a transaction has really ended, and their behaviour in a sandbox.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{Config, Database, Error, ErrorKind, Result, Transaction};
use tokio::sync::oneshot;

use super::sandbox::seen;
use super::tasks::{add, config, in_task, kept, kind, list, notes, notes_with, soon, until};
use crate::support::{Test, cases};

/// The events, in their order.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().expect("no panic").push(what.into());
    }

    /// Returns a callback that records an event.
    fn noting(&self, what: impl Into<String>) -> impl FnOnce() -> std::future::Ready<()> + Send + 'static {
        let (log, what) = (self.clone(), what.into());
        move || std::future::ready(log.note(what))
    }

    /// Returns the events recorded since the last call.
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic")).join(",")
    }
}

/// Returns the database itself, a sandbox of it, and one inside `force_rollback(true)`.
async fn all(t: &Test) -> Vec<(&'static str, Database)> {
    let plain = notes(t).await;
    let sandbox = plain.sandbox().await.expect("a sandbox");
    let mut all = vec![("plain", plain), ("sandbox", sandbox)];
    if t.can_observe() {
        let config = config(t).force_rollback(true);
        all.push(("force rollback", Database::connect(config).await.expect("a database")));
    }
    all
}

fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_callbacks_run_once_and_in_order_after_the_outermost_commit(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let outer = database.transaction().await?;
            outer.on_commit(log.noting("1"))?;
            let inner = database.transaction().await?;
            inner.on_commit(log.noting("2"))?;
            database.on_commit(log.noting("3")).await?;
            inner.commit().await?;
            assert_eq!(log.take(), "", "{what}: the inner one is only a savepoint");
            outer.on_commit(log.noting("4"))?;
            database.on_commit(log.noting("5")).await?;
            outer.commit().await?;
            assert_eq!(log.take(), "1,2,3,4,5", "{what}: before commit returns");
            drop((inner, outer));
            let next = database.transaction().await?;
            next.commit().await?;
            assert_eq!(log.take(), "", "{what}: only once");
        }
        Ok(())
    }

    /// Also those that were added to the outer transaction while an inner one was open.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_callbacks_run_in_the_order_in_which_they_were_given(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let outer = database.transaction().await?;
            outer.on_commit(log.noting("1"))?;
            let inner = database.transaction().await?;
            inner.on_commit(log.noting("2"))?;
            outer.on_commit(log.noting("3"))?;
            let innermost = database.transaction().await?;
            innermost.on_commit(log.noting("4"))?;
            inner.on_commit(log.noting("5"))?;
            outer.on_commit(log.noting("6"))?;
            innermost.commit().await?;
            inner.commit().await?;
            outer.commit().await?;
            assert_eq!(log.take(), "1,2,3,4,5,6", "{what}");
        }
        Ok(())
    }

    async fn x9_the_work_is_committed_when_callbacks_run(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let (sender, receiver) = oneshot::channel();
        let (other, sql) = (database.clone(), list(&t));
        database
            .transaction()
            .run(async |transaction: Transaction| {
                transaction.execute(add(&t, "a"), ()).await?;
                transaction.on_commit(async move || {
                    // A separate task has no bound transaction.
                    let seen = in_task(async move { other.fetch_value::<String>(sql, ()).await }).await;
                    sender.send(seen).expect("the test waits");
                })
            })
            .await?;
        assert_eq!(receiver.await.expect("it ran")?, "a");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_a_rolled_back_savepoint_drops_its_own(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let outer = database.transaction().await?;
            outer.on_commit(log.noting("outer"))?;
            let inner = database.transaction().await?;
            inner.on_commit(log.noting("inner"))?;
            inner.on_rollback(log.noting("inner undone"))?;
            let innermost = database.transaction().await?;
            innermost.on_commit(log.noting("innermost"))?;
            innermost.on_rollback(log.noting("innermost undone"))?;
            innermost.commit().await?;
            inner.rollback().await?;
            assert_eq!(log.take(), "inner undone,innermost undone", "{what}");
            outer.commit().await?;
            assert_eq!(log.take(), "outer", "{what}");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_rolling_back_runs_the_callbacks_for_that(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let transaction = database.transaction().await?;
            transaction.on_commit(log.noting("committed"))?;
            transaction.on_rollback(log.noting("undone"))?;
            transaction.rollback().await?;
            assert_eq!(log.take(), "undone", "{what}");

            let result = database
                .transaction()
                .run(async |transaction: Transaction| -> Result<()> {
                    transaction.on_commit(log.noting("committed"))?;
                    transaction.on_rollback(log.noting("undone"))?;
                    Err(undo())
                })
                .await;
            assert!(result.is_err());
            assert_eq!(log.take(), "undone", "{what}");

            let dropped = database.transaction().await?;
            dropped.on_commit(log.noting("committed"))?;
            dropped.on_rollback(log.noting("undone"))?;
            drop(dropped);
            let mut there = String::new();
            until("the callback of a dropped one runs", || {
                there += &log.take();
                there == "undone"
            })
            .await;

            let always = database.transaction().rollback_only().await?;
            always.on_commit(log.noting("committed"))?;
            always.on_rollback(log.noting("undone"))?;
            always.commit().await?;
            assert_eq!(log.take(), "undone", "{what}: what always rolls back never commits");
        }
        Ok(())
    }

    /// A commit that the server refuses is a rollback.
    #[only(postgres, sqlite)]
    async fn x9_a_refused_commit_runs_no_callback_of_commits(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let create = t.sql(
            "create table {links} (note bigint references {notes} (id) deferrable initially deferred)",
        );
        plain.execute(create, ()).await?;
        for database in [plain.clone(), plain.sandbox().await?] {
            let log = Log::default();
            let transaction = database.transaction().await?;
            transaction.on_commit(log.noting("committed"))?;
            transaction.on_rollback(log.noting("undone"))?;
            transaction.execute(t.sql("insert into {links} values (77)"), ()).await?;
            assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::Constraint));
            assert_eq!(log.take(), "undone");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_without_a_transaction_it_is_done_at_once(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            database.on_commit(log.noting("now")).await?;
            assert_eq!(log.take(), "now", "{what}");
            let connection = database.connection();
            connection.execute(t.sql("select 1 {from}"), ()).await?;
            database.on_commit(log.noting("now")).await?;
            assert_eq!(log.take(), "now", "{what}");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_an_ended_transaction_takes_none(t: Test) -> Result<()> {
        for (_, database) in all(&t).await {
            let transaction = database.transaction().await?;
            transaction.commit().await?;
            let late = transaction.on_commit(async || unreachable!("it has ended"));
            assert_eq!(kind(&late), Some(ErrorKind::TransactionEnded));
        }
        Ok(())
    }

    /// A callback may use the database, even if there is one connection only.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_a_callback_may_use_the_database(t: Test) -> Result<()> {
        let narrow = config(&t).pool_size(1).pool_timeout(Duration::from_secs(3));
        let plain = notes_with(&t, narrow).await;
        for database in [plain.clone(), plain.sandbox().await?] {
            let (other, sql) = (database.clone(), [add(&t, "b"), add(&t, "c")]);
            let (sender, receiver) = oneshot::channel();
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "a"), ()).await?;
            transaction.on_commit(async move || {
                let [one, two] = sql;
                let work = async || {
                    other.execute(one, ()).await?;
                    let next = other.transaction().await?;
                    next.execute(two, ()).await?;
                    next.commit().await
                };
                sender.send(work().await).expect("the test waits");
            })?;
            soon("the commit", transaction.commit()).await?;
            soon("the callback", receiver).await.expect("it ran")?;
            assert_eq!(seen(&t, &database).await, "a,b,c");
            drop(transaction);
            let delete = t.sql("delete from {notes}");
            database.execute(delete, ()).await?;
        }
        Ok(())
    }

    /// The same in the closure form, whose scope still exists when the callback runs.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_a_callback_of_a_closure_may_use_the_database(t: Test) -> Result<()> {
        let narrow = config(&t).pool_size(1).pool_timeout(Duration::from_secs(3));
        let plain = notes_with(&t, narrow).await;
        for database in [plain.clone(), plain.sandbox().await?] {
            let (other, sql) = (database.clone(), add(&t, "b"));
            let (sender, receiver) = oneshot::channel();
            let work = async |transaction: Transaction| {
                transaction.execute(add(&t, "a"), ()).await?;
                database
                    .on_commit(async move || sender.send(other.execute(sql, ()).await).expect("the test waits"))
                    .await
            };
            soon("the run", database.transaction().run(work)).await?;
            soon("the callback", receiver).await.expect("it ran")?;
            assert_eq!(seen(&t, &database).await, "a,b");
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    /// The callbacks of a committed transaction run even if no caller waits for them any more.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_callbacks_of_a_commit_cut_off_go_on_by_themselves(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let (reached, reaches) = oneshot::channel();
            let transaction = database.transaction().await?;
            let begun = log.clone();
            transaction.on_commit(async move || {
                begun.note("begun");
                reached.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            })?;
            transaction.on_commit(log.noting("second"))?;
            transaction.on_commit(log.noting("third"))?;
            let commit = tokio::spawn(async move { transaction.commit().await });
            soon("the first", reaches).await.expect("it ran");
            commit.abort();
            let _ = commit.await;
            let mut there = String::new();
            until("the others run", || {
                there += &log.take().replace(',', "");
                there == "begunsecondthird"
            })
            .await;
            drop((what, database));
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_a_callback_that_panics_leaves_the_commit_and_the_others(t: Test) -> Result<()> {
        for (what, database) in all(&t).await {
            let log = Log::default();
            let (used, sql, later) = (database.clone(), add(&t, what), log.noting("later"));
            let task = tokio::spawn(async move {
                let transaction = used.transaction().await.expect("it begins");
                transaction.execute(sql, ()).await.expect("it writes");
                transaction.on_commit(async || panic!("in a callback")).expect("it is open");
                transaction.on_commit(later).expect("it is open");
                transaction.commit().await
            });
            assert!(task.await.expect_err("it panics").is_panic());
            let mut there = String::new();
            until("the other runs", || {
                there += &log.take();
                there == "later"
            })
            .await;
            assert!(seen(&t, &database).await.contains(what));
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f11_callbacks_fire_at_the_virtual_outermost_commit(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let log = Log::default();
        let work = async |transaction: Transaction| {
            transaction.execute(add(&t, "a"), ()).await?;
            sandbox.on_commit(log.noting("outer")).await?;
            let inner = async |_: Transaction| sandbox.on_commit(log.noting("inner")).await;
            sandbox.transaction().run(inner).await?;
            assert_eq!(log.take(), "");
            Ok::<_, Error>(())
        };
        sandbox.transaction().run(work).await?;
        assert_eq!(log.take(), "outer,inner");
        sandbox.disconnect().await?;
        assert_eq!(log.take(), "", "the end of the sandbox is nothing to them");
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f11_a_test_can_capture_them(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let log = Log::default();
        let captured = sandbox.capture_on_commit()?;
        assert!(captured.is_empty());
        for number in ["1", "2"] {
            let transaction = sandbox.transaction().await?;
            transaction.on_commit(log.noting(number))?;
            transaction.on_rollback(log.noting("undone"))?;
            transaction.commit().await?;
        }
        let undone = sandbox.transaction().await?;
        undone.on_commit(log.noting("never"))?;
        undone.on_rollback(log.noting("undone"))?;
        undone.rollback().await?;
        assert_eq!((captured.len(), log.take().as_str()), (2, "undone"), "those of rollbacks run as ever");
        captured.run().await;
        assert_eq!((captured.len(), log.take().as_str()), (0, "1,2"));
        captured.run().await;
        assert_eq!(log.take(), "", "each runs once");
        let transaction = sandbox.transaction().await?;
        transaction.on_commit(log.noting("dropped"))?;
        transaction.commit().await?;
        drop(captured);
        assert_eq!(log.take(), "", "what was not run is dropped");
        let transaction = sandbox.transaction().await?;
        transaction.on_commit(log.noting("as ever"))?;
        transaction.commit().await?;
        assert_eq!(log.take(), "as ever");
        // From tasks that share the sandbox, too; another sandbox is independent.
        let captured = sandbox.capture_on_commit()?;
        let other = database.sandbox().await?;
        for (used, note) in [(sandbox.clone(), "captured"), (other, "other")] {
            let noting = log.noting(note);
            in_task(async move {
                let transaction = used.transaction().await?;
                transaction.on_commit(noting)?;
                transaction.commit().await
            })
            .await?;
        }
        assert_eq!((captured.len(), log.take().as_str()), (1, "other"));
        Ok(())
    }

    async fn f11_outside_of_a_sandbox_nothing_is_captured(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let error = database.capture_on_commit().expect_err("it is no sandbox");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("sandbox"), "{error}");
        Ok(())
    }
}
