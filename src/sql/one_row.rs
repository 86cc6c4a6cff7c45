//! Statements that insert one row, whose generated key is that of the row.

use super::Dialect;
use super::control::Verb;
use super::lexer::Lexer;
use super::word::{Word, closing, words};

/// Returns whether a text is one `INSERT … VALUES (…)` with one row, and not one that may update instead.
pub(crate) fn inserts_one_row(dialect: Dialect, text: &str) -> bool {
    let words = words(Lexer::new(dialect, text));
    is_one_row(&words).unwrap_or(false)
}

fn is_one_row(words: &[Word<'_>]) -> Option<bool> {
    if Verb::of(words) != Verb::Insert || !words.first()?.is("INSERT") {
        return None;
    }
    let mut depth = 0;
    let values = words.iter().position(|word| {
        depth += word.nesting();
        depth == 0 && word.is_one_of(&["VALUES", "SELECT", "TABLE", "WITH", "SET", "DEFAULT"])
    })?;
    let rest = &words[values..];
    let after = match rest {
        [values, open, ..] if values.is("VALUES") && open.is_symbol(b'(') => &rest[closing(rest, 1)?..],
        // `DEFAULT VALUES`
        [default, values, after @ ..] if default.is("DEFAULT") && values.is("VALUES") => after,
        _ => return None,
    };
    let ends = match after {
        [] => true,
        [end, rest @ ..] => end.is_symbol(b';') && rest.is_empty(),
    };
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_a_key_is_asked_for_where_one_row_is_inserted() {
        for (text, expected) in [
            ("INSERT INTO note (a, b) VALUES (?, (1))", true),
            ("insert into note values ('a;b'); ", true),
            ("INSERT INTO note DEFAULT VALUES", true),
            ("INSERT INTO note (a) VALUES (1), (2)", false),
            ("INSERT INTO note SELECT 1", false),
            (
                "INSERT INTO note (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
                false,
            ),
            ("INSERT INTO note VALUES (1); DELETE FROM note", false),
            ("WITH x AS (SELECT 1) INSERT INTO note VALUES (1)", false),
            ("UPDATE note SET a = 1", false),
            ("", false),
        ] {
            assert_eq!(inserts_one_row(Dialect::Sqlite, text), expected, "{text}");
        }
    }
}
