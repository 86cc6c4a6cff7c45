//! The tokens of an SQL text other than space and comments.

use super::lexer::{Token, TokenKind};

/// A token other than space and comments, with its position in the text without placeholders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Set if a placeholder was removed here.
    pub(super) hole: bool,
}

impl Word<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub(super) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }

    /// Returns how much the token adds to the depth of parentheses.
    pub(super) fn nesting(&self) -> i32 {
        i32::from(self.is_symbol(b'(')) - i32::from(self.is_symbol(b')'))
    }

    /// Returns whether the token is a constant.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.kind, TokenKind::Literal | TokenKind::Number)
    }
}

/// Returns the words of a text, with their positions in it.
pub(super) fn words<'a>(tokens: impl Iterator<Item = Token<'a>>) -> Vec<Word<'a>> {
    let mut at = 0;
    let mut parts = Vec::new();
    for token in tokens {
        let start = at;
        at += token.text.len();
        if !matches!(token.kind, TokenKind::Space | TokenKind::Comment) {
            parts.push(Word {
                kind: token.kind,
                text: token.text,
                start,
                end: at,
                hole: false,
            });
        }
    }
    parts
}

/// Returns the position after the parenthesis that closes the one at `start`.
pub(super) fn closing(statement: &[Word<'_>], start: usize) -> Option<usize> {
    let mut depth = 0;
    let length = statement[start..].iter().position(|part| {
        depth += part.nesting();
        depth == 0
    })?;
    Some(start + length + 1)
}
