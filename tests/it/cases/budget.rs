//! The cost of operations in round trips, counted on the wire. SQLite has no wire.

use ebbtide::{Database, Error, IsolationLevel, params};
use futures::TryStreamExt as _;

use super::pool::{hold, until};
use crate::support::{Proxy, Test, cases};

/// Returns a database behind a proxy, with one connection on which the statements below are already prepared.
async fn warm(t: &Test) -> (Proxy, Database) {
    let proxy = Proxy::start(&t.url());
    let database = Database::connect(proxy.url()).await.unwrap();
    database
        .execute(t.sql("create table {things} (n {int})"), ())
        .await
        .unwrap();
    insert(t, &database.connection()).await;
    count(t, &database).await;
    assert_eq!(proxy.connections(), 1);
    proxy.reset();
    (proxy, database)
}

async fn insert(t: &Test, on: &ebbtide::Connection) {
    on.execute(t.sql("insert into {things} values (:n)"), params! { n: 1_i64 })
        .await
        .unwrap();
}

async fn count(t: &Test, database: &Database) -> i64 {
    database
        .fetch_value(
            t.sql("select count(*) from {things} where n >= :n"),
            params! { n: 0_i64 },
        )
        .await
        .unwrap()
}

/// Returns the round trips since the last call, once nothing is under way.
fn spent(proxy: &Proxy) -> usize {
    let (round_trips, requests) = (proxy.round_trips(), proxy.requests());
    assert_eq!(round_trips, requests, "every request was answered");
    proxy.reset();
    round_trips
}

cases! {
    #[only(postgres, mysql)]
    async fn budget_a_query_takes_one_round_trip_and_two_the_first_time(t: Test) {
        let (proxy, database) = warm(&t).await;
        let sql = || t.sql("select n from {things} where n = :n");
        let n = || params! { n: 1_i64 };
        database.fetch_all(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 2, "prepared, then run");
        database.fetch_all(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "fetch_all");
        database.fetch_one(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "fetch_one");
        database.fetch_optional(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "fetch_optional");
        database.fetch_value::<i64>(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "fetch_value");
        database.execute(sql(), n()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "execute");
        database.iterate(sql(), n()).try_collect::<Vec<_>>().await.unwrap();
        assert_eq!(spent(&proxy), 1, "iterate");
        database.batched_iterate(sql(), n(), 2).try_collect::<Vec<_>>().await.unwrap();
        assert_eq!(spent(&proxy), 1, "batched_iterate");
    }

    #[only(postgres, mysql)]
    async fn budget_text_in_parameters_costs_one_question_at_most(t: Test) {
        let (proxy, database) = warm(&t).await;
        database.execute(t.sql("create table {notes} (body {text})"), ()).await.unwrap();
        assert_eq!(spent(&proxy), 1, "a statement that is not worth preparing is not prepared");
        // PostgreSQL is asked for the type. Its statements were prepared for tables in an earlier state, and are discarded.
        let asked = usize::from(t.backend().is_postgres());
        // Where statements are closed with the next one, the forgotten ones cost nothing.
        let first = 2 + asked + asked * t.begin();
        for expected in [first, 1, 1] {
            let sql = t.sql("insert into {notes} values (:body)");
            database.execute(sql, params! { body: "some text" }).await.unwrap();
            assert_eq!(spent(&proxy), expected);
        }
        for expected in [2 + asked, 1, 1] {
            let sql = t.sql("select body from {notes} where body = :body");
            let text: String = database.fetch_value(sql, params! { body: "some text" }).await.unwrap();
            assert_eq!((spent(&proxy), text.as_str()), (expected, "some text"));
        }
    }

    #[only(postgres, mysql)]
    async fn budget_begin_insert_commit_takes_three_round_trips(t: Test) {
        let (proxy, database) = warm(&t).await;
        let transaction = database.transaction().await.unwrap();
        insert(&t, &transaction).await;
        transaction.commit().await.unwrap();
        drop(transaction);
        let begin = t.begin();
        assert_eq!(spent(&proxy), begin + 2, "guard");

        let transaction = database.transaction().await.unwrap();
        insert(&t, &transaction).await;
        transaction.rollback().await.unwrap();
        drop(transaction);
        assert_eq!(spent(&proxy), begin + 2, "rolled back");

        let work = async |transaction: ebbtide::Transaction| {
            insert(&t, &transaction).await;
            Ok::<_, Error>(())
        };
        database.transaction().run(work).await.unwrap();
        assert_eq!(spent(&proxy), begin + 2, "closure");

        let connection = database.connection();
        let transaction = connection.transaction().await.unwrap();
        insert(&t, &transaction).await;
        transaction.commit().await.unwrap();
        drop((transaction, connection));
        assert_eq!(spent(&proxy), begin + 2, "on a connection");

        assert_eq!(count(&t, &database).await, 4);
        assert_eq!(spent(&proxy), 1, "nothing was left to be done later");
    }

    #[only(postgres, mysql)]
    async fn budget_an_isolation_level_costs_nothing(t: Test) {
        let (proxy, database) = warm(&t).await;
        for level in [IsolationLevel::Serializable, IsolationLevel::ReadCommitted] {
            let transaction = database.transaction().isolation(level).await.unwrap();
            insert(&t, &transaction).await;
            transaction.commit().await.unwrap();
            assert_eq!(spent(&proxy), 3);
        }
        let transaction = database.transaction().isolation(IsolationLevel::RepeatableRead).read_only().await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(spent(&proxy), 2);
    }

    #[only(postgres, mysql)]
    async fn budget_taking_and_giving_back_a_connection_costs_nothing(t: Test) {
        let (proxy, database) = warm(&t).await;
        drop(database.connection());
        assert_eq!(spent(&proxy), 0, "it was never acquired");
        for _ in 0..5 {
            let connection = database.connection();
            insert(&t, &connection).await;
            drop(connection);
            assert_eq!(spent(&proxy), 1);
        }
        // Nothing follows in the background: the same connection serves the next caller at once.
        for _ in 0..20 {
            count(&t, &database).await;
        }
        assert_eq!((spent(&proxy), proxy.connections()), (20, 1));
    }

    #[only(postgres, mysql)]
    async fn budget_a_dropped_transaction_costs_one_round_trip_beyond_its_own(t: Test) {
        let (proxy, database) = warm(&t).await;
        let transaction = database.transaction().await.unwrap();
        insert(&t, &transaction).await;
        drop(transaction);
        assert_eq!(count(&t, &database).await, 1);
        let begin = t.begin();
        assert_eq!(spent(&proxy), begin + 1 + 1 + 1, "begin, insert; rollback; count");

        drop(database.transaction().await.unwrap());
        assert_eq!(count(&t, &database).await, 1);
        assert_eq!(spent(&proxy), 2 * begin + 1, "begin; rollback; count");

        let outer = database.transaction().await.unwrap();
        let inner = database.transaction().await.unwrap();
        insert(&t, &inner).await;
        drop(inner);
        drop(outer);
        assert_eq!(count(&t, &database).await, 1);
        assert_eq!(spent(&proxy), 2 * begin + 1 + 1 + 1, "begin, savepoint, insert; one rollback for both; count");

        let outer = database.transaction().await.unwrap();
        let inner = database.transaction().await.unwrap();
        insert(&t, &inner).await;
        drop(inner);
        insert(&t, &outer).await;
        outer.commit().await.unwrap();
        drop(outer);
        assert_eq!(spent(&proxy), 2 * begin + 1 + 1 + 2, "begin, savepoint, insert; rollback to it; insert, commit");
        assert_eq!(count(&t, &database).await, 2);
        assert_eq!((spent(&proxy), proxy.connections()), (1, 1));
    }

    #[only(postgres, mysql)]
    async fn budget_each_nested_level_costs_two_round_trips(t: Test) {
        let (proxy, database) = warm(&t).await;
        let outer = database.transaction().await.unwrap();
        let inner = database.transaction().await.unwrap();
        insert(&t, &inner).await;
        inner.commit().await.unwrap();
        outer.commit().await.unwrap();
        let begin = t.begin();
        assert_eq!(spent(&proxy), 2 * begin + 3, "begin, savepoint, insert, release, commit");

        let outer = database.transaction().await.unwrap();
        let inner = database.transaction().await.unwrap();
        insert(&t, &inner).await;
        inner.rollback().await.unwrap();
        outer.rollback().await.unwrap();
        assert_eq!(spent(&proxy), 2 * begin + 3, "begin, savepoint, insert, rollback to, rollback");

        let first = database.transaction().await.unwrap();
        let second = database.transaction().await.unwrap();
        let third = database.transaction().await.unwrap();
        insert(&t, &third).await;
        third.commit().await.unwrap();
        second.rollback().await.unwrap();
        first.commit().await.unwrap();
        assert_eq!(spent(&proxy), 3 * begin + 4, "two for each of three levels, and the insert");
        drop((first, second, third));
        assert_eq!(count(&t, &database).await, 2);
        assert_eq!(spent(&proxy), 1);
    }

    #[only(postgres, mysql)]
    async fn budget_a_dropped_stream_costs_one_round_trip_at_most(t: Test) {
        let (proxy, database) = warm(&t).await;
        for _ in 0..300 {
            insert(&t, &database.connection()).await;
        }
        let sql = || t.sql("select a.n from {things} a, {things} b where a.n >= :n");
        assert!(database.iterate(sql(), params! { n: 0_i64 }).try_next().await.unwrap().is_some());
        count(&t, &database).await;
        spent(&proxy);
        let mut rows = database.iterate(sql(), params! { n: 0_i64 });
        assert!(rows.try_next().await.unwrap().is_some());
        drop(rows);
        assert_eq!(count(&t, &database).await, 301);
        assert!(spent(&proxy) <= 1 + 1 + 1, "select; the rest is read; count");
    }

    #[only(postgres, mysql)]
    async fn budget_a_failed_statement_costs_nothing_more(t: Test) {
        let (proxy, database) = warm(&t).await;
        for _ in 0..2 {
            database.execute("select no_such_column", ()).await.unwrap_err();
            assert_eq!(spent(&proxy), 1, "refused when it was prepared");
        }
        count(&t, &database).await;
        assert_eq!((spent(&proxy), proxy.connections()), (1, 1));
    }

    #[only(postgres, mysql)]
    async fn budget_one_sequential_user_keeps_exactly_one_connection_open(t: Test) {
        let (proxy, database) = warm(&t).await;
        for n in 0..10 {
            insert(&t, &database.connection()).await;
            let transaction = database.transaction().await.unwrap();
            insert(&t, &transaction).await;
            match n % 3 {
                0 => transaction.commit().await.unwrap(),
                1 => transaction.rollback().await.unwrap(),
                _ => drop(transaction),
            }
            let rows: Vec<_> = database.iterate("select 1 as one union select 2", ()).try_collect().await.unwrap();
            assert_eq!(rows.len(), 2);
        }
        assert_eq!((proxy.connections(), proxy.open_connections()), (1, 1));
        assert_eq!(database.status().unwrap().size, 1);
    }

    #[only(postgres, mysql)]
    async fn budget_a_database_that_is_not_used_is_silent(t: Test) {
        let (proxy, database) = warm(&t).await;
        let held = [hold(&database).await, hold(&database).await];
        for held in held {
            held.release().await;
        }
        spent(&proxy);
        // No further round trip may come; the test can only wait a moment for it.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(spent(&proxy), 0);
        assert!(database.disconnect().await.unwrap());
        until("every socket is closed", || proxy.open_connections() == 0).await;
    }
}
