//! Guards that are dropped while their transaction ends, and streams whose outcome is unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ebbtide::{AssertSqlSafe, ErrorKind, Result};
use futures::TryStreamExt as _;

use super::ways::Behind;
use crate::cases::tasks::{add, in_task, kept, notes, soon};
use crate::support::cases;

cases! {
    /// All other handles are dropped: the end borrows a handle, so one lives.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn x9_a_commit_keeps_its_guard_and_runs_its_callbacks_found_a12(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let done = Arc::new(AtomicUsize::new(0));
        for nested in [false, true] {
            let outer = if nested { Some(database.transaction().await?) } else { None };
            let guard = Arc::new(database.transaction().await?);
            guard.execute(add(&t, format!("nested: {nested}")), ()).await?;
            let count = Arc::clone(&done);
            guard.on_commit(async move || { count.fetch_add(1, Ordering::Relaxed); })?;
            let shared = Arc::clone(&guard);
            let ending = in_task(async move {
                let end = shared.commit();
                tokio::task::yield_now().await;
                end.await
            });
            drop(guard);
            ending.await?;
            if let Some(outer) = outer {
                assert_eq!(done.load(Ordering::Relaxed), 1, "not yet");
                outer.commit().await?;
            }
            assert_eq!(done.load(Ordering::Relaxed), if nested { 2 } else { 1 });
        }
        assert_eq!(kept(&t, &database).await, "nested: false,nested: true");
        // In a closure too.
        database
            .transaction()
            .run(async |transaction| {
                transaction.execute(add(&t, "closure"), ()).await?;
                let count = Arc::clone(&done);
                transaction.on_commit(async move || { count.fetch_add(1, Ordering::Relaxed); })?;
                transaction.commit().await
            })
            .await?;
        assert_eq!(done.load(Ordering::Relaxed), 3);
        Ok(())
    }

    /// A procedure may have committed what it did before its stream is lost, so its transaction is not run again.
    #[only(mysql)]
    async fn x12_a_lost_stream_of_what_may_have_committed_is_unknown(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for sql in [
            "create procedure {busy}() begin signal sqlstate 'HY000' set mysql_errno = 1205; end",
            "create procedure {slow}(seconds int) begin commit; select 1; do sleep(seconds); select 2; end",
        ] {
            t.observe_exec(sql).await;
        }
        let on = Behind::new(&t, "pool_size=1").await;
        for lost in [true, false] {
            let attempts = AtomicUsize::new(0);
            let ran = on.database.transaction().retry().run(async |transaction| {
                attempts.fetch_add(1, Ordering::Relaxed);
                let busy = transaction.execute(t.sql("call {busy}()"), ()).await;
                assert!(busy.is_err_and(|error| error.is_retryable()));
                transaction.execute(add(&t, "once"), ()).await?;
                let mut rows = transaction.iterate(t.sql(if lost { "call {slow}(30)" } else { "call {slow}(0)" }), ());
                rows.try_next().await?;
                if lost {
                    on.proxy.cut();
                    return rows.try_next().await.map(drop);
                }
                drop(rows);
                Err(transaction.execute("nonsense", ()).await.expect_err("it cannot be parsed"))
            });
            let error = soon("the closure", ran).await.expect_err("it is lost");
            assert_eq!(error.outcome_unknown(), lost, "{error:?}");
            assert_eq!(attempts.load(Ordering::Relaxed), 1, "lost: {lost}, {error:?}");
            assert_eq!(kept(&t, &database).await, "once");
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        for sql in ["drop procedure {busy}", "drop procedure {slow}"] {
            t.observe_exec(sql).await;
        }
        Ok(())
    }

    /// As a verb that writes and reads what it has written.
    #[only(postgres)]
    async fn x12_a_lost_stream_that_writes_is_unknown(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1").await;
        // More than the server sends at once.
        let sql = t.words("insert into {notes} (body) select repeat('x', 1000) || n from generate_series(1, 20000) as n returning body");
        let mut rows = on.database.iterate(AssertSqlSafe(sql), ());
        assert!(rows.try_next().await?.is_some());
        on.proxy.cut();
        let error = soon("the stream", rows.try_collect::<Vec<_>>()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::OutcomeUnknown && !error.is_retryable(), "{error:?}");
        // A statement that only reads may be run again.
        let mut rows = on.database.iterate("select repeat('x', 1000) || n from generate_series(1, 20000) as n", ());
        assert!(rows.try_next().await?.is_some());
        on.proxy.cut();
        let error = soon("the stream", rows.try_collect::<Vec<_>>()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::ConnectionLost && error.is_retryable(), "{error:?}");
        Ok(())
    }
}
