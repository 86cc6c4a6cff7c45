use std::sync::Arc;

use super::*;
use crate::sql::{Product, Server};

fn ids(values: &[i64]) -> Params {
    with(vec![("ids", list(values))])
}

#[test]
fn q2_a_list_expands_in_in() {
    let sql = "SELECT 1 WHERE x IN (:ids)";
    assert_eq!(
        sent(Dialect::Postgres, sql, ids(&[4, 5])),
        ("SELECT 1 WHERE x IN ($1, $2)".into(), vec![4, 5])
    );
    assert_eq!(
        sent(Dialect::MySql, sql, ids(&[4])),
        ("SELECT 1 WHERE x IN (?)".into(), vec![4])
    );
    assert_eq!(
        sent(Dialect::Sqlite, sql, ids(&[4, 5])),
        ("SELECT 1 WHERE x IN (?, ?)".into(), vec![4, 5])
    );
    let by_position = Params(ParamValues::Positional(vec![
        Value::I64(1),
        list(&[2, 3]),
        Value::I64(4),
    ]));
    assert_eq!(
        sent(Dialect::Postgres, "SELECT ? WHERE x NOT IN (?) AND y = ?", by_position),
        ("SELECT $1 WHERE x NOT IN ($2, $3) AND y = $4".into(), vec![1, 2, 3, 4])
    );
}

#[test]
fn q2_an_empty_list_is_in_nothing() {
    for (dialect, expected) in [
        (Dialect::Postgres, "SELECT x = ANY('{}') , y <> ALL('{}') + 1"),
        (
            Dialect::MySql,
            "SELECT x IN (SELECT NULL FROM DUAL WHERE 1 = 0) , y NOT IN (SELECT NULL FROM DUAL WHERE 1 = 0) + 1",
        ),
        (Dialect::Sqlite, "SELECT x IN () , y NOT IN () + 1"),
    ] {
        let sql = "SELECT x in ( :ids ) , y NOT /* c */ IN(:ids) + 1";
        assert_eq!(sent(dialect, sql, ids(&[])), (expected.into(), vec![]));
    }
}

#[test]
fn q2_an_empty_list_leaves_the_other_numbers_right() {
    let params = with(vec![
        ("a", Value::I64(1)),
        ("ids", list(&[])),
        ("b", Value::I64(2)),
        ("more", list(&[3])),
    ]);
    assert_eq!(
        sent(Dialect::Postgres, ":a IN (:ids) OR :b IN (:more)", params),
        ("$1 = ANY('{}') OR $2 IN ($3)".into(), vec![1, 2, 3])
    );
}

#[test]
fn q2_an_empty_list_elsewhere_is_refused() {
    for sql in ["SELECT f(:ids)", "SELECT x IN (1, :ids)", "SELECT x IN (:ids), f(:ids)"] {
        for dialect in ALL {
            if dialect != Dialect::Postgres || !sql.contains("f(") {
                assert!(refused(dialect, sql, ids(&[])).starts_with(":ids is an empty list"));
            }
        }
    }
    assert!(
        refused(
            Dialect::Sqlite,
            "SELECT f(?)",
            Params(ParamValues::Positional(vec![list(&[])]))
        )
        .starts_with("value 1 is an")
    );
}

#[test]
fn q2_a_list_used_twice_is_bound_once_where_it_can_be() {
    let sql = "a IN (:ids) OR b IN (:ids)";
    assert_eq!(
        sent(Dialect::Postgres, sql, ids(&[1, 2])),
        ("a IN ($1, $2) OR b IN ($1, $2)".into(), vec![1, 2])
    );
    assert_eq!(
        sent(Dialect::Sqlite, sql, ids(&[1, 2])),
        ("a IN (?, ?) OR b IN (?, ?)".into(), vec![1, 2, 1, 2])
    );
    assert_eq!(
        sent(Dialect::MySql, sql, ids(&[1, 2])),
        ("a IN (?, ?) OR b IN (?, ?)".into(), vec![1, 2, 1, 2])
    );
}

#[test]
fn lists_are_padded_only_where_it_makes_no_difference() {
    assert_eq!(
        sent(Dialect::MySql, "x IN (:ids)", ids(&[1, 2, 3])),
        ("x IN (?, ?, ?, ?)".into(), vec![1, 2, 3, 3])
    );
    assert_eq!(
        sent(Dialect::MySql, "f(:ids)", ids(&[1, 2, 3])),
        ("f(?, ?, ?)".into(), vec![1, 2, 3])
    );
    assert_eq!(
        sent(Dialect::MySql, "x IN (0, :ids)", ids(&[1, 2, 3])),
        ("x IN (0, ?, ?, ?)".into(), vec![1, 2, 3])
    );
    let (_, values) = sent(Dialect::Sqlite, "x IN (:ids)", ids(&vec![1; 20_000]));
    assert_eq!(values.len(), 20_000, "32768 would be too many");
    let (text, values) = sent(Dialect::Sqlite, "a IN (:ids) OR b IN (:ids)", ids(&vec![1; 20_000]));
    assert_eq!(values.len(), 20_000, "bound twice they would be too many");
    assert!(text.starts_with("a IN (?1, ?2, ") && text.ends_with("?19999, ?20000)"));
}

#[test]
fn few_texts_serve_many_lengths_of_lists() {
    let template = parse(Dialect::Postgres, "x IN (:ids)");
    let mut texts: Vec<_> = (1..=1000)
        .map(|length| template.bind(ids(&vec![1; length])).unwrap().statement)
        .collect();
    let first = Arc::clone(&texts[4]);
    assert!(Arc::ptr_eq(&first, &texts[5]));
    texts.sort_by_key(|statement| statement.text().len());
    texts.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert_eq!(texts.len(), 11);
}

#[test]
fn the_texts_of_exact_lists_are_bounded() {
    let template = parse(Dialect::MySql, "f(:ids)");
    for length in 1..=300 {
        template.bind(ids(&vec![1; length])).unwrap();
        assert!(template.expanded.read().len() <= 64);
    }
}

#[test]
fn q2_a_list_too_long_is_refused() {
    let message = refused(Dialect::Postgres, "x IN (:ids)", ids(&vec![1; 65_536]));
    assert!(
        message.contains("would bind 65536 values, and PostgreSQL allows 65535 at most") && message.contains("ANY("),
        "{message}"
    );
    assert_eq!(
        sent(Dialect::Postgres, "x IN (:ids)", ids(&vec![1; 65_535])).1.len(),
        65_535
    );
    assert!(refused(Dialect::MySql, "x IN (:ids) OR y IN (:ids)", ids(&vec![1; 40_000])).contains("80000"));
}

#[test]
fn a_list_in_a_list_is_refused() {
    let nested = with(vec![("ids", Value::List(vec![list(&[1])]))]);
    assert!(refused(Dialect::Postgres, "x IN (:ids)", nested).starts_with(":ids is a list that holds another list"));
}

#[test]
fn q4_a_list_outside_of_in_is_an_array_or_refused_found_n4() {
    let array = Value::Array(vec![Value::I64(1), Value::I64(2)]);
    for sql in [
        "SELECT x = ANY(:ids)",
        "SELECT x <> ALL (:ids)",
        "INSERT INTO t VALUES (1, :ids)",
        "SELECT unnest(:ids)",
        "SELECT :ids && tags",
        "SELECT x IN (SELECT unnest(:ids))",
        "SELECT x IN (SELECT y FROM t WHERE z = :ids)",
        "UPDATE t SET tags = :ids WHERE x IN (1)",
    ] {
        let bound = parse(Dialect::Postgres, sql).bind(ids(&[1, 2])).unwrap();
        assert_eq!(bound.values, std::slice::from_ref(&array), "{sql}");
        assert_eq!(bound.statement.text(), sql.replace(":ids", "$1"));
        let empty = parse(Dialect::Postgres, sql).bind(ids(&[])).unwrap();
        assert_eq!(empty.values, [Value::Array(vec![])], "{sql}");
    }
    for sql in [
        "SELECT x = ANY(:ids)",
        "INSERT INTO t VALUES (1, :ids)",
        "SELECT :ids",
        "SELECT x = (:ids)",
    ] {
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            let message = refused(dialect, sql, ids(&[1, 2]));
            assert!(
                message.starts_with(":ids is a list, but is not in the parentheses of IN"),
                "{message}"
            );
        }
    }
    let message = refused(Dialect::Postgres, "SELECT x IN (:ids), f(:ids)", ids(&[1]));
    assert!(message.starts_with(":ids is a list in IN (…), and one value elsewhere") && message.contains("ANY("));
    // What stays as it was.
    for (sql, expected) in [
        ("x IN (0, :ids)", "x IN (0, $1, $2)"),
        ("(x, y) IN ((:ids), (0, 0))", "(x, y) IN (($1, $2), (0, 0))"),
        ("x IN :ids", "x IN $1, $2"),
        ("x NOT IN ( :ids )", "x NOT IN ( $1, $2 )"),
    ] {
        assert_eq!(sent(Dialect::Postgres, sql, ids(&[1, 2])).0, expected);
    }
    assert_eq!(
        sent(Dialect::MySql, "ORDER BY FIELD(id, :ids)", ids(&[1, 2])).0,
        "ORDER BY FIELD(id, ?, ?)"
    );
}

#[test]
fn b8_an_empty_list_is_refused_where_it_has_no_words() {
    for (product, refused) in [(Product::Hsqldb, true), (Product::Derby, true), (Product::H2, false)] {
        let mode = SqlMode::default().on(Some(Server { product, version: 0 }));
        let template = Template::parse_in(Dialect::Generic, mode, "SELECT 1 FROM t WHERE a IN (:ids)").unwrap();
        let bound = template.bind(named_list("ids", Vec::new()));
        assert_eq!(bound.is_err(), refused, "{product:?}");
        assert!(template.bind(named_list("ids", vec![Value::I64(1)])).is_ok());
    }
}

fn named_list(name: &'static str, members: Vec<Value>) -> Params {
    std::iter::once((name, Value::List(members))).collect()
}
