//! SQLite's variables that are no placeholders of this library: `@name`, `$name`, `:1`, `$0`.
//!
//! Nothing would bind them: the driver refuses some, takes `$1a` for `$1`, leaves others `NULL` without a word, and its
//! thread does not survive `$0`.

use super::Dialect;
use super::bind_error::BindError;
use super::lexer::{Token, TokenKind};

/// Returns an error for a variable that would not be bound.
pub(super) fn refused(dialect: Dialect, tokens: &[Token<'_>]) -> Result<(), BindError> {
    if dialect != Dialect::Sqlite {
        // MySQL's user variables begin with `@`; the servers themselves refuse the others.
        return Ok(());
    }
    match (0..tokens.len()).find_map(|index| variable(&tokens[index..])) {
        None => Ok(()),
        Some(name) if name.strip_prefix('$').is_some_and(is_number) => Err(BindError::new(
            format!("the statement has the placeholder {name}, but the numbers of placeholders go from 1 to 32766"),
            "number the placeholders from 1 without gaps, or write `:name`",
        )),
        Some(name) => Err(BindError::new(
            format!("the statement has {name}, which SQLite takes for a parameter, and no value can be given for it"),
            "write `:name` and give the value by this name, or write `?` or `$1`; text belongs in single quotes",
        )),
    }
}

/// Returns an error for a variable that the driver's thread would not survive.
pub(super) fn refused_for_driver(dialect: Dialect, tokens: &[Token<'_>]) -> Result<(), BindError> {
    let zero = |token: &Token<'_>| {
        let digits = token.text.strip_prefix('$').unwrap_or_default();
        token.kind == TokenKind::Word && leading_number(digits) == Some(0)
    };
    match tokens.iter().find(|token| dialect == Dialect::Sqlite && zero(token)) {
        None => Ok(()),
        Some(token) => Err(BindError::new(
            format!("the statement has the placeholder {}", token.text),
            "number the placeholders from 1",
        )),
    }
}

/// Returns the variable at the start of these tokens.
fn variable(tokens: &[Token<'_>]) -> Option<String> {
    let (first, rest) = tokens.split_first()?;
    let next = rest
        .first()
        .filter(|next| matches!(next.kind, TokenKind::Word | TokenKind::Number))
        .map(|next| next.text);
    match first.kind {
        TokenKind::Word if first.text.starts_with(['$', '@', '#', ':']) => Some(first.text.to_owned()),
        TokenKind::Symbol(b'@' | b'$' | b'#' | b':') | TokenKind::Escaped(':') => {
            next.map(|next| format!("{}{next}", first.text.trim_start_matches('\\')))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the number at the start of a text, as the driver reads it.
fn leading_number(text: &str) -> Option<u128> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}
