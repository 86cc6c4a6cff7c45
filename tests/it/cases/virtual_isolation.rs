//! Isolation levels and read-only transactions in a sandbox.

use std::time::Duration;

use ebbtide::{Database, ErrorKind, IsolationLevel, IsolationPolicy, Result, Transaction};
use tokio::time::sleep;

use super::sandbox::seen;
use super::tasks::{add, config, count, kind, list, notes, notes_with, soon};
use crate::support::{Test, cases};

/// Returns the isolation level of the session, as the server reports it.
async fn level(t: &Test, database: &Database, expected: &str) -> String {
    if t.backend().is_postgres() {
        return database
            .fetch_value("select current_setting('transaction_isolation')", ())
            .await
            .expect("a level");
    }
    let id: i64 = database
        .fetch_value("select cast(connection_id() as signed)", ())
        .await
        .expect("an id");
    // InnoDB knows of the transaction once it has read a table, and reports it a moment later.
    database.fetch_value::<i64>(count(t), ()).await.expect("a count");
    let mut observer = t.observer().await;
    let sql = format!(
        "select lower(trx_isolation_level) from information_schema.innodb_trx where trx_mysql_thread_id = {id}"
    );
    let mut found = String::new();
    for _ in 0..30 {
        found = observer.text(&sql).await.unwrap_or_default();
        if found == expected {
            break;
        }
        // The server refreshes the value only when it was not queried for 100 ms.
        sleep(Duration::from_millis(150)).await;
    }
    found
}

cases! {
    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f8_read_only_is_honoured(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        for database in [plain.clone(), plain.sandbox().await?] {
            database.execute(add(&t, "a"), ()).await?;
            let transaction = database.transaction().read_only().await?;
            assert_eq!(transaction.fetch_value::<i64>(count(&t), ()).await?, 1);
            let written = transaction.execute(add(&t, "b"), ()).await;
            assert_eq!(kind(&written), Some(ErrorKind::ReadOnly), "{written:?}");
            transaction.rollback().await?;
            // Also for calls that the application makes through the database, and in a nested transaction.
            let work = async |_: Transaction| {
                let inner = async |inner: Transaction| {
                    let written = inner.execute(add(&t, "b"), ()).await;
                    assert_eq!(kind(&written), Some(ErrorKind::ReadOnly), "{written:?}");
                    written.map(drop)
                };
                database.transaction().run(inner).await.expect_err("it may not write");
                let rows = [ebbtide::params! { body: "b" }];
                let many = database.execute_many(t.sql("insert into {notes} (body) values (:body)"), rows).await;
                assert_eq!(kind(&many), Some(ErrorKind::ReadOnly), "{many:?}");
                Err::<(), _>(many.expect_err("it may not write"))
            };
            database.transaction().read_only().run(work).await.expect_err("it was given back");
            let transaction = database.transaction().read_only().await?;
            assert_eq!(transaction.fetch_value::<String>(list(&t), ()).await?, "a");
            transaction.commit().await?;
            // It ends with its transaction.
            let transaction = database.transaction().await?;
            transaction.execute(add(&t, "c"), ()).await?;
            transaction.commit().await?;
            database.execute(add(&t, "d"), ()).await?;
            drop(database.transaction().read_only().await?);
            database.execute(add(&t, "e"), ()).await?;
            assert_eq!(seen(&t, &database).await, "a,c,d,e");
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    /// The first use of a sandbox is a read-only transaction; the sandbox itself is not read-only.
    // H2 has no read-only transactions.
    #[except(jdbc_h2)]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn f8_a_read_only_transaction_may_be_the_first_use(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().read_only().await?;
        assert_eq!(kind(&transaction.execute(add(&t, "a"), ()).await), Some(ErrorKind::ReadOnly));
        transaction.rollback().await?;
        sandbox.execute(add(&t, "b"), ()).await?;
        assert_eq!(seen(&t, &sandbox).await, "b");
        Ok(())
    }

    /// Reading takes many forms, none of which a read-only transaction may refuse.
    // Its statements are those of PostgreSQL, MySQL and SQLite.
    #[except(standard)]
    async fn f8_read_only_lets_everything_that_reads_pass(t: Test) -> Result<()> {
        let plain = notes(&t).await;
        let reads = match t.backend().family() {
            "postgres" => vec!["show work_mem", "explain select 1", "select pg_backend_pid()", "values (1)"],
            "mysql" => vec![
                "show tables", "explain select 1", "select connection_id()", "select database(), user(), @@version",
                "select json_keys('{}')", "select timestampdiff(day, now(), now())", "select if(1 = 1, 2, 3)",
                "select uuid()", "select st_x(point(1, 2))", "select date(now()), dayofweek(now()), last_day(now())",
            ],
            _ => vec!["pragma table_list", "explain select 1", "select sqlite_version()", "values (1)"],
        };
        for database in [plain.clone(), plain.sandbox().await?] {
            let transaction = database.transaction().read_only().await?;
            for sql in &reads {
                let read = transaction.fetch_all(*sql, ()).await;
                assert!(read.is_ok(), "{sql}: {read:?}");
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn f9_the_first_isolation_level_is_honoured_exactly(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let levels = [
            (IsolationLevel::Serializable, "serializable"),
            (IsolationLevel::RepeatableRead, "repeatable read"),
            (IsolationLevel::ReadCommitted, "read committed"),
            (IsolationLevel::ReadUncommitted, "read uncommitted"),
        ];
        for (asked, expected) in levels {
            let sandbox = database.sandbox().isolation_policy(IsolationPolicy::Deny).await?;
            let transaction = sandbox.transaction().isolation(asked).await?;
            assert_eq!(level(&t, &sandbox, expected).await, expected);
            transaction.commit().await?;
            // Requesting the same level again changes nothing.
            let transaction = sandbox.transaction().isolation(asked).await?;
            assert_eq!(level(&t, &sandbox, expected).await, expected);
            transaction.rollback().await?;
            sandbox.disconnect().await?;
        }
        // The next sandbox on the same connection has the server's own level.
        let usual = if t.backend().is_postgres() { "read committed" } else { "repeatable read" };
        let sandbox = database.sandbox().await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        assert_eq!(level(&t, &sandbox, usual).await, usual);
        sandbox.disconnect().await?;
        // It begins with the level of the settings.
        let set = Database::connect(config(&t).isolation_level(IsolationLevel::Serializable)).await?;
        let sandbox = set.sandbox().await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        assert_eq!(level(&t, &sandbox, "serializable").await, "serializable");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn f9_a_later_level_is_recorded(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().record(20).await?;
        sandbox.execute(add(&t, "a"), ()).await?;
        let here = super::tasks::line_below();
        let transaction = sandbox.transaction().isolation(IsolationLevel::Serializable).await?;
        transaction.execute(add(&t, "b"), ()).await?;
        transaction.commit().await?;
        assert_eq!(seen(&t, &sandbox).await, "a,b");
        let recorded = sandbox.recorded();
        let remark = recorded.iter().find(|recorded| recorded.sql.starts_with("--")).expect("a remark");
        assert!(remark.sql.contains(&here) && remark.sql.to_lowercase().contains("serializable"), "{remark}");
        Ok(())
    }

    #[only(postgres, mysql)]
    async fn f9_a_later_level_is_denied_where_that_is_the_policy(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).isolation_policy(IsolationPolicy::Deny)).await;
        let by_setting = database.sandbox().await?;
        let by_wish = database.sandbox().isolation_policy(IsolationPolicy::Deny).await?;
        for sandbox in [by_setting, by_wish] {
            let first = sandbox.transaction().isolation(IsolationLevel::Serializable).await?;
            first.commit().await?;
            let error = sandbox
                .transaction()
                .isolation(IsolationLevel::ReadCommitted)
                .await
                .expect_err("it has another");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
            assert!(error.to_string().contains("isolation_policy"), "{error}");
            let fine = sandbox.transaction().isolation(IsolationLevel::Serializable).await?;
            fine.execute("select 1", ()).await?;
            fine.commit().await?;
            sandbox.transaction().await?.commit().await?;
            soon("the sandbox", sandbox.disconnect()).await?;
        }
        // The builder's option takes precedence over the setting.
        let sandbox = database.sandbox().isolation_policy(IsolationPolicy::Record).await?;
        sandbox.fetch_value::<i64>(count(&t), ()).await?;
        sandbox.transaction().isolation(IsolationLevel::Serializable).await?.commit().await?;
        Ok(())
    }

    /// SQLite has one level; it may be requested, and another is refused as it is outside of a sandbox.
    #[only(sqlite)]
    async fn f9_sqlite_knows_one_level(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for database in [database.clone(), database.sandbox().isolation_policy(IsolationPolicy::Deny).await?] {
            for _ in 0..2 {
                database.transaction().isolation(IsolationLevel::Serializable).await?.commit().await?;
                let other = database.transaction().isolation(IsolationLevel::ReadCommitted).await;
                assert_eq!(other.err().map(|error| error.kind()), Some(ErrorKind::Unsupported));
                database.execute(t.sql("delete from {notes}"), ()).await?;
            }
            database.transaction().immediate().await?.commit().await?;
            database.transaction().exclusive().await?.commit().await?;
        }
        Ok(())
    }

    #[only(postgres)]
    async fn f9_deferrable_and_all_other_wishes_pass(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        for _ in 0..2 {
            let wish = sandbox.transaction().isolation(IsolationLevel::Serializable).read_only().deferrable();
            let transaction = wish.await?;
            assert_eq!(transaction.fetch_value::<i64>(count(&t), ()).await?, 0);
            transaction.commit().await?;
        }
        Ok(())
    }
}
