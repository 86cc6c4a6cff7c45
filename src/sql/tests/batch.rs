use std::sync::Arc;

use super::super::{ArrayColumn, Batch, BulkInsert, RowsForm};
use super::*;

const INSERT: &str = "INSERT INTO t (a, b) VALUES (:a, :b)";

fn rows(count: i64) -> Vec<Params> {
    (0..count).map(|n| named(&[("a", n), ("b", -n)])).collect()
}

fn batch(dialect: Dialect, sql: &str, rows: Vec<Params>) -> Batch {
    parse(dialect, sql).bind_many(rows, RowsForm::Tuples).unwrap()
}

fn sizes(batch: &Batch, width: usize) -> Vec<usize> {
    batch.chunks.iter().map(|chunk| chunk.values.len() / width).collect()
}

fn refused_rows(sql: &str, rows: Vec<Params>) -> String {
    let error = parse(Dialect::Postgres, sql)
        .bind_many(rows, RowsForm::Tuples)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
    error.to_string()
}

/// Returns whether rows are combined into one statement.
fn joins(dialect: Dialect, sql: &str) -> bool {
    let rows = (0..8).map(|n| named(&[("a", n)])).collect();
    batch(dialect, sql, rows).chunks.len() == 1
}

#[test]
fn q6_rows_are_put_together_in_few_sizes() {
    for dialect in ALL {
        let batch = batch(dialect, INSERT, rows(1_003));
        let expected: Vec<usize> = [vec![512], vec![128; 3], vec![32; 3], vec![8], vec![1; 3]].concat();
        assert_eq!(sizes(&batch, 2), expected);
        let numbers: Vec<i64> = batch.chunks.iter().flat_map(|chunk| shown(chunk).1).collect();
        assert_eq!(numbers, (0..1_003).flat_map(|n| [n, -n]).collect::<Vec<_>>());
        assert!(batch.chunks.iter().all(|chunk| !chunk.statement.is_script()));
        assert!(Arc::ptr_eq(&batch.chunks[1].statement, &batch.chunks[2].statement));
    }
}

#[test]
fn q6_the_text_of_several_rows() {
    let sql = "INSERT INTO t (a, b) VALUES (:a, :b) RETURNING id;";
    for (dialect, first, second) in [
        (Dialect::Postgres, "($1, $2), ($3, $4), ", "($15, $16) RETURNING id;"),
        (Dialect::MySql, "(?, ?), (?, ?), ", "(?, ?) RETURNING id;"),
        (Dialect::Sqlite, "(?, ?), (?, ?), ", "(?, ?) RETURNING id;"),
    ] {
        let batch = batch(dialect, sql, rows(8));
        let text = batch.chunks[0].statement.text();
        assert!(
            text.starts_with(&format!("INSERT INTO t (a, b) VALUES {first}")) && text.ends_with(second),
            "{text}"
        );
        assert!(Template::parse(dialect, text).is_ok());
    }
}

#[test]
fn q6_a_name_used_twice_in_a_row() {
    let sql = "INSERT INTO t VALUES (:a, :b, :a)";
    let postgres = &batch(Dialect::Postgres, sql, rows(8)).chunks[0];
    assert!(postgres.statement.text().contains("($1, $2, $1), ($3, $4, $3)"));
    assert_eq!(postgres.values.len(), 16);
    for dialect in [Dialect::MySql, Dialect::Sqlite] {
        let chunk = &batch(dialect, sql, rows(8)).chunks[0];
        assert!(chunk.statement.text().contains("(?, ?, ?), (?, ?, ?)"));
        assert_eq!(shown(chunk).1[..6], [0, 0, 0, 1, -1, 1]);
    }
    let alone = batch(Dialect::Sqlite, sql, rows(1));
    assert_eq!(
        shown(&alone.chunks[0]),
        ("INSERT INTO t VALUES ($2, ?, $2)".into(), vec![0, 0])
    );
}

#[test]
fn q6_names_may_come_in_any_order_and_by_position() {
    let mixed = (0..8).map(|n| {
        if n % 2 == 0 {
            named(&[("a", n), ("b", 0)])
        } else {
            named(&[("b", 0), ("a", n)])
        }
    });
    let batch_of_names = batch(Dialect::Sqlite, INSERT, mixed.collect());
    assert_eq!(
        shown(&batch_of_names.chunks[0])
            .1
            .iter()
            .step_by(2)
            .copied()
            .collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    let by_position = (0..8).map(|n| positional(&[n, n])).collect();
    assert_eq!(
        sizes(&batch(Dialect::Postgres, "INSERT INTO t VALUES (?, ?)", by_position), 2),
        [8]
    );
}

#[test]
fn q6_a_statement_is_never_too_large() {
    let wide = format!("INSERT INTO t VALUES ({})", vec!["?"; 100].join(","));
    let rows = (0..600).map(|n| positional(&[n; 100])).collect();
    assert_eq!(
        sizes(&batch(Dialect::Sqlite, &wide, rows), 100),
        [vec![128; 4], vec![32; 2], vec![8; 3]].concat()
    );
    let heavy = (0..9)
        .map(|_| with(vec![("a", Value::Bytes(vec![0; 700_000]))]))
        .collect();
    assert_eq!(
        batch(Dialect::MySql, "INSERT INTO t VALUES (:a)", heavy).chunks.len(),
        9
    );
}

#[test]
fn q6_only_plain_rows_are_put_together() {
    for dialect in ALL {
        for sql in [
            "INSERT INTO t VALUES (:a)",
            "insert into t (a, b, c) values (:a, 'x', NULL)",
            "INSERT INTO t VALUES (CAST(:a AS int), CURRENT_TIMESTAMP, -1, lower(:a))",
            "INSERT INTO t VALUES (:a) ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES (:a) -- c\n",
        ] {
            assert!(joins(dialect, sql), "{dialect}: {sql}");
        }
        for sql in [
            "UPDATE t SET a = :a",
            "INSERT INTO t SELECT :a",
            "INSERT INTO t SELECT 1 UNION ALL VALUES (:a)",
            "INSERT INTO t VALUES (:a), (2)",
            "INSERT INTO t VALUES ((SELECT max(a) FROM t), :a)",
            "INSERT INTO t VALUES (next_number(:a))",
            "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = :a",
            "INSERT INTO t VALUES (:a); SELECT 1",
            "WITH x AS (SELECT 1) INSERT INTO t VALUES (:a)",
        ] {
            assert!(!joins(dialect, sql), "{dialect}: {sql}");
        }
    }
    let upsert = "INSERT INTO t VALUES (:a) ON CONFLICT (a) DO UPDATE SET b = 1";
    assert!(!joins(Dialect::Postgres, upsert));
    assert!(joins(Dialect::Sqlite, upsert));
    assert!(joins(
        Dialect::MySql,
        "INSERT INTO t VALUES (:a) ON DUPLICATE KEY UPDATE a = VALUES(a)"
    ));
    assert!(joins(
        Dialect::Postgres,
        "INSERT INTO t VALUES (:a::numeric(10, 2), '{}'::int[])"
    ));
}

#[test]
fn q6_other_statements_run_once_for_each_row() {
    let batch = batch(Dialect::MySql, "UPDATE t SET b = :b WHERE a = :a AND :b > 0", rows(3));
    assert_eq!(batch.chunks.len(), 3);
    assert_eq!(shown(&batch.chunks[2]).1, [-2, 2, -2]);
    assert!(Arc::ptr_eq(&batch.chunks[0].statement, &batch.chunks[2].statement));
}

#[test]
fn q6_no_rows_and_no_parameters() {
    assert!(batch(Dialect::Postgres, INSERT, vec![]).chunks.is_empty());
    assert_eq!(
        batch(Dialect::Postgres, "INSERT INTO t DEFAULT VALUES", vec![none(), none()])
            .chunks
            .len(),
        2
    );
}

#[test]
fn q6_a_wrong_row_is_named() {
    let message = refused_rows(INSERT, vec![named(&[("a", 1), ("b", 2)]), named(&[("a", 1)])]);
    assert_eq!(
        message,
        "row 2 of 2: the statement needs :b, which was not given\n  help: given: a"
    );
    let message = refused_rows(
        "DELETE FROM t WHERE a = :a AND b IN (:b)",
        vec![with(vec![("a", Value::Null), ("b", list(&[1]))])],
    );
    assert!(
        message.starts_with("row 1 of 1: :b is a list, which a statement for many rows"),
        "{message}"
    );
}

fn columns(sql: &str, rows: Vec<Params>) -> Batch {
    parse(Dialect::Postgres, sql).bind_many(rows, RowsForm::Arrays).unwrap()
}

#[test]
fn q6_rows_become_columns_where_a_driver_takes_arrays() {
    let chunk = columns(INSERT, rows(1_003)).chunks.remove(0);
    let bulk = BulkInsert::of(&chunk.statement).unwrap();
    assert_eq!(chunk.statement.text(), "INSERT INTO t (a, b) VALUES ($1, $2)");
    assert!(
        chunk
            .values
            .iter()
            .all(|column| matches!(column, Value::Array(all) if all.len() == 1_003))
    );
    assert_eq!(BulkInsert::sample(&chunk.values), [Value::I64(0), Value::I64(0)]);
    // Without arrays they are what they would have been.
    let tuples = batch(Dialect::Postgres, INSERT, rows(1_003)).chunks;
    let again = bulk.in_rows(&chunk.values);
    assert_eq!(again.len(), tuples.len());
    for (again, tuples) in again.iter().zip(&tuples) {
        assert_eq!(shown(again), shown(tuples));
    }
    // One row is a statement like others, and values that are arrays, or too many bytes, are not put together.
    assert!(BulkInsert::of(&columns(INSERT, rows(1)).chunks[0].statement).is_none());
    let nested = vec![with(vec![("a", Value::Array(vec![]))]); 8];
    assert!(BulkInsert::of(&columns("INSERT INTO t VALUES (:a)", nested).chunks[0].statement).is_none());
    let heavy = vec![with(vec![("a", Value::Bytes(vec![0; 400_000]))]); 5];
    let firsts: Vec<usize> = columns("INSERT INTO t VALUES (:a)", heavy)
        .chunks
        .iter()
        .map(|chunk| chunk.statement.first_row())
        .collect();
    assert_eq!(firsts, [1, 3, 1]);
    // Values without content take bytes, too.
    let empty = vec![with(vec![("a", Value::Text(String::new()))]); 200_000];
    assert!(columns("INSERT INTO t VALUES (:a)", empty).chunks.len() > 1);
}

#[test]
fn q6_the_text_of_columns() {
    let column = |array, cast, is_null| ArrayColumn { array, cast, is_null };
    let types = [
        column("int8[]", None, false),
        column("text[]", Some("public.mood"), false),
        column("text[]", None, true),
    ];
    for (sql, expected) in [
        (
            "INSERT INTO t (a, b, c) VALUES (:a, :b, :c) RETURNING id;",
            "INSERT INTO t (a, b, c) SELECT (ebbtide_row.ebbtide_0), (ebbtide_row.ebbtide_1::public.mood),  NULL  FROM (SELECT \
             pg_catalog.unnest($1::int8[]) AS ebbtide_0, pg_catalog.unnest($2::text[]) AS ebbtide_1, \
             pg_catalog.unnest($3::text[]) AS ebbtide_2) AS ebbtide_row  RETURNING id;",
        ),
        (
            "insert into t values(lower(:b), :a::int + 1, 'x', :c -- c\n) ON CONFLICT DO NOTHING",
            "insert into t SELECT lower((ebbtide_row.ebbtide_0)), (ebbtide_row.ebbtide_1::public.mood)::int + 1, 'x',  NULL  -- c\n \
             FROM (SELECT pg_catalog.unnest($1::int8[]) AS ebbtide_0, pg_catalog.unnest($2::text[]) AS ebbtide_1, \
             pg_catalog.unnest($3::text[]) AS ebbtide_2) AS ebbtide_row  ON CONFLICT DO NOTHING",
        ),
    ] {
        let rows = vec![named(&[("a", 1), ("b", 2), ("c", 3)]); 2];
        let chunk = columns(sql, rows).chunks.remove(0);
        let statement = BulkInsert::of(&chunk.statement).unwrap().of_arrays(&types);
        assert_eq!(statement.text(), expected);
        assert!(Template::parse(Dialect::Postgres, statement.text()).is_ok());
    }
    for sql in [
        "INSERT INTO t VALUES (:a, DEFAULT)",
        "INSERT INTO t VALUES ((:a, 1))",
        "INSERT INTO t VALUES (ROW(:a, 1))",
        "INSERT INTO t VALUES (DISTINCT :a)",
        "INSERT INTO t VALUES (ALL :a)",
        "INSERT INTO t VALUES (:a b)",
        "INSERT INTO t VALUES (1, :a \"b\", 2)",
        "INSERT INTO t VALUES (:a AS b)",
        "INSERT INTO t VALUES (:a::int b)",
        "INSERT INTO t VALUES (:a, 1 b)",
        "INSERT INTO t VALUES (:a, lower('x') b)",
        "INSERT INTO t VALUES (:a, '{1}'::int[] b)",
        "INSERT INTO t VALUES (:a) ON CONFLICT (a) DO UPDATE SET a = 1",
        "UPDATE t SET a = :a",
    ] {
        let rows = vec![named(&[("a", 1)]); 8];
        assert!(
            columns(sql, rows)
                .chunks
                .iter()
                .all(|chunk| BulkInsert::of(&chunk.statement).is_none()),
            "{sql}"
        );
    }
}

#[test]
fn q6_what_follows_a_row_without_a_space_stays_a_word_of_its_own() {
    let column = ArrayColumn {
        array: "int8[]",
        cast: None,
        is_null: false,
    };
    for after in ["returning a", "on conflict do nothing", ";", "-- c\n", ""] {
        let sql = format!("insert into t values(:a){after}");
        let chunk = columns(&sql, vec![named(&[("a", 1)]); 2]).chunks.remove(0);
        let statement = BulkInsert::of(&chunk.statement).unwrap().of_arrays(&[column]);
        assert!(
            statement.text().ends_with(&format!(" AS ebbtide_row {after}")),
            "{after}"
        );
    }
}

#[test]
fn q6_a_column_of_nulls_keeps_their_type() {
    use crate::value::NullType;

    let (number, text) = (Value::NullOf(NullType::I32), Value::NullOf(NullType::Text));
    for (members, sampled) in [
        (vec![number.clone(), number.clone()], number.clone()),
        (vec![number.clone(), text], Value::Null),
        (vec![number.clone(), Value::Null], Value::Null),
        (vec![number, Value::I64(1)], Value::I64(1)),
    ] {
        assert_eq!(BulkInsert::sample(&[Value::Array(members)]), [sampled]);
    }
}

#[test]
fn q6_words_that_end_an_expression_or_a_type_are_no_names_of_columns() {
    for row in [
        "CURRENT_TIMESTAMP, :a",
        "true, :a",
        "CAST(:a AS int), cast(:a as character varying)",
        ":a::double precision, :a IS NOT NULL, :a is null",
        ":a COLLATE \"C\", :a::public.mood, 'x'::\"char\"",
        "now() AT TIME ZONE 'utc', :a",
    ] {
        let sql = format!("INSERT INTO t VALUES ({row})");
        let chunk = &columns(&sql, vec![named(&[("a", 1)]); 8]).chunks[0];
        assert!(BulkInsert::of(&chunk.statement).is_some(), "{row}");
    }
}
