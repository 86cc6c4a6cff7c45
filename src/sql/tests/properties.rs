use proptest::prelude::*;

use super::super::lexer::{Lexer, TokenKind};
use super::*;

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(ALL.to_vec())
}

/// Generates text with many quotes, comments, and signs of parameters.
fn tricky() -> impl Strategy<Value = String> {
    let pieces = [
        "'", "\"", "`", "[", "]", "(", ")", "--", "-- ", "\n", "/*", "*/", "/*!", "#", "$$", "$x$", "$1", "$2", "?",
        "??", "?1", "?|", ":", "::", ":=", ":a", ":b", "\\", "\\:", "E'", "IN (", "NOT", "VALUES", "INSERT", ";", ",",
        "é", "x", "1", " ", "@",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

/// Generates text that is quoted or commented out, so that nothing in it counts.
fn hidden() -> impl Strategy<Value = (Dialect, String)> {
    let inner = "[a-zé0-9 :?$;()]{0,20}";
    let block = inner.prop_map(|text| format!("/*{text}*/"));
    let line = inner.prop_map(|text| format!("-- {text}\n"));
    let string = inner.prop_map(|text| format!("'{text}'"));
    let quoted = inner.prop_map(|text| format!("\"{text}\""));
    let tick = inner.prop_map(|text| format!("`{text}`"));
    let dollar = "[a-zé0-9 :?;()]{0,20}".prop_map(|text| format!("$t${text}$t$"));
    let any_dialect = (dialect(), prop_oneof![block, line, string, quoted]);
    prop_oneof![
        any_dialect,
        (Just(Dialect::MySql), tick.clone()),
        (Just(Dialect::Sqlite), tick.clone()),
        (Just(Dialect::Generic), tick),
        (prop::sample::select(vec![Dialect::Postgres, Dialect::Generic]), dollar)
    ]
}

fn is_placeholder(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Named | TokenKind::Dollar(_) | TokenKind::Question | TokenKind::Ordinal(_)
    )
}

/// Returns the number of placeholders in a text that is sent.
fn holes(dialect: Dialect, text: &str) -> usize {
    let of_sql_server = |text: &str| dialect == Dialect::SqlServer && text.starts_with("@P");
    let placeholders =
        Lexer::new(dialect, text).filter(|token| is_placeholder(token.kind) || of_sql_server(token.text));
    placeholders.count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn q2_the_tokens_are_the_text(dialect in dialect(), sql in prop_oneof![any::<String>(), tricky()]) {
        let text: String = Lexer::new(dialect, &sql).map(|token| token.text).collect();
        prop_assert_eq!(&text, &sql);
        prop_assert!(Lexer::new(dialect, &sql).all(|token| !token.text.is_empty()));
        // Parsing never panics, whatever the text is.
        drop(Template::parse(dialect, &sql));
    }

    #[test]
    fn q2_text_without_signs_goes_through(dialect in dialect(), sql in "[^:?$@#\\\\\\x00]{0,80}") {
        let bound = bind(dialect, &sql, none());
        prop_assert_eq!(bound.statement.text(), sql);
    }

    #[test]
    fn q2_nothing_hidden_is_a_parameter((dialect, text) in hidden(), after in 0..3_i64) {
        let sql = format!("SELECT {text} , :a");
        let found = shown(&bind(dialect, &sql, named(&[("a", after)])));
        let sign = match dialect { Dialect::Postgres => "$1", Dialect::SqlServer => "@P1", _ => "?" };
        prop_assert_eq!(found, (format!("SELECT {text} , {sign}"), vec![after]));
        let sql = format!("SELECT 1 {text} ");
        prop_assert_eq!(sent(dialect, &sql, none()).0, sql);
    }

    #[test]
    fn q2_a_name_used_many_times(dialect in dialect(), uses in prop::collection::vec(prop::bool::ANY, 1..20)) {
        let sql: Vec<_> = uses.iter().map(|&first| if first { ":a" } else { ":b" }).collect();
        let sql = format!("SELECT {}", sql.join(", "));
        let pairs = [("a", 1), ("b", 2)];
        let used: Vec<_> = pairs.into_iter().filter(|(name, _)| sql.contains(name)).collect();
        let bound = bind(dialect, &sql, named(&used));
        if matches!(dialect, Dialect::MySql | Dialect::Generic) {
            let expected: Vec<_> = uses.iter().map(|&first| if first { 1 } else { 2 }).collect();
            prop_assert_eq!(shown(&bound).1, expected);
        } else {
            prop_assert_eq!(bound.values.len(), used.len());
        }
    }

    #[test]
    fn q2_the_text_sent_reads_back_the_same(dialect in dialect(), sql in tricky(), width in 0..5_usize) {
        // Once removed, a backslash no longer escapes its colon. Three colons in a row are no SQL; to which of them a name
        // belongs depends on what is before them.
        if sql.contains("\\:") || sql.contains(":::") {
            return Ok(());
        }
        let Ok(template) = Template::parse(dialect, &sql) else { return Ok(()) };
        let values = || (0..template.slots).map(|_| Value::Null).collect::<Vec<_>>();
        if template.slots == 0 || template.gap.is_some() {
            return Ok(());
        }
        let params = |values: Vec<Value>| {
            if template.names.is_empty() {
                Params(ParamValues::Positional(values))
            } else {
                let names = template.names.iter().map(|name| Cow::Owned(name.to_string()));
                Params(ParamValues::named(names.zip(values)))
            }
        };
        let bound = template.bind(params(values())).unwrap();
        let found = holes(dialect, bound.statement.text());
        // PostgreSQL's `?` next to other placeholders is an operator and stays.
        prop_assert!(found >= template.holes.len(), "{} became {}", sql, bound.statement.text());
        if dialect != Dialect::Postgres {
            prop_assert_eq!(found, template.holes.len());
        }
        let mut lists = values();
        lists[0] = Value::List(vec![Value::Null; width]);
        if let Ok(bound) = template.bind(params(lists)) {
            prop_assert!(dialect == Dialect::Postgres || holes(dialect, bound.statement.text()) >= bound.values.len().min(1));
            let array = Value::Array(vec![Value::Null; width]);
            let is_array = |value: &Value| dialect == Dialect::Postgres && *value == array;
            prop_assert!(bound.values.iter().all(|value| *value == Value::Null || is_array(value)));
        }
    }
}
