use super::*;

/// Asserts the text that the dialect sends with `:a`, which must be bound exactly once.
fn one(dialect: Dialect, sql: &str, expected: &str) {
    let (text, values) = sent(dialect, sql, named(&[("a", 7)]));
    assert_eq!(
        (text.as_str(), values.as_slice()),
        (expected, &[7][..]),
        "{dialect}: {sql}"
    );
}

/// Asserts that the text is sent unchanged, without parameters.
fn untouched(dialect: Dialect, sql: &str) {
    let bound = bind(dialect, sql, none());
    assert_eq!((bound.statement.text(), bound.values.len()), (sql, 0), "{dialect}");
    assert_eq!(bound.statement.sql().as_str(), sql);
}

#[test]
fn q2_each_backend_gets_its_own_placeholders() {
    let sql = "SELECT :a, :b, :a";
    let params = || named(&[("a", 1), ("b", 2)]);
    assert_eq!(
        sent(Dialect::Postgres, sql, params()),
        ("SELECT $1, $2, $1".into(), vec![1, 2])
    );
    assert_eq!(
        sent(Dialect::MySql, sql, params()),
        ("SELECT ?, ?, ?".into(), vec![1, 2, 1])
    );
    assert_eq!(
        sent(Dialect::Sqlite, sql, params()),
        ("SELECT $2, ?, $2".into(), vec![2, 1])
    );
}

#[test]
fn q2_strings_hold_no_parameters() {
    for dialect in ALL {
        one(
            dialect,
            "SELECT ':x ? $1 it''s :x', :a",
            &sent(dialect, "SELECT ':x ? $1 it''s :x', :a", named(&[("a", 7)])).0,
        );
        untouched(dialect, "SELECT '12:30', 'a'':b', ''':c'");
        untouched(dialect, "SELECT \":x ? $1\"");
        untouched(dialect, "SELECT 'no end :x ?");
    }
    one(Dialect::MySql, r"SELECT 'a\':b', :a", r"SELECT 'a\':b', ?");
    one(
        Dialect::MySql,
        r#"SELECT "a\":b", `c:d`, :a"#,
        r#"SELECT "a\":b", `c:d`, ?"#,
    );
    one(Dialect::Sqlite, r"SELECT 'a\', :a", r"SELECT 'a\', ?");
    one(
        Dialect::Sqlite,
        "SELECT [a:b], `c:d`, \"e:f\", :a",
        "SELECT [a:b], `c:d`, \"e:f\", ?",
    );
    one(Dialect::Postgres, r"SELECT 'a\', :a", r"SELECT 'a\', $1");
}

#[test]
fn q2_postgres_has_its_own_strings() {
    let pg = Dialect::Postgres;
    one(pg, r"SELECT E'a\':b', e'\\', :a", r"SELECT E'a\':b', e'\\', $1");
    one(pg, "SELECT E'a'\n  'b\\':c', :a", "SELECT E'a'\n  'b\\':c', $1");
    one(
        pg,
        "SELECT B'01', X'ff', U&'\\0041:b', :a",
        "SELECT B'01', X'ff', U&'\\0041:b', $1",
    );
    one(pg, "SELECT $$:x ? $1$$, :a", "SELECT $$:x ? $1$$, $1");
    one(pg, "SELECT $f$ $$ :x $g$ $f$, :a", "SELECT $f$ $$ :x $g$ $f$, $1");
    one(pg, "SELECT name$1$ , :a", "SELECT name$1$ , $1");
    untouched(pg, "DO $$ BEGIN RAISE NOTICE ':x %', 1; END $$");
    untouched(pg, "SELECT $f$ no end :x");
}

#[test]
fn q2_comments_hold_no_parameters() {
    for dialect in ALL {
        untouched(dialect, "SELECT 1 -- :x ? it's\n");
        untouched(dialect, "SELECT /* :x ? it's */ 1");
        untouched(dialect, "SELECT 1 /* no end :x");
    }
    one(
        Dialect::Postgres,
        "SELECT /* /* :x */ :y */ :a",
        "SELECT /* /* :x */ :y */ $1",
    );
    one(Dialect::Sqlite, "SELECT /* /* :x */ :a", "SELECT /* /* :x */ ?");
    one(Dialect::MySql, "SELECT /* /* :x */ :a", "SELECT /* /* :x */ ?");
    one(Dialect::MySql, "SELECT :a # :x\n", "SELECT ? # :x\n");
    one(Dialect::MySql, "SELECT 5--:a", "SELECT 5--?");
    one(Dialect::Postgres, "SELECT '{}' #> :a", "SELECT '{}' #> $1");
}

#[test]
fn q2_mysql_comments_with_code_are_code() {
    one(Dialect::MySql, "SELECT /*!80000 :a */", "SELECT /*!80000 ? */");
    one(
        Dialect::MySql,
        "SELECT /*M! :a, ':x */' */",
        "SELECT /*M! ?, ':x */' */",
    );
    one(Dialect::MySql, "SELECT /*+ hint(:x) */ :a", "SELECT /*+ hint(:x) */ ?");
}

#[test]
fn q2_casts_assignments_and_slices_are_not_parameters() {
    let pg = Dialect::Postgres;
    one(pg, "SELECT :a::int, x::text", "SELECT $1::int, x::text");
    one(pg, "SELECT f(x := :a)", "SELECT f(x := $1)");
    one(pg, "SELECT f(x:=:a)", "SELECT f(x:=$1)");
    one(
        pg,
        "SELECT v[1:2], v[1:n], v[lo:hi], v[f(1):n], v[w[1]:n], v[1 :n], :a",
        "SELECT v[1:2], v[1:n], v[lo:hi], v[f(1):n], v[w[1]:n], v[1 :n], $1",
    );
    one(pg, "SELECT v[:a]", "SELECT v[$1]");
    one(pg, "SELECT v[:a:hi]", "SELECT v[$1:hi]");
    one(pg, "SELECT v[1: :a]", "SELECT v[1: $1]");
    one(Dialect::MySql, "SELECT @x:=:a", "SELECT @x:=?");
    untouched(
        Dialect::MySql,
        "CREATE PROCEDURE p() BEGIN again:LOOP LEAVE again; END LOOP; END",
    );
    // SQLite takes `:2` for a parameter.
    for dialect in [pg, Dialect::MySql] {
        untouched(dialect, "SELECT a : b, 1:2, :1");
    }
}

#[test]
fn q2_a_backslash_makes_a_colon_a_colon() {
    // SQLite would take `:x` for a parameter.
    for dialect in [Dialect::Postgres, Dialect::MySql] {
        assert_eq!(sent(dialect, r"SELECT \:x", none()).0, "SELECT :x");
    }
    one(Dialect::Postgres, r"SELECT v[1\:n], \:x, :a", "SELECT v[1:n], :x, $1");
}

#[test]
fn q2_names_are_words_of_any_alphabet() {
    let params = || named(&[("größe", 1), ("_b2", 2)]);
    assert_eq!(
        sent(Dialect::Postgres, "SELECT :größe,:_b2", params()).0,
        "SELECT $1,$2"
    );
    assert_eq!(
        sent(Dialect::Postgres, "SELECT (:größe).x, :_b2;", params()).0,
        "SELECT ($1).x, $2;"
    );
}

#[test]
fn q2_question_marks_and_numbers_bind_by_position() {
    for sql in ["SELECT ?, ?", "SELECT $1, $2"] {
        assert_eq!(
            sent(Dialect::Postgres, sql, positional(&[1, 2])),
            ("SELECT $1, $2".into(), vec![1, 2])
        );
        assert_eq!(
            sent(Dialect::MySql, sql, positional(&[1, 2])),
            ("SELECT ?, ?".into(), vec![1, 2])
        );
        assert_eq!(
            sent(Dialect::Sqlite, sql, positional(&[1, 2])),
            ("SELECT ?, ?".into(), vec![1, 2])
        );
    }
    assert_eq!(
        sent(Dialect::MySql, "SELECT $2, $1, $2", positional(&[1, 2])),
        ("SELECT ?, ?, ?".into(), vec![2, 1, 2])
    );
    assert_eq!(
        sent(Dialect::Sqlite, "SELECT ?2, ?1", positional(&[1, 2])),
        ("SELECT ?, ?".into(), vec![2, 1])
    );
    assert_eq!(
        sent(Dialect::Postgres, "SELECT x LIKE?AND y", positional(&[1])).0,
        "SELECT x LIKE $1 AND y"
    );
    assert_eq!(
        sent(Dialect::Sqlite, "SELECT x LIKE?AND y", positional(&[1])).0,
        "SELECT x LIKE ? AND y"
    );
}

#[test]
fn q2_json_operators_of_postgres_are_not_placeholders() {
    let pg = Dialect::Postgres;
    untouched(pg, "SELECT d ? 'k', d ?| a, d ?& a, d @? '$.k'");
    one(pg, "SELECT d ? 'k', d ?| a, :a", "SELECT d ? 'k', d ?| a, $1");
    let sql = "SELECT d ? 'k' FROM t WHERE id = $1";
    assert_eq!(sent(pg, sql, positional(&[1])), (sql.into(), vec![1]));
    let sql = "SELECT d ?? 'k', d ?| a, d ??| a, x LIKE ?||'%' FROM t WHERE id = ?";
    let expected = "SELECT d ? 'k', d ?| a, d ?| a, x LIKE $1||'%' FROM t WHERE id = $2";
    assert_eq!(sent(pg, sql, positional(&[1, 2])), (expected.into(), vec![1, 2]));
    assert_eq!(sent(pg, "SELECT d ?? 'k'", none()).0, "SELECT d ? 'k'");
    let message = refused(pg, "SELECT d ? 'k' FROM t WHERE id = ?", positional(&[1]));
    assert!(
        message.contains("2 placeholders") && message.contains("??"),
        "{message}"
    );
}

#[test]
fn q2_numbers_in_a_definition_are_left_alone() {
    untouched(Dialect::Postgres, "PREPARE p (int) AS SELECT $1 + 1");
    untouched(
        Dialect::Postgres,
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN $1 + 1",
    );
    assert!(refused(Dialect::Postgres, "SELECT $1", none()).contains("1 placeholder"));
}

#[test]
fn q2_two_sorts_of_placeholders_are_refused() {
    for (dialect, sql) in [
        (Dialect::Postgres, "SELECT :a, $1"),
        (Dialect::MySql, "SELECT :a, ?"),
        (Dialect::Sqlite, "SELECT ?1, ?"),
        (Dialect::Sqlite, "SELECT $1, :a"),
    ] {
        assert!(refused(dialect, sql, none()).starts_with("the statement mixes two kinds of placeholders"));
    }
}

#[test]
fn sqlite_and_mysql_keep_their_variables() {
    untouched(Dialect::MySql, "SELECT @x, @@autocommit, a$1, $1a");
    untouched(Dialect::Sqlite, "SELECT a$1");
}

#[test]
fn only_texts_that_gain_from_it_are_prepared() {
    let script = |dialect, sql: &str| bind(dialect, sql, none()).statement.is_script();
    for dialect in ALL {
        for sql in [
            "SELECT 1",
            "SELECT 1;",
            "(SELECT 1)",
            "-- c\nselect 1",
            "WITH a AS (SELECT 1) SELECT 2",
            "SHOW x",
            "EXPLAIN SELECT 1",
            "VALUES (1)",
        ] {
            assert!(!script(dialect, sql), "{sql}");
        }
        for sql in [
            "",
            "-- c",
            "SELECT 1; SELECT 2",
            "CREATE TABLE t (a int)",
            "SET a = 1",
            "BEGIN",
            "CALL p()",
            "DROP TABLE t;",
        ] {
            assert!(script(dialect, sql), "{sql}");
        }
        assert!(!bind(dialect, "CALL p(:a)", named(&[("a", 1)])).statement.is_script());
    }
    for sql in ["SHOW WARNINGS", "show count(*) warnings", "SHOW ERRORS LIMIT 1"] {
        assert!(script(Dialect::MySql, sql) && !script(Dialect::Postgres, sql), "{sql}");
    }
    assert!(!script(Dialect::Postgres, "SELECT d ? 'k'"));
}
