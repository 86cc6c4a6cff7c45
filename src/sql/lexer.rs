//! Splits SQL into tokens, as far as necessary to distinguish a parameter from text that looks like one.
//!
//! Nothing is an error here. An unterminated token extends to the end, and the server reports the error.

use super::lexical::{
    continuation, is_name, is_name_of_sql_server, is_word, is_word_start, line_comment, number, space,
    variable_with_suffix,
};
use super::version_comment::version_comment;
use super::{Dialect, SqlMode};

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Space,
    /// A comment, or only the delimiters of a MySQL comment that contains code.
    Comment,
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string in quotes or dollar quotes.
    Literal,
    Number,
    /// `::`
    Cast,
    /// A character with a backslash or its double before it, which stands for itself.
    Escaped(char),
    /// `:name`
    Named,
    /// `$1`
    Dollar(usize),
    /// `?`; on PostgreSQL it is not known yet whether it is an operator.
    Question,
    /// `?1`
    Ordinal(usize),
    /// Any other single character.
    Symbol(u8),
}

/// A piece of the text. The texts of all tokens together are the whole text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
}

/// An iterator over the tokens of a text.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    dialect: Dialect,
    mode: SqlMode,
    /// Set if backslashes in strings are read as sessions of the other kind read them.
    other_backslashes: bool,
    sql: &'a str,
    /// The end of what the server reads.
    end: usize,
    at: usize,
    /// The kind of the last token other than space and comments.
    last: TokenKind,
    /// Number of open square brackets (PostgreSQL).
    brackets: usize,
    /// Set inside a MySQL comment that contains code.
    code_comment: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(dialect: Dialect, sql: &'a str) -> Self {
        Self {
            dialect,
            mode: SqlMode::default(),
            other_backslashes: false,
            sql,
            end: match dialect {
                // The driver removes white space of any kind around a text.
                Dialect::Sqlite => sql.trim_end().len(),
                Dialect::Postgres | Dialect::MySql | Dialect::SqlServer | Dialect::Generic => sql.len(),
            },
            at: 0,
            last: TokenKind::Space,
            brackets: 0,
            code_comment: false,
        }
    }

    /// Reads the text as a session of MySQL in this mode does.
    pub(super) fn in_mode(mut self, mode: SqlMode) -> Self {
        self.mode = mode;
        self
    }

    /// Reads backslashes in strings as the sessions do that have the opposite setting.
    pub(super) fn with_other_backslashes(mut self) -> Self {
        self.other_backslashes = true;
        self
    }

    /// Returns whether a backslash in a text escapes the character after it.
    fn escapes(&self) -> bool {
        match self.dialect {
            Dialect::MySql => self.mode.plain_backslashes == self.other_backslashes,
            Dialect::Postgres | Dialect::Generic => self.other_backslashes,
            Dialect::Sqlite | Dialect::SqlServer => false,
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.rest().get(ahead).copied().unwrap_or(0)
    }

    fn before(&self) -> u8 {
        self.at.checked_sub(1).map_or(0, |at| self.sql.as_bytes()[at])
    }

    fn rest(&self) -> &'a [u8] {
        &self.sql.as_bytes()[self.at..self.end]
    }

    /// Returns the length of the run of bytes from `from` on that `wanted` accepts, counted from the current position.
    fn run(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        self.rest()
            .iter()
            .skip(from)
            .position(|&byte| !wanted(byte))
            .map_or(self.rest().len(), |n| from + n)
    }

    /// Returns the kind of the token that starts here, and its length in bytes.
    fn scan(&mut self) -> (TokenKind, usize) {
        let byte = self.byte(0);
        let blank = self.space();
        if blank > 0 {
            return (TokenKind::Space, blank);
        }
        let comment = line_comment(self.dialect, self.rest());
        if comment > 0 {
            return (TokenKind::Comment, comment);
        }
        match byte {
            b'\'' => (TokenKind::Literal, self.quoted(b'\'', self.escapes())),
            b'"' if self.dialect == Dialect::MySql && !self.mode.ansi_quotes => {
                (TokenKind::Literal, self.quoted(b'"', self.escapes()))
            }
            b'"' => (TokenKind::Quoted, self.quoted(b'"', false)),
            b'`' if !matches!(self.dialect, Dialect::Postgres | Dialect::SqlServer) => {
                (TokenKind::Quoted, self.quoted(b'`', false))
            }
            b'[' if self.dialect == Dialect::Sqlite => (TokenKind::Quoted, self.until(b"]", 1)),
            b'[' if self.dialect == Dialect::SqlServer => (TokenKind::Quoted, self.quoted(b']', false)),
            b'n' | b'N' if self.dialect == Dialect::SqlServer && self.byte(1) == b'\'' => {
                (TokenKind::Literal, self.quoted_from(1, b'\'', false))
            }
            // Variables, whose names begin with `@`, and temporary tables.
            b'@' | b'#' if self.dialect == Dialect::SqlServer => (TokenKind::Word, self.run(1, is_name_of_sql_server)),
            b'e' | b'E' if self.dialect == Dialect::Postgres && self.byte(1) == b'\'' => {
                (TokenKind::Literal, self.escape_string())
            }
            b'/' if self.byte(1) == b'*' => (TokenKind::Comment, self.block_comment()),
            b'*' if self.code_comment && self.byte(1) == b'/' => {
                self.code_comment = false;
                (TokenKind::Comment, 2)
            }
            b'$' | b'@' | b'#' | b':' if self.dialect == Dialect::Sqlite => match variable_with_suffix(self.rest()) {
                Some(length) => (TokenKind::Word, length),
                None => self.sign(byte),
            },
            b'\\' if self.byte(1) == b':' => (TokenKind::Escaped(':'), 2),
            b':' | b'$' | b'?' => self.sign(byte),
            b'0'..=b'9' => (TokenKind::Number, number(self.dialect, self.rest())),
            byte if is_word_start(byte) && self.dialect == Dialect::SqlServer => {
                (TokenKind::Word, self.run(1, is_name_of_sql_server))
            }
            byte if is_word_start(byte) => (TokenKind::Word, self.run(1, is_name)),
            byte => (TokenKind::Symbol(byte), 1),
        }
    }

    /// Returns the length of the white space that starts here.
    fn space(&self) -> usize {
        match self.at {
            at if at >= self.end => self.sql.len() - at,
            0 if self.dialect == Dialect::Sqlite => {
                let trimmed = self.sql.len() - self.sql.trim_start().len();
                trimmed + space(self.dialect, &self.rest()[trimmed..])
            }
            _ => space(self.dialect, self.rest()),
        }
    }

    /// Does the same for a sign that may start a placeholder.
    fn sign(&self, byte: u8) -> (TokenKind, usize) {
        match byte {
            b':' => self.colon(),
            b'$' => self.dollar(),
            b'?' => self.question(),
            byte => (TokenKind::Symbol(byte), 1),
        }
    }

    /// Returns the length up to the end of `end`, which is searched for from `from` on.
    fn until(&self, end: &[u8], from: usize) -> usize {
        let rest = self.rest();
        let from = from.min(rest.len());
        rest[from..]
            .windows(end.len())
            .position(|window| window == end)
            .map_or(rest.len(), |n| from + n + end.len())
    }

    /// Returns the length of a text in quotes, in which a quote is doubled, or has a backslash before it.
    fn quoted(&self, quote: u8, backslash: bool) -> usize {
        self.quoted_from(0, quote, backslash)
    }

    fn quoted_from(&self, from: usize, quote: u8, backslash: bool) -> usize {
        let rest = self.rest();
        let mut at = from + 1;
        while let Some(&byte) = rest.get(at) {
            if byte == b'\\' && backslash {
                at += 2;
            } else if byte != quote {
                at += 1;
            } else if rest.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        }
        rest.len()
    }

    /// Returns the length of `E'…'`, with the further pieces that may follow on separate lines under the same rules.
    fn escape_string(&self) -> usize {
        let mut at = self.quoted_from(1, b'\'', true);
        while let Some(next) = self.rest().get(at..).and_then(continuation) {
            at = self.quoted_from(at + next, b'\'', true);
        }
        at
    }

    fn block_comment(&mut self) -> usize {
        let rest = self.rest();
        if self.dialect == Dialect::MySql {
            let fence = if rest.starts_with(b"/*!") { 3 } else { 4 };
            if fence == 3 || rest.starts_with(b"/*M!") {
                let (length, runs) = version_comment(self.mode.server, rest, fence);
                self.code_comment |= runs;
                return length;
            }
        }
        if !matches!(self.dialect, Dialect::Postgres | Dialect::SqlServer) {
            return self.until(b"*/", 2);
        }
        let (mut at, mut depth) = (2, 1);
        while at < rest.len() {
            match (rest[at], rest.get(at + 1)) {
                (b'/', Some(b'*')) => (at, depth) = (at + 2, depth + 1),
                (b'*', Some(b'/')) if depth == 1 => return at + 2,
                (b'*', Some(b'/')) => (at, depth) = (at + 2, depth - 1),
                _ => at += 1,
            }
        }
        rest.len()
    }

    fn colon(&self) -> (TokenKind, usize) {
        if self.byte(1) == b':' {
            return (TokenKind::Cast, 2);
        }
        let name = &self.sql[self.at + 1..];
        let starts = name
            .chars()
            .next()
            .is_some_and(|first| first == '_' || first.is_alphabetic());
        if !starts || self.ends_operand() {
            return (TokenKind::Symbol(b':'), 1);
        }
        let length = name
            .find(|next: char| next != '_' && !next.is_alphanumeric())
            .unwrap_or(name.len());
        (TokenKind::Named, 1 + length)
    }

    /// Returns whether a value or a name has just ended. A colon here then separates the bounds of a slice or ends a
    /// label, because two values in a row are not valid SQL.
    fn ends_operand(&self) -> bool {
        let before = self.before();
        if is_word(before) || matches!(before, b')' | b']' | b'\'' | b'"' | b'`' | b'$') {
            return true;
        }
        if before == b'?' && self.dialect != Dialect::Postgres {
            return true;
        }
        let value = matches!(
            self.last,
            TokenKind::Number
                | TokenKind::Literal
                | TokenKind::Quoted
                | TokenKind::Named
                | TokenKind::Dollar(_)
                | TokenKind::Question
                | TokenKind::Symbol(b')' | b']')
        );
        self.brackets > 0 && value
    }

    fn dollar(&self) -> (TokenKind, usize) {
        let digits = self.run(1, |byte| byte.is_ascii_digit());
        if digits > 1 {
            if self.dialect != Dialect::Postgres && is_word(self.byte(digits)) {
                return (TokenKind::Word, self.run(1, is_name));
            }
            let number = self.number(1, digits);
            return (number.map_or(TokenKind::Word, TokenKind::Dollar), digits);
        }
        if !matches!(self.dialect, Dialect::Postgres | Dialect::Generic) {
            return (TokenKind::Symbol(b'$'), 1);
        }
        let tag = self.run(1, is_word);
        if self.byte(tag) != b'$' {
            return (TokenKind::Symbol(b'$'), 1);
        }
        let fence = &self.rest()[..=tag];
        (TokenKind::Literal, self.until(fence, fence.len()))
    }

    fn question(&self) -> (TokenKind, usize) {
        if self.dialect != Dialect::Postgres {
            let digits = self.run(1, |byte| byte.is_ascii_digit());
            return match self.number(1, digits) {
                Some(number) => (TokenKind::Ordinal(number), digits),
                None => (TokenKind::Question, 1),
            };
        }
        match (self.byte(1), self.byte(2)) {
            (b'?', _) => (TokenKind::Escaped('?'), 2),
            // `?|` and `?&` are operators on JSON documents; `?||` and `?&&` are a placeholder before `||` and `&&`.
            (b'|', next) if next != b'|' => (TokenKind::Symbol(b'?'), 1),
            (b'&', next) if next != b'&' => (TokenKind::Symbol(b'?'), 1),
            (b'0'..=b'9', _) => (TokenKind::Symbol(b'?'), 1),
            _ if self.before() == b'@' => (TokenKind::Symbol(b'?'), 1),
            _ => (TokenKind::Question, 1),
        }
    }

    /// Returns the number of a placeholder, if the server allows that many.
    fn number(&self, from: usize, to: usize) -> Option<usize> {
        let number = self.sql.get(self.at + from..self.at + to)?.parse().ok()?;
        (1..=self.dialect.max_parameters()).contains(&number).then_some(number)
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.at >= self.sql.len() {
            return None;
        }
        let start = self.at;
        let (kind, length) = self.scan();
        // A backslash as the last character would reach past the end.
        let end = if start < self.end { self.end } else { self.sql.len() };
        self.at = (start + length).min(end);
        match kind {
            TokenKind::Symbol(b'[') => self.brackets += 1,
            TokenKind::Symbol(b']') => self.brackets = self.brackets.saturating_sub(1),
            TokenKind::Symbol(b';') => self.brackets = 0,
            _ => {}
        }
        if !matches!(kind, TokenKind::Space | TokenKind::Comment) {
            self.last = kind;
        }
        Some(Token {
            kind,
            text: &self.sql[start..self.at],
        })
    }
}
