//! Q2: named and positional parameters, lists, and the mistakes with them.

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, Value, params};
use futures::TryStreamExt as _;

use super::{assert_says, ids, with_notes, with_rows};
use crate::drivers::{Bridge, Driver};
use crate::support::cases;

cases! {
    // They must know the type of a parameter that stands alone.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn q2_named_parameters_work_and_may_be_used_again(t: Test) {
        let database = with_rows(&t, 10).await;
        let sql =
            t.sql("select id from {notes} where (id = :id or n = :id or id = :other) and :id < :other order by id");
        assert_eq!(ids(&database, sql, params! { other: 9, id: 3 }).await, [3, 9]);
        // One name is the beginning of another, and one has letters beyond ASCII.
        let sql = t.sql("select id from {notes} where id = :a or id = :ab or id = :größe order by id");
        let params = params! { ab: 2, größe: 3, a: 1 };
        assert_eq!(ids(&database, sql, params).await, [1, 2, 3]);
        // A raw identifier stands for its name without the prefix.
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
        // Numbered parameters come in any order and may be repeated.
        let sql = t.sql("select id from {notes} where id = $2 or id between $1 and $1 + 1 or $2 = 0 order by id");
        assert_eq!(ids(&database, sql, (8, 3)).await, [3, 8, 9]);
        // MySQL itself requires a blank between a placeholder and a word.
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
    // Derby must know the type of a parameter that stands alone.
    #[except(postgres, jdbc_derby)]
    async fn q2_question_marks_may_have_numbers(t: Test) {
        let database = with_rows(&t, 10).await;
        let sql = t.sql("select id from {notes} where id = ?2 or id = ?1 or id = ?2 + ?1 order by id");
        assert_eq!(ids(&database, sql, (6, 3)).await, [3, 6, 9]);
    }

    // They have no `IN (…)` without members.
    #[except(jdbc_hsqldb, jdbc_derby)]
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

    // They have no `IN (…)` without members.
    #[except(jdbc_hsqldb, jdbc_derby)]
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
        // Together with other conditions, and twice in one text.
        let sql = t.sql(
            "select id from {notes} where (id in (:ids) or id = :id) and (id not in (:ids) or n in (:more)) order by id",
        );
        let params = params! { ids: nothing.clone(), id: 3, more: vec![3] };
        assert_eq!(ids(&database, sql, params).await, [3]);
        // An empty list is an error that names the parameter, where it would have no meaning.
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
        // Members may be null, which equals nothing.
        let sql = t.sql("select id from {notes} where id in (:a) order by id");
        assert_eq!(
            ids(&database, sql, params! { a: vec![Some(3_i64), None, Some(4)] }).await,
            [3, 4]
        );
    }

    async fn q2_a_list_beyond_the_limit_is_an_error_that_names_it(t: Test) {
        let database = with_rows(&t, 3).await;
        let sql = || t.sql("select id from {notes} where id in (:ids) order by id");
        let limit = if t.backend().is_sqlite() || t.backend() == crate::backends::Backend::Standard {
            32_766
        } else if t.driver().is_some_and(|driver| driver.bridge() == Bridge::Odbc) {
            32_767
        } else {
            65_535
        };
        let fits: Vec<i64> = (1..=limit).collect();
        assert_eq!(ids(&database, sql(), params! { ids: fits }).await, [1, 2, 3]);
        let ids: Vec<i64> = (1..=70_000).collect();
        let error = database.fetch_all(sql(), params! { ids }).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["70000", &limit.to_string()]);
    }

    // They must know the type of a parameter that stands alone.
    #[except(jdbc_hsqldb, jdbc_derby)]
    // Its driver takes a question mark in a comment for a parameter.
    #[except(odbc_sqlite)]
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
        // With positional values the operator is doubled; with `$1` it need not be.
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
                &[":note_id", "did you mean `noteid`?"],
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
            // Without values the question mark is an operator there, which the server does not find; psqlODBC wants a value.
            let kind = if t.driver() == Some(Driver::OdbcPostgres) { ErrorKind::Database } else { ErrorKind::Syntax };
            assert_eq!(error.kind(), kind);
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

    // The drivers of MariaDB write the values into such a text.
    // H2, HSQLDB and Derby take parameters in other statements.
    #[except(jdbc_mariadb, dbapi2_pymysql, jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q2_a_statement_that_takes_no_parameters_names_the_way_out_found_f15(t: Test) {
        let database = with_notes(&t).await;
        let tried: &[(&str, &str)] = match t.backend().family() {
            "postgres" => &[
                ("set application_name = :v", "set_config('name', :value, false)"),
                ("set role :v", "set_config('role', :value, false)"),
                ("notify c, :v", "pg_notify(:channel, :payload)"),
                ("create table {made} (a text default :v)", "quote_literal"),
                ("create view {made} as select :v as a", "quote_literal"),
                ("comment on table {notes} is :v", "quote_literal"),
                ("alter table {notes} alter body set default :v", "quote_literal"),
            ],
            "mysql" => &[
                ("create view {made} as select :v as a", "SELECT QUOTE(:value)"),
                ("create table :v (a int)", "SELECT QUOTE(:value)"),
                ("drop table :v", "SELECT QUOTE(:value)"),
            ],
            // DuckDB
            "standard" => &[
                ("create table {made} (a text default :v)", "each quote in it doubled"),
                ("create view {made} as select :v as a", "each quote in it doubled"),
                ("drop table :v", "each quote in it doubled"),
            ],
            _ => &[
                ("create table {made} (a text default :v)", "SELECT quote(:value)"),
                ("create view {made} as select :v as a", "SELECT quote(:value)"),
                ("pragma cache_size = :v", "pragma_name"),
            ],
        };
        for (sql, words) in tried {
            let error = database.execute(t.sql(sql), params! { v: "x" }).await.unwrap_err();
            let text = error.to_string();
            for once in ["takes no parameters", words] {
                assert_eq!(text.matches(once).count(), 1, "{sql}: {error:?} {text}");
            }
        }
        // A mistake elsewhere keeps its own advice.
        let error = database.execute("selec :v", params! { v: "x" }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        let error = database.execute("select :v fromm", params! { v: "x" }).await;
        assert!(error.is_ok() || !error.unwrap_err().to_string().contains("takes no parameters"));
    }

    #[only(mysql)]
    async fn q1_a_procedure_returns_the_rows_of_all_its_result_sets_found_f15(t: Test) {
        let database = t.database().await;
        let create = t.sql("create procedure {both}() begin select 1 as a union all select 2; select 'x' as b, 3 as c; end");
        database.execute(create, ()).await.unwrap();
        let rows = database.fetch_all(t.sql("call {both}()"), ()).await.unwrap();
        let (first, second): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.columns().eq(["a"]));
        assert_eq!(first.iter().map(|row| row.get::<i64>("a").unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(second.len(), 1);
        assert_eq!((second[0].get::<String>("b").unwrap(), second[0].get::<i64>("c").unwrap()), ("x".to_owned(), 3));
        let streamed: Vec<_> = database.iterate(t.sql("call {both}()"), ()).try_collect().await.unwrap();
        assert_eq!(streamed.len(), 3);
        for error in [
            database.fetch_all(t.sql("call {both}()"), ()).value::<i64>().await.unwrap_err(),
            database.fetch_all(t.sql("call {both}()"), ()).deserialize::<(i64,)>().await.unwrap_err(),
            database.fetch_all(t.sql("call {both}()"), ()).decode::<(i64,)>().await.unwrap_err(),
        ] {
            assert!(error.kind() == ErrorKind::Decode && error.to_string().contains("row.columns()"), "{error}");
        }
        database.execute(t.sql("drop procedure {both}"), ()).await.unwrap();
    }

    #[only(mysql)]
    async fn q2_the_sql_mode_of_the_url_is_that_of_the_server_found_f15(t: Test) {
        let database = |mode: &str| Config::from_url(t.url()).unwrap().server_setting("sql_mode", mode);
        let plain = Database::connect(database("NO_BACKSLASH_ESCAPES")).await.unwrap();
        let row = plain.fetch_one(r"select 'a\' as a, :v as v, '\' as b", params! { v: 7 }).await.unwrap();
        assert_eq!((row.get::<String>("a").unwrap(), row.get::<i64>("v").unwrap()), (r"a\".to_owned(), 7));
        let ansi = Database::connect(database("ANSI_QUOTES")).await.unwrap();
        let sql = r#"select "a\" as a, :v as v from (select 1 as "a\") as t"#;
        assert_eq!(ansi.fetch_one(sql, params! { v: 7 }).await.unwrap().get::<i64>("v").unwrap(), 7);
        let usual = Database::connect(t.url()).await.unwrap();
        let row = usual.fetch_one(r"select 'a\' :v' as a", ()).await.unwrap();
        assert_eq!(row.get::<String>("a").unwrap(), "a' :v");
    }
}
