//! Changes of a text for PostgreSQL that has numbered placeholders.

use super::lexer::{Lexer, Token, TokenKind};
use super::{Dialect, Statement};

#[allow(dead_code, reason = "unused without the driver of PostgreSQL")]
impl Statement {
    /// Returns the text with casts: each placeholder for whose index, counted from 0, `cast` returns the types `through`
    /// and `to` becomes `($1::through::to)`.
    pub(crate) fn with_casts<'c>(&self, cast: impl Fn(usize) -> Option<(&'c str, &'c str)>) -> String {
        let mut out = String::with_capacity(self.text().len() + 64);
        for token in Lexer::new(Dialect::Postgres, self.text()) {
            match token.kind {
                TokenKind::Dollar(number) if let Some((through, to)) = cast(number - 1) => {
                    out.extend(["(", token.text, "::", through, "::", to, ")"]);
                }
                _ => out.push_str(token.text),
            }
        }
        out
    }

    /// Returns the text with the values, written as literals, in the places of their placeholders.
    pub(crate) fn with_literals(&self, literals: &[String]) -> String {
        let mut out = String::with_capacity(self.text().len() + 64);
        for token in Lexer::new(Dialect::Postgres, self.text()) {
            match token.kind {
                TokenKind::Dollar(number) if let Some(literal) = literals.get(number - 1) => out.push_str(literal),
                _ => out.push_str(token.text),
            }
        }
        out
    }

    /// Returns the text without each placeholder that is only compared with `NULL` (`$1 IS NULL`, `$1 IS NOT NULL`). The
    /// server does not infer a type from there, and after it from nowhere else.
    pub(crate) fn without_null_tests(&self) -> String {
        let tokens: Vec<Token<'_>> = Lexer::new(Dialect::Postgres, self.text()).collect();
        let mut out = String::with_capacity(self.text().len());
        for (index, token) in tokens.iter().enumerate() {
            let tested = matches!(token.kind, TokenKind::Dollar(_)) && is_null_test(&tokens[index + 1..]);
            out.push_str(if tested { "NULL" } else { token.text });
        }
        out
    }
}

/// Returns whether the text goes on with `IS NULL` or `IS NOT NULL`.
#[allow(dead_code, reason = "unused without the driver of PostgreSQL")]
fn is_null_test(rest: &[Token<'_>]) -> bool {
    let mut words = rest
        .iter()
        .filter(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Comment))
        .map(|token| if token.kind == TokenKind::Word { token.text } else { "" });
    let mut next = || words.next().unwrap_or("").to_ascii_uppercase();
    let (first, second) = (next(), next());
    first == "IS" && (second == "NULL" || (second == "NOT" && next() == "NULL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q2_a_cast_goes_around_placeholders_only() {
        let cast = |index| (index == 0).then_some(("text", "pg_catalog.date"));
        assert_eq!(
            Statement::new("SELECT $1, '$1', $2 -- $1\n, $1[1], a$1, $q$ $1 $q$", false).with_casts(cast),
            "SELECT ($1::text::pg_catalog.date), '$1', $2 -- $1\n, ($1::text::pg_catalog.date)[1], a$1, $q$ $1 $q$"
        );
    }

    #[test]
    fn q4_values_stand_in_the_places_of_their_placeholders() {
        let literals = ["E'$2 it''s'".to_owned(), "(7::int8)".to_owned()];
        assert_eq!(
            Statement::new("SELECT $1, '$1', $2, $1", false).with_literals(&literals),
            "SELECT E'$2 it''s', '$1', (7::int8), E'$2 it''s'"
        );
    }

    #[test]
    fn q2_a_null_test_says_nothing_about_a_type() {
        for (sql, expected) in [
            ("$1 IS NULL OR id = $1", "NULL IS NULL OR id = $1"),
            (
                "$2 is /* c */ not\n null and $2 > $1",
                "NULL is /* c */ not\n null and $2 > $1",
            ),
            ("$1 IS NOT DISTINCT FROM $2", "$1 IS NOT DISTINCT FROM $2"),
            ("'$1 IS NULL'", "'$1 IS NULL'"),
            ("x IS NULL AND $1 IS", "x IS NULL AND $1 IS"),
        ] {
            assert_eq!(Statement::new(sql, false).without_null_tests(), expected);
        }
    }
}
