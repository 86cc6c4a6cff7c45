//! Q1 to Q3, Q5 and Q6: the verbs, the parameters, the rows.

use std::collections::{BTreeMap, HashMap};

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, Params, Row, Value, bind, params};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Proxy, Test, cases};

/// A database with a table `{notes}` that is empty.
async fn with_notes(t: &Test) -> Database {
    let database = t.database().await;
    database
        .execute(
            t.sql("create table {notes} (id {int} not null primary key, body {text}, n {int})"),
            (),
        )
        .await
        .unwrap();
    database
}

/// The same, with `count` rows: their `n` is the id, and null where the id can be divided by five.
async fn with_rows(t: &Test, count: i64) -> Database {
    let database = with_notes(t).await;
    let rows = (1..=count).map(|id| (id, format!("note {id}"), (id % 5 != 0).then_some(id)));
    let done = database
        .execute_many(t.sql("insert into {notes} (id, body, n) values (?, ?, ?)"), rows)
        .await
        .unwrap();
    assert_eq!(done.rows_affected, count as u64);
    database
}

/// The ids that a statement finds, in order.
async fn ids(database: &Database, sql: AssertSqlSafe<String>, params: impl ebbtide::IntoParams) -> Vec<i64> {
    database.fetch_all(sql, params).value::<i64>().await.unwrap()
}

/// Asserts the kind of an error, and that its text holds all of these pieces.
#[track_caller]
fn assert_says(error: &Error, kind: ErrorKind, pieces: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for piece in pieces {
        assert!(text.contains(piece), "`{piece}` is not in: {text}");
    }
}

/// Runs every verb on something that has them.
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mood {
    Happy,
    Sad,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tags {
    words: Vec<String>,
    depth: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    id: i64,
    name: String,
    age: Option<i32>,
    mood: Mood,
    tags: Tags,
}

#[derive(Debug, PartialEq, sqlx::FromRow, Deserialize)]
struct Note {
    id: i64,
    body: Option<String>,
    n: Option<i64>,
}

cases! {
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
            // PostgreSQL does not tell; there it is RETURNING.
            let told = (!t.backend().is_postgres()).then_some(expected);
            assert_eq!(done.last_insert_id, told);
        }
        let update = || t.sql("update {keyed} set n = 1 where id >= :from");
        let done = database.execute(update(), params! { from: 2 }).await.unwrap();
        assert_eq!(done.rows_affected, 2);
        // Rows that were found count, whether or not they changed: alike on every backend.
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
            &[&format!("queries.rs:{line}"), "fetch_optional"],
        );
        let error = database
            .fetch_value::<i64>(nobody(), params! { id: 9 })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RowNotFound);
        // A value that is NULL is a row all the same.
        let null = || t.sql("select n from {notes} where id = 0 union all select null from {notes} where id = 1");
        assert_eq!(database.fetch_value::<Option<i64>>(null(), ()).await.unwrap(), None);
        let error = database.fetch_value::<i64>(null(), ()).await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["NULL", "Option<i64>"]);
    }

    async fn q2_named_parameters_work_and_may_be_used_again(t: Test) {
        let database = with_rows(&t, 10).await;
        let sql =
            t.sql("select id from {notes} where (id = :id or n = :id or id = :other) and :id < :other order by id");
        assert_eq!(ids(&database, sql, params! { other: 9, id: 3 }).await, [3, 9]);
        // A name that begins another one, and one with letters beyond ASCII.
        let sql = t.sql("select id from {notes} where id = :a or id = :ab or id = :größe order by id");
        let params = params! { ab: 2, größe: 3, a: 1 };
        assert_eq!(ids(&database, sql, params).await, [1, 2, 3]);
        // A raw identifier is meant without its prefix.
        let sql = t.sql("select id from {notes} where id = :type");
        assert_eq!(ids(&database, sql, params! { r#type: 4 }).await, [4]);
        // No blanks around a parameter.
        let sql = t.sql("select id from {notes} where id=:x+:x and id in(:x,:x+:x)");
        assert_eq!(ids(&database, sql, params! { x: 2 }).await, [4]);
    }

    async fn q2_positional_parameters_work_with_question_marks_and_dollars(t: Test) {
        let database = with_rows(&t, 10).await;
        let sql = t.sql("select id from {notes} where id = ? or id = ? order by id");
        assert_eq!(ids(&database, sql, (2, 7)).await, [2, 7]);
        // Numbered ones come in any order and may come again.
        let sql = t.sql("select id from {notes} where id = $2 or id between $1 and $1 + 1 or $2 = 0 order by id");
        assert_eq!(ids(&database, sql, (8, 3)).await, [3, 8, 9]);
        // MySQL itself wants a blank between a placeholder and a word.
        let sql = if t.backend().is_mysql() {
            "select id from {notes} where id=? or id=?"
        } else {
            "select id from {notes} where id=?or id=?"
        };
        assert_eq!(ids(&database, t.sql(sql), (4, 4)).await, [4]);
        let many: Vec<Value> = (1..=10).map(Value::from).collect();
        let sql =
            t.sql("select id from {notes} where id in ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) and id <> $10 and id <> $1");
        assert_eq!(ids(&database, sql, many).await.len(), 8);
    }

    /// `?1` is an operator and a number on PostgreSQL.
    #[except(postgres)]
    async fn q2_question_marks_may_have_numbers(t: Test) {
        let database = with_rows(&t, 10).await;
        let sql = t.sql("select id from {notes} where id = ?2 or id = ?1 or id = ?2 + ?1 order by id");
        assert_eq!(ids(&database, sql, (6, 3)).await, [3, 6, 9]);
    }

    async fn q2_lists_of_any_length_expand(t: Test) {
        let database = with_rows(&t, 40).await;
        for length in [0, 1, 2, 3, 4, 5, 8, 9, 33] {
            let wanted: Vec<i64> = (1..=length).collect();
            let sql = t.sql("select id from {notes} where id in (:ids) order by id");
            assert_eq!(ids(&database, sql, params! { ids: wanted.clone() }).await, wanted);
            let sql = t.sql("select id from {notes} where id not in (:ids) order by id");
            let others: Vec<i64> = (length + 1..=40).collect();
            assert_eq!(ids(&database, sql, params! { ids: wanted.clone() }).await, others);
            let sql = t.sql("select id from {notes} where id in (?) and id > ? order by id");
            assert_eq!(
                ids(&database, sql, (wanted.clone(), 2)).await,
                wanted.get(2..).unwrap_or_default()
            );
        }
    }

    async fn q2_an_empty_list_is_in_nothing_whatever_its_type(t: Test) {
        let database = with_rows(&t, 10).await;
        let all: Vec<i64> = (1..=10).collect();
        let nothing = Vec::<i64>::new();
        // `n` is NULL in the rows 5 and 10: they are not in the list either, and NOT IN holds for them.
        let sql = || t.sql("select id from {notes} where n in (:ids) order by id");
        assert_eq!(ids(&database, sql(), params! { ids: nothing.clone() }).await, nothing);
        let sql = || t.sql("select id from {notes} where n not in (:ids) order by id");
        assert_eq!(ids(&database, sql(), params! { ids: nothing.clone() }).await, all);
        let sql = || t.sql("select id from {notes} where body in (:words) order by id");
        assert_eq!(
            ids(&database, sql(), params! { words: Vec::<String>::new() }).await,
            nothing
        );
        let sql = || t.sql("select id from {notes} where body NOT  /* : */ IN ( :words ) order by id");
        assert_eq!(
            ids(&database, sql(), params! { words: Vec::<String>::new() }).await,
            all
        );
        // Beside other conditions, and twice in one text.
        let sql = t.sql(
            "select id from {notes} where (id in (:ids) or id = :id) and (id not in (:ids) or n in (:more)) order by id",
        );
        let params = params! { ids: nothing.clone(), id: 3, more: vec![3] };
        assert_eq!(ids(&database, sql, params).await, [3]);
        // A list where an empty one would have no meaning is an error that names it.
        let sql = t.sql("select id from {notes} where id in (1, :ids) order by id");
        let error = database.fetch_all(sql, params! { ids: nothing }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &[":ids", "empty"]);
    }

    async fn q2_lists_stand_beside_other_values(t: Test) {
        let database = with_rows(&t, 12).await;
        let sql = t.sql(
            "select id from {notes} where n in (:a) or body in (:words) or (id in (:a) and id in (:b)) or id = :c order by id",
        );
        let params = params! { a: vec![1, 5, 6], b: [5, 7], c: 12, words: vec!["note 2", "note 3"] };
        assert_eq!(ids(&database, sql, params).await, [1, 2, 3, 5, 6, 12]);
        let sql = t.sql("select id from {notes} where id in (11, :a) order by id");
        assert_eq!(ids(&database, sql, params! { a: vec![1, 2, 3] }).await, [1, 2, 3, 11]);
        // Members may be null, which is equal to nothing.
        let sql = t.sql("select id from {notes} where id in (:a) order by id");
        assert_eq!(
            ids(&database, sql, params! { a: vec![Some(3_i64), None, Some(4)] }).await,
            [3, 4]
        );
    }

    async fn q2_a_list_beyond_the_limit_is_an_error_that_names_it(t: Test) {
        let database = with_rows(&t, 3).await;
        let sql = || t.sql("select id from {notes} where id in (:ids) order by id");
        let limit = if t.backend().is_sqlite() { 32_766 } else { 65_535 };
        let fits: Vec<i64> = (1..=limit).collect();
        assert_eq!(ids(&database, sql(), params! { ids: fits }).await, [1, 2, 3]);
        let ids: Vec<i64> = (1..=70_000).collect();
        let error = database.fetch_all(sql(), params! { ids }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["70000", &limit.to_string()]);
    }

    async fn q2_what_only_looks_like_a_parameter_is_left_alone(t: Test) {
        let database = with_rows(&t, 2).await;
        let sql = t.sql(
            "select ':id ? $1 -- /*' as a, 'it''s :id' as b, '12:30' as c, :id as d -- :no ? $1 'quote
             /* :no ? $1 it's */ from {notes} where id = :id and body <> ':id?' /* 12:30 */",
        );
        let row = database.fetch_one(sql, params! { id: 2 }).await.unwrap();
        assert_eq!(row.get::<String>("a").unwrap(), ":id ? $1 -- /*");
        assert_eq!(row.get::<String>("b").unwrap(), "it's :id");
        assert_eq!(row.get::<String>("c").unwrap(), "12:30");
        assert_eq!(row.get::<i64>("d").unwrap(), 2);
        // Without parameters the text is sent as it is.
        let value: String = database.fetch_value("select ':id ? $1'", ()).await.unwrap();
        assert_eq!(value, ":id ? $1");
        // A colon that would begin a parameter is written with a backslash.
        let quoted = if t.backend().is_mysql() { "`\\:x`" } else { "\"\\:x\"" };
        let error = database
            .fetch_all(AssertSqlSafe(format!("select 1 as {quoted}, :y")), ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &[":y"]);
    }

    #[only(postgres)]
    async fn q2_postgres_casts_dollar_quotes_slices_and_json_operators(t: Test) {
        let database = t.database().await;
        let row = database
            .fetch_one(
                r#"select :n::int8 as a, '7'::int as b, $$:x ? $1$$ as c, $tag$ $$ :y $tag$ as d, E'\':z' as e,
                   1 as ":w", /* outer /* :v */ :u */ (array[1,2,3,4])[2:3] as f, (array[1,2,3,4])[:lo : :hi] as g,
                   '{"a":1}'::jsonb ? :key as h, '{"a":1}'::jsonb ?| array[:key] as i, '{"a":1}'::jsonb ?& array['b'] as j,
                   '{"a":1}'::jsonb @? '$.a' as k, '12:30'::time = :time as l, U&'d\0061t:a' as m"#,
                params! { n: 5, lo: 1, hi: 2, key: "a", time: chrono::NaiveTime::from_hms_opt(12, 30, 0) },
            )
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("a").unwrap(), 5);
        assert_eq!(row.get::<i64>("b").unwrap(), 7);
        assert_eq!(row.get::<String>("c").unwrap(), ":x ? $1");
        assert_eq!(row.get::<String>("d").unwrap(), " $$ :y ");
        assert_eq!(row.get::<String>("e").unwrap(), "':z");
        assert_eq!(row.get::<i64>(":w").unwrap(), 1);
        assert_eq!(row.get::<Vec<i64>>("f").unwrap(), [2, 3]);
        assert_eq!(row.get::<Vec<i64>>("g").unwrap(), [1, 2]);
        let operators = ["h", "i", "j", "k", "l"].map(|name| row.get::<bool>(name).unwrap());
        assert_eq!(operators, [true, true, false, true, true]);
        assert_eq!(row.get::<String>("m").unwrap(), "dat:a");
        // Beside values by position the operator is doubled; beside `$1` it need not be.
        let sql = r#"select '{"a":1}'::jsonb ?? ? and not '{"a":1}'::jsonb ?? ?"#;
        assert!(database.fetch_value::<bool>(sql, ("a", "b")).await.unwrap());
        let sql = r#"select '{"a":1}'::jsonb ? $1 and not '{"a":1}'::jsonb ? $2"#;
        assert!(database.fetch_value::<bool>(sql, ("a", "b")).await.unwrap());
        assert!(
            database
                .fetch_value::<bool>(r#"select '{"a":1}'::jsonb ? 'a'"#, ())
                .await
                .unwrap()
        );
    }

    #[only(mysql)]
    async fn q2_mysql_backslashes_double_quotes_and_assignments(t: Test) {
        let database = t.database().await;
        let row = database
            .fetch_one(
                r#"select 'it\'s :x' as a, "say \":y\" ?" as b, `z`.`:w` as c, :n as d, 5--1 as e # :comment ?
                   from (select 1 as `:w`) as z"#,
                params! { n: 5 },
            )
            .await
            .unwrap();
        assert_eq!(row.get::<String>("a").unwrap(), "it's :x");
        assert_eq!(row.get::<String>("b").unwrap(), "say \":y\" ?");
        assert_eq!(row.get::<i64>("c").unwrap(), 1);
        assert_eq!(row.get::<i64>("d").unwrap(), 5);
        assert_eq!(row.get::<i64>("e").unwrap(), 6);
        let connection = database.connection();
        connection.execute("set @total := 4", ()).await.unwrap();
        let value: i64 = connection
            .fetch_value("select (@total:=@total + :n) /*!40000 + :n */", params! { n: 1 })
            .await
            .unwrap();
        assert_eq!(value, 6);
    }

    #[only(sqlite)]
    async fn q2_sqlite_quotes_in_four_ways(t: Test) {
        let database = t.database().await;
        let row = database
            .fetch_one(
                r#"select z.[:a ?] as a, z.":b" as b, z.`:c` as c, '\' || :n as d
                   from (select 1 as ":a ?", 2 as ":b", 3 as ":c") as z"#,
                params! { n: "x" },
            )
            .await
            .unwrap();
        let numbers = ["a", "b", "c"].map(|name| row.get::<i64>(name).unwrap());
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(row.get::<String>("d").unwrap(), "\\x");
    }

    async fn q2_mistakes_with_names_are_errors_that_name_them(t: Test) {
        let database = with_rows(&t, 2).await;
        let sql = || t.sql("update {notes} set body = :body where id = :note_id");
        let secret = "s3cr3t";
        for (params, pieces) in [
            (params! { body: secret }, &[":note_id", "not given", "body"][..]),
            (
                params! { body: secret, noteid: 1 },
                &[":note_id", "is \"noteid\" meant?"],
            ),
            (
                params! { body: secret, note_id: 1, extra: 2 },
                &["`extra` is not used", ":body", ":note_id"],
            ),
            (params! {}, &[":body", ":note_id", "no parameters were given"]),
        ] {
            let error = database.execute(sql(), params).await.unwrap_err();
            assert_says(&error, ErrorKind::Parameter, pieces);
            assert!(
                !format!("{error} {error:?}").contains(secret),
                "a value is shown: {error:?}"
            );
        }
        let twice = vec![
            ("body", Value::from("a")),
            ("note_id", Value::from(1)),
            ("body", Value::from("b")),
        ];
        let error = database.execute(sql(), twice).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`body`", "twice"]);
        let error = database.execute(sql(), ("a", 1)).await.unwrap_err();
        assert_says(
            &error,
            ErrorKind::Parameter,
            &[":body", ":note_id", "2 values", "without a name"],
        );
        let error = database
            .execute(t.sql("delete from {notes}"), params! { id: 1 })
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["no parameters", "id"]);
        // Nothing was sent.
        assert_eq!(
            ids(&database, t.sql("select id from {notes} where body like 'note%'"), ())
                .await
                .len(),
            2
        );
    }

    async fn q2_mistakes_with_places_are_errors_that_count_them(t: Test) {
        let database = with_rows(&t, 2).await;
        let delete = || t.sql("delete from {notes} where id = ? and n = ?");
        let error = database.execute(delete(), ()).await.unwrap_err();
        if t.backend().is_postgres() {
            // Without values the question mark is an operator there, which the server does not find.
            assert_eq!(error.kind(), ErrorKind::Syntax);
        } else {
            assert_says(&error, ErrorKind::Parameter, &["2 placeholders", "no values"]);
        }
        let error = database
            .execute(t.sql("delete from {notes} where id = $1"), ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["1 placeholder", "no values"]);
        let error = database.execute(delete(), params! { a: 1 }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["without names", "a"]);
        let error = database.execute(delete(), (1,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["2 placeholders", "1 value"]);
        let error = database.execute(delete(), (1, 2, 3)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["2 placeholders", "3 values"]);
        let error = database.execute(t.sql("delete from {notes}"), (1,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["no placeholders", "1 value"]);
        let error = database
            .execute(t.sql("delete from {notes} where id = $1 or id = $3"), (1, 2, 3))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["value 2 is not used"]);
        let error = database
            .execute(t.sql("delete from {notes} where id = $1 or id = :x"), (1,))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["$1", ":name"]);
        assert_eq!(ids(&database, t.sql("select id from {notes}"), ()).await.len(), 2);
    }

    async fn q2_a_mistake_leaves_a_transaction_usable(t: Test) {
        let database = with_rows(&t, 2).await;
        let transaction = database.transaction().await.unwrap();
        let sql = || t.sql("update {notes} set n = :n where id = 1");
        assert_eq!(
            transaction.execute(sql(), ()).await.unwrap_err().kind(),
            ErrorKind::Parameter
        );
        assert_eq!(
            transaction
                .execute(sql(), params! { n: 1, m: 2 })
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Parameter
        );
        transaction.execute(sql(), params! { n: 77 }).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(t.committed(&database, "select n from {notes} where id = 1").await, 77);
    }

    async fn q3_parameters_come_from_everything(t: Test) {
        #[derive(Serialize)]
        struct New<'a> {
            id: i64,
            body: &'a str,
            n: Option<i32>,
        }
        let database = with_notes(&t).await;
        let named = || t.sql("insert into {notes} (id, body, n) values (:id, :body, :n)");
        let places = || t.sql("insert into {notes} (id, body, n) values (?, ?, ?)");
        let (id, n) = (1, Some(7));
        database.execute(named(), params! { id, body: "b", n }).await.unwrap();
        database
            .execute(
                named(),
                bind(&New {
                    id: 2,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database
            .execute(
                named(),
                bind(New {
                    id: 3,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database
            .execute(named(), json!({ "id": 4, "body": "b", "n": 7 }))
            .await
            .unwrap();
        let map: HashMap<&'static str, Value> = [("id", 5.into()), ("body", "b".into()), ("n", 7.into())].into();
        database.execute(named(), map).await.unwrap();
        let map: BTreeMap<String, Value> = [
            ("id".to_owned(), 6.into()),
            ("body".to_owned(), "b".into()),
            ("n".to_owned(), 7.into()),
        ]
        .into();
        database.execute(named(), map).await.unwrap();
        let pairs = [
            ("id", Value::from(7)),
            ("body", Value::from("b")),
            ("n", Value::from(7)),
        ];
        database.execute(named(), pairs).await.unwrap();
        let map: HashMap<String, i64> = [("id".to_owned(), 8), ("n".to_owned(), 7)].into();
        database
            .execute(
                t.sql("insert into {notes} (id, body, n) values (:id, 'b', :n)"),
                bind(&map),
            )
            .await
            .unwrap();
        database
            .execute(
                named(),
                Params::from_serialize(&New {
                    id: 9,
                    body: "b",
                    n: Some(7),
                }),
            )
            .await
            .unwrap();
        database.execute(places(), (10, "b", 7)).await.unwrap();
        database
            .execute(places(), vec![Value::from(11), "b".into(), 7.into()])
            .await
            .unwrap();
        database
            .execute(places(), [Value::from(12), "b".into(), 7.into()])
            .await
            .unwrap();
        database.execute(places(), json!([13, "b", 7])).await.unwrap();
        database.execute(places(), bind((14, "b", 7))).await.unwrap();
        let kept = params! { id: 15, body: String::from("b"), n: &7_i64 };
        database.execute(named(), &kept).await.unwrap();
        let same = t.sql("select id from {notes} where body = 'b' and n = 7 order by id");
        assert_eq!(ids(&database, same, ()).await, (1..=15).collect::<Vec<i64>>());
        // NULL from all of them.
        database
            .execute(named(), params! { id: 21, body: None::<&str>, n: Value::Null })
            .await
            .unwrap();
        database
            .execute(named(), json!({ "id": 22, "body": null, "n": null }))
            .await
            .unwrap();
        database
            .execute(places(), (23, None::<String>, None::<i16>))
            .await
            .unwrap();
        let nulls = t.sql("select id from {notes} where body is null and n is null order by id");
        assert_eq!(ids(&database, nulls, ()).await, [21, 22, 23]);
    }

    async fn q3_what_cannot_be_a_parameter_is_an_error_that_names_it(t: Test) {
        let database = with_notes(&t).await;
        let sql = || t.sql("insert into {notes} (id, n) values (:id, :n)");
        let error = database.execute(sql(), bind(7)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["struct", "map", "tuple"]);
        let error = database
            .execute(
                sql(),
                json!({ "id": 1, "n": u128::MAX.to_string().parse::<f64>().unwrap() }),
            )
            .await;
        // A float for an integer column: whatever the server makes of it, the library does not break.
        drop(error);
        let numbers: BTreeMap<i32, i32> = [(1, 2)].into();
        let error = database.execute(sql(), bind(&numbers)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["keys", "text"]);
        #[derive(Serialize)]
        struct Large {
            id: i64,
            n: u128,
        }
        let error = database
            .execute(sql(), bind(Large { id: 1, n: u128::MAX }))
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["`n`", "96 bits"]);
    }

    async fn q3_structs_with_enums_options_and_documents_go_there_and_back(t: Test) {
        let database = t.database().await;
        let create = "create table {people} (id {int} primary key, name {text}, age {int}, mood {key}, tags {json})";
        database.execute(t.sql(create), ()).await.unwrap();
        let people: Vec<Person> = (1..=3)
            .map(|id| Person {
                id,
                name: format!("Jürgen {id}"),
                age: (id != 2).then_some(id as i32 * 20),
                mood: if id == 3 { Mood::Sad } else { Mood::Happy },
                tags: Tags {
                    words: vec!["a \"b\" \\ c".to_owned(); id as usize - 1],
                    depth: id as u8,
                },
            })
            .collect();
        let insert =
            || t.sql("insert into {people} (id, name, age, mood, tags) values (:id, :name, :age, :mood, :tags)");
        database.execute(insert(), bind(&people[0])).await.unwrap();
        database
            .execute_many(insert(), people[1..].iter().map(bind))
            .await
            .unwrap();
        let select = || t.sql("select * from {people} order by id");
        let read: Vec<Person> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, people);
        let read: Person = database.fetch_one(select(), ()).deserialize().await.unwrap();
        assert_eq!(read, people[0]);
        let moods: Vec<Mood> = database
            .fetch_all(t.sql("select mood from {people} order by id"), ())
            .deserialize()
            .await
            .unwrap();
        assert_eq!(moods, [Mood::Happy, Mood::Happy, Mood::Sad]);
        let tags: Vec<ebbtide::Json<Tags>> = database
            .fetch_all(t.sql("select tags from {people} order by id"), ())
            .value()
            .await
            .unwrap();
        assert_eq!(tags[2].0, people[2].tags);
        // Found again by one of its fields.
        let found: i64 = database
            .fetch_value(
                t.sql("select id from {people} where mood = :mood"),
                bind(json!({ "mood": "sad" })),
            )
            .await
            .unwrap();
        assert_eq!(found, 3);
    }

    async fn q3_rows_become_everything(t: Test) {
        let database = with_rows(&t, 5).await;
        let select = || t.sql("select id, body, n from {notes} order by id");
        let expected: Vec<Note> = (1..=5)
            .map(|id| Note {
                id,
                body: Some(format!("note {id}")),
                n: (id != 5).then_some(id),
            })
            .collect();

        let derived: Vec<Note> = database.fetch_all(select(), ()).decode().await.unwrap();
        assert_eq!(derived, expected);
        let deserialized: Vec<Note> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(deserialized, expected);
        let tuples: Vec<(i64, String, Option<i64>)> = database.fetch_all(select(), ()).decode().await.unwrap();
        assert_eq!(tuples[4], (5, "note 5".to_owned(), None));
        let tuples: Vec<(i64, String, Option<i64>)> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(tuples[0], (1, "note 1".to_owned(), Some(1)));
        let numbers: Vec<i32> = database.fetch_all(select(), ()).value().await.unwrap();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let one: Note = database.fetch_one(select(), ()).decode().await.unwrap();
        assert_eq!(one, expected[0]);
        let some: Option<(i64, String, Option<i64>)> = database.fetch_optional(select(), ()).decode().await.unwrap();
        assert_eq!(some.unwrap().0, 1);
        let json: Vec<serde_json::Value> = database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(json[0], json!({ "id": 1, "body": "note 1", "n": 1 }));
        assert_eq!(json[4], json!({ "id": 5, "body": "note 5", "n": null }));
        let maps: Vec<HashMap<String, serde_json::Value>> =
            database.fetch_all(select(), ()).deserialize().await.unwrap();
        assert_eq!(maps[1]["body"], json!("note 2"));

        let row = database.fetch_one(select(), ()).await.unwrap();
        assert_eq!(row.to_json().unwrap(), json[0]);
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "body", "n"]);
        assert_eq!(row.len(), 3);
        assert_eq!(
            row.values().unwrap(),
            [Value::I64(1), Value::Text("note 1".into()), Value::I64(1)]
        );
        assert_eq!(row.to_map().unwrap()["body"], Value::Text("note 1".into()));
        let pairs: Vec<(&str, Value)> = row.iter().map(|(name, value)| (name, value.unwrap())).collect();
        assert_eq!(pairs[2], ("n", Value::I64(1)));
        let borrowed: (i64, &str, Option<i64>) = row.deserialize().unwrap();
        assert_eq!(borrowed, (1, "note 1", Some(1)));
        // `Debug` shows names, never values.
        assert!(format!("{row:?}").contains("body") && !format!("{row:?}").contains("note 1"));
    }

    async fn q3_names_that_occur_twice_are_kept_and_never_guessed(t: Test) {
        let database = with_rows(&t, 1).await;
        let sql = t.sql("select a.id, b.body, a.id + 1 as id from {notes} a join {notes} b on a.id = b.id");
        let row = database.fetch_one(sql, ()).await.unwrap();
        assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "body", "id"]);
        assert_eq!((row.get::<i64>(0).unwrap(), row.get::<i64>(2).unwrap()), (1, 2));
        for error in [
            row.get::<i64>("id").unwrap_err(),
            row.to_map().unwrap_err(),
            row.to_json().unwrap_err(),
            row.deserialize::<serde_json::Value>().unwrap_err(),
        ] {
            assert_says(&error, ErrorKind::Decode, &["`id`", "ambiguous", "0 and 2"]);
        }
        assert_eq!(row.get::<String>("body").unwrap(), "note 1");
        let tuple: (i64, String, i64) = row.deserialize().unwrap();
        assert_eq!(tuple, (1, "note 1".to_owned(), 2));
        let error = row.get::<i64>("bodi").unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`bodi`", "did you mean `body`?"]);
        let error = row.get::<i64>(3).unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column 3", "3 columns"]);
    }

    async fn q3_rows_that_do_not_fit_are_errors_that_say_why(t: Test) {
        let database = with_rows(&t, 1).await;
        let select = || t.sql("select id, body from {notes}");
        let error = database.fetch_one(select(), ()).deserialize::<Note>().await;
        // An Option may be missing.
        assert_eq!(error.unwrap().n, None);
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[allow(dead_code)]
            missing: i64,
        }
        let error = database
            .fetch_one(select(), ())
            .deserialize::<Strict>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`missing`", "`id`, `body`"]);
        let error = database
            .fetch_one(select(), ())
            .deserialize::<(i64,)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["2 columns", "tuple"]);
        let error = database
            .fetch_one(select(), ())
            .deserialize::<(i64, i64)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`body`", "i64", "text"]);
        let error = database
            .fetch_one(select(), ())
            .decode::<(i64, i64)>()
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["column", "1", "i64"]);
        let error = database.fetch_one(select(), ()).decode::<Note>().await.unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["n", "Note"]);
        // The connection is as good as before.
        assert_eq!(ids(&database, t.sql("select id from {notes}"), ()).await, [1]);
    }

    async fn q5_text_is_static_or_asserted(t: Test) {
        let database = with_rows(&t, 2).await;
        let text: &'static str = "select 1";
        assert_eq!(database.fetch_value::<i64>(text, ()).await.unwrap(), 1);
        let made = format!("select {} + ?", 40);
        assert_eq!(
            database
                .fetch_value::<i64>(AssertSqlSafe(made.as_str()), (2,))
                .await
                .unwrap(),
            42
        );
        assert_eq!(
            database.fetch_value::<i64>(AssertSqlSafe(made), (2,)).await.unwrap(),
            42
        );
    }

    async fn q5_a_script_without_parameters_runs_as_a_whole(t: Test) {
        let database = with_rows(&t, 4).await;
        let script = t.sql(
            "update {notes} set n = 1 where id <= 2; -- a ; in a comment
             insert into {notes} (id, body) values (9, 'a ; in a text');
             delete from {notes} where id = 3",
        );
        assert_eq!(database.execute(script, ()).await.unwrap().rows_affected, 4);
        assert_eq!(
            ids(&database, t.sql("select id from {notes} order by id"), ()).await,
            [1, 2, 4, 9]
        );
        // One mistake in it is an error, and the connection goes on.
        let connection = database.connection();
        let broken = t.sql("select 1; select nonsense from {notes}; select 2");
        assert_eq!(
            connection.execute(broken, ()).await.unwrap_err().kind(),
            ErrorKind::UndefinedObject
        );
        assert_eq!(connection.fetch_value::<i64>("select 3", ()).await.unwrap(), 3);
    }

    async fn q5_text_with_a_nul_is_refused_before_it_is_sent(t: Test) {
        let database = with_rows(&t, 2).await;
        let connection = database.connection();
        for text in ["select 1\0", "select 1 \0; delete from {notes}", "select '\0'", "\0"] {
            for _ in 0..2 {
                let error = connection.execute(t.sql(text), ()).await.unwrap_err();
                assert_says(&error, ErrorKind::Syntax, &["NUL"]);
            }
            assert_eq!(
                connection
                    .fetch_value::<i64>(t.sql("select count(*) from {notes}"), ())
                    .await
                    .unwrap(),
                2
            );
        }
    }

    async fn q5_text_that_is_empty_or_only_a_comment_breaks_nothing(t: Test) {
        let database = with_rows(&t, 2).await;
        let connection = database.connection();
        for text in ["", "  ", ";", "-- nothing", "/* nothing */", ";;"] {
            // Servers differ in what they make of it.
            if let Ok(done) = connection.execute(text, ()).await {
                assert_eq!(done.rows_affected, 0);
            }
            assert_eq!(
                connection.fetch_value::<i64>("select 7", ()).await.unwrap(),
                7,
                "after {text:?}"
            );
        }
    }

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
        // Every value is where it belongs.
        let wrong = t.sql("select count(*) from {notes} where body <> cast(n as char(9)) or n <> id % 10000");
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

    /// MySQL itself has no RETURNING; MariaDB has.
    async fn q6_returning_gives_the_rows_of_all_in_their_order(t: Test) {
        let database = t.database().await;
        if t.backend().is_mysql() {
            let version: String = database.fetch_value("select version()", ()).await.unwrap();
            if !version.contains("MariaDB") {
                return;
            }
        }
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
            // What RETURNING gave was also counted.
            assert_eq!(done.rows_affected, 1_500);
        }
    }

    async fn q6_all_rows_or_none(t: Test) {
        let database = with_rows(&t, 3).await;
        let insert = || t.sql("insert into {notes} (id, body) values (:id, :body)");
        let count = "select count(*) from {notes}";
        // The one before the last is there already, so many others were sent before it.
        let rows = |from: i64| {
            (from..from + 1_500).map(move |id| params! { id: if id == from + 1_498 { 2 } else { id }, body: "new" })
        };
        let error = database.execute_many(insert(), rows(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert_eq!(error.constraint().unwrap().kind, ebbtide::ConstraintKind::Unique);
        assert_eq!(t.committed(&database, count).await, 3);

        // In a transaction the others of it stay, and it goes on.
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

    async fn q6_rows_of_many_bytes_are_sent_in_several_messages(t: Test) {
        let database = with_notes(&t).await;
        let large = "äöü€".repeat(20_000);
        let rows = (0..200_i64).map(|id| (id, large.as_str()));
        let insert = t.sql("insert into {notes} (id, body) values (?, ?)");
        assert_eq!(database.execute_many(insert, rows).await.unwrap().rows_affected, 200);
        let same = t.sql("select count(*) from {notes} where body = ?");
        assert_eq!(database.fetch_value::<i64>(same, (large,)).await.unwrap(), 200);
    }

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
        // The second sees what the first has inserted.
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
