use super::super::summary::Summary;
use super::super::{RowsForm, SqlMode, sanitized};
use super::*;

#[test]
fn w2_a_summary_names_operations_and_tables() {
    for dialect in ALL {
        for (sql, summary, operation) in [
            ("SELECT * FROM note WHERE id = 1", "SELECT note", Some("SELECT")),
            (
                "select a, b from Note as n, other o where a = 1",
                "select Note other",
                Some("select"),
            ),
            ("SELECT 1", "SELECT", Some("SELECT")),
            ("(SELECT 1 FROM a) UNION SELECT 2 FROM b", "SELECT a SELECT b", None),
            (
                "INSERT INTO shop.note (id, body) VALUES (?, 'x')",
                "INSERT shop.note",
                Some("INSERT"),
            ),
            ("INSERT INTO a SELECT b FROM c, d", "INSERT a SELECT c d", None),
            (
                "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 2",
                "INSERT a",
                Some("INSERT"),
            ),
            ("UPDATE a SET b = (SELECT max(x) FROM c)", "UPDATE a SELECT c", None),
            ("DELETE FROM a WHERE b IN (SELECT 1)", "DELETE a SELECT", None),
            (
                "SELECT * FROM (SELECT * FROM a JOIN b ON a.x = b.x) t",
                "SELECT SELECT a b",
                None,
            ),
            (
                "SELECT * FROM a LEFT JOIN b USING (id) FOR UPDATE",
                "SELECT a b",
                Some("SELECT"),
            ),
            (
                "SELECT extract(year FROM born), a.b IS DISTINCT FROM c FROM d",
                "SELECT d",
                Some("SELECT"),
            ),
            ("WITH x AS (SELECT 1 FROM a) DELETE FROM b", "SELECT a DELETE b", None),
            (
                "SELECT replace(a, b, c) FROM d ORDER BY e, f",
                "SELECT d",
                Some("SELECT"),
            ),
            (
                "CREATE TABLE IF NOT EXISTS note (id INTEGER)",
                "CREATE TABLE note",
                Some("CREATE TABLE"),
            ),
            (
                "CREATE UNIQUE INDEX i ON note (id)",
                "CREATE INDEX i",
                Some("CREATE INDEX"),
            ),
            ("DROP TABLE IF EXISTS note", "DROP TABLE note", Some("DROP TABLE")),
            ("CREATE VIEW v AS SELECT * FROM a", "CREATE VIEW v SELECT a", None),
            (
                "CREATE USER 'ada' IDENTIFIED BY 'x'",
                "CREATE USER",
                Some("CREATE USER"),
            ),
            ("CALL fill(1, 'x')", "CALL fill", Some("CALL")),
            ("SET x = 'y'", "SET", Some("SET")),
            ("EXPLAIN DELETE FROM a", "EXPLAIN DELETE a", None),
            ("BEGIN; DELETE FROM a; COMMIT", "BEGIN DELETE a COMMIT", None),
            ("", "", None),
            ("'x'", "", None),
            ("SELECT * FROM 'x'", "SELECT", Some("SELECT")),
        ] {
            let read = Summary::of(dialect, SqlMode::default(), sql);
            assert_eq!(
                (read.text(), read.operation()),
                (summary, operation),
                "{dialect}: {sql}"
            );
        }
    }
    let quoted = Summary::of(
        Dialect::Postgres,
        SqlMode::default(),
        r#"SELECT * FROM "song list", public."other""#,
    );
    assert_eq!(quoted.text(), r#"SELECT "song list" public."other""#);
    let ignoring = Summary::of(Dialect::Sqlite, SqlMode::default(), "UPDATE OR IGNORE a SET b = 1");
    assert_eq!(ignoring.text(), "UPDATE a");
}

#[test]
fn w2_a_summary_is_short_and_ends_with_a_word() {
    let tables: Vec<String> = (0..100).map(|number| format!("table_{number}")).collect();
    let summary = Summary::of(
        Dialect::Postgres,
        SqlMode::default(),
        &format!("SELECT * FROM {}", tables.join(", ")),
    );
    assert!(summary.text().len() <= 255);
    let last = summary.text().rsplit(' ').next().unwrap();
    assert!(tables.iter().any(|table| table == last), "{last}");
}

#[test]
fn w2_literals_are_left_out_of_what_is_shown() {
    for dialect in ALL {
        for (sql, shown) in [
            ("SELECT 'a''b', 12, 1.5 FROM t", "SELECT ?, ?, ? FROM t"),
            ("SELECT x /* 'secret' */ FROM t2 -- 'secret'", "SELECT x  FROM t2 "),
            ("SELECT TRUE, false, NULL", "SELECT ?, ?, NULL"),
            ("CREATE USER a PASSWORD 'secret'", "CREATE USER a PASSWORD ?"),
            ("SELECT X'c0ffee'", "SELECT X?"),
        ] {
            assert_eq!(sanitized(dialect, SqlMode::default(), sql), shown, "{dialect}");
        }
    }
    assert_eq!(
        sanitized(
            Dialect::Postgres,
            SqlMode::default(),
            "SELECT $a$secret$a$, E'\\'secret'"
        ),
        "SELECT ?, ?"
    );
    assert_eq!(
        sanitized(Dialect::MySql, SqlMode::default(), "SELECT \"secret\""),
        "SELECT ?"
    );
    let long = format!("SELECT {}", "ä, ".repeat(10_000));
    assert!(sanitized(Dialect::Sqlite, SqlMode::default(), &long).len() <= 8 * 1024);
}

#[test]
fn w2_the_text_of_many_rows_is_that_of_one() {
    for dialect in ALL {
        let template = parse(dialect, "INSERT INTO t VALUES (?, 'x')");
        let rows = (0..8).map(|number| positional(&[number])).collect();
        let batch = template.bind_many(rows, RowsForm::Tuples).unwrap();
        let bound = &batch.chunks[0];
        assert_eq!(template.batch_size(bound), Some(8));
        let shown = template.without_values(bound);
        assert!(shown.ends_with(", 'x')") && shown.matches('(').count() == 1, "{shown}");
        let one = template.bind(positional(&[1])).unwrap();
        assert_eq!(template.batch_size(&one), None);
    }
}
