//! Texts whose statements are known, with the white space, comments and values of each server.

use proptest::prelude::*;

use super::super::Control;
use super::*;

/// Returns what is certainly blank, and what is certainly a value, for a server.
fn pieces(dialect: Dialect) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut blanks = vec![
        " ",
        "\t",
        "\n",
        "\r",
        "\u{c}",
        "/* ; ' */",
        "/**/",
        "/***/",
        "/*/ x */",
        "-- ; ' \n",
        "--\n",
    ];
    let mut values = vec![
        "1",
        "1.5e3",
        "''",
        "'a''b'",
        "'; COMMIT; --'",
        "'/*'",
        "'--'",
        "'é'",
        "\"a;\"",
    ];
    match dialect {
        Dialect::Postgres => {
            blanks.extend(["--'\r", "--;\n", "/* /* ' */ ; */"]);
            values.extend([
                r"'\'",
                "$$ ' ; $$",
                "$t$ $$ ; $t$",
                r"E'\'; COMMIT'",
                "E'a' -- c\r 'b\\';'",
                r"U&'\0061'",
            ]);
        }
        Dialect::MySql => {
            blanks.extend(["#'\n", "--\u{7f};\n", "--\u{1}'\n", "-- \r'\n"]);
            values.extend([r"'\';'", r"'\\'", r#""\";""#, "`a;`", r"_utf8mb4'\';'", "1--1", "@`;'`"]);
        }
        Dialect::Generic => {
            blanks.extend(["--'\r", "--;\n"]);
            values.extend([r"'\'", "$$ ' ; $$", "$t$ $$ ; $t$", "`a;`", "1::INT"]);
        }
        Dialect::SqlServer => {
            blanks.extend(["/* /* ' */ ; */", "--\r'\n", "--;\n"]);
            values.extend([r"'\'", "N'; COMMIT'", "[a';]]]", "@a", "@@rowcount", "0x1F"]);
        }
        Dialect::Sqlite => {
            blanks.extend([" \u{feff}", " \u{b}", "--\r'\n", "--;\n"]);
            values.extend([r"'\'", "[a';]", "`;`", "X'1F'"]);
        }
    }
    (blanks, values)
}

/// Generates a text with its number of statements, and whether it commits.
fn text() -> impl Strategy<Value = (Dialect, String, usize, bool)> {
    prop::sample::select(ALL.to_vec()).prop_flat_map(|dialect| {
        let (blanks, values) = pieces(dialect);
        let blank = prop::collection::vec(prop::sample::select(blanks), 1..4).prop_map(|blanks| blanks.concat());
        let select = (blank.clone(), prop::collection::vec(prop::sample::select(values), 1..4))
            .prop_map(|(blank, values)| format!("SELECT{blank}{}", values.join(",")));
        let statement = prop_oneof![select, Just("COMMIT".to_owned())];
        prop::collection::vec((blank.clone(), statement, blank), 1..5).prop_map(move |statements| {
            let commits = statements.iter().any(|(_, statement, _)| statement == "COMMIT");
            let texts: Vec<_> = statements
                .iter()
                .map(|(before, text, after)| format!("{before}{text}{after}"))
                .collect();
            (dialect, texts.join(";"), statements.len(), commits)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn x4_statements_are_counted_as_on_the_server_found_w1((dialect, sql, count, commits) in text()) {
        let template = Template::without_placeholders(dialect, SqlMode::default(), &sql).unwrap();
        prop_assert_eq!(template.statements(), count, "{}: {:?}", dialect, sql);
        prop_assert_eq!(template.control() == Control::Commit, commits, "{}: {:?}", dialect, sql);
    }
}

#[test]
fn x4_the_driver_of_sqlite_removes_blanks_around_a_text_found_w1() {
    for sql in ["\u{a0}COMMIT", "COMMIT\u{3000} \n", "\u{2028}\u{feff}COMMIT"] {
        assert_eq!(parse(Dialect::Sqlite, sql).control(), Control::Commit, "{sql:?}");
        assert_eq!(parse(Dialect::Postgres, sql).control(), Control::None, "{sql:?}");
    }
    assert_eq!(parse(Dialect::Sqlite, "SELECT 1;\u{a0}COMMIT").control(), Control::None);
}

#[test]
fn x4_names_do_not_hide_statements_found_w1() {
    for (dialect, sql, count) in [
        (
            Dialect::Sqlite,
            "CREATE TEMP TABLE a (trigger int, begin int); COMMIT",
            2,
        ),
        (
            Dialect::MySql,
            "CREATE TEMPORARY TABLE a (event int, begin int); COMMIT",
            2,
        ),
        (
            Dialect::Sqlite,
            "CREATE TRIGGER c AFTER INSERT ON b BEGIN SELECT begin, end FROM b; SELECT CASE 1 WHEN 1 THEN 2 END; END; COMMIT",
            2,
        ),
        (
            Dialect::Postgres,
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT begin, t.end, CASE 1 WHEN 1 THEN 2 END FROM t; END; COMMIT",
            2,
        ),
        (
            Dialect::Postgres,
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END; COMMIT",
            2,
        ),
        (
            Dialect::MySql,
            "CREATE DEFINER = 'a'@'b' PROCEDURE p() BEGIN SELECT 1; SELECT 2; END; SELECT 3",
            2,
        ),
        (
            Dialect::MySql,
            "CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; END; SELECT 3",
            2,
        ),
    ] {
        assert_eq!(parse(dialect, sql).statements(), count, "{dialect}: {sql}");
    }
}
