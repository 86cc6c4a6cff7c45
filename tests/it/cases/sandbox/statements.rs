//! F5: statements outside of transactions, and their cost.

use ebbtide::{ErrorKind, Result, params};
use futures::TryStreamExt as _;

use super::seen;
use crate::cases::ended_by_server::Environment;
use crate::cases::tasks::{add, count, kept, kind, notes, notes_with, until};
use crate::support::{Proxy, Swap, cases};

/// Returns the round trips since the last call.
fn spent(proxy: &Proxy) -> usize {
    let spent = proxy.round_trips();
    assert_eq!(spent, proxy.requests(), "every request was answered");
    proxy.reset();
    spent
}

cases! {
    /// Rolling back to its current position would undo completed statements, so every caller receives the error that
    /// the sandbox is lost.
    #[only(postgres)]
    #[except(tokio_postgres)]
    async fn f5_a_savepoint_of_statements_that_is_lost_breaks_the_sandbox_and_says_so(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for environment in [Environment::ForceRollback, Environment::Sandbox] {
            for step in ["RELEASE SAVEPOINT ebbtide_statement", "ROLLBACK TO SAVEPOINT ebbtide_statement"] {
                let proxy = Proxy::start(&t.url());
                let sandbox = environment.open(&t, &proxy.open_url()).await;
                sandbox.execute(add(&t, "first"), ()).await?;
                proxy.swap(Swap::postgres(step, "select 1/0"));
                // The second moves it first, and goes back to it because it fails.
                let second = if step.starts_with("RELEASE") { add(&t, "second") } else { t.sql("insert into {notes} (body) values (null)") };
                let error = sandbox.execute(second, ()).await.expect_err("the savepoint is lost");
                assert!(proxy.swapped(), "{step} in {environment:?}");
                assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{step} in {environment:?}: {error:?}");
                assert!(error.to_string().contains("the savepoint of its statements was lost"), "{step} in {environment:?}: {error}");
                let later = sandbox.execute(add(&t, "third"), ()).await;
                assert_eq!(kind(&later), Some(ErrorKind::SandboxBroken), "{step} in {environment:?}");
                sandbox.disconnect().await?;
                assert_eq!(kept(&t, &database).await, "", "{step} in {environment:?}");
            }
        }
        Ok(())
    }

    /// The overhead of the spec: BEGIN at the first use, and ROLLBACK.
    #[only(postgres, mysql)]
    async fn f10_a_warm_sandbox_costs_two_round_trips_beyond_its_own_statements(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        for round in 0..4 {
            proxy.reset();
            let sandbox = database.sandbox().await?;
            assert_eq!(spent(&proxy), 0, "opening one costs nothing");
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            let transaction = sandbox.transaction().await?;
            transaction.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body: "a" }).await?;
            transaction.commit().await?;
            let own = spent(&proxy);
            if round % 2 == 0 {
                sandbox.disconnect().await?;
            } else {
                drop((transaction, sandbox));
                until("it was rolled back", || proxy.round_trips() == 1).await;
            }
            if round > 0 {
                assert_eq!((own, spent(&proxy)), (4 + t.begin(), 1), "select, begin, insert, commit, and BEGIN; ROLLBACK");
            }
        }
        proxy.reset();
        drop(database.sandbox().await?);
        assert_eq!(kept(&t, &database).await, "");
        assert_eq!(spent(&proxy), 0, "one that is not used costs nothing");
        assert!(proxy.open_connections() <= 2, "one of the parent, one of the sandboxes");
        Ok(())
    }

    #[only(postgres)]
    async fn f5_what_savepoints_cost_outside_of_transactions(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        for round in 0..2 {
            let sandbox = database.sandbox().await?;
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            sandbox.execute(insert(), params! { body: "a" }).await?;
            let mut costs = Vec::new();
            proxy.reset();
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            costs.push(("a read after a write", spent(&proxy)));
            for _ in 0..2 {
                sandbox.fetch_value::<i64>(count(&t), ()).await?;
                costs.push(("a read", spent(&proxy)));
            }
            sandbox.execute(insert(), params! { body: "b" }).await?;
            costs.push(("a write", spent(&proxy)));
            sandbox.execute(insert(), params! { body: "c" }).await?;
            costs.push(("a write after a write", spent(&proxy)));
            sandbox.fetch_value::<i64>(count(&t), ()).await?;
            spent(&proxy);
            sandbox.execute(insert(), params! { body: "a" }).await.expect_err("it is there already");
            costs.push(("a failure", spent(&proxy)));
            let transaction = sandbox.transaction().await?;
            transaction.execute(insert(), params! { body: "d" }).await?;
            transaction.commit().await?;
            costs.push(("begin, insert, commit", spent(&proxy)));
            if round == 1 {
                let [after_write, read, again, write, writes, failure, transaction] = costs[..] else { panic!("{costs:?}") };
                assert_eq!(
                    [after_write.1, read.1, again.1, write.1, writes.1, failure.1, transaction.1],
                    [1 + t.begin(), 1, 1, 1, 1 + t.begin(), 2, 2 + t.begin()],
                    "{costs:?}"
                );
            }
            assert_eq!(seen(&t, &sandbox).await, "a,b,c,d");
            sandbox.disconnect().await?;
        }
        Ok(())
    }

    #[only(mysql)]
    async fn f5_statements_in_a_sandbox_cost_nothing_more(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = notes_with(&t, ebbtide::Config::from_url(proxy.url().as_str())?).await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        let sandbox = database.sandbox().await?;
        sandbox.execute(insert(), params! { body: "a" }).await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        proxy.reset();
        sandbox.execute(insert(), params! { body: "b" }).await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        sandbox.execute(insert(), params! { body: "a" }).await.expect_err("it is there already");
        assert_eq!(spent(&proxy), 3);
        let transaction = sandbox.transaction().await?;
        transaction.execute(insert(), params! { body: "d" }).await?;
        transaction.commit().await?;
        assert_eq!(spent(&proxy), 3);
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f5_a_failing_statement_poisons_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        // The very first statement of a sandbox, too.
        sandbox.execute("select no_such_column", ()).await.expect_err("there is no such column");
        sandbox.execute(add(&t, "a"), ()).await?;
        sandbox.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        sandbox.execute("this is no SQL", ()).await.expect_err("it is no SQL");
        sandbox.execute(add(&t, "b"), ()).await?;
        // Through every verb.
        let missing = || t.sql("select * from {notes}_missing");
        sandbox.fetch_all(missing(), ()).await.expect_err("no table");
        sandbox.fetch_optional(missing(), ()).await.expect_err("no table");
        sandbox.iterate(missing(), ()).try_next().await.expect_err("no table");
        let rows = ["c", "d", "a"].map(|body| params! { body });
        sandbox.execute_many(t.sql("insert into {notes} (body) values (:body)"), rows).await.expect_err("one is there");
        assert_eq!(seen(&t, &sandbox).await, "a,b", "many rows are all or nothing");
        // A statement of which a part was done.
        sandbox.execute(t.sql("insert into {notes} (body) select 'e' union all select 'a'"), ()).await.expect_err("one is there");
        let connection = sandbox.connection();
        connection.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        connection.execute(add(&t, "f"), ()).await?;
        drop(connection);
        assert_eq!(seen(&t, &sandbox).await, "a,b,f");
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// Inside a transaction the server's own behaviour applies.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f5_inside_a_transaction_a_failure_is_what_it_is_outside_of_a_sandbox(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        let next = transaction.execute(add(&t, "c"), ()).await;
        let committed = transaction.commit().await;
        if t.backend().is_postgres() {
            assert_eq!(next.expect_err("25P02").sqlstate(), Some("25P02"));
            assert_eq!(kind(&committed), Some(ErrorKind::TransactionAborted));
            assert_eq!(seen(&t, &sandbox).await, "a");
        } else {
            next?;
            committed?;
            assert_eq!(seen(&t, &sandbox).await, "a,b,c");
        }
        // A nested transaction protects the outer one from it everywhere.
        let outer = sandbox.transaction().await?;
        let inner = sandbox.transaction().await?;
        inner.execute(add(&t, "a"), ()).await.expect_err("it is there already");
        inner.rollback().await?;
        outer.execute(add(&t, "d"), ()).await?;
        outer.commit().await?;
        assert!(seen(&t, &sandbox).await.ends_with('d'));
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f5_a_stream_that_fails_or_is_dropped_keeps_what_was_written(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        for body in ["a", "b", "c"] {
            sandbox.execute(add(&t, body), ()).await?;
        }
        let all = || t.sql("select body from {notes} order by body");
        let mut rows = sandbox.iterate(all(), ());
        rows.try_next().await?.expect("a row");
        drop(rows);
        sandbox.execute(add(&t, "d"), ()).await?;
        // A statement that fails at its second row.
        let late = match t.backend().family() {
            "postgres" => Some("select 1 / (2 - i) from generate_series(1, 3) as i"),
            "sqlite" => Some("with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select json(case i when 2 then '{' else '{}' end) from n"),
            _ => None,
        };
        if let Some(late) = late {
            let failed = sandbox.iterate(late, ()).try_collect::<Vec<_>>().await;
            assert!(failed.is_err(), "{failed:?}");
        }
        let mut rows = sandbox.iterate(all(), ());
        rows.try_next().await?.expect("a row");
        sandbox.execute(add(&t, "e"), ()).await?;
        assert_eq!(rows.try_collect::<Vec<_>>().await?.len(), 3);
        assert_eq!(seen(&t, &sandbox).await, "a,b,c,d,e");
        Ok(())
    }

    /// A row written by a stream is kept, too, if its reader stops early.
    #[only(postgres, sqlite)]
    async fn f5_a_dropped_stream_that_writes_leaves_the_rest_as_it_was(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "before"), ()).await?;
        let mut rows = sandbox.iterate(t.sql("insert into {notes} (body) values ('x'), ('y') returning body"), ());
        rows.try_next().await?.expect("a row");
        drop(rows);
        sandbox.execute(add(&t, "after"), ()).await?;
        let seen = seen(&t, &sandbox).await;
        assert!(seen == "after,before" || seen == "after,before,x,y", "{seen}");
        Ok(())
    }

    /// A script outside of a transaction is one unit on PostgreSQL, and SET LOCAL in it holds until its end.
    #[only(postgres)]
    async fn f5_a_script_with_set_local_keeps_what_it_writes(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let before: String = sandbox.fetch_value("select current_setting('work_mem')", ()).await?;
        let script = t.sql("set local work_mem = '7MB'; insert into {notes} (body) values (current_setting('work_mem'))");
        sandbox.execute(script, ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "7MB");
        assert_eq!(sandbox.fetch_value::<String>("select current_setting('work_mem')", ()).await?, before);
        let with = t.sql(
            "with added as (insert into {notes} (body) values ('b') returning body) \
             select set_config('app.note', body, true) from added",
        );
        sandbox.fetch_value::<String>(with, ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "7MB,b");
        let app: Option<String> = sandbox.fetch_value("select nullif(current_setting('app.note', true), '')", ()).await?;
        assert_eq!(app, None);
        Ok(())
    }
}
