//! T5: statements on the connection of an open stream.

use std::time::Duration;

use ebbtide::{AssertSqlSafe, Connection, Database, Error, ErrorKind, RowStream, Transaction, params};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{as_it_is, assert_says, at, failing, numbers, take, take_rest, with_numbers, within};
use crate::support::{Test, cases};

/// A connection, of any type.
trait Shared {
    fn connection(&self) -> &Connection;
}

/// Checks the calls that a stream must allow on its connection, one after the other.
async fn bear_others(t: &Test, database: &Database, on: &impl Shared) {
    let on = on.connection();
    let count = || t.sql("select count(*) from {numbered}");
    let mut rows = on.iterate(numbers(t), ());
    take(&mut rows, 1, 3).await;
    // On the same handle, and on the database, whose calls run on the same connection in this task.
    assert_eq!(
        within(on.fetch_value::<i64>(count(), ()).into_future()).await.unwrap(),
        1_000
    );
    take(&mut rows, 4, 3).await;
    assert_eq!(
        within(database.fetch_value::<i64>(count(), ()).into_future())
            .await
            .unwrap(),
        1_000
    );
    // Rows written meanwhile are not part of the stream.
    within(
        on.execute(t.sql("insert into {numbered} (id) values (2000)"), ())
            .into_future(),
    )
    .await
    .unwrap();
    within(
        on.execute(t.sql("delete from {numbered} where id = 2000"), ())
            .into_future(),
    )
    .await
    .unwrap();
    take_rest(&mut rows, 7, 1_000).await;
    assert_eq!(
        within(on.fetch_value::<i64>(count(), ()).into_future()).await.unwrap(),
        1_000
    );
}

/// Checks the statements of a transaction that was begun while a stream of the sandbox is open.
async fn bear_some(t: &Test, transaction: &Transaction, rows: &mut RowStream) {
    take(rows, 11, 5).await;
    let count = transaction.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
    assert_eq!(within(count.into_future()).await.unwrap(), 900);
    take(rows, 16, 5).await;
}

impl Shared for Connection {
    fn connection(&self) -> &Connection {
        self
    }
}

impl Shared for Transaction {
    fn connection(&self) -> &Connection {
        self
    }
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t5_a_statement_on_the_connection_of_an_open_stream_works_and_the_stream_goes_on(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        {
            let connection = database.connection();
            bear_others(&t, &database, &connection).await;
        }
        let transaction = database.transaction().await.unwrap();
        bear_others(&t, &database, &transaction).await;
        let inner = database.transaction().await.unwrap();
        bear_others(&t, &database, &inner).await;
        inner.commit().await.unwrap();
        transaction.commit().await.unwrap();
        database
            .transaction()
            .run(async |transaction| {
                bear_others(&t, &database, &transaction).await;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        assert_eq!(database.status().unwrap().in_use, 0);
    }

    async fn t5_every_row_may_be_answered_with_a_statement(t: Test) {
        let database = with_numbers(&t, as_it_is, 200).await;
        database
            .execute(t.sql("create table {copied} (id {int} not null primary key)"), ())
            .await
            .unwrap();
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        while let Some(row) = within(rows.try_next()).await.unwrap() {
            let id: i64 = row.get("id").unwrap();
            let insert = t.sql("insert into {copied} (id) values (:id)");
            within(transaction.execute(insert, params! { id }).into_future())
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, "select count(*) from {copied}").await, 200);
    }

    async fn t5_a_plain_stream_may_be_answered_with_plain_statements(t: Test) {
        // More rows than any driver reads ahead.
        let database = with_numbers(&t, as_it_is, 5_000).await;
        database
            .execute(t.sql("create table {copied} (id {int} not null primary key)"), ())
            .await
            .unwrap();
        let mut rows = database.iterate(numbers(&t), ());
        while let Some(row) = within(rows.try_next()).await.unwrap() {
            let id: i64 = row.get("id").unwrap();
            if id % 500 == 0 {
                let insert = t.sql("insert into {copied} (id) values (:id)");
                within(database.execute(insert, params! { id }).into_future())
                    .await
                    .unwrap();
            }
        }
        assert_eq!(t.committed(&database, "select count(*) from {copied}").await, 10);
    }

    async fn t5_several_streams_on_one_connection_take_turns(t: Test) {
        let database = with_numbers(&t, as_it_is, 300).await;
        let transaction = database.transaction().await.unwrap();
        let mut streams: Vec<RowStream> = (0..4).map(|_| transaction.iterate(numbers(&t), ())).collect();
        for id in 1..=300 {
            for rows in &mut streams {
                take(rows, id, 1).await;
            }
        }
        for rows in &mut streams {
            take_rest(rows, 301, 300).await;
        }
        within(transaction.commit()).await.unwrap();
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn t5_a_stream_outlives_the_end_of_its_transaction(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 300).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        within(transaction.commit()).await.unwrap();
        take_rest(&mut rows, 6, 300).await;
        let transaction = within(database.transaction().into_future()).await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        within(transaction.rollback()).await.unwrap();
        take_rest(&mut rows, 6, 300).await;
        // And a savepoint begun while it is open.
        let transaction = within(database.transaction().into_future()).await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let inner = within(database.transaction().into_future()).await.unwrap();
        take(&mut rows, 6, 5).await;
        within(inner.rollback()).await.unwrap();
        take_rest(&mut rows, 11, 300).await;
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_another_task_may_want_the_connection(t: Test) {
        let database = with_numbers(&t, as_it_is, 500).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let count = t.sql("select count(*) from {numbered}");
        let task = tokio::spawn(transaction.share({
            let database = database.clone();
            async move { database.fetch_value::<i64>(count, ()).await }
        }));
        // The reader does not read while the other waits.
        assert_eq!(within(task).await.unwrap().unwrap(), 500);
        take(&mut rows, 6, 5).await;
        // The stream itself moves to another task and is read there.
        let task = tokio::spawn(async move {
            take_rest(&mut rows, 11, 500).await;
        });
        within(task).await.unwrap();
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_a_reader_that_waits_beside_other_statements_gets_every_row(t: Test) {
        let database = with_numbers(&t, as_it_is, 2_000).await;
        let connection = database.connection();
        let reader = {
            let mut rows = connection.iterate(numbers(&t), ());
            async move { take_rest(&mut rows, 1, 2_000).await }
        };
        let caller = {
            let connection = connection.clone();
            let count = t.words("select count(*) from {numbered}");
            async move {
                for _ in 0..50 {
                    let query = connection.fetch_value::<i64>(AssertSqlSafe(count.as_str()), ());
                    assert_eq!(query.await.unwrap(), 2_000);
                }
            }
        };
        let both = async { tokio::join!(tokio::spawn(reader), tokio::spawn(caller)) };
        let (reader, caller) = within(both).await;
        reader.unwrap();
        caller.unwrap();
    }

    async fn t5_more_rows_than_the_buffer_takes_are_an_error_that_names_the_stream(t: Test) {
        let database = with_numbers(&t, |config| config.stream_buffer_rows(10), 100).await;
        let transaction = database.transaction().await.unwrap();
        let line = line!() + 1;
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        for _ in 0..3 {
            let refused = within(transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future())
                .await
                .unwrap_err();
            assert_says(
                &refused,
                ErrorKind::ConcurrentUse,
                &[&at(line), "10 rows", "stream_buffer_rows"],
            );
        }
        let refused = within(database.transaction().into_future()).await.unwrap_err();
        assert_says(&refused, ErrorKind::ConcurrentUse, &[&at(line)]);
        // A commit is refused, too, and can be repeated later.
        let refused = within(transaction.commit()).await.unwrap_err();
        assert_says(&refused, ErrorKind::ConcurrentUse, &[&at(line)]);
        // The stream has lost nothing, and near its end other statements succeed.
        take(&mut rows, 6, 85).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ()).into_future())
                .await
                .unwrap(),
            7
        );
        take_rest(&mut rows, 91, 100).await;
        within(transaction.commit()).await.unwrap();
    }

    async fn t5_as_many_rows_as_the_buffer_takes_are_put_aside(t: Test) {
        let database = with_numbers(&t, |config| config.stream_buffer_rows(10), 15).await;
        let transaction = database.transaction().await.unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ()).into_future())
                .await
                .unwrap(),
            7
        );
        take_rest(&mut rows, 6, 15).await;
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 4).await;
        let refused = within(transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ()).into_future()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConcurrentUse);
        drop(rows);
        // Once dropped, it blocks no other call.
        assert_eq!(
            within(transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ()).into_future())
                .await
                .unwrap(),
            7
        );
        within(transaction.commit()).await.unwrap();
    }

    // DuckDB computes some two thousand rows at a time, and gives none of those with an error.
    #[except(dbapi2_duckdb)]
    // The driver has the error of a query before its rows.
    #[except(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    // They compute or read all rows before the first.
    #[except(jdbc_h2, jdbc_hsqldb, odbc)]
    // Python's own module reads one row ahead, and loses the last one before an error.
    #[except(dbapi2_sqlite3)]
    async fn t5_an_error_in_a_stream_that_was_put_aside_is_the_streams(t: Test) {
        let database = with_numbers(&t, as_it_is, 9).await;
        let transaction = database.connection();
        let mut rows = transaction.iterate(failing(&t), ());
        take(&mut rows, 1, 1).await;
        assert_eq!(
            within(transaction.fetch_value::<i64>(t.sql("select 7 {from}"), ()).into_future())
                .await
                .unwrap(),
            7
        );
        take(&mut rows, 2, 3).await;
        assert!(within(rows.try_next()).await.unwrap_err().sqlstate().is_some());
        assert!(within(rows.try_next()).await.unwrap().is_none());
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // The driver has the error of a query before its rows.
    #[except(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    // They compute or read all rows before the first.
    #[except(jdbc_h2, jdbc_hsqldb, odbc)]
    // Python's own module reads one row ahead, and loses the last one before an error.
    #[except(dbapi2_sqlite3)]
    async fn t5_in_the_sandbox_streams_and_statements_share_the_connection(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        let sandbox = database.force_rollback(true);
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let count = || database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count().into_future()).await.unwrap(), 1_000);
        within(
            database
                .execute(t.sql("delete from {numbered} where id > 900"), ())
                .into_future(),
        )
        .await
        .unwrap();
        take(&mut rows, 6, 5).await;
        let transaction = within(database.transaction().into_future()).await.unwrap();
        bear_some(&t, &transaction, &mut rows).await;
        within(transaction.commit()).await.unwrap();
        take_rest(&mut rows, 21, 1_000).await;
        // A stream dropped half-way, and one that fails half-way.
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        drop(rows);
        assert_eq!(within(count().into_future()).await.unwrap(), 900);
        let items: Vec<_> = within(database.iterate(failing(&t), ()).collect()).await;
        assert!(items[4].is_err());
        assert_eq!(within(count().into_future()).await.unwrap(), 900);
        drop(sandbox);
        database.disconnect().await.unwrap();
        if t.can_observe() {
            assert_eq!(t.observe("select count(*) from {numbered}").await, 1_000);
        }
    }

    async fn t5_an_exhausted_pool_is_an_error_that_names_the_stream(t: Test) {
        let limit = Duration::from_millis(300);
        let database = with_numbers(&t, |config| config.pool_size(1).pool_timeout(limit), 500).await;
        let line = line!() + 1;
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        let error = within(database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Timeout, &[&at(line)]);
        take_rest(&mut rows, 6, 500).await;
        assert_eq!(
            within(database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future())
                .await
                .unwrap(),
            1
        );
    }

    #[current_thread]
    async fn t5_on_one_thread_nothing_hangs_either(t: Test) {
        let database = with_numbers(&t, as_it_is, 1_000).await;
        let transaction = database.transaction().await.unwrap();
        bear_others(&t, &database, &transaction).await;
        within(transaction.commit()).await.unwrap();
        let mut rows = database.iterate(numbers(&t), ());
        take(&mut rows, 1, 5).await;
        drop(rows);
        assert_eq!(
            within(database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future())
                .await
                .unwrap(),
            1
        );
    }
}
