//! Sequences in which an earlier version lost work, ran it in the wrong place, or hung.

use std::time::Duration;

use ebbtide::{Config, Database, ErrorKind, params};
use futures::TryStreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::{Test, cases};

const SOON: Duration = Duration::from_secs(10);

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

    async fn q1_a_failed_statement_leaves_a_sqlite_transaction_open(t: Test) {
        // The counterpart: an ordinary violation ends nothing, but on PostgreSQL, where a savepoint is needed.
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
        if !t.backend().is_sqlite() {
            // A reader in SQLite's rollback mode would wait for this writer.
            transaction.execute(t.sql("insert into {notes} values (1)"), ()).await.unwrap();
        }
        go.send(()).unwrap();
        assert_eq!(child.await.unwrap().unwrap(), 0, "the child is outside of the transaction");
        transaction.rollback().await.unwrap();
    }

    async fn t8_a_statement_joined_with_a_begin_has_a_connection_of_its_own(t: Test) {
        let database = with_table(&t).await;
        let joined = async {
            tokio::join!(database.transaction(), database.fetch_value::<i64>("select 1", ()).into_future())
        };
        let (transaction, one) = timeout(SOON, joined).await.expect("nobody waits for the other");
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
        assert_eq!(connection.fetch_value::<i64>("select 1", ()).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        let plain = database.fetch_value::<i64>("select 2", ()).timeout(SOON).await;
        assert_eq!(plain.unwrap(), 2, "the only connection is this task's");
        drop(connection);
    }

    async fn q8_a_begin_can_have_a_time_limit(t: Test) {
        let database = Database::connect(Config::from_url(t.url()).unwrap().pool_size(1)).await.unwrap();
        let connection = database.connection();
        connection.fetch_value::<i64>("select 1", ()).await.unwrap();
        let other = database.clone();
        let waiting = tokio::spawn(async move { other.transaction().timeout(Duration::from_millis(100)).await.map(drop) });
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        drop(connection);
        database.transaction().timeout(SOON).await.unwrap().commit().await.unwrap();
    }
}
