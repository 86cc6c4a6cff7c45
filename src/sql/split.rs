//! Splits a text into its statements.

use super::Dialect;
use super::lexer::Lexer;
use super::transact;
use super::word::{Word, words};

/// Returns the statements of a text, without the parentheses around them.
pub(super) fn statements<'p, 't>(dialect: Dialect, mut parts: &'p [Word<'t>]) -> impl Iterator<Item = &'p [Word<'t>]> {
    std::iter::from_fn(move || {
        while !parts.is_empty() {
            let (statement, rest) = split_first(dialect, parts);
            parts = rest;
            let outer = statement.iter().take_while(|part| part.is_symbol(b'(')).count();
            if outer < statement.len() {
                return Some(&statement[outer..]);
            }
        }
        None
    })
}

/// Returns the statements of a text as they are written, without what ends them.
#[cfg_attr(
    not(any(feature = "jdbc", feature = "dbapi2", feature = "odbc")),
    allow(dead_code, reason = "the drivers of sqlx take several statements at once")
)]
pub(crate) fn split(dialect: Dialect, text: &str) -> Vec<&str> {
    let words = words(Lexer::new(dialect, text));
    let (mut rest, mut texts) = (&*words, Vec::new());
    while !rest.is_empty() {
        let (statement, after) = split_first(dialect, rest);
        if let (Some(first), Some(last)) = (statement.first(), statement.last()) {
            texts.push(&text[first.start..last.end]);
        }
        rest = after;
    }
    texts
}

/// Splits the first statement from the rest. The body of a trigger or procedure belongs to its statement.
fn split_first<'p, 't>(dialect: Dialect, parts: &'p [Word<'t>]) -> (&'p [Word<'t>], &'p [Word<'t>]) {
    let mut body = Body::of(dialect, parts);
    let mut depth = 0;
    for (index, part) in parts.iter().enumerate() {
        depth += part.nesting();
        if part.is_symbol(b';') && depth <= 0 && !body.is_open() {
            return (&parts[..index], &parts[index + 1..]);
        }
        body.pass(parts, index);
    }
    (parts, &[])
}

/// The body of a statement, which contains others.
enum Body {
    None,
    /// Its blocks are nested, and `END` may be followed by what it ends. The number of open ones is counted.
    Nested(i32),
    /// It is one block. Each of its statements ends with a semicolon, so that `END` follows one. In between, the words
    /// can be names.
    Single(Block),
    /// It is the rest of the text (SQL Server).
    ToTheEnd,
}

#[derive(PartialEq, Eq)]
enum Block {
    NotBegun,
    Open,
    Ended,
}

impl Body {
    fn of(dialect: Dialect, parts: &[Word<'_>]) -> Self {
        match dialect {
            Dialect::SqlServer if transact::defines_code(parts) => Self::ToTheEnd,
            _ if !has_body(parts) => Self::None,
            Dialect::SqlServer => Self::None,
            Dialect::MySql | Dialect::Generic => Self::Nested(0),
            Dialect::Postgres | Dialect::Sqlite => Self::Single(Block::NotBegun),
        }
    }

    fn is_open(&self) -> bool {
        match self {
            Self::None => false,
            Self::ToTheEnd => true,
            Self::Nested(blocks) => *blocks > 0,
            Self::Single(block) => *block == Block::Open,
        }
    }

    /// Notes the word at a position.
    fn pass(&mut self, parts: &[Word<'_>], index: usize) {
        let part = &parts[index];
        let before = index.checked_sub(1).map(|index| &parts[index]);
        let next = parts.get(index + 1);
        match self {
            Self::None | Self::ToTheEnd | Self::Single(Block::Ended) => {}
            Self::Nested(blocks) => {
                let after_end = before.is_some_and(|before| before.is("END"));
                if part.is("BEGIN") || (part.is("CASE") && !after_end) {
                    *blocks += 1;
                } else if part.is("END") {
                    let closes_loop =
                        next.is_some_and(|next| next.is_one_of(&["IF", "LOOP", "WHILE", "REPEAT", "FOR"]));
                    *blocks -= i32::from(!closes_loop);
                }
            }
            Self::Single(block @ Block::NotBegun) => {
                // PostgreSQL's functions in standard SQL; what else they have is in quotes.
                let begins =
                    parts[1..].iter().any(|part| part.is("TRIGGER")) || next.is_some_and(|next| next.is("ATOMIC"));
                if part.is("BEGIN") && begins {
                    *block = Block::Open;
                }
            }
            Self::Single(block @ Block::Open) => {
                let between = before.is_some_and(|before| before.is_symbol(b';') || before.is("ATOMIC"));
                if part.is("END") && between {
                    *block = Block::Ended;
                }
            }
        }
    }
}

/// Returns whether a statement may contain others between `BEGIN` and `END`.
fn has_body(parts: &[Word<'_>]) -> bool {
    const BODIES: [&str; 5] = ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"];
    const BEFORE: [&str; 6] = ["OR", "REPLACE", "TEMP", "TEMPORARY", "CONSTRAINT", "AGGREGATE"];
    match parts {
        [first, rest @ ..] if first.is("CREATE") => {
            let mut rest = rest.iter().skip_while(|part| part.is_one_of(&BEFORE));
            match rest.next() {
                // MySQL's user, in whose name it runs.
                Some(part) if part.is("DEFINER") => rest.take(12).any(|part| part.is_one_of(&BODIES)),
                part => part.is_some_and(|part| part.is_one_of(&BODIES)),
            }
        }
        [first, second, third, ..] => first.is("BEGIN") && second.is("NOT") && third.is("ATOMIC"),
        _ => false,
    }
}
