//! Finds names of a database in an SQL text.

use std::collections::HashSet;

use super::Dialect;
use super::lexer::{Lexer, Token, TokenKind};

/// Returns whether a text may use one of the names, which are in small letters: of a relation as it is, of a function
/// with a parenthesis after it, of an operator by its characters.
pub(crate) fn mentions(dialect: Dialect, sql: &str, names: &HashSet<String>) -> bool {
    let tokens: Vec<Token<'_>> = Lexer::new(dialect, sql)
        .filter(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Comment))
        .collect();
    let operators: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with(is_of_operator))
        .collect();
    tokens.iter().enumerate().any(|(index, token)| match token.kind {
        TokenKind::Word | TokenKind::Quoted => {
            let inner = token.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let quoted = inner.unwrap_or(token.text).replace("\"\"", "\"");
            let name = quoted.to_lowercase();
            let called = tokens.get(index + 1).is_some_and(|next| next.text == "(");
            // `U&"…"` spells a name in another way.
            name == "u" && tokens.get(index + 1).is_some_and(|next| next.text == "&")
                || names.contains(&name)
                || (called && names.contains(&(name + "(")))
        }
        _ if token.text.starts_with(is_of_operator) => {
            let end = (index..tokens.len()).find(|at| !tokens[*at].text.starts_with(is_of_operator));
            let run: String = tokens[index..end.unwrap_or(tokens.len())]
                .iter()
                .map(|token| token.text)
                .collect();
            operators.iter().any(|operator| run.starts_with(operator))
        }
        _ => false,
    })
}

fn is_of_operator(letter: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q1_names_of_each_sort_are_found_as_they_are_written() {
        let names = ["busy", "round(", "===", "odd \"name\""].map(str::to_owned).into();
        let found = |sql: &str| mentions(Dialect::Postgres, sql, &names);
        for sql in [
            "SELECT * FROM busy",
            "SELECT n FROM \"Busy\" AS b",
            "SELECT n FROM public.BUSY, note",
            "SELECT round(n) FROM note",
            "SELECT ROUND (n) FROM note",
            "SELECT n FROM note WHERE a===b",
            "SELECT n FROM note WHERE a OPERATOR(public.===) b",
            "SELECT n FROM note WHERE a ==== b",
            "SELECT n FROM U&\"b\\0075sy\"",
            "SELECT n FROM \"odd \"\"name\"\"\"",
        ] {
            assert!(found(sql), "{sql}");
        }
        for sql in [
            "SELECT * FROM note",
            "SELECT 'busy', $1, n AS round FROM note WHERE a = b",
            "SELECT busy_at FROM note -- busy",
            "SELECT n FROM note WHERE a == b",
        ] {
            assert!(!found(sql), "{sql}");
        }
    }
}
