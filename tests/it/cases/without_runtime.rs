//! Full isolation for callers without a runtime.

use std::time::{Duration, Instant};

use ebbtide::{Database, ErrorKind, Result, Transaction, params};
use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _};

use super::isolation::{endless, isolated, isolated_notes, off_runtime};
use super::sandbox::{seen, slow};
use super::tasks::{add, config, count, kept, list, soon};
use crate::support::cases;

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_a_plain_thread_without_a_runtime_may_use_it(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t)).await;
        let (used, t) = (&database, &t);
        let work = || -> Result<()> {
            block_on(async {
                used.execute(add(t, "a"), ()).await?;
                used.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body: "b" })
                    .timeout(Duration::from_secs(10))
                    .await?;
                let transaction = used.transaction().await?;
                transaction.execute(add(t, "c"), ()).await?;
                let inner = used.transaction().timeout(Duration::from_secs(10)).await?;
                inner.execute(add(t, "undone"), ()).await?;
                inner.rollback().await?;
                transaction.commit().await?;
                drop(used.transaction().await?);
                let work = async |transaction: Transaction| transaction.execute(add(t, "d"), ()).await;
                used.transaction().run(work).await?;
                let rows = ["e", "f"].map(|body| params! { body });
                used.execute_many(t.sql("insert into {notes} (body) values (:body)"), rows).await?;
                let all = || t.sql("select body from {notes} order by body");
                assert_eq!(used.iterate(all(), ()).try_collect::<Vec<_>>().await?.len(), 6);
                let mut rows = used.iterate(all(), ());
                rows.try_next().await?.expect("a row");
                assert_eq!(used.fetch_value::<i64>(count(t), ()).await?, 6);
                assert_eq!(rows.count().await, 5);
                let mut rows = used.iterate(all(), ());
                rows.try_next().await?.expect("a row");
                drop(rows);
                let error = used.execute(slow(t), ()).timeout(Duration::from_millis(10)).await.expect_err("it takes longer");
                assert_eq!(error.kind(), ErrorKind::Timeout);
                used.execute(add(t, "a"), ()).await.expect_err("it is there already");
                assert_eq!(used.fetch_value::<String>(list(t), ()).await?, "a,b,c,d,e,f");
                Ok(())
            })
        };
        off_runtime(work)?;
        assert_eq!(seen(t, &database).await, "a,b,c,d,e,f", "it is one connection for all");
        soon("disconnect", database.disconnect()).await?;
        Ok(())
    }

    /// The whole life of a database, from the first line to the last, without a runtime.
    // Definitions commit there, so that a sandbox refuses them.
    #[except(jdbc_h2, jdbc_hsqldb)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_a_whole_life_without_a_runtime(t: Test) -> Result<()> {
        let there = isolated_notes(&t, isolated(&t)).await;
        if t.can_observe() {
            there.disconnect().await?;
        }
        let t = &t;
        let work = || -> Result<()> {
            for how in ["disconnect", "drop", "drop with a guard", "disconnect with a guard"] {
                let config = isolated(t).lazy(true);
                let database = block_on(Database::connect(config))?;
                if t.can_observe() {
                    block_on(database.execute(add(t, "a"), ()).into_future())?;
                } else {
                    // Each is a database of its own there.
                    block_on(database.execute("create table scratch (n int)", ()).into_future())?;
                }
                let guard = how.contains("guard").then(|| block_on(database.transaction().into_future())).transpose()?;
                if how.starts_with("disconnect") {
                    assert!(block_on(database.disconnect())?);
                    if let Some(guard) = &guard {
                        block_on(guard.execute("select 1", ()).into_future()).expect_err("it is disconnected");
                    }
                } else {
                    drop(database);
                }
                drop(guard);
            }
            Ok(())
        };
        off_runtime(work)?;
        if t.can_observe() {
            let looking = Database::connect(config(t)).await?;
            assert_eq!(kept(t, &looking).await, "");
        }
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_sandboxes_may_be_used_without_a_runtime(t: Test) -> Result<()> {
        let database = super::tasks::notes(&t).await;
        let (parent, t) = (&database, &t);
        let work = || -> Result<()> {
            for round in 0..3 {
                let sandbox = block_on(parent.sandbox().into_future())?;
                block_on(sandbox.execute(add(t, round), ()).into_future())?;
                let transaction = block_on(sandbox.transaction().into_future())?;
                block_on(transaction.execute(add(t, "t"), ()).into_future())?;
                match round {
                    0 => block_on(transaction.commit())?,
                    1 => drop(transaction),
                    _ => {
                        drop(sandbox);
                        drop(transaction);
                        continue;
                    }
                }
                let there: String = block_on(sandbox.fetch_value(list(t), ()).into_future())?;
                assert_eq!(there, if round == 0 { "0,t" } else { "1" });
                if round == 0 { assert!(block_on(sandbox.disconnect())?) } else { drop(sandbox) }
            }
            Ok(())
        };
        off_runtime(work)?;
        assert_eq!(kept(t, &database).await, "");
        Ok(())
    }

    /// A waiter that reaches the limit receives an error, with or without a runtime.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i1_waiting_has_its_limit_without_a_runtime(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t).lease_timeout(Duration::from_millis(200))).await;
        let held = database.transaction().await?;
        held.execute(add(&t, "held"), ()).await?;
        let (used, t) = (&database, &t);
        let waited = off_runtime(|| block_on(used.execute(add(t, "waiting"), ()).into_future()));
        let error = waited.expect_err("it is held");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.message().contains(file!()), "{error}");
        held.commit().await?;
        assert_eq!(seen(t, &database).await, "held");
        Ok(())
    }

    /// The same where the caller has no runtime, and so no timer.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn i4_the_limit_holds_without_a_runtime(t: Test) -> Result<()> {
        let database = isolated_notes(&t, isolated(&t).result_timeout(Duration::from_millis(300))).await;
        let (used, t) = (&database, &t);
        let since = Instant::now();
        let error = off_runtime(|| block_on(used.fetch_all(endless(t), ()).into_future())).expect_err("it takes too long");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(since.elapsed() < Duration::from_secs(5), "after {:?}", since.elapsed());
        Ok(())
    }
}
