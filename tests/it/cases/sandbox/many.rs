//! F10: many sandboxes at once, and what they leave behind.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Database, ErrorKind, Result, params};

use super::{narrow, seen};
use crate::cases::tasks::{add, config, count, kept, kind, list, notes, notes_with, soon};
use crate::support::cases;

cases! {
    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f10_each_sandbox_sees_its_own_data_only(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(add(&t, "real"), ()).await?;
        let sandboxes = [database.sandbox().await?, database.sandbox().await?, database.sandbox().await?];
        for (number, sandbox) in sandboxes.iter().enumerate() {
            sandbox.execute(add(&t, number), ()).await?;
            let transaction = sandbox.transaction().await?;
            transaction.execute(add(&t, format!("{number}t")), ()).await?;
            transaction.commit().await?;
        }
        for (number, sandbox) in sandboxes.iter().enumerate() {
            assert_eq!(seen(&t, sandbox).await, format!("{number},{number}t,real"));
        }
        assert_eq!(kept(&t, &database).await, "real");
        let [first, second, third] = sandboxes;
        assert!(first.disconnect().await?);
        drop(second);
        assert_eq!(seen(&t, &third).await, "2,2t,real", "the end of the others is nothing to it");
        drop(third);
        assert_eq!(kept(&t, &database).await, "real");
        Ok(())
    }

    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f10_the_parent_goes_on_beside_its_sandboxes(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "sandboxed"), ()).await?;
        // On a server these do not wait, because they write other rows.
        soon("the parent", database.execute(add(&t, "real"), ())).await?;
        let transaction = database.transaction().await?;
        transaction.execute(add(&t, "rolled back"), ()).await?;
        transaction.rollback().await?;
        assert_eq!(kept(&t, &database).await, "real");
        // The isolation level of the backend determines whether rows committed meanwhile are visible. The sandbox's own
        // rows always are.
        assert!(seen(&t, &sandbox).await.contains("sandboxed"));
        drop(sandbox);
        let later = database.sandbox().await?;
        assert_eq!(seen(&t, &later).await, "real", "the next one sees what is there now");
        Ok(())
    }

    // The library makes private copies of SQLite databases only through sqlx.
    #[except(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, odbc_sqlite)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Derby's readers wait for what a sandbox has written.
    #[except(jdbc_derby)]
    async fn f10_a_sandbox_of_a_sandbox_is_another_beside_it(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let one = database.sandbox().await?;
        one.execute(add(&t, "one"), ()).await?;
        let other = one.sandbox().await?;
        assert_eq!(seen(&t, &other).await, "");
        other.execute(add(&t, "other"), ()).await?;
        drop(one);
        assert_eq!(seen(&t, &other).await, "other");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f10_a_sandbox_can_be_disconnected_and_connected_again(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let sandbox = database.sandbox().await?;
        for round in 0..3 {
            sandbox.execute(add(&t, round), ()).await?;
            assert_eq!(seen(&t, &sandbox).await, round.to_string());
            assert!(sandbox.disconnect().await?);
            assert!(!sandbox.disconnect().await?);
            assert_eq!(kind(&sandbox.execute(add(&t, "late"), ()).await), Some(ErrorKind::NotConnected));
            Database::connect(&sandbox).await?;
        }
        assert_eq!(seen(&t, &sandbox).await, "");
        assert!(database.is_connected());
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f10_sandboxes_beyond_the_limit_wait_for_their_turn(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1).pool_timeout(Duration::from_millis(300))).await;
        let first = database.sandbox().await?;
        first.execute(add(&t, "first"), ()).await?;
        let second = database.sandbox().await?;
        let error = soon("the second", second.fetch_value::<i64>(count(&t), ())).await.expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().contains(file!()), "it names who holds it: {error}");
        drop(first);
        assert_eq!(soon("the second", second.fetch_value::<String>(list(&t), ())).await?, "");
        Ok(())
    }

    // It sets what PostgreSQL, MySQL and SQLite have.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // Its driver refuses SET NAMES.
    #[except(odbc_mariadb)]
    async fn f10_what_a_sandbox_sets_does_not_leak_into_the_next(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let (set, look): (Vec<AssertSqlSafe<String>>, Vec<AssertSqlSafe<String>>) = match t.backend().family() {
            "postgres" => (
                vec![
                    t.sql("set work_mem = '7MB'"),
                    t.sql("set application_name = 'changed'"),
                    t.sql("select pg_advisory_lock(hashtext('{notes}'))"),
                    t.sql("do $$ begin perform pg_advisory_lock(hashtext('{notes}x')); end $$"),
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("prepare kept as select 1"),
                    t.sql("set role pg_monitor"),
                ],
                vec![
                    t.sql("select case when current_setting('work_mem') = '7MB' then 1 else 0 end::bigint"),
                    t.sql("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"),
                    t.sql("select count(*) from pg_class where relname = 'scratch' and relnamespace = pg_my_temp_schema()"),
                    t.sql("select count(*) from pg_prepared_statements where name = 'kept'"),
                    t.sql("select count(*) from pg_listening_channels()"),
                    t.sql("select case when current_user = 'pg_monitor' then 1 else 0 end::bigint"),
                ],
            ),
            "mysql" => (
                vec![
                    t.sql("set @kept = 1"),
                    t.sql("select 5 into @other"),
                    t.sql("set session sort_buffer_size = 999424"),
                    t.sql("select get_lock('{notes}', 1)"),
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("set names latin1"),
                ],
                vec![
                    t.sql("select if(@kept is null, 0, 1)"),
                    t.sql("select if(@other is null, 0, 1)"),
                    t.sql("select if(@@sort_buffer_size = 999424, 1, 0)"),
                    t.sql("select ifnull(is_used_lock('{notes}') = connection_id(), 0)"),
                    t.sql("select if(@@character_set_client = 'latin1', 1, 0)"),
                ],
            ),
            _ => (
                vec![
                    t.sql("create temporary table scratch (n int)"),
                    t.sql("pragma case_sensitive_like = 1"),
                    t.sql("pragma cache_size = 1234"),
                    t.sql("pragma recursive_triggers = 1"),
                    t.sql("attach ':memory:' as other"),
                ],
                vec![
                    t.sql("select count(*) from sqlite_temp_schema where name = 'scratch'"),
                    t.sql("select 'A' not like 'a'"),
                    t.sql("select cache_size = 1234 from pragma_cache_size"),
                    t.sql("select recursive_triggers from pragma_recursive_triggers"),
                    t.sql("select count(*) from pragma_database_list where name = 'other'"),
                ],
            ),
        };
        // Each alone, because one that makes the connection unusable would hide the others.
        let mut leaked = Vec::new();
        for set in set {
            let text = set.0.clone();
            let sandbox = database.sandbox().await?;
            let done = sandbox.execute(set, ()).await;
            if let Err(error) = &done {
                // ATTACH is refused inside a transaction.
                assert!(text.starts_with("attach"), "{text}: {error}");
            }
            sandbox.disconnect().await?;
            let next = database.sandbox().await?;
            for look in &look {
                let found: i64 = next.fetch_value(AssertSqlSafe(look.0.clone()), ()).await.unwrap_or_else(|error| panic!("{}: {error:?}", look.0));
                if found != 0 {
                    leaked.push(format!("{text} (seen by: {})", look.0));
                }
            }
            if t.backend().is_mysql() {
                next.execute("select * from scratch", ()).await.expect_err("it was temporary");
            }
            next.disconnect().await?;
        }
        assert!(leaked.is_empty(), "{leaked:#?}");
        Ok(())
    }

    #[only(postgres)]
    async fn f6_the_session_bears_the_name_of_the_sandbox(t: Test) -> Result<()> {
        let database = narrow(&t).await;
        let name = |sandbox: Database| async move {
            sandbox.fetch_value::<String>("select current_setting('application_name')", ()).await
        };
        let first = name(database.sandbox().name("creates_a_note").await?).await?;
        let second = name(database.sandbox().name("creates_a_note").await?).await?;
        assert!(first.starts_with("creates_a_note#") && second.starts_with("creates_a_note#"), "{first} {second}");
        assert_ne!(first, second);
        let odd = name(database.sandbox().name("it's a \\ größe").await?).await?;
        assert!(odd.starts_with("it's a "), "{odd}");
        Ok(())
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f10_a_sandbox_keeps_its_last_statements_but_no_values(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().record(3).await?;
        for body in ["first", "second", "third"] {
            sandbox.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body }).await?;
        }
        sandbox.execute("select no_such_column", ()).await.expect_err("there is no such column");
        let recorded = sandbox.recorded();
        assert_eq!(recorded.len(), 3, "{recorded:?}");
        let last = recorded.last().expect("one");
        assert!(last.sql.contains("no_such_column") && last.error.is_some(), "{last}");
        let text = recorded.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("insert into") && !text.contains("third"), "{text}");
        assert!(database.sandbox().await?.recorded().is_empty());
        Ok(())
    }

    /// A write inside `force_rollback(false)` in a sandbox is really committed.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f2_a_sandbox_can_be_left_for_a_moment(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        {
            let _really = sandbox.force_rollback(false);
            sandbox.execute(add(&t, "real"), ()).await?;
        }
        sandbox.execute(add(&t, "undone"), ()).await?;
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &database).await, "real");
        Ok(())
    }
}
