//! Transactions in a sandbox are as strict as real ones, although they are savepoints on the server.

use std::time::Duration;

use ebbtide::{Database, Error, ErrorKind, IsolationLevel, IsolationPolicy, Result, Transaction};
use tokio::time::sleep;

use super::sandbox::seen;
use super::tasks::{add, config, count, kept, kind, list, notes, notes_with, soon};
use crate::support::{Test, cases};

/// Returns a database in which `links` refers to `notes`, which is checked at the commit only.
async fn linked(t: &Test) -> Database {
    let database = notes(t).await;
    let create = "create table {links} (note bigint references {notes} (id) deferrable initially deferred)";
    database.execute(t.sql(create), ()).await.expect("the table");
    database
}

/// Returns the statement that adds a row that refers to a note.
fn link(t: &Test, note: i64) -> ebbtide::AssertSqlSafe<String> {
    t.sql(&format!("insert into {{links}} values ({note})"))
}

fn note(t: &Test, id: i64) -> ebbtide::AssertSqlSafe<String> {
    t.sql(&format!("insert into {{notes}} (id, body) values ({id}, 'note {id}')"))
}

async fn links(t: &Test, database: &Database) -> i64 {
    let sql = t.sql("select count(*) from {links}");
    database.fetch_value(sql, ()).await.expect("a count")
}

async fn setting(database: &Database, name: &str) -> String {
    let sql = format!("select coalesce(current_setting('{name}', true), '')");
    database
        .fetch_value(ebbtide::AssertSqlSafe(sql), ())
        .await
        .expect("a setting")
}

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
    #[only(postgres, sqlite)]
    async fn f8_deferred_constraints_are_checked_at_the_virtual_commit(t: Test) -> Result<()> {
        let database = linked(&t).await;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(link(&t, 1), ()).await?;
        let error = transaction.commit().await.expect_err("there is no such note");
        assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
        drop(transaction);
        assert_eq!(links(&t, &sandbox).await, 0, "it was rolled back");
        let transaction = sandbox.transaction().await?;
        transaction.execute(link(&t, 1), ()).await?;
        transaction.execute(note(&t, 1), ()).await?;
        transaction.commit().await?;
        assert_eq!(links(&t, &sandbox).await, 1);
        let result = sandbox.transaction().run(async |tx: Transaction| tx.execute(link(&t, 2), ()).await).await;
        assert_eq!(kind(&result), Some(ErrorKind::Constraint));
        // A delete can violate the constraint, too.
        let transaction = sandbox.transaction().await?;
        transaction.execute(t.sql("delete from {notes}"), ()).await?;
        assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::Constraint));
        drop(transaction);
        assert_eq!((links(&t, &sandbox).await, seen(&t, &sandbox).await.as_str()), (1, "note 1"));
        sandbox.disconnect().await?;
        assert_eq!(kept(&t, &database).await, "");
        Ok(())
    }

    /// An inner commit releases a savepoint in a real transaction as well, which checks nothing.
    #[only(postgres, sqlite)]
    async fn f8_inner_commits_are_not_checked(t: Test) -> Result<()> {
        let database = linked(&t).await;
        for database in [database.clone(), database.sandbox().await?] {
            let outer = database.transaction().await?;
            let inner = database.transaction().await?;
            inner.execute(link(&t, 5), ()).await?;
            inner.commit().await?;
            outer.execute(note(&t, 5), ()).await?;
            outer.commit().await?;
            assert_eq!(links(&t, &database).await, 1);
            database.execute(t.sql("delete from {links}"), ()).await?;
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    #[only(postgres, sqlite)]
    async fn f8_deferred_constraints_are_checked_after_a_statement_outside_of_transactions(t: Test) -> Result<()> {
        let database = linked(&t).await;
        for database in [database.clone(), database.sandbox().await?] {
            let error = database.execute(link(&t, 1), ()).await.expect_err("there is no such note");
            assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
            assert_eq!(links(&t, &database).await, 0, "it was undone");
            database.execute(note(&t, 1), ()).await?;
            database.execute(link(&t, 1), ()).await?;
            let error = database.execute(t.sql("delete from {notes}"), ()).await.expect_err("it is referred to");
            assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
            assert_eq!((links(&t, &database).await, seen(&t, &database).await.as_str()), (1, "note 1"));
            database.execute(t.sql("delete from {links}"), ()).await?;
            database.execute(t.sql("delete from {notes}"), ()).await?;
        }
        Ok(())
    }

    /// The table is created after the first sandbox has looked for such constraints.
    #[only(postgres, sqlite)]
    async fn f8_a_constraint_that_came_later_is_noticed(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let first = database.sandbox().await?;
        first.execute(add(&t, "a"), ()).await?;
        first.disconnect().await?;
        let create = "create table {links} (note bigint references {notes} (id) deferrable initially deferred)";
        database.execute(t.sql(create), ()).await?;
        let second = database.sandbox().await?;
        let transaction = second.transaction().await?;
        transaction.execute(link(&t, 1), ()).await?;
        assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::Constraint), "at a virtual commit");
        drop(transaction);
        let alone = second.execute(link(&t, 1), ()).await;
        assert_eq!(kind(&alone), Some(ErrorKind::Constraint), "outside of transactions");
        Ok(())
    }

    /// A table that is created in the sandbox itself.
    #[only(postgres, sqlite)]
    async fn f8_a_constraint_made_in_the_sandbox_is_checked(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let create = "create table {links} (note bigint references {notes} (id) deferrable initially deferred)";
        sandbox.execute(t.sql(create), ()).await?;
        assert_eq!(kind(&sandbox.execute(link(&t, 1), ()).await), Some(ErrorKind::Constraint));
        let transaction = sandbox.transaction().await?;
        transaction.execute(link(&t, 1), ()).await?;
        assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::Constraint));
        Ok(())
    }

    /// SET CONSTRAINTS ends with its transaction.
    #[only(postgres)]
    async fn f8_set_constraints_does_not_leak_into_the_next_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let create = "create table {links} (note bigint references {notes} (id) deferrable initially immediate)";
        database.execute(t.sql(create), ()).await?;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute("set constraints all deferred", ()).await?;
        transaction.execute(link(&t, 1), ()).await?;
        transaction.execute(note(&t, 1), ()).await?;
        transaction.commit().await?;
        let transaction = sandbox.transaction().await?;
        let early = transaction.execute(link(&t, 2), ()).await;
        assert_eq!(kind(&early), Some(ErrorKind::Constraint), "it is immediate again");
        drop(transaction);
        assert_eq!(kind(&sandbox.execute(link(&t, 2), ()).await), Some(ErrorKind::Constraint));
        Ok(())
    }

    /// Checking at a virtual commit has no later effect: deferred constraints stay deferred.
    #[only(postgres, sqlite)]
    async fn f8_checking_leaves_constraints_as_they_are(t: Test) -> Result<()> {
        let database = linked(&t).await;
        let sandbox = database.sandbox().await?;
        for id in 1..4 {
            let transaction = sandbox.transaction().await?;
            transaction.execute(link(&t, id), ()).await?;
            transaction.execute(note(&t, id), ()).await?;
            transaction.commit().await?;
        }
        assert_eq!(links(&t, &sandbox).await, 3);
        Ok(())
    }

    #[only(postgres)]
    async fn f8_set_local_ends_with_the_virtual_transaction(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let before = setting(&sandbox, "work_mem").await;
        let zone = setting(&sandbox, "TimeZone").await;
        let path = setting(&sandbox, "search_path").await;
        let app = async |value: &str| {
            let transaction = sandbox.transaction().await?;
            transaction.execute("set local work_mem = '7MB'", ()).await?;
            transaction.execute("set local work_mem to '8MB'", ()).await?;
            transaction.execute("set local time zone 'Asia/Tokyo'", ()).await?;
            transaction.execute("set local search_path = pg_catalog, public", ()).await?;
            transaction.execute("select set_config('app.user', 'it''s', true)", ()).await?;
            transaction.execute("select set_config($1, $2, true)", ("app.other", value)).await?;
            let inner = sandbox.transaction().await?;
            inner.execute("set local statement_timeout = '9s'", ()).await?;
            inner.commit().await?;
            assert_eq!(setting(&sandbox, "work_mem").await, "8MB");
            assert_eq!(setting(&sandbox, "app.user").await, "it's");
            assert_eq!(setting(&sandbox, "app.other").await, value);
            assert_eq!(setting(&sandbox, "statement_timeout").await, "9s", "a released savepoint keeps it");
            Ok::<_, Error>(transaction)
        };
        for (round, how) in ["commit", "rollback", "drop", "commit"].into_iter().enumerate() {
            let transaction = app(&round.to_string()).await?;
            match how {
                "commit" => transaction.commit().await?,
                "rollback" => transaction.rollback().await?,
                _ => drop(transaction),
            }
            assert_eq!(setting(&sandbox, "work_mem").await, before, "{how}");
            assert_eq!(setting(&sandbox, "TimeZone").await, zone, "{how}");
            assert_eq!(setting(&sandbox, "search_path").await, path, "{how}");
            assert_eq!(setting(&sandbox, "statement_timeout").await, "0", "{how}");
            assert_eq!(setting(&sandbox, "app.user").await, "", "{how}");
            assert_eq!(setting(&sandbox, "app.other").await, "", "{how}");
        }
        // In a savepoint that is rolled back it ends there.
        let outer = sandbox.transaction().await?;
        let inner = sandbox.transaction().await?;
        inner.execute("set local work_mem = '6MB'", ()).await?;
        inner.rollback().await?;
        assert_eq!(setting(&sandbox, "work_mem").await, before);
        outer.commit().await?;
        Ok(())
    }

    /// Outside of a transaction SET LOCAL has no effect, and SET persists.
    #[only(postgres)]
    async fn f8_set_local_outside_of_a_transaction_is_nothing(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let before = setting(&sandbox, "work_mem").await;
        sandbox.execute(add(&t, "a"), ()).await?;
        sandbox.execute("set local work_mem = '7MB'", ()).await?;
        assert_eq!(setting(&sandbox, "work_mem").await, before);
        sandbox.execute("select set_config('work_mem', '7MB', true)", ()).await?;
        assert_eq!(setting(&sandbox, "work_mem").await, before);
        sandbox.execute("set work_mem = '6MB'", ()).await?;
        assert_eq!(setting(&sandbox, "work_mem").await, "6MB");
        sandbox.execute("select set_config('work_mem', '5MB', false)", ()).await?;
        assert_eq!(setting(&sandbox, "work_mem").await, "5MB", "set_config for the session holds on");
        assert_eq!(seen(&t, &sandbox).await, "a");
        Ok(())
    }

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
