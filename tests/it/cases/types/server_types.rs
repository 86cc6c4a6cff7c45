//! Types of PostgreSQL that this library does not know: those of extensions and of users, and arrays of them.

use ebbtide::{Array, AssertSqlSafe, Database, ErrorKind, Queryable, Value, bind, params};
use futures::TryStreamExt as _;
use serde::Serialize;

use super::assert_says;
use super::inferred::extension;
use crate::support::{Test, cases};

/// Types and texts of them, with the text as which the server shows each.
const TYPES: [(&str, &str, &str); 15] = [
    ("hstore", "a=>1", "\"a\"=>\"1\""),
    ("ltree", "Top.Science", "Top.Science"),
    ("lquery", "Top.*", "Top.*"),
    ("cube", "1,2", "(1, 2)"),
    ("isbn", "978-0-393-04002-9", "0-393-04002-X"),
    ("citext", "Ada", "Ada"),
    ("int4multirange", "{[1,3)}", "{[1,3)}"),
    ("int4range", "[1,3)", "[1,3)"),
    ("point", "(1,2)", "(1,2)"),
    ("bit(3)", "101", "101"),
    ("money", "1", "$1.00"),
    ("tsquery", "a & b", "'a' & 'b'"),
    ("timetz", "10:00+02", "10:00:00+02"),
    ("regclass", "pg_class", "pg_class"),
    ("int4[]", "{1,2}", "{1,2}"),
];

async fn extensions(database: &Database) {
    for name in ["hstore", "ltree", "cube", "isn", "citext"] {
        extension(database, name).await;
    }
}

#[derive(Serialize)]
struct Untyped {
    v: &'static str,
}

/// Text goes into a column of the type, and finds it there.
async fn text_reaches(t: &Test, on: &impl Queryable, table: &str, text: &'static str, shown: &str) {
    let insert = || AssertSqlSafe(format!("insert into {table} values (:v)"));
    on.execute(insert(), params! { v: text }).await.unwrap();
    on.execute(insert(), params! { v: Value::Untyped(text.to_owned()) })
        .await
        .unwrap();
    on.execute_many(
        insert(),
        [params! { v: text }, params! { v: text }, params! { v: None::<String> }],
    )
    .await
    .unwrap();
    let read = AssertSqlSafe(format!(
        "select v::text from {table} where :w is not null order by v::text"
    ));
    let read: Vec<Option<String>> = on
        .iterate(read, params! { w: Value::Untyped(text.to_owned()) })
        .value::<Option<String>>()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read.len(), 5, "{table}");
    assert!(
        read[..4].iter().all(|read| read.as_deref() == Some(shown)),
        "{read:?} {}",
        t.id()
    );
    on.execute(AssertSqlSafe(format!("delete from {table}")), ())
        .await
        .unwrap();
}

cases! {
    #[only(postgres)]
    async fn q4_text_goes_into_columns_of_types_that_are_not_known_found_e3(t: Test) {
        let database = t.database().await;
        extensions(&database).await;
        let table = |number: usize| t.table(&format!("of_{number}"));
        for (number, (of, _, _)) in TYPES.into_iter().enumerate() {
            let create = format!("create table {} (v {of})", table(number));
            database.execute(AssertSqlSafe(create), ()).await.unwrap();
        }
        for (number, (_, text, shown)) in TYPES.into_iter().enumerate() {
            text_reaches(&t, &database, &table(number), text, shown).await;
        }
        let transaction = database.transaction().await.unwrap();
        let sandbox = database.sandbox().await.unwrap();
        for (number, (_, text, shown)) in TYPES.into_iter().enumerate() {
            let table = table(number);
            text_reaches(&t, &transaction, &table, text, shown).await;
            text_reaches(&t, &sandbox, &table, text, shown).await;
        }
        let row: String = transaction.fetch_value("select (:v::hstore -> 'a')", bind(&Untyped { v: "a=>1" })).await.unwrap();
        assert_eq!(row, "1");
        let error = database.fetch_all("select :v::hstore", params! { v: "=>" }).await.unwrap_err();
        assert!(error.sqlstate().is_some(), "{error}");
    }

    #[only(postgres)]
    async fn q4_arrays_of_types_of_users_are_written_found_e3(t: Test) {
        let database = t.database().await;
        extensions(&database).await;
        let (mood, name) = (t.table("mood"), t.table("name"));
        let create = format!(
            "create type {mood} as enum ('calm', 'happy'); create domain {name} as citext check (value <> ''); \
             create table {{users}} (moods {mood}[], names {name}[], name {name}, stores hstore[], dates date[])"
        );
        database.execute(t.sql(&create), ()).await.unwrap();
        let insert = t.sql("insert into {users} values (:moods, :names, :name, :stores, :dates)");
        for _ in 0..2 {
            let row = params! {
                moods: Array(vec!["calm", "happy"]), names: vec!["Ada"], name: "Ada",
                stores: Array(vec![Some("a=>1"), None]), dates: Array(vec!["2026-11-21"]),
            };
            database.execute(AssertSqlSafe(insert.0.clone()), row).await.unwrap();
            let row = params! {
                moods: Array(Vec::<String>::new()), names: Array(Vec::<String>::new()), name: None::<String>,
                stores: Value::Array(vec![]), dates: Value::Null,
            };
            database.execute(AssertSqlSafe(insert.0.clone()), row).await.unwrap();
        }
        for (condition, value) in [
            ("'happy' = any(moods) and moods @> :v", Value::from(Array(vec!["happy"]))),
            ("names && :v", vec!["ADA"].into()),
            ("name = any(:v)", vec!["ADA", "BOB"].into()),
            ("name in (:v)", vec!["ADA", "BOB"].into()),
            ("stores[1] -> 'a' = :v", "1".into()),
            ("dates && :v", Array(vec!["2026-11-21"]).into()),
        ] {
            let sql = t.sql(&format!("select count(*) from {{users}} where {condition}"));
            assert_eq!(database.fetch_value::<i64>(sql, params! { v: value }).await.unwrap(), 2, "{condition}");
        }
        let error = database.execute(insert, params! { moods: Value::Null, names: Value::Null, name: "", stores: Value::Null, dates: Value::Null }).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Constraint);
        database.execute(t.sql(&format!("drop table {{users}}; drop domain {name}; drop type {mood}")), ()).await.unwrap();
    }

    /// Each sandbox makes a type of its own, under the name that another one used.
    #[only(postgres)]
    async fn q4_a_type_that_was_made_again_is_found_found_e1(t: Test) {
        let database = t.database().await;
        let (mood, table) = (t.table("mood"), t.table("moods"));
        let create = format!("create type {mood} as enum ('calm', 'happy'); create table {table} (v {mood})");
        let insert = format!("insert into {table} values (:v)");
        let find = format!("select v from {table} where v = :v");
        let text = || Value::from("calm");
        let untyped = || Value::Untyped("calm".to_owned());
        for _ in 0..3 {
            let sandbox = database.sandbox().await.unwrap();
            sandbox.execute(AssertSqlSafe(create.clone()), ()).await.unwrap();
            for v in [untyped(), text(), Value::Null] {
                sandbox.execute(AssertSqlSafe(insert.clone()), params! { v }).await.unwrap();
            }
            let found: Vec<String> = sandbox.fetch_all(AssertSqlSafe(find.clone()), params! { v: text() }).value().await.unwrap();
            assert_eq!(found, ["calm", "calm"]);
        }
        // Another program drops it and makes it again.
        database.execute(AssertSqlSafe(create.clone()), ()).await.unwrap();
        let other = t.database().await;
        let connection = database.connection();
        for round in 0..3 {
            for v in [untyped(), text(), Value::Null] {
                connection.execute(AssertSqlSafe(insert.clone()), params! { v }).await.unwrap();
            }
            let count = connection.fetch_all(AssertSqlSafe(find.clone()), params! { v: untyped() }).await.unwrap().len();
            assert_eq!(count, 2, "round {round}");
            let again = format!("drop table {table}; drop type {mood}; {create}");
            other.execute(AssertSqlSafe(again), ()).await.unwrap();
        }
        // In a transaction the error may cost it, but only once.
        for v in [untyped(), text()] {
            connection.execute(AssertSqlSafe(insert.clone()), params! { v }).await.unwrap();
        }
        other.execute(AssertSqlSafe(format!("drop table {table}; drop type {mood}; {create}")), ()).await.unwrap();
        let transaction = connection.transaction().await.unwrap();
        let _ = transaction.execute(AssertSqlSafe(insert.clone()), params! { v: text() }).await;
        transaction.rollback().await.unwrap();
        let transaction = connection.transaction().await.unwrap();
        transaction.execute(AssertSqlSafe(insert), params! { v: text() }).await.unwrap();
        transaction.rollback().await.unwrap();
        database.execute(AssertSqlSafe(format!("drop table {table}; drop type {mood}")), ()).await.unwrap();
    }

    /// What the driver cannot look up costs no statement, and is read as text.
    #[only(postgres)]
    async fn q4_columns_that_the_driver_cannot_look_up_are_text_found_v4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {ranges} (id bigint primary key, v int4multirange, day date)"), ()).await.unwrap();
        let insert = t.sql("insert into {ranges} values (:id, :v, :day) returning *");
        let transaction = database.transaction().await.unwrap();
        let sandbox = database.sandbox().await.unwrap();
        let row = transaction
            .fetch_one(AssertSqlSafe(insert.0.clone()), params! { id: 1, v: "{[1,3),[5,7)}", day: "2026-11-21" })
            .await
            .unwrap();
        assert_eq!((row.get::<i64>("id").unwrap(), row.get::<String>("v").unwrap().as_str()), (1, "{[1,3),[5,7)}"));
        let values = (
            7_i64, 0.5, "it's \\", None::<String>, true, vec![0_u8, 255], Array(vec!["a\"", "b,\\"]), Value::Untyped("3".into()),
        );
        let sql = "select '{[1,3)}'::int4multirange as r, $1 + 1 as a, $2 as b, $3 as c, $4::text as d, $5 as e, $6 as f, $7::text[] as g, 1 + $8 as h";
        for _ in 0..2 {
            let streamed = transaction.iterate(sql, values.clone()).try_collect::<Vec<_>>().await.unwrap();
            let sandboxed = sandbox.fetch_all(sql, values.clone()).await.unwrap();
            let one = transaction.fetch_one(sql, values.clone()).await.unwrap();
            for row in [&streamed[0], &sandboxed[0], &one] {
                assert_eq!(row.get::<String>("r").unwrap(), "{[1,3)}");
                assert_eq!((row.get::<i64>("a").unwrap(), row.get::<f64>("b").unwrap()), (8, 0.5));
                assert_eq!(row.get::<String>("c").unwrap(), "it's \\");
                assert_eq!((row.get::<Option<String>>("d").unwrap(), row.get::<bool>("e").unwrap()), (None, true));
                assert_eq!((row.get::<Vec<u8>>("f").unwrap(), row.get::<i64>("h").unwrap()), (vec![0, 255], 4));
                assert_eq!(row.get::<Vec<String>>("g").unwrap(), ["a\"", "b,\\"]);
            }
        }
        for table in ["pg_class", "pg_attrdef", "pg_statistic_ext_data"] {
            let sql = format!("select * from {table} where :v = :v limit 3");
            transaction.fetch_all(AssertSqlSafe(sql), params! { v: "x" }).await.unwrap();
            transaction.fetch_all(AssertSqlSafe(format!("select * from {table} limit 3")), ()).await.unwrap();
        }
        transaction.rollback().await.unwrap();
    }

    #[only(postgres)]
    async fn q4_a_list_outside_of_in_is_an_array_of_its_place_found_n4(t: Test) {
        let database = t.database().await;
        database.execute(t.sql("create table {lists} (id bigint primary key, tags text[], counts int[])"), ()).await.unwrap();
        let insert = || t.sql("insert into {lists} values (:id, :tags, :counts)");
        database.execute(insert(), params! { id: 1, tags: vec!["a", "b"], counts: vec![1, 2] }).await.unwrap();
        database.execute(insert(), params! { id: 2, tags: Vec::<String>::new(), counts: Vec::<i64>::new() }).await.unwrap();
        let rows = (3..8_i64).map(|id| params! { id, tags: vec![id.to_string()], counts: [1_i64, 2] });
        database.execute_many(insert(), rows).await.unwrap();
        let sandbox = database.sandbox().await.unwrap();
        for (condition, value, expected) in [
            ("id = any(:v)", Value::from(vec![1_i64, 3, 99]), 2),
            ("id = any(:v)", Vec::<i64>::new().into(), 0),
            ("id <> all(:v)", Vec::<i64>::new().into(), 7),
            (":v && tags", vec!["a", "7"].into(), 2),
            ("tags = :v", Vec::<String>::new().into(), 1),
            ("counts @> :v", vec![2_i32].into(), 6),
            ("id in (select unnest(:v))", vec![1_i64, 2].into(), 2),
            ("id in (:v)", vec![1_i64, 2].into(), 2),
            ("cardinality(:v::int8[]) = 0", Vec::<i64>::new().into(), 7),
        ] {
            let sql = t.sql(&format!("select count(*) from {{lists}} where {condition}"));
            for database in [&database, &sandbox] {
                let found: i64 = database.fetch_value(AssertSqlSafe(sql.0.clone()), params! { v: value.clone() }).await.unwrap();
                assert_eq!(found, expected, "{condition}");
            }
        }
        let error = database.fetch_all(t.sql("select id in (:v) or id = any(:v) from {lists}"), params! { v: vec![1] }).await;
        assert_says(&error.unwrap_err(), ErrorKind::Parameter, &[":v", "elsewhere", "ANY"]);
    }

    // A statement must tell the type of a parameter that stands alone.
    #[except(postgres, jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q4_a_list_outside_of_in_names_the_way_out_found_n4(t: Test) {
        let database = t.database().await;
        let error = database.fetch_all("select 1 = any(:v)", params! { v: vec![1, 2] }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &[":v", "IN (…)", "Json"]);
        let one: String =
            database.fetch_value("select coalesce(:v)", params! { v: vec![None, Some("one"), None] }).await.unwrap();
        assert_eq!(one, "one");
    }
}
