//! Sequences in which an earlier version lost work, ran it in the wrong place, or hung.

use std::time::Duration;

use ebbtide::{Config, Database, ErrorKind, params};
use futures::TryStreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::sandbox::seen;
use super::tasks::{add, kept, notes, soon};
use crate::drivers::Driver;
use crate::support::{Test, cases};

pub(super) const SOON: Duration = Duration::from_secs(10);

async fn with_table(t: &Test) -> Database {
    let database = t.database().await;
    database
        .execute(t.sql("create table {notes} (id bigint primary key)"), ())
        .await
        .unwrap();
    database
}

cases! {
    #[only(sqlite)]
    async fn x2_a_transaction_that_sqlite_ended_never_goes_on_in_autocommit(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id bigint primary key on conflict rollback)"), ()).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        let insert = || t.sql("insert into {notes} values (:id)");
        transaction.execute(insert(), params! { id: 1 }).await.unwrap();
        let error = transaction.execute(insert(), params! { id: 1 }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let after = transaction.execute(insert(), params! { id: 2 }).await.unwrap_err();
        assert_eq!(after.kind(), ErrorKind::TransactionEnded, "{after}");
        assert_eq!(transaction.commit().await.unwrap_err().kind(), ErrorKind::TransactionEnded);
        drop(transaction);
        assert_eq!(database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await.unwrap(), 0);
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q1_a_failed_statement_leaves_a_sqlite_transaction_open(t: Test) {
        // The counterpart: an ordinary violation does not end the transaction, except on PostgreSQL, where a savepoint
        // is needed.
        let database = with_table(&t).await;
        let transaction = database.transaction().await.unwrap();
        let insert = || t.sql("insert into {notes} values (:id)");
        transaction.execute(insert(), params! { id: 1 }).await.unwrap();
        let inner = transaction.transaction().await.unwrap();
        inner.execute(insert(), params! { id: 1 }).await.unwrap_err();
        inner.rollback().await.unwrap();
        transaction.execute(insert(), params! { id: 2 }).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 2);
    }

    #[only(postgres)]
    async fn q7_a_stream_goes_on_after_a_migration(t: Test) {
        let database = Database::connect(format!("{}?pool_size=1", t.url())).await.unwrap();
        database.execute(t.sql("create table {notes} (id bigint)"), ()).await.unwrap();
        database.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
        let select = || t.sql("select * from {notes}");
        assert_eq!(database.iterate(select(), ()).try_collect::<Vec<_>>().await.unwrap().len(), 1);
        database.execute(t.sql("alter table {notes} add column body text default 'x'"), ()).await.unwrap();
        let rows: Vec<_> = database.iterate(select(), ()).try_collect().await.unwrap();
        assert_eq!(rows[0].get::<String>("body").unwrap(), "x");
        database.execute(t.sql("alter table {notes} add column more text default 'y'"), ()).await.unwrap();
        assert_eq!(database.fetch_one(select(), ()).await.unwrap().get::<String>("more").unwrap(), "y");
    }

    async fn f1_a_call_that_comes_after_the_end_makes_no_new_sandbox(t: Test) {
        let observed = with_table(&t).await;
        let config = Config::from_url(t.url()).unwrap().force_rollback(true);
        let database = Database::connect(config).await.unwrap();
        let late = database.execute("select 1", ());
        let mut rows = database.iterate("select 1", ());
        database.disconnect().await.unwrap();
        assert_eq!(late.await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(rows.try_next().await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(t.committed(&observed, "select count(*) from {notes}").await, 0);
    }

    async fn t3_a_spawned_share_of_nothing_stays_out_of_a_later_transaction(t: Test) {
        let database = with_table(&t).await;
        let (go, wait) = oneshot::channel::<()>();
        let child = tokio::spawn(database.share({
            let (database, t) = (database.clone(), t.sql("select count(*) from {notes}"));
            async move {
                wait.await.unwrap();
                database.fetch_value::<i64>(t, ()).timeout(SOON).await
            }
        }));
        let transaction = database.transaction().await.unwrap();
        transaction.execute(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        if !t.backend().is_sqlite() && t.driver() != Some(Driver::Derby) {
            // A reader of Derby, or in SQLite's rollback mode, would wait for this writer.
            transaction.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
        }
        go.send(()).unwrap();
        assert_eq!(child.await.unwrap().unwrap(), 0, "the child is outside of the transaction");
        transaction.rollback().await.unwrap();
    }

    async fn t8_a_statement_joined_with_a_begin_has_a_connection_of_its_own(t: Test) {
        let database = with_table(&t).await;
        let joined = async {
            tokio::join!(database.transaction(), database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future())
        };
        let (transaction, one) = timeout(SOON, joined).await.expect("neither waits for the other");
        assert_eq!(one.unwrap(), 1);
        transaction.unwrap().commit().await.unwrap();
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    #[only(sqlite)]
    async fn x1_a_nested_read_only_transaction_leaves_the_outer_one_read_only(t: Test) {
        let database = with_table(&t).await;
        let outer = database.transaction().read_only().await.unwrap();
        let inner = outer.transaction().read_only().await.unwrap();
        inner.commit().await.unwrap();
        let insert = || t.sql("insert into {notes} values (1)");
        assert_eq!(outer.execute(insert(), ()).await.unwrap_err().kind(), ErrorKind::ReadOnly);
        outer.rollback().await.unwrap();
        database.execute(insert(), ()).await.unwrap();
    }

    #[only(postgres)]
    async fn x1_a_transaction_recovered_by_hand_can_be_committed(t: Test) {
        let database = with_table(&t).await;
        let transaction = database.transaction().await.unwrap();
        transaction.execute("savepoint mine", ()).await.unwrap();
        transaction.execute("select 1 / 0", ()).await.unwrap_err();
        transaction.execute("rollback to savepoint mine", ()).await.unwrap();
        transaction.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(t.observe("select count(*) from {notes}").await, 1);
    }

    async fn x1_text_that_begins_on_a_connection_of_nobody_is_refused(t: Test) {
        let database = t.database().await;
        for text in ["begin", "commit", "rollback", "savepoint x"] {
            let error = database.execute(ebbtide::AssertSqlSafe(text.to_owned()), ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{text}: {error}");
            assert!(error.to_string().contains("transaction()"), "{error}");
        }
    }

    async fn q2_two_statements_with_parameters_are_refused_before_they_are_sent(t: Test) {
        let database = t.database().await;
        let error = database.execute("select :a; select :a", params! { a: 1 }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter);
        assert!(error.to_string().contains("one statement"), "{error}");
    }

    async fn t1_a_connection_taken_inside_a_guard_is_the_tasks_after_it(t: Test) {
        let database = Database::connect(Config::from_url(t.url()).unwrap().pool_size(1)).await.unwrap();
        let transaction = database.transaction().await.unwrap();
        let connection = database.connection();
        assert_eq!(connection.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        let plain = database.fetch_value::<i64>(t.sql("select 2 {from}"), ()).timeout(SOON).await;
        assert_eq!(plain.unwrap(), 2, "the only connection is this task's");
        drop(connection);
    }

    async fn q8_a_begin_can_have_a_time_limit(t: Test) {
        let database = Database::connect(Config::from_url(t.url()).unwrap().pool_size(1)).await.unwrap();
        let connection = database.connection();
        connection.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await.unwrap();
        let other = database.clone();
        let waiting = tokio::spawn(async move { other.transaction().timeout(Duration::from_millis(100)).await.map(drop) });
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        drop(connection);
        database.transaction().timeout(SOON).await.unwrap().commit().await.unwrap();
    }

    /// The statement was done before its rows were read.
    #[returning]
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q4_a_written_row_that_cannot_be_read_stays(t: Test) {
        let plain = notes(&t).await;
        for database in [plain.clone(), plain.sandbox().await.unwrap()] {
            let insert = |values: &str| t.sql(&format!("insert into {{notes}} (body) values {values} returning body"));
            let wrong = |error: ebbtide::Error| {
                assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
                assert!(error.to_string().contains("body"), "{error}");
            };
            wrong(database.fetch_value::<i64>(insert("('a')"), ()).await.unwrap_err());
            wrong(database.fetch_all(insert("('b'), ('c')"), ()).value::<i64>().await.unwrap_err());
            wrong(database.fetch_optional(insert("('d')"), ()).value::<i64>().await.unwrap_err());
            assert_eq!(seen(&t, &database).await, "a,b,c,d");
            let transaction = database.transaction().await.unwrap();
            wrong(transaction.fetch_value::<i64>(insert("('e')"), ()).await.unwrap_err());
            transaction.execute(add(&t, "f"), ()).await.unwrap();
            transaction.commit().await.unwrap();
            drop(transaction);
            let transaction = database.transaction().await.unwrap();
            wrong(transaction.fetch_value::<i64>(insert("('lost')"), ()).await.unwrap_err());
            transaction.rollback().await.unwrap();
            drop(transaction);
            // A later statement can fail, and undoes itself alone.
            wrong(database.fetch_value::<i64>(insert("('g')"), ()).await.unwrap_err());
            let twice = database.execute(add(&t, "g"), ()).await.unwrap_err();
            assert_eq!(twice.kind(), ErrorKind::Constraint);
            assert_eq!(seen(&t, &database).await, "a,b,c,d,e,f,g");
            database.execute(t.sql("delete from {notes}"), ()).await.unwrap();
        }
        assert_eq!(kept(&t, &plain).await, "");
    }

    /// A connection accepts only one image in UTF-16, so each change of the file costs the sandboxes one
    /// connection.
    #[only(sqlite_file)]
    async fn f10_sandboxes_of_a_file_in_utf_16(t: Test) {
        t.observe_exec("pragma encoding = 'UTF-16le'; create table {notes} (id integer primary key, body text unique)").await;
        let config = Config::from_url(t.url()).unwrap().pool_size(1);
        let parent = Database::connect(config).await.unwrap();
        assert_eq!(parent.fetch_value::<String>("pragma encoding", ()).await.unwrap(), "UTF-16le");
        for round in 0..4 {
            parent.execute(add(&t, format!("größe€😀{round}")), ()).await.unwrap();
            let sandbox = parent.sandbox().await.unwrap();
            assert_eq!(seen(&t, &sandbox).await.split(',').count(), round + 1);
            sandbox.execute(add(&t, "ß"), ()).await.unwrap();
            let transaction = sandbox.transaction().await.unwrap();
            transaction.execute(add(&t, "€"), ()).await.unwrap();
            transaction.commit().await.unwrap();
            drop(transaction);
            let bound = t.sql("select body from {notes} where body = :body");
            let found: String = sandbox.fetch_value(bound, params! { body: "ß" }).await.unwrap();
            assert_eq!(found, "ß");
            assert_eq!(sandbox.execute(add(&t, "ß"), ()).await.unwrap_err().kind(), ErrorKind::Constraint);
            assert_eq!(seen(&t, &sandbox).await.split(',').count(), round + 3);
            sandbox.disconnect().await.unwrap();
            // Without a change the copy is used again.
            let next = parent.sandbox().await.unwrap();
            assert_eq!(seen(&t, &next).await.split(',').count(), round + 1);
        }
        // Two at once, and one that waits for its turn while the file changes.
        let first = parent.sandbox().await.unwrap();
        first.execute(add(&t, "first"), ()).await.unwrap();
        let second = parent.sandbox().await.unwrap();
        let waiting = tokio::spawn({
            let (second, sql) = (second.clone(), add(&t, "second"));
            async move { second.execute(sql, ()).await.map(drop) }
        });
        t.observe_exec("insert into {notes} (body) values ('outside')").await;
        drop(first);
        soon("the second", waiting).await.unwrap().unwrap();
        let there = seen(&t, &second).await;
        assert!(there.contains("outside") && there.contains("second") && !there.contains("first"), "{there}");
    }

    /// Rows that refer to missing ones existed before the test.
    #[only(sqlite_file)]
    async fn f8_old_violations_of_keys_are_not_the_fault_of_a_test(t: Test) {
        for late in ["already", "made in the sandbox", "put off"] {
            let defer = if late == "already" { "deferrable initially deferred" } else { "" };
            t.observe_exec(&format!(
                "pragma foreign_keys = 0; drop table if exists {{links}}; drop table if exists {{notes}};
                 create table {{notes}} (id integer primary key, body text unique);
                 create table {{links}} (note bigint references {{notes}} (id) {defer});
                 insert into {{links}} values (1001), (1002)"
            ))
            .await;
            let parent = t.database().await;
            let forced = Database::connect(Config::from_url(t.url()).unwrap().force_rollback(true)).await.unwrap();
            for sandbox in [parent.sandbox().await.unwrap(), forced] {
                sandbox.execute(add(&t, "a"), ()).await.unwrap();
                let outer = sandbox.transaction().await.unwrap();
                match late {
                    "made in the sandbox" => {
                        let create = "create table later (note bigint references {notes} (id) deferrable initially deferred)";
                        outer.execute(t.sql(create), ()).await.unwrap();
                    }
                    "put off" => drop(outer.execute("pragma defer_foreign_keys = 1", ()).await.unwrap()),
                    _ => {}
                }
                outer.execute(add(&t, "b"), ()).await.unwrap();
                outer.commit().await.unwrap();
                drop(outer);
                sandbox.execute(add(&t, "c"), ()).await.unwrap();
                sandbox.execute(t.sql("delete from {notes} where body = 'a'"), ()).await.unwrap();
                assert_eq!(seen(&t, &sandbox).await, "b,c", "{late}");
                // A violation caused by the test itself is still found.
                if late != "put off" {
                    let table = if late == "already" { t.table("links") } else { "later".to_owned() };
                    let wrong = || ebbtide::AssertSqlSafe(format!("insert into {table} values (77)"));
                    let error = sandbox.execute(wrong(), ()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Constraint, "{late}: {error}");
                    let transaction = sandbox.transaction().await.unwrap();
                    transaction.execute(wrong(), ()).await.unwrap();
                    assert_eq!(transaction.commit().await.unwrap_err().kind(), ErrorKind::Constraint, "{late}");
                }
                assert_eq!(seen(&t, &sandbox).await, "b,c", "{late}");
                sandbox.disconnect().await.unwrap();
            }
            assert_eq!(kept(&t, &parent).await, "");
        }
    }
}
