//! X5: the end of a transaction inside which another task has one open.

use std::time::{Duration, Instant};

use ebbtide::{Database, ErrorKind, Result, Transaction};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::tasks::{add, config, in_task, in_use, kept, kind, line_below, notes_with, soon};
use crate::support::{Test, cases};

/// A transaction that a task has open inside the one it shares.
struct Inner {
    end: oneshot::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

/// Opens one inside the caller's transaction, which writes `body`.
async fn inner(t: &Test, database: &Database, body: &str, closure: bool) -> Inner {
    let (begun, has_begun) = oneshot::channel();
    let (end, may_end) = oneshot::channel::<bool>();
    let (own, sql) = (database.clone(), add(t, body));
    let task = tokio::spawn(database.share(async move {
        if closure {
            let run = own.transaction().run(async |inner| {
                inner.execute(sql, ()).await?;
                begun.send(()).expect("the test waits");
                assert!(may_end.await.expect("the test tells"));
                Ok(())
            });
            return run.await;
        }
        let inner = own.transaction().await?;
        inner.execute(sql, ()).await?;
        begun.send(()).expect("the test waits");
        if may_end.await.expect("the test tells") {
            inner.commit().await
        } else {
            inner.rollback().await
        }
    }));
    has_begun.await.expect("it has begun");
    Inner { end, task }
}

async fn narrow(t: &Test, patience: Duration) -> Database {
    notes_with(t, config(t).pool_size(1_u32).lease_timeout(patience)).await
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_a_commit_waits_for_the_inner_transaction_of_another_task_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_secs(30)).await;
        let mut all = Vec::new();
        for (round, closure) in [false, true].into_iter().enumerate() {
            let outer = database.transaction().await?;
            outer.execute(add(&t, format!("outer {round}")), ()).await?;
            let inner = inner(&t, &database, &format!("inner {round}"), closure).await;
            let (ended, ()) = tokio::join!(soon("the commit", outer.commit()), async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert!(outer.is_open(), "it waits");
                inner.end.send(true).expect("it waits");
            });
            ended?;
            inner.task.await.expect("no panic")?;
            assert_eq!(in_use(&database), 0);
            all.extend([format!("inner {round}"), format!("outer {round}")]);
        }
        all.sort();
        assert_eq!(kept(&t, &database).await, all.join(","), "what the child was told is true");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_a_closure_waits_for_the_inner_transaction_of_another_task_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_secs(30)).await;
        let mut child = None;
        let run = database.transaction().run(async |outer: Transaction| {
            outer.execute(add(&t, "outer"), ()).await?;
            let Inner { end, task } = inner(&t, &database, "inner", false).await;
            child = Some(task);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                end.send(true)
            });
            Ok::<_, ebbtide::Error>(())
        });
        soon("the closure", run).await?;
        child.expect("it ran").await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "inner,outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_an_inner_transaction_that_is_dropped_lets_the_outer_one_commit_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_secs(30)).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let inner = inner(&t, &database, "inner", false).await;
        let (ended, ()) = tokio::join!(soon("the commit", outer.commit()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            inner.task.abort();
        });
        ended?;
        assert!(inner.task.await.is_err());
        assert_eq!(kept(&t, &database).await, "outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_a_rollback_waits_too_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_secs(30)).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let inner = inner(&t, &database, "inner", false).await;
        let (ended, ()) = tokio::join!(soon("the rollback", outer.rollback()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            inner.end.send(true).expect("it waits");
        });
        ended?;
        inner.task.await.expect("no panic")?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_the_wait_has_a_limit_and_both_stay_usable_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_millis(100)).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let inner = inner(&t, &database, "inner", false).await;
        let (started, place) = (Instant::now(), line_below());
        let error = outer.commit().await.expect_err("the inner one is open");
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().matches(file!()).count() >= 3 && error.message().contains(&place), "all places: {error}");
        assert!(error.to_string().contains("lease_timeout"), "{error}");
        assert!(outer.is_open());
        inner.end.send(true).expect("it waits");
        inner.task.await.expect("no panic")?;
        outer.execute(add(&t, "later"), ()).await?;
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "inner,later,outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_who_holds_the_inner_one_does_not_wait_for_itself_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_mins(5)).await;
        let outer = database.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        // From a shared future, whose scope has ended.
        let own = database.clone();
        let inner = database.share(async move { own.transaction().await }).await?;
        assert_eq!(kind(&soon("the commit", outer.commit()).await), Some(ErrorKind::ConcurrentUse));
        inner.commit().await?;
        // Begun by another task, moved here and used.
        let own = database.clone();
        let inner = in_task(database.share(async move { own.transaction().await })).await?;
        inner.execute(add(&t, "inner"), ()).await?;
        assert_eq!(kind(&soon("the commit", outer.commit()).await), Some(ErrorKind::ConcurrentUse));
        // In the closure of the inner one.
        inner.commit().await?;
        let ended = database.transaction().run(async |_| soon("the commit", outer.commit()).await).await;
        assert_eq!(kind(&ended), Some(ErrorKind::ConcurrentUse));
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "inner,outer");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x5_a_commit_in_a_sandbox_waits_too_found_f1(t: Test) -> Result<()> {
        let database = narrow(&t, Duration::from_secs(30)).await;
        let sandbox = database.sandbox().await?;
        let outer = sandbox.transaction().await?;
        outer.execute(add(&t, "outer"), ()).await?;
        let inner = inner(&t, &sandbox, "inner", false).await;
        let (ended, ()) = tokio::join!(soon("the commit", outer.commit()), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            inner.end.send(true).expect("it waits");
        });
        ended?;
        inner.task.await.expect("no panic")?;
        assert_eq!(sandbox.fetch_value::<i64>(super::tasks::count(&t), ()).await?, 2);
        Ok(())
    }
}
