//! Q7: streams that are dropped, or end with an error.

use ebbtide::{Database, Error, ErrorKind, Row};
use futures::StreamExt as _;

use super::{Numbered, as_it_is, assert_says, failing, numbers, take, take_rest, with_numbers, within};
use crate::support::cases;

cases! {
    // Its driver calls what is computed a text if it may be NULL.
    #[except(odbc_sqlite)]
    async fn q7_a_row_that_does_not_fit_does_not_end_the_stream(t: Test) {
        let database = with_numbers(&t, as_it_is, 4).await;
        let sql = t.sql("select case when id = 2 then null else id end as id from {numbered} order by id");
        let read: Vec<Result<Numbered, Error>> = database.iterate(sql, ()).deserialize().collect().await;
        let ids: Vec<Option<i64>> = read.iter().map(|row| row.as_ref().ok().map(|row| row.id)).collect();
        // The place of the null depends on the backend.
        assert_eq!(ids.len(), 4);
        assert_eq!(ids.iter().filter(|id| id.is_none()).count(), 1);
        let error = read.into_iter().find_map(Result::err).unwrap();
        assert_says(&error, ErrorKind::Decode, &["`id`", "NULL", "i64"]);
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // A dropped stream costs these modules their connection.
    #[except(dbapi2_pymysql, dbapi2_pg8000)]
    async fn q7_dropping_half_way_leaves_the_connection_usable_at_once(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 5_000).await;
        let count = || t.sql("select count(*) from {numbered}");
        for taken in [0, 1, 60, 4_999, 5_000] {
            // Outside of any transaction: the only connection of the pool is free again.
            let mut rows = database.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(database.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_000
            );
            assert_eq!(database.status().unwrap().size, 1);

            let connection = database.connection();
            let mut rows = connection.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(connection.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_000
            );
            take_rest(&mut connection.iterate(numbers(&t), ()), 1, 5_000).await;
            drop(connection);

            // In a transaction its earlier work is kept.
            let transaction = within(database.transaction().into_future()).await.unwrap();
            transaction
                .execute(t.sql("insert into {numbered} (id) values (?)"), (100_000 + taken,))
                .await
                .unwrap();
            let mut rows = transaction.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            assert_eq!(
                within(transaction.fetch_value::<i64>(count(), ()).into_future())
                    .await
                    .unwrap(),
                5_001
            );
            let inner = within(transaction.transaction().into_future()).await.unwrap();
            let mut rows = inner.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            within(inner.rollback()).await.unwrap();
            let mut rows = transaction.iterate(numbers(&t), ());
            take(&mut rows, 1, taken).await;
            drop(rows);
            within(transaction.commit()).await.unwrap();
            let delete = t.sql("delete from {numbered} where id > ?");
            let done = within(database.execute(delete, (50_000,)).into_future()).await.unwrap();
            assert_eq!(done.rows_affected, 1);
        }
    }

    async fn q7_a_transaction_dropped_with_its_stream_is_rolled_back(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 500).await;
        let transaction = database.transaction().await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id > 400"), ())
            .await
            .unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 10).await;
        drop(transaction);
        drop(rows);
        let count = database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count.into_future()).await.unwrap(), 500);
        // In the opposite order.
        let transaction = within(database.transaction().into_future()).await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id > 400"), ())
            .await
            .unwrap();
        let mut rows = transaction.iterate(numbers(&t), ());
        take(&mut rows, 1, 10).await;
        drop(rows);
        drop(transaction);
        let count = database.fetch_value::<i64>(t.sql("select count(*) from {numbered}"), ());
        assert_eq!(within(count.into_future()).await.unwrap(), 500);
    }

    async fn q7_a_mistake_is_the_first_item_and_the_last(t: Test) {
        let database = with_numbers(&t, as_it_is, 3).await;
        let connection = database.connection();
        for _ in 0..2 {
            let items: Vec<_> = connection
                .iterate(t.sql("select id from {numbered} where id = :id"), ())
                .collect()
                .await;
            assert_eq!(items.len(), 1);
            assert_says(items[0].as_ref().unwrap_err(), ErrorKind::Parameter, &[":id"]);
            let items: Vec<_> = connection
                .iterate(t.sql("select nonsense from {numbered}"), ())
                .collect()
                .await;
            assert_eq!(items.len(), 1);
            assert_eq!(items[0].as_ref().unwrap_err().kind(), ErrorKind::UndefinedObject);
            let batches: Vec<_> = connection
                .batched_iterate(t.sql("select nonsense from {numbered}"), (), 2)
                .collect()
                .await;
            assert_eq!(batches.len(), 1);
            take_rest(&mut connection.iterate(numbers(&t), ()), 1, 3).await;
        }
        let closed = Database::new(t.url().as_str()).unwrap();
        let items: Vec<_> = closed.iterate("select 1", ()).collect().await;
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].as_ref().unwrap_err().kind(), ErrorKind::NotConnected);
    }

    // DuckDB computes some two thousand rows at a time, and gives none of those with an error.
    #[except(dbapi2_duckdb)]
    // The driver has the error of a query before its rows.
    #[except(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pymysql, dbapi2_pg8000)]
    // They compute or read all rows before the first.
    #[except(jdbc_h2, jdbc_hsqldb, odbc)]
    // Python's own module reads one row ahead, and loses the last one before an error.
    #[except(dbapi2_sqlite3)]
    async fn q7_an_error_in_mid_stream_comes_after_the_rows_before_it(t: Test) {
        let database = with_numbers(&t, |config| config.pool_size(1), 9).await;
        let good = |items: &[Result<Row, Error>]| -> Vec<i64> {
            items
                .iter()
                .filter_map(|item| item.as_ref().ok())
                .map(|row| row.get("id").unwrap())
                .collect()
        };
        for _ in 0..2 {
            let items: Vec<_> = within(database.iterate(failing(&t), ()).collect()).await;
            assert_eq!(good(&items), [1, 2, 3, 4]);
            assert_eq!(items.len(), 5);
            assert!(items[4].as_ref().unwrap_err().sqlstate().is_some());
            take_rest(&mut database.iterate(numbers(&t), ()), 1, 9).await;
        }
        // In a transaction: PostgreSQL aborts it, the others continue.
        let transaction = database.transaction().await.unwrap();
        transaction
            .execute(t.sql("delete from {numbered} where id = 9"), ())
            .await
            .unwrap();
        let items: Vec<_> = within(transaction.iterate(failing(&t), ()).collect()).await;
        assert_eq!(good(&items), [1, 2, 3, 4]);
        let after = within(transaction.fetch_value::<i64>(t.sql("select 1 {from}"), ()).into_future()).await;
        if t.backend().is_postgres() {
            assert_eq!(after.unwrap_err().kind(), ErrorKind::TransactionAborted);
            assert_eq!(
                within(transaction.commit()).await.unwrap_err().kind(),
                ErrorKind::TransactionAborted
            );
        } else {
            assert_eq!(after.unwrap(), 1);
            within(transaction.commit()).await.unwrap();
        }
        // A savepoint protects the outer transaction from the failure.
        let transaction = database.transaction().await.unwrap();
        let inner = transaction.transaction().await.unwrap();
        let items: Vec<_> = within(inner.iterate(failing(&t), ()).collect()).await;
        assert!(items[4].is_err());
        within(inner.rollback()).await.unwrap();
        take(&mut transaction.iterate(numbers(&t), ()), 1, 8).await;
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
    async fn q7_batches_before_an_error_come_before_it(t: Test) {
        let database = with_numbers(&t, as_it_is, 9).await;
        let items: Vec<_> = within(database.batched_iterate(failing(&t), (), 3).collect()).await;
        let sizes: Vec<Option<usize>> = items.iter().map(|item| item.as_ref().ok().map(Vec::len)).collect();
        assert_eq!(sizes, [Some(3), Some(1), None]);
    }
}
