//! Q6: many rows by one call.

use ebbtide::{Config, Database, ErrorKind, bind, params};
use serde_json::json;

use super::{assert_says, with_notes, with_rows};
use crate::backends::Backend;
use crate::support::{Proxy, cases};

cases! {
    // Derby casts no number to a text of variable length.
    #[except(jdbc_derby)]
    async fn q6_execute_many_returns_the_total(t: Test) {
        let database = with_notes(&t).await;
        let insert = || t.sql("insert into {notes} (id, body, n) values (:id, :body, :n)");
        for count in [0, 1, 2, 7, 8, 9, 31, 129, 1_000] {
            let rows = (0..count).map(|n| params! { id: count * 10_000 + n, body: format!("{n}"), n });
            let done = database.execute_many(insert(), rows).await.unwrap();
            assert_eq!(done.rows_affected, count as u64);
            assert!(done.rows.is_empty());
            let sum: Option<i64> = database
                .fetch_value(
                    t.sql("select sum(n) from {notes} where id between ? and ?"),
                    (count * 10_000, count * 10_000 + 9_999),
                )
                .await
                .unwrap();
            assert_eq!(sum, (count > 0).then_some(count * (count - 1) / 2));
        }
        // Every value is in its own row.
        let standard = t.backend() == Backend::Standard;
        let (text, rest) = if standard { ("varchar(9)", "mod(id, 10000)") } else { ("char(9)", "id % 10000") };
        let wrong = t.sql(&format!("select count(*) from {{notes}} where body <> cast(n as {text}) or n <> {rest}"));
        assert_eq!(database.fetch_value::<i64>(wrong, ()).await.unwrap(), 0);
    }

    /// SQLite has no wire on which round trips could be counted.
    #[only(postgres, mysql)]
    async fn q6_many_rows_need_few_round_trips(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(Config::from_url(proxy.url().as_str()).unwrap())
            .await
            .unwrap();
        database
            .execute(t.sql("create table {notes} (id {int} primary key, body {text})"), ())
            .await
            .unwrap();
        proxy.reset();
        let rows = (0..2_000).map(|id| (id, format!("note {id}")));
        let done = database
            .execute_many(t.sql("insert into {notes} (id, body) values (?, ?)"), rows)
            .await
            .unwrap();
        assert_eq!(done.rows_affected, 2_000);
        assert!(proxy.round_trips() <= 30, "{} round trips", proxy.round_trips());
        database.disconnect().await.unwrap();
    }

    async fn q6_rows_come_from_tuples_structs_and_maps(t: Test) {
        let database = with_notes(&t).await;
        let named = || t.sql("insert into {notes} (id, body, n) values (:id, :body, :n)");
        let structs = (1..=3).map(|id| json!({ "n": id, "id": id, "body": "struct" }));
        database.execute_many(named(), structs.map(bind)).await.unwrap();
        // Names in another order in each row, integers of different widths, and nulls between them.
        let rows = [
            params! { id: 4_i64, body: "map", n: 4_i16 },
            params! { n: None::<i32>, id: 5_i16, body: "map" },
            params! { body: "map", n: i64::MAX, id: 6_i32 },
        ];
        assert_eq!(database.execute_many(named(), &rows).await.unwrap().rows_affected, 3);
        let places = t.sql("insert into {notes} (body, n, id) values ($2, $1, $3)");
        database
            .execute_many(places, [(7, "tuple", 7), (8, "tuple", 8)])
            .await
            .unwrap();
        let read: Vec<(i64, Option<i64>)> = database
            .fetch_all(t.sql("select id, n from {notes} order by id"), ())
            .deserialize()
            .await
            .unwrap();
        let expected = [
            (1, Some(1)),
            (2, Some(2)),
            (3, Some(3)),
            (4, Some(4)),
            (5, None),
            (6, Some(i64::MAX)),
            (7, Some(7)),
            (8, Some(8)),
        ];
        assert_eq!(read, expected);
    }

    #[returning]
    async fn q6_returning_gives_the_rows_of_all_in_their_order(t: Test) {
        let database = t.database().await;
        database
            .execute(t.sql("create table {keyed} (id {id}, body {text})"), ())
            .await
            .unwrap();
        let rows = (0..1_500).map(|n| (format!("note {n}"),));
        let done = database
            .execute_many(t.sql("insert into {keyed} (body) values (?) returning id, body"), rows)
            .await
            .unwrap();
        assert_eq!(done.rows.len(), 1_500);
        for (n, row) in done.rows.iter().enumerate() {
            assert_eq!(row.get::<String>("body").unwrap(), format!("note {n}"));
            assert_eq!(row.get::<usize>("id").unwrap(), n + 1);
        }
        if !t.backend().is_mysql() {
            // The rows of RETURNING were also counted.
            assert_eq!(done.rows_affected, 1_500);
        }
    }

    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q6_all_rows_or_none(t: Test) {
        let database = with_rows(&t, 3).await;
        let insert = || t.sql("insert into {notes} (id, body) values (:id, :body)");
        let count = "select count(*) from {notes}";
        // The last row but one exists already, so many others were sent before it.
        let rows = |from: i64| {
            (from..from + 1_500).map(move |id| params! { id: if id == from + 1_498 { 2 } else { id }, body: "new" })
        };
        let error = database.execute_many(insert(), rows(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert_eq!(error.constraint().unwrap().kind, ebbtide::ConstraintKind::Unique);
        assert_eq!(t.committed(&database, count).await, 3);

        // In a transaction the other rows of the transaction stay, and it continues.
        let transaction = database.transaction().await.unwrap();
        transaction
            .execute(insert(), params! { id: 50, body: "kept" })
            .await
            .unwrap();
        let error = transaction.execute_many(insert(), rows(200)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        transaction
            .execute(insert(), params! { id: 51, body: "kept" })
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, count).await, 5);

        // A mistake in a row is found before anything is sent.
        let rows = [
            params! { id: 60, body: "a" },
            params! { id: 61 },
            params! { id: 62, body: "c" },
        ];
        let error = database.execute_many(insert(), rows).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["row 2 of 3", ":body"]);
        assert_eq!(t.committed(&database, count).await, 5);
    }

    async fn q6_more_parameters_than_one_statement_takes(t: Test) {
        let database = with_notes(&t).await;
        let rows = (0..25_000_i64).map(|id| (id, "x", id * 2));
        let insert = t.sql("insert into {notes} (id, body, n) values (?, ?, ?)");
        assert_eq!(database.execute_many(insert, rows).await.unwrap().rows_affected, 25_000);
        let row = database
            .fetch_one(t.sql("select count(*), sum(n), max(id) from {notes}"), ())
            .await
            .unwrap();
        assert_eq!(row.get::<i64>(0).unwrap(), 25_000);
        assert_eq!(row.get::<i64>(1).unwrap(), 25_000 * 24_999);
        assert_eq!(row.get::<i64>(2).unwrap(), 24_999);
    }

    // Its texts have 32 kB.
    #[except(jdbc_derby)]
    async fn q6_rows_of_many_bytes_are_sent_in_several_messages(t: Test) {
        let database = with_notes(&t).await;
        let large = "äöü€".repeat(20_000);
        let rows = (0..200_i64).map(|id| (id, large.as_str()));
        let insert = t.sql("insert into {notes} (id, body) values (?, ?)");
        assert_eq!(database.execute_many(insert, rows).await.unwrap().rows_affected, 200);
        let same = t.sql("select count(*) from {notes} where body = ?");
        assert_eq!(database.fetch_value::<i64>(same, (large,)).await.unwrap(), 200);
    }

    // They have MERGE and no clause of INSERT for conflicts.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q6_conflicts_within_the_rows_are_settled_in_their_order(t: Test) {
        let database = with_rows(&t, 2).await;
        let settle = if t.backend().is_mysql() {
            "on duplicate key update body = values(body), n = coalesce({notes}.n, 0) + 1"
        } else {
            "on conflict (id) do update set body = excluded.body, n = coalesce({notes}.n, 0) + 1"
        };
        let insert = t.sql(&format!(
            "insert into {{notes}} (id, body) values (:id, :body) {settle}"
        ));
        let rows = [(1, "a"), (7, "b"), (1, "c"), (7, "d"), (1, "e"), (8, "f")];
        database
            .execute_many(insert, rows.map(|(id, body)| params! { id, body }))
            .await
            .unwrap();
        let read: Vec<(i64, String, Option<i64>)> = database
            .fetch_all(t.sql("select id, body, n from {notes} order by id"), ())
            .deserialize()
            .await
            .unwrap();
        let expected = [
            (1, "e", Some(4)),
            (2, "note 2", Some(2)),
            (7, "d", Some(1)),
            (8, "f", None),
        ];
        assert_eq!(read, expected.map(|(id, body, n)| (id, body.to_owned(), n)));

        let insert = if t.backend().is_mysql() {
            t.sql("insert ignore into {notes} (id, body) values (?, ?)")
        } else {
            t.sql("insert into {notes} (id, body) values (?, ?) on conflict do nothing")
        };
        let done = database
            .execute_many(insert, [(1, "x"), (9, "first"), (9, "second")])
            .await
            .unwrap();
        assert_eq!(done.rows_affected, 1);
        let body: String = database
            .fetch_value(t.sql("select body from {notes} where id = 9"), ())
            .await
            .unwrap();
        assert_eq!(body, "first");
    }

    async fn q6_statements_that_are_no_insert_run_once_for_each_row(t: Test) {
        let database = with_rows(&t, 10).await;
        let update = t.sql("update {notes} set n = :n, body = :body where id = :id");
        let rows = (1..=10).map(|id| params! { id, n: -id, body: format!("new {id}") });
        assert_eq!(database.execute_many(update, rows).await.unwrap().rows_affected, 10);
        let right = t.sql("select count(*) from {notes} where n = -id and body like 'new %'");
        assert_eq!(database.fetch_value::<i64>(right, ()).await.unwrap(), 10);
        let delete = t.sql("delete from {notes} where id between ? and ?");
        let done = database.execute_many(delete, [(1, 3), (2, 5), (20, 30)]).await.unwrap();
        assert_eq!(done.rows_affected, 5);
        let insert = t.sql("insert into {notes} (id, body) select id + :by, body from {notes} where id >= :from");
        let done = database
            .execute_many(insert, [params! { by: 100, from: 6 }, params! { by: 1000, from: 100 }])
            .await
            .unwrap();
        // The second sees the rows that the first has inserted.
        assert_eq!(done.rows_affected, 10);
    }

    async fn q6_no_rows_do_nothing(t: Test) {
        let database = with_rows(&t, 1).await;
        let none: [(i64, &str); 0] = [];
        let done = database
            .execute_many(t.sql("insert into {notes} (id, body) values (?, ?)"), none)
            .await
            .unwrap();
        assert_eq!((done.rows_affected, done.rows.len()), (0, 0));
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
    }

    async fn q6_a_list_among_many_rows_is_an_error_that_names_it(t: Test) {
        let database = with_rows(&t, 1).await;
        let delete = t.sql("delete from {notes} where id in (:ids)");
        let rows = [params! { ids: 1 }, params! { ids: vec![1, 2] }];
        let error = database.execute_many(delete, rows).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["row 2 of 2", ":ids", "list"]);
        assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
    }
}
