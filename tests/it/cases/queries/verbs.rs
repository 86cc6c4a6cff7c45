//! Q1: every verb.

use ebbtide::{AssertSqlSafe, Dialect, Error, ErrorKind, Queryable, Row, params};
use futures::TryStreamExt as _;

use super::{assert_says, ids, with_notes, with_rows};
use crate::support::{Test, cases};

/// Runs every verb on an object that has them.
macro_rules! every_verb {
    ($t:ident, $on:expr, $first:expr) => {{
        let (on, first): (_, i64) = ($on, $first);
        let insert = || $t.sql("insert into {notes} (id, body) values (:id, :body)");
        let done = on.execute(insert(), params! { id: first, body: "one" }).await.unwrap();
        assert_eq!(done.rows_affected, 1);

        let rows = [
            params! { id: first + 1, body: "two" },
            params! { id: first + 2, body: None::<String> },
        ];
        let done = on.execute_many(insert(), rows).await.unwrap();
        assert_eq!((done.rows_affected, done.rows.len()), (2, 0));

        let select = || $t.sql("select id, body from {notes} where id >= :first order by id");
        let by_id = || params! { first };
        let rows = on.fetch_all(select(), by_id()).await.unwrap();
        let read: Vec<(i64, Option<String>)> = rows
            .iter()
            .map(|row| (row.get("id").unwrap(), row.get(1).unwrap()))
            .collect();
        let expected = [
            (first, Some("one".to_owned())),
            (first + 1, Some("two".to_owned())),
            (first + 2, None),
        ];
        assert_eq!(read, expected);

        let row = on.fetch_one(select(), by_id()).await.unwrap();
        assert_eq!(row.get::<i64>(0).unwrap(), first);
        let row = on.fetch_optional(select(), by_id()).await.unwrap();
        assert_eq!(row.unwrap().get::<String>("body").unwrap(), "one");
        assert!(
            on.fetch_optional(select(), params! { first: 1_000_000 })
                .await
                .unwrap()
                .is_none()
        );
        let value: i64 = on.fetch_value(select(), by_id()).await.unwrap();
        assert_eq!(value, first);

        let streamed: Vec<Row> = on.iterate(select(), by_id()).try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3);
        let batches: Vec<Vec<Row>> = on.batched_iterate(select(), by_id(), 2).try_collect().await.unwrap();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }};
}

/// Does the same in a function that does not know the object, and in a transaction that it begins there.
async fn every_verb_of(t: &Test, on: &impl Queryable, first: i64) {
    every_verb!(t, on, first);
    let nobody = || t.sql("select id from {notes} where id < 0");
    let inner = on.transaction().run(async |transaction| {
        every_verb!(t, &transaction, first + 3);
        Err::<(), Error>(transaction.fetch_one(nobody(), ()).await.unwrap_err())
    });
    assert_eq!(inner.await.unwrap_err().kind(), ErrorKind::RowNotFound);
    let guard = on.transaction().await.unwrap();
    every_verb!(t, &guard, first + 3);
    guard.commit().await.unwrap();

    let line = line!() + 1;
    let error = on.fetch_one(nobody(), ()).await.unwrap_err();
    assert_says(&error, ErrorKind::RowNotFound, &[&format!("queries/verbs.rs:{line}")]);
    assert_eq!(on.dialect() == Dialect::Sqlite, t.backend().is_sqlite());
}

cases! {
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q1_a_function_takes_database_connection_and_transaction_alike(t: Test) {
        let database = with_notes(&t).await;
        every_verb_of(&t, &database, 10).await;
        let connection = database.connection();
        every_verb_of(&t, &connection, 20).await;
        drop(connection);
        let transaction = database.transaction().await.unwrap();
        every_verb_of(&t, &transaction, 30).await;
        transaction.rollback().await.unwrap();
        database
            .transaction()
            .run(async |transaction| {
                every_verb_of(&t, &transaction, 40).await;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        let found = ids(&database, t.sql("select id from {notes} order by id"), ()).await;
        let kept: Vec<i64> = [10..16, 20..26, 40..46].into_iter().flatten().collect();
        assert_eq!(found, kept);

        async fn spawned(on: impl Queryable + 'static, one: AssertSqlSafe<String>) -> i64 {
            on.fetch_value(one, ()).await.unwrap()
        }
        let one = || t.sql("select 1 {from}");
        assert_eq!(tokio::spawn(spawned(database.clone(), one())).await.unwrap(), 1);
        assert_eq!(tokio::spawn(spawned(database.connection(), one())).await.unwrap(), 1);
        assert_eq!(tokio::spawn(spawned(database.transaction().await.unwrap(), one())).await.unwrap(), 1);
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q1_every_verb_works_on_database_connection_and_transaction(t: Test) {
        let database = with_notes(&t).await;
        every_verb!(t, &database, 10);
        {
            let connection = database.connection();
            every_verb!(t, &connection, 20);
        }
        let transaction = database.transaction().await.unwrap();
        every_verb!(t, &transaction, 30);
        transaction.commit().await.unwrap();
        database
            .transaction()
            .run(async |transaction| {
                every_verb!(t, &transaction, 40);
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        assert_eq!(
            ids(&database, t.sql("select id from {notes} order by id"), ())
                .await
                .len(),
            12
        );
    }

    async fn q1_a_missing_value_names_the_verb_for_none_found_f13(t: Test) {
        let database = with_rows(&t, 3).await;
        let nobody = || t.sql("select id from {notes} where id = 9");
        let error = database.fetch_value::<i64>(nobody(), ()).await.unwrap_err();
        assert_says(&error, ErrorKind::RowNotFound, &["returned no row", "`fetch_optional(…).value()`"]);
        assert_eq!(database.fetch_optional(nobody(), ()).value::<i64>().await.unwrap(), None);
    }

    // DuckDB has no automatic keys.
    #[except(dbapi2_duckdb)]
    // ODBC has no call for the key of a row.
    #[except(odbc_mariadb)]
    async fn q1_execute_tells_the_rows_and_the_last_key(t: Test) {
        let database = t.database().await;
        database
            .execute(t.sql("create table {keyed} (id {id}, body {text}, n {int})"), ())
            .await
            .unwrap();
        for expected in 1..=3 {
            let insert = t.sql("insert into {keyed} (body, n) values (?, 0)");
            let done = database.execute(insert, ("note",)).await.unwrap();
            assert_eq!(done.rows_affected, 1);
            // PostgreSQL does not report the key; there RETURNING is used.
            let key = (!t.backend().is_postgres()).then_some(expected);
            assert_eq!(done.last_insert_id, key);
        }
        let update = || t.sql("update {keyed} set n = 1 where id >= :from");
        let done = database.execute(update(), params! { from: 2 }).await.unwrap();
        assert_eq!(done.rows_affected, 2);
        // Rows that were found count, whether or not they changed; this is the same on every backend.
        let done = database.execute(update(), params! { from: 1 }).await.unwrap();
        assert_eq!(done.rows_affected, 3);
        let done = database
            .execute(t.sql("delete from {keyed} where n = ?"), (7,))
            .await
            .unwrap();
        assert_eq!(done.rows_affected, 0);
        let done = database.execute(t.sql("delete from {keyed}"), ()).await.unwrap();
        assert_eq!(done.rows_affected, 3);
    }

    // Derby has no NULL without a type.
    #[except(jdbc_derby)]
    async fn q1_a_missing_row_is_an_error_that_names_the_place_or_none(t: Test) {
        let database = with_rows(&t, 3).await;
        let nobody = || t.sql("select id, body from {notes} where id = :id");
        assert!(
            database
                .fetch_optional(nobody(), params! { id: 9 })
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            database
                .fetch_all(nobody(), params! { id: 9 })
                .await
                .unwrap()
                .is_empty()
        );
        let line = line!() + 1;
        let error = database.fetch_one(nobody(), params! { id: 9 }).await.unwrap_err();
        assert_says(
            &error,
            ErrorKind::RowNotFound,
            &[&format!("queries/verbs.rs:{line}"), "fetch_optional"],
        );
        // A value that is NULL is a row all the same.
        let null = || t.sql("select n from {notes} where id = 0 union all select null from {notes} where id = 1");
        assert_eq!(database.fetch_value::<Option<i64>>(null(), ()).await.unwrap(), None);
        let error = database.fetch_value::<i64>(null(), ()).await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["NULL", "Option<i64>"]);
    }
}
