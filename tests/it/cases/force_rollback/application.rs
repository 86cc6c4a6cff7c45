//! F3: application code, unchanged.

use ebbtide::{Database, ErrorKind, Result};
use futures::TryStreamExt as _;

use super::{sandboxed, seen_by_another_task, undo};
use crate::cases::tasks::{add, in_use, kept, kind, list};
use crate::support::{Test, cases};

cases! {
    /// Application code that knows nothing of the sandbox.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f3_application_code_runs_unchanged(t: Test) -> Result<()> {
        async fn transfer(t: &Test, database: &Database, fail: bool) -> Result<()> {
            let transaction = database.transaction().await?;
            transaction.execute(add(t, if fail { "failed" } else { "done" }), ()).await?;
            let part = database.transaction().await?;
            part.execute(add(t, "part"), ()).await?;
            part.rollback().await?;
            if fail {
                return Err(undo());
            }
            transaction.commit().await
        }
        let database = sandboxed(&t).await;
        transfer(&t, &database, false).await?;
        assert!(transfer(&t, &database, true).await.is_err());
        let run = database.transaction().run(async |_| {
            database.execute(add(&t, "run"), ()).await?;
            Err::<(), _>(undo())
        });
        assert!(run.await.is_err());
        assert_eq!(seen_by_another_task(&t, &database).await, "done", "what was committed is seen by others");
        let listed: Vec<_> = database.iterate(t.sql("select body from {notes}"), ()).try_collect().await?;
        assert_eq!(listed.len(), 1);
        assert_eq!(in_use(&database), 1);
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
        }
        assert!(database.disconnect().await?);
        if t.can_observe() {
            assert_eq!(kept(&t, &database).await, "");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f3_commit_releases_and_rollback_undoes(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        database.execute(add(&t, "a"), ()).await?;
        for (body, end) in [("b", "commit"), ("c", "rollback"), ("d", "drop"), ("e", "commit")] {
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, body), ()).await?;
            let inner = transaction.transaction().await?;
            inner.execute(add(&t, format!("{body}{body}")), ()).await?;
            inner.commit().await?;
            match end {
                "commit" => transaction.commit().await?,
                "rollback" => transaction.rollback().await?,
                _ => drop(transaction),
            }
        }
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "a,b,bb,e,ee");
        let forced = database.transaction().rollback_only().await?;
        forced.execute(add(&t, "f"), ()).await?;
        forced.commit().await?;
        assert_eq!(seen_by_another_task(&t, &database).await, "a,b,bb,e,ee");
        assert!(database.disconnect().await?);
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f3_the_errors_of_guards_are_the_same(t: Test) -> Result<()> {
        let database = sandboxed(&t).await;
        let outer = database.transaction().await?;
        let inner = database.transaction().await?;
        assert_eq!(kind(&outer.commit().await), Some(ErrorKind::ConcurrentUse));
        assert_eq!(kind(&outer.execute(add(&t, "a"), ()).await), Some(ErrorKind::ConcurrentUse));
        inner.commit().await?;
        assert_eq!(kind(&inner.commit().await), Some(ErrorKind::TransactionEnded));
        outer.rollback().await?;
        assert_eq!(kind(&outer.rollback().await), Some(ErrorKind::TransactionEnded));
        database.execute(add(&t, "b"), ()).await?;
        assert_eq!(database.fetch_value::<String>(list(&t), ()).await?, "b");
        assert!(database.disconnect().await?);
        Ok(())
    }
}
