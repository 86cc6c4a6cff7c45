//! Transactions in a sandbox are as strict as real ones, although they are savepoints on the server.

use ebbtide::{Database, Error, ErrorKind, Result, Transaction};

use super::sandbox::seen;
use super::tasks::{add, config, kept, kind, notes};
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

    /// SET CONSTRAINTS ALL holds for constraints that are created later in the same transaction, but not beyond it.
    #[only(postgres)]
    async fn f8_constraints_created_later_are_checked_as_defined_found_a27(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sandbox = database.sandbox().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute("set constraints all immediate", ()).await?;
        transaction.commit().await?;
        let deferred = "references {notes} (id) deferrable initially deferred";
        // In a transaction, and in another one that follows.
        let transaction = sandbox.transaction().await?;
        transaction.execute(t.sql(&format!("create table {{links}} (note bigint {deferred})")), ()).await?;
        transaction.execute(link(&t, 1), ()).await?;
        transaction.execute(note(&t, 1), ()).await?;
        transaction.commit().await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(link(&t, 2), ()).await?;
        assert_eq!(kind(&transaction.commit().await), Some(ErrorKind::Constraint));
        drop(transaction);
        // Outside of a transaction.
        sandbox.execute("set constraints all deferred", ()).await?;
        sandbox.execute(t.sql(&format!("create table {{others}} (note bigint {deferred})")), ()).await?;
        let transaction = sandbox.transaction().await?;
        transaction.execute(t.sql("insert into {others} values (3)"), ()).await?;
        transaction.execute(note(&t, 3), ()).await?;
        transaction.commit().await?;
        // In the transaction that sets all, the setting holds.
        let transaction = sandbox.transaction().await?;
        transaction.execute("set constraints all immediate", ()).await?;
        transaction.execute(t.sql(&format!("create table {{more}} (note bigint {deferred})")), ()).await?;
        let early = transaction.execute(t.sql("insert into {more} values (9)"), ()).await;
        assert_eq!(kind(&early), Some(ErrorKind::Constraint));
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

    /// The database itself and its sandbox give the same answers.
    #[only(postgres)]
    async fn f8_a_virtual_commit_ends_temporary_tables_and_cursors_found_w10(t: Test) -> Result<()> {
        let real = Database::connect(config(&t).pool_size(1)).await?;
        let sandbox = real.sandbox().await?;
        for database in [&real, &sandbox] {
            let on = database.connection();
            let exists = async |name: &str| {
                on.fetch_value::<bool>("select to_regclass($1) is not null", (name,)).await
            };
            let cursors = async || {
                let names = on.fetch_all("select name from pg_cursors where name <> '' order by 1", ());
                names.value::<String>().await
            };
            let outer = on.transaction().await?;
            outer.execute("create temp table kept (n int)", ()).await?;
            outer.execute("create temporary table if not exists pg_temp.dropped (n int) on commit drop", ()).await?;
            outer.execute("create temp table \"Dropped too\" on commit drop as select 1 as n", ()).await?;
            outer.execute("create local temp table emptied (n int) on commit delete rows", ()).await?;
            outer.execute("insert into emptied values (1), (2)", ()).await?;
            outer.execute("declare open_one cursor for select 1", ()).await?;
            outer.execute("declare held cursor with hold for select 2", ()).await?;
            let inner = on.transaction().await?;
            inner.execute("insert into emptied values (3)", ()).await?;
            inner.execute("create temp table inside (n int) on commit drop", ()).await?;
            inner.commit().await?;
            assert_eq!(on.fetch_value::<i64>("select count(*) from emptied", ()).await?, 3);
            assert_eq!(cursors().await?, ["held", "open_one"]);
            assert!(exists("pg_temp.inside").await?, "a savepoint ends nothing");
            outer.commit().await?;
            assert!(exists("pg_temp.kept").await? && exists("pg_temp.emptied").await?);
            for gone in ["pg_temp.dropped", "pg_temp.\"Dropped too\"", "pg_temp.inside"] {
                assert!(!exists(gone).await?, "{gone}");
            }
            assert_eq!(cursors().await?, ["held"]);
            assert_eq!(on.fetch_value::<i64>("select count(*) from emptied", ()).await?, 0);

            // A statement outside of transactions commits by itself.
            on.execute("insert into emptied values (4)", ()).await?;
            assert_eq!(on.fetch_value::<i64>("select count(*) from emptied", ()).await?, 0);
            on.execute("create temp table alone (n int) on commit drop", ()).await?;
            assert!(!exists("pg_temp.alone").await?);
            // What a later transaction writes there ends with it, too.
            let later = on.transaction().await?;
            later.execute("insert into emptied values (5)", ()).await?;
            assert_eq!(on.fetch_value::<i64>("select count(*) from emptied", ()).await?, 1);
            later.commit().await?;
            assert_eq!(on.fetch_value::<i64>("select count(*) from emptied", ()).await?, 0);

            // Tables may depend on each other, and what depends on a dropped one is dropped with it.
            let outer = on.transaction().await?;
            outer.execute("create temp table parent (id int primary key) on commit delete rows", ()).await?;
            let child = "create temp table child (id int references parent (id) deferrable initially deferred) on commit delete rows";
            outer.execute(child, ()).await?;
            outer.execute("create temp table base (n int primary key) on commit drop", ()).await?;
            outer.execute("create temp table above (n int references base (n)) on commit drop", ()).await?;
            outer.execute("create temp view seen as select n from base", ()).await?;
            outer.execute("insert into child values (7)", ()).await?;
            outer.execute("insert into parent values (7)", ()).await?;
            outer.commit().await?;
            for gone in ["pg_temp.base", "pg_temp.above", "pg_temp.seen"] {
                assert!(!exists(gone).await?, "{gone}");
            }
            for empty in ["select count(*) from parent", "select count(*) from child"] {
                assert_eq!(on.fetch_value::<i64>(empty, ()).await?, 0);
            }

            // A table that only has the name of one that a commit would end is kept.
            let outer = on.transaction().await?;
            for (name, action) in [("plain", "drop"), ("simple", "delete rows")] {
                let run = async |sql: String| outer.execute(ebbtide::AssertSqlSafe(sql), ()).await;
                run(format!("savepoint before_{name}")).await?;
                run(format!("create temp table {name} (n int) on commit {action}")).await?;
                run(format!("rollback to savepoint before_{name}")).await?;
                run(format!("create temp table {name} (n int)")).await?;
                run(format!("create temp table if not exists {name} (n int) on commit {action}")).await?;
                run(format!("insert into {name} values (1)")).await?;
            }
            outer.commit().await?;
            for kept in ["select count(*) from plain", "select count(*) from simple"] {
                assert_eq!(on.fetch_value::<i64>(kept, ()).await?, 1, "{kept}");
            }

            // A table that is rolled back is no table.
            let rolled = on.transaction().await?;
            let inner = on.transaction().await?;
            inner.execute("create temp table undone (n int) on commit drop", ()).await?;
            inner.rollback().await?;
            rolled.execute("insert into kept values (6)", ()).await?;
            rolled.commit().await?;
            assert_eq!(on.fetch_value::<i64>("select count(*) from kept", ()).await?, 1);
        }
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
}
