//! Types of parameters that the server decides: those of text, of `NULL`, and of values that came as text.

use chrono::NaiveDate;
use ebbtide::{AssertSqlSafe, Database, ErrorKind, Queryable, Value, bind, params};
use futures::TryStreamExt as _;
use url::Url;
use uuid::Uuid;

use super::day;
use crate::support::{Proxy, Test, cases};

/// Creates an extension of PostgreSQL's own distribution. Several tests may want it at the same time.
pub(super) async fn extension(database: &Database, name: &str) {
    let create = format!("select pg_advisory_xact_lock(7205); create extension if not exists {name}");
    database
        .transaction()
        .run(async |transaction| transaction.execute(AssertSqlSafe(create.clone()), ()).await)
        .await
        .unwrap();
}

/// What text finds, and where it goes, in columns of types that are not `text`.
async fn text_takes_the_type_of_its_place(t: &Test, on: &impl Queryable) {
    let insert = t.sql(
        "insert into {texts} (id, email, code, mood, day, key, address, n) \
         values (:id, :email, :code, :mood, :day, :key, :address, :n)",
    );
    let row = |id: i64, email: &str| {
        params! {
            id, email, code: "ab", mood: "calm", day: "21 Nov 2026", key: "00000000-0000-0000-0000-00000000000f",
            address: "10.0.0.1", n: " 7 ",
        }
    };
    on.execute(t.sql(insert.0.as_str()), row(1, "Ada@Example.com"))
        .await
        .unwrap();
    let many = (2..=40).map(|id| row(id, "bob@example.com"));
    assert_eq!(
        on.execute_many(t.sql(insert.0.as_str()), many)
            .await
            .unwrap()
            .rows_affected,
        39
    );
    for (condition, value, found) in [
        ("email = :v", "ada@EXAMPLE.com", 1),
        ("email like :v", "ADA%", 1),
        ("email = any(:v)", "{ADA@example.com,x}", 1),
        (":v is null or email = :v", "ADA@example.com", 1),
        ("code = :v", "ab", 40),
        ("mood = :v", "calm", 40),
        ("day = :v", "2026-11-21", 40),
        ("day < :v::date", "infinity", 40),
        ("key = :v", "{0000000000000000000000000000000f}", 40),
        ("address << :v", "10.0.0.0/8", 40),
        ("n = :v", "7", 40),
        ("n + 1 = :v", "8", 40),
        ("id = :v", "1", 1),
    ] {
        let sql = t.sql(&format!("select id from {{texts}} where {condition}"));
        let read = on
            .fetch_all(AssertSqlSafe(sql.0.clone()), params! { v: value })
            .await
            .unwrap();
        assert_eq!(read.len(), found, "{condition}");
        let streamed = on
            .iterate(sql, params! { v: value })
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        assert_eq!(streamed.len(), found, "{condition}");
    }
    on.execute(t.sql("delete from {texts}"), ()).await.unwrap();
}

/// Creates the table of the function above.
async fn texts(t: &Test, database: &Database) {
    extension(database, "citext").await;
    let mood = t.table("mood");
    let create = format!(
        "create type {mood} as enum ('calm', 'happy'); \
         create table {{texts}} (id bigint primary key, email citext, code char(5), mood {mood}, day date, key uuid, address inet, n int)"
    );
    database.execute(t.sql(&create), ()).await.unwrap();
}

cases! {
    #[only(postgres)]
    async fn q4_text_takes_the_type_of_its_place_found_w4(t: Test) {
        let database = t.database().await;
        texts(&t, &database).await;
        text_takes_the_type_of_its_place(&t, &database).await;
        let transaction = database.transaction().await.unwrap();
        text_takes_the_type_of_its_place(&t, &transaction).await;
        transaction.commit().await.unwrap();
        let sandbox = database.sandbox().await.unwrap();
        text_takes_the_type_of_its_place(&t, &sandbox).await;
        drop(sandbox);
        database.execute(t.sql(&format!("drop table {{texts}}; drop type {}", t.table("mood"))), ()).await.unwrap();
    }

    /// A question about types never runs a text.
    async fn q2_rows_for_several_statements_are_refused_and_nothing_is_done_found_w4(t: Test) {
        let database = t.database().await;
        let notes = "create table {notes} (body varchar(9)); insert into {notes} (body) values ('there')";
        database.execute(t.sql(notes), ()).await.unwrap();
        let text = "insert into {notes} (body) values (:v); delete from {notes}";
        for rows in [1, 3] {
            let rows = (0..rows).map(|_| params! { v: "new" });
            let error = database.execute_many(t.sql(text), rows).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");
            let left: i64 = database.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
            assert_eq!(left, 1);
        }
    }

    /// Where a backslash does not end where the library believes, one statement may be two: the server refuses to prepare
    /// them, and no question about types may run them either.
    #[only(postgres)]
    async fn q2_a_text_that_the_session_reads_otherwise_is_not_run_by_a_question_found_w4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (body text); insert into {notes} values ('there')"), ()).await.unwrap();
        let connection = database.connection();
        connection.execute("set standard_conforming_strings = off", ()).await.unwrap();
        let text = r"select '\', :a, '; delete from {notes}; --'";
        connection.fetch_all(t.sql(text), params! { a: "a" }).await.unwrap_err();
        let left: i64 = connection.fetch_value(t.sql("select count(*) from {notes}"), ()).await.unwrap();
        assert_eq!(left, 1);
    }

    #[only(postgres)]
    async fn q4_a_type_that_others_have_changed_is_asked_for_again_found_w4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (n int)"), ()).await.unwrap();
        let connection = database.connection();
        let add = || connection.execute(t.sql("insert into {notes} (n) values (:n)"), params! { n: "3000000000" });
        add().await.unwrap_err();
        let change = t.words("alter table {notes} alter n type bigint");
        Database::connect(t.url()).await.unwrap().execute(AssertSqlSafe(change), ()).await.unwrap();
        // What was known may be tried once more.
        if add().await.is_err() {
            add().await.unwrap();
        }
        let n: i64 = connection.fetch_value(t.sql("select n from {notes}"), ()).await.unwrap();
        assert_eq!(n, 3_000_000_000);
    }

    #[only(postgres)]
    async fn q4_a_none_of_another_type_leaves_text_beside_it_to_the_server_found_w5(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (flag bool, day date)"), ()).await.unwrap();
        let add = t.sql("insert into {notes} (flag, day) values (:flag, :day)");
        database.execute(add, params! { flag: None::<i32>, day: "2026-01-01" }).await.unwrap();
        let day: String = database.fetch_value(t.sql("select day::text from {notes} where flag is null"), ()).await.unwrap();
        assert_eq!(day, "2026-01-01");
    }

    /// What may succeed a moment later is an error of that moment, and says nothing of the types.
    #[only(postgres)]
    async fn q4_a_question_that_met_a_lock_is_asked_again_found_w4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (code char(5)); insert into {notes} values ('ab')"), ()).await.unwrap();
        let holder = database.transaction().await.unwrap();
        holder.execute(t.sql("lock table {notes}"), ()).await.unwrap();
        let other = Database::connect(t.url()).await.unwrap();
        let connection = other.connection();
        connection.execute("set lock_timeout = '50ms'", ()).await.unwrap();
        let count = || connection.fetch_value::<i64>(t.sql("select count(*) from {notes} where code = :code"), params! { code: "ab" });
        let error = count().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
        holder.rollback().await.unwrap();
        assert_eq!(count().await.unwrap(), 1);
    }

    /// Also inside of a transaction, which an error of the server would abort.
    #[only(postgres)]
    async fn q4_text_is_text_where_the_server_infers_nothing_found_w4(t: Test) {
        let database = t.database().await;
        extension(&database, "citext").await;
        let transaction = database.transaction().await.unwrap();
        for (expression, expected) in [
            (":v", "it's \\ \"x\""),
            ("pg_typeof(:v)::text", "text"),
            ("jsonb_build_object('a', :v) ->> 'a'", "it's \\ \"x\""),
            ("to_jsonb(:v) #>> '{}'", "it's \\ \"x\""),
            ("concat(:v, 1)", "it's \\ \"x\"1"),
            (":v || :v", "it's \\ \"x\"it's \\ \"x\""),
            ("coalesce(:v, 'x')", "it's \\ \"x\""),
            ("length(:v)::text", "10"),
            ("format('%s', :v)", "it's \\ \"x\""),
            ("(array['a'] || :v)[2]", "it's \\ \"x\""),
            ("num_nulls(:v)::text", "0"),
            ("(values (:v) limit 1)", "it's \\ \"x\""),
            ("(select :v union select :v)", "it's \\ \"x\""),
            ("case when 'IT''S \\ \"X\"'::citext = :v then to_jsonb(:v) #>> '{}' end", "it's \\ \"x\""),
        ] {
            let sql = format!("select {expression}");
            for _ in 0..2 {
                let read: String =
                    transaction.fetch_value(AssertSqlSafe(sql.clone()), params! { v: "it's \\ \"x\"" }).await.unwrap();
                assert_eq!(read, expected, "{expression}");
            }
        }
        let lower: bool = transaction
            .fetch_value("select jsonb_build_object('a', :v) is not null and 'ADA'::citext = :e", params! { v: "x", e: "ada" })
            .await
            .unwrap();
        assert!(lower, "what is inferred beside a parameter without a type is kept");
        // What is no value of the type is an error of the server, with its code.
        let error = transaction.fetch_all("select :v::int", params! { v: "many" }).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22P02"));
        transaction.rollback().await.unwrap();
        let error = database.fetch_all("select to_char(:v, 'x')", params! { v: "1" }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
    }

    #[only(postgres)]
    async fn q4_a_none_has_its_type_in_every_order_of_executions_found_w5(t: Test) {
        let database = t.database().await;
        database
            .execute(t.sql("create table {things} (id bigint primary key, day date, name text)"), ())
            .await
            .unwrap();
        database
            .execute(t.sql("insert into {things} values (1, '2026-11-21', 'one'), (2, null, null)"), ())
            .await
            .unwrap();
        let id = |id: Option<i64>| params! { id, n: 0_i64 };
        let orders: [&[Option<i64>]; 3] = [&[None, Some(1), None], &[Some(1), None, Some(2)], &[None, None]];
        for (number, order) in orders.into_iter().enumerate() {
            // A text of its own each time.
            let sql = t.sql(&format!("select count(*) + :n from {{things}} where :id is null or id = :id /* {number} */"));
            let transaction = database.transaction().await.unwrap();
            for value in order {
                let expected = if value.is_some() { 1 } else { 2 };
                let plain: i64 = database.fetch_value(AssertSqlSafe(sql.0.clone()), id(*value)).await.unwrap();
                let inside: i64 = transaction.fetch_value(AssertSqlSafe(sql.0.clone()), id(*value)).await.unwrap();
                assert_eq!((plain, inside), (expected, expected), "{value:?}");
            }
        }
        // Alone, beside text, of a type of one's own, of none, and of another type than the column's.
        let count = async |condition: &str, value: Value| {
            let sql = t.sql(&format!("select count(*) from {{things}} where {condition}"));
            database.fetch_value::<i64>(sql, params! { v: value }).await
        };
        for null in [None::<i64>.into(), None::<String>.into(), None::<NaiveDate>.into(), Value::Null] {
            assert_eq!(count(":v is null", null).await.unwrap(), 2);
        }
        for null in [None::<String>.into(), None::<NaiveDate>.into(), Value::Null] {
            assert_eq!(count(":v is null or day = :v", null).await.unwrap(), 2);
        }
        assert_eq!(count(":v is null or day = :v", "2026-11-21".into()).await.unwrap(), 1);
        assert_eq!(count("coalesce(:v, id) = id", None::<i64>.into()).await.unwrap(), 2);
        assert_eq!(count("jsonb_build_object('v', :v) = '{\"v\": null}'", None::<Uuid>.into()).await.unwrap(), 2);
        let insert = || t.sql("insert into {things} (id, day, name) values (:id, :day, :name)");
        for row in [
            params! { id: 3, day: None::<bool>, name: None::<i32> },
            params! { id: 4, day: day("2026-11-21"), name: None::<String> },
            params! { id: 5, day: None::<NaiveDate>, name: "five" },
        ] {
            database.execute(insert(), row).await.unwrap();
        }
        #[derive(serde::Serialize)]
        struct Thing {
            id: i64,
            day: Option<NaiveDate>,
            name: Option<String>,
        }
        database.execute(insert(), bind(&Thing { id: 6, day: None, name: None })).await.unwrap();
        let rows = (10..60).map(|id| Thing { id, day: (id % 3 == 0).then(|| day("2026-11-21")), name: None });
        assert_eq!(database.execute_many(insert(), rows.map(bind)).await.unwrap().rows_affected, 50);
    }

    /// Neither the values before it, nor the connection or the schema, decide the type of a parameter.
    #[only(postgres)]
    async fn q4_a_type_of_a_parameter_never_depends_on_what_ran_before_found_w4(t: Test) {
        let database = t.database().await;
        extension(&database, "citext").await;
        let table = t.table("shadowed");
        database.execute(AssertSqlSafe(format!("create table {table} (v text)")), ()).await.unwrap();
        database.execute(AssertSqlSafe(format!("insert into {table} values ('Ada')")), ()).await.unwrap();
        let sql = format!("select count(*) from {table} where v = :v");
        let count = async |on: &ebbtide::Connection| -> i64 {
            on.fetch_value(AssertSqlSafe(sql.clone()), params! { v: "ada" }).await.unwrap()
        };
        assert_eq!(count(&database.connection()).await, 0);
        // Another session sees another table under the same name.
        let there = database.clone();
        let (temporary, sql_there) = (format!("create temporary table {table} (v citext)"), sql.clone());
        let fill = format!("insert into pg_temp.{table} values ('Ada')");
        let found: i64 = tokio::spawn(async move {
            let transaction = there.transaction().await.unwrap();
            transaction.execute(AssertSqlSafe(temporary), ()).await.unwrap();
            transaction.execute(AssertSqlSafe(fill), ()).await.unwrap();
            let found = transaction.fetch_value(AssertSqlSafe(sql_there), params! { v: "ada" }).await.unwrap();
            transaction.rollback().await.unwrap();
            found
        })
        .await
        .unwrap();
        assert_eq!(found, 1);
        assert_eq!(count(&database.connection()).await, 0);
        // A change of the table is noticed.
        database.execute(AssertSqlSafe(format!("alter table {table} alter v type citext")), ()).await.unwrap();
        assert_eq!(count(&database.connection()).await, 1);
    }

    #[only(postgres)]
    async fn budget_a_question_about_types_is_one_round_trip_for_each_text_and_connection_found_w4(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(proxy.url()).await.unwrap();
        let spent = || {
            let round_trips = proxy.round_trips();
            proxy.reset();
            round_trips
        };
        let connection = database.connection();
        connection.execute("select 1", ()).await.unwrap();
        spent();
        let text = || params! { v: "x", n: None::<i64> };
        for expected in [3, 1, 1] {
            connection.fetch_all("select 1 where :v = 'x' and :n is null", text()).await.unwrap();
            assert_eq!(spent(), expected, "asked, prepared, run");
        }
        connection.iterate("select 1 where :v = 'x' and :n is null", text()).try_collect::<Vec<_>>().await.unwrap();
        assert_eq!(spent(), 1);
        // A NULL of a known type goes along with the values of this type.
        for (n, expected) in [(Some(1_i64), 2), (None, 2), (Some(2), 1), (None, 1)] {
            connection.fetch_all("select 1 where :n > 0", params! { n }).await.unwrap();
            assert_eq!(spent(), expected, "{n:?}");
        }
        // A server that cannot prepare the text otherwise is asked once, too.
        for expected in [3, 1] {
            connection.fetch_all("select to_jsonb(:v)", params! { v: "x" }).await.unwrap();
            assert_eq!(spent(), expected);
        }
    }

    #[only(postgres)]
    async fn q4_a_server_that_refuses_questions_costs_no_transaction_found_w4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create database {mute}"), ()).await.unwrap();
        let proxy = Proxy::start(&t.url());
        let mut url = Url::parse(&proxy.url()).unwrap();
        url.set_path(&t.table("mute"));
        let connect = || Database::connect(url.as_str());
        let insert = "insert into notes values (:v)";
        let first = connect().await.unwrap();
        first.execute("drop extension plpgsql; create table notes (v varchar)", ()).await.unwrap();
        let transaction = first.transaction().await.unwrap();
        let inner = transaction.transaction().await.unwrap();
        inner.execute(insert, params! { v: "a" }).await.unwrap();
        inner.commit().await.unwrap();
        transaction.execute(insert, params! { v: "b" }).await.unwrap();
        // It was asked once, whatever the connection.
        let there = first.clone();
        let count = tokio::spawn(async move {
            let connection = there.connection();
            connection.execute("select 1", ()).await.unwrap();
            proxy.reset();
            connection.fetch_all("select 1 from notes where v = :v", params! { v: "a" }).await.unwrap();
            let spent = proxy.round_trips();
            (proxy, spent)
        });
        let (_proxy, spent) = count.await.unwrap();
        assert_eq!(spent, 2);
        transaction.commit().await.unwrap();
        first.disconnect().await.unwrap();
        // The same in a transaction as text, and outside of one.
        let second = connect().await.unwrap();
        let connection = second.connection();
        connection.execute("begin", ()).await.unwrap();
        connection.execute(insert, params! { v: "c" }).await.unwrap();
        connection.execute("commit", ()).await.unwrap();
        drop(connection);
        second.disconnect().await.unwrap();
        let third = connect().await.unwrap();
        third.execute(insert, params! { v: "d" }).await.unwrap();
        assert_eq!(third.fetch_value::<i64>("select count(*) from notes", ()).await.unwrap(), 4);
        third.disconnect().await.unwrap();
        database.execute(t.sql("drop database {mute} with (force)"), ()).await.unwrap();
    }
}
