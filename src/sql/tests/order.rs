//! The placeholders that SQLite receives, and the work to put values into their order.

use super::*;
use crate::sql::{RowsForm, steps};

/// Returns the numbers `1..=count` with the names `p1`, `p2`, …, the last one first.
fn backwards(count: i64) -> Params {
    let pairs = (1..=count).rev().map(|n| (Cow::Owned(format!("p{n}")), Value::I64(n)));
    Params(ParamValues::named(pairs))
}

fn text_of(count: i64, sign: &str) -> String {
    let names: Vec<_> = (1..=count).map(|n| format!(":p{n}{sign}")).collect();
    format!("SELECT {}", names.join(", "))
}

#[test]
fn a_value_that_sqlite_binds_once_has_a_bare_placeholder() {
    let sqlite = Dialect::Sqlite;
    for (sql, params, expected) in [
        ("SELECT :b, :a", named(&[("a", 1), ("b", 2)]), "SELECT ?, ?"),
        ("SELECT ?2, ?1", positional(&[1, 2]), "SELECT ?, ?"),
        ("x LIKE?AND y", positional(&[1]), "x LIKE ? AND y"),
        (
            "x IN (:ids) AND y = :a",
            with(vec![("ids", list(&[1, 2])), ("a", Value::I64(3))]),
            "x IN (?, ?) AND y = ?",
        ),
    ] {
        assert_eq!(sent(sqlite, sql, params).0, expected);
    }
    let rows: Vec<_> = (0..512).map(|n| named(&[("a", n), ("b", n)])).collect();
    let batch = parse(sqlite, "INSERT INTO t VALUES (:a, :b, :a)")
        .bind_many(rows, RowsForm::Tuples)
        .unwrap();
    let text = batch.chunks[0].statement.text();
    assert!(
        !text.bytes().any(|byte| byte == b'$' || byte.is_ascii_digit()),
        "{text}"
    );
}

#[test]
fn what_sqlite_is_to_take_for_one_expression_has_one_number() {
    let sql = "SELECT a + :n FROM t WHERE x = :x UNION SELECT b + :n FROM t WHERE y IN (:ids) ORDER BY a + :n";
    for count in [2, 200] {
        let ids: Vec<_> = (10..10 + count).collect();
        let params = with(vec![("x", Value::I64(1)), ("ids", list(&ids)), ("n", Value::I64(2))]);
        let (text, values) = sent(Dialect::Sqlite, sql, params);
        let last = values.len();
        assert!(
            text.starts_with(&format!("SELECT a + ${last} FROM t WHERE x = ? UNION")),
            "{text}"
        );
        assert!(text.ends_with(&format!(" ORDER BY a + ${last}")), "{text}");
        assert_eq!((values[0], values[1], values[last - 1]), (1, 10, 2));
    }
    // If all placeholders have numbers, SQLite's own sign is used.
    assert_eq!(
        sent(Dialect::Sqlite, "SELECT :a, :a", named(&[("a", 1)])),
        ("SELECT ?1, ?1".into(), vec![1])
    );
    // Characters that would become part of the name are separated from it.
    let sql = "SELECT x LIKE ?1(1), ?2, ?1::x";
    let (text, _) = sent(Dialect::Sqlite, sql, positional(&[1, 2]));
    assert_eq!(text, "SELECT x LIKE $2 (1), ?, $2 ::x");
}

#[test]
fn many_values_that_are_used_twice_are_bound_twice() {
    let sql = format!("{}, {}", text_of(40, ""), &text_of(40, "")[7..]);
    let (text, values) = sent(Dialect::Sqlite, &sql, backwards(40));
    assert!(!text.contains('$'), "{text}");
    assert_eq!(values, [(1..=40).collect::<Vec<_>>(), (1..=40).collect()].concat());
}

#[test]
fn values_are_brought_into_order_in_steps_that_grow_as_they_do() {
    for dialect in STANDARD {
        let steps_for = |count: i64| {
            let sql = format!("{}, {}", text_of(count, ""), &text_of(count, "")[7..]);
            let (template, params) = (parse(dialect, &sql), backwards(count));
            steps::of(|| template.bind(params).unwrap())
        };
        let (small, large) = (steps_for(1_000), steps_for(4_000));
        assert!(small >= 1_000, "{dialect}: {small}");
        assert!(large <= 4 * small + 10, "{dialect}: {small}, then {large}");
    }
}

#[test]
fn names_that_do_not_fit_are_reported_in_steps_that_grow_as_they_do() {
    let steps_for = |count: i64| {
        let template = parse(Dialect::Postgres, &text_of(count, ""));
        let params = backwards(count + 1);
        steps::of(|| template.bind(params).unwrap_err())
    };
    let (small, large) = (steps_for(1_000), steps_for(4_000));
    assert!(large <= 4 * small + 10, "{small}, then {large}");
}
