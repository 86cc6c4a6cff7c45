//! Cuts SQL into tokens, as far as is needed to tell a parameter from a text that looks like one.
//!
//! Nothing is an error here. What is not terminated reaches to the end, and the server complains.

use super::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Space,
    /// A comment, or the bare fences of a MySQL comment that holds code.
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
    /// A sign with a backslash or its double before it, which stands for itself.
    Escaped(char),
    /// `:name`
    Named,
    /// `$1`
    Dollar(usize),
    /// `?`, of which PostgreSQL does not yet know whether it is an operator.
    Question,
    /// `?1`
    Ordinal(usize),
    /// Any other single character.
    Symbol(u8),
}

/// A piece of the text. The texts of all tokens in a row are the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

/// The tokens of a text.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    dialect: Dialect,
    sql: &'a str,
    at: usize,
    /// The kind of the last token that was neither space nor comment.
    last: Kind,
    /// Open square brackets (PostgreSQL).
    brackets: usize,
    /// Inside a MySQL comment that holds code.
    code_comment: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(dialect: Dialect, sql: &'a str) -> Self {
        Self {
            dialect,
            sql,
            at: 0,
            last: Kind::Space,
            brackets: 0,
            code_comment: false,
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.sql.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn before(&self) -> u8 {
        self.at.checked_sub(1).map_or(0, |at| self.sql.as_bytes()[at])
    }

    fn rest(&self) -> &'a [u8] {
        &self.sql.as_bytes()[self.at..]
    }

    /// The length of the run of bytes from `from` on that `wanted` accepts, counted from here.
    fn run(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        self.rest()
            .iter()
            .skip(from)
            .position(|&byte| !wanted(byte))
            .map_or(self.rest().len(), |n| from + n)
    }

    /// The kind of the token that begins here, and its length in bytes.
    fn scan(&mut self) -> (Kind, usize) {
        let byte = self.byte(0);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => (
                Kind::Space,
                self.run(1, |byte| byte.is_ascii_whitespace() || byte == 0x0b),
            ),
            b'\'' => (Kind::Literal, self.quoted(b'\'', self.dialect == Dialect::MySql)),
            b'"' if self.dialect == Dialect::MySql => (Kind::Literal, self.quoted(b'"', true)),
            b'"' => (Kind::Quoted, self.quoted(b'"', false)),
            b'`' if self.dialect != Dialect::Postgres => (Kind::Quoted, self.quoted(b'`', false)),
            b'[' if self.dialect == Dialect::Sqlite => (Kind::Quoted, self.until(b"]", 1)),
            b'e' | b'E' if self.dialect == Dialect::Postgres && self.byte(1) == b'\'' => {
                (Kind::Literal, self.escape_string())
            }
            b'-' if self.is_line_comment() => (Kind::Comment, self.run(0, |byte| byte != b'\n')),
            b'#' if self.dialect == Dialect::MySql => (Kind::Comment, self.run(0, |byte| byte != b'\n')),
            b'/' if self.byte(1) == b'*' => (Kind::Comment, self.block_comment()),
            b'*' if self.code_comment && self.byte(1) == b'/' => {
                self.code_comment = false;
                (Kind::Comment, 2)
            }
            b'\\' if self.byte(1) == b':' => (Kind::Escaped(':'), 2),
            b':' => self.colon(),
            b'$' => self.dollar(),
            b'?' => self.question(),
            b'0'..=b'9' => (Kind::Number, self.run(1, |byte| byte == b'.' || is_word(byte))),
            byte if is_word_start(byte) => (Kind::Word, self.run(1, is_name)),
            byte => (Kind::Symbol(byte), 1),
        }
    }

    /// The length up to the end of `end`, looked for from `from` on.
    fn until(&self, end: &[u8], from: usize) -> usize {
        let rest = self.rest();
        let from = from.min(rest.len());
        rest[from..]
            .windows(end.len())
            .position(|window| window == end)
            .map_or(rest.len(), |n| from + n + end.len())
    }

    /// The length of a text in quotes, in which a quote is doubled, or has a backslash before it.
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

    /// `E'…'`, with the further pieces that may follow on lines of their own and keep its rules.
    fn escape_string(&self) -> usize {
        let rest = self.rest();
        let mut at = self.quoted_from(1, b'\'', true);
        loop {
            let next = self.run(at, |byte| byte.is_ascii_whitespace());
            if rest.get(next) != Some(&b'\'') || !rest[at..next].contains(&b'\n') {
                return at;
            }
            at = self.quoted_from(next, b'\'', true);
        }
    }

    /// MySQL wants white space after the two dashes, so that `5--1` is a sum.
    fn is_line_comment(&self) -> bool {
        self.byte(1) == b'-' && (self.dialect != Dialect::MySql || self.byte(2) <= b' ')
    }

    fn block_comment(&mut self) -> usize {
        let rest = self.rest();
        if self.dialect == Dialect::MySql {
            let fence = if rest.starts_with(b"/*!") { 3 } else { 4 };
            if fence == 3 || rest.starts_with(b"/*M!") {
                // The server runs what is inside, so it is read like the rest.
                self.code_comment = true;
                return self.run(fence, |byte| byte.is_ascii_digit());
            }
        }
        if self.dialect != Dialect::Postgres {
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

    fn colon(&self) -> (Kind, usize) {
        if self.byte(1) == b':' {
            return (Kind::Cast, 2);
        }
        let name = &self.sql[self.at + 1..];
        let starts = name
            .chars()
            .next()
            .is_some_and(|first| first == '_' || first.is_alphabetic());
        if !starts || self.ends_operand() {
            return (Kind::Symbol(b':'), 1);
        }
        let length = name
            .find(|next: char| next != '_' && !next.is_alphanumeric())
            .unwrap_or(name.len());
        (Kind::Named, 1 + length)
    }

    /// Whether a value or a name has just ended, so that a colon here parts the bounds of a slice or
    /// ends a label. Two values in a row would be no SQL.
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
            Kind::Number
                | Kind::Literal
                | Kind::Quoted
                | Kind::Named
                | Kind::Dollar(_)
                | Kind::Question
                | Kind::Symbol(b')' | b']')
        );
        self.brackets > 0 && value
    }

    fn dollar(&self) -> (Kind, usize) {
        let digits = self.run(1, |byte| byte.is_ascii_digit());
        if digits > 1 {
            if self.dialect != Dialect::Postgres && is_word(self.byte(digits)) {
                return (Kind::Word, self.run(1, is_name));
            }
            let number = self.number(1, digits);
            return (number.map_or(Kind::Word, Kind::Dollar), digits);
        }
        if self.dialect != Dialect::Postgres {
            return (Kind::Symbol(b'$'), 1);
        }
        let tag = self.run(1, is_word);
        if self.byte(tag) != b'$' {
            return (Kind::Symbol(b'$'), 1);
        }
        let fence = &self.rest()[..=tag];
        (Kind::Literal, self.until(fence, fence.len()))
    }

    fn question(&self) -> (Kind, usize) {
        if self.dialect != Dialect::Postgres {
            let digits = self.run(1, |byte| byte.is_ascii_digit());
            return match self.number(1, digits) {
                Some(number) => (Kind::Ordinal(number), digits),
                None => (Kind::Question, 1),
            };
        }
        match (self.byte(1), self.byte(2)) {
            (b'?', _) => (Kind::Escaped('?'), 2),
            // `?|` and `?&` ask a JSON document; `?||` and `?&&` are a placeholder before `||` and `&&`.
            (b'|', next) if next != b'|' => (Kind::Symbol(b'?'), 1),
            (b'&', next) if next != b'&' => (Kind::Symbol(b'?'), 1),
            (b'0'..=b'9', _) => (Kind::Symbol(b'?'), 1),
            _ if self.before() == b'@' => (Kind::Symbol(b'?'), 1),
            _ => (Kind::Question, 1),
        }
    }

    /// The number of a placeholder, if the server has that many.
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
        let (kind, length) = self.scan();
        let start = self.at;
        // A backslash as the last character would reach past the end.
        self.at = (start + length).min(self.sql.len());
        match kind {
            Kind::Symbol(b'[') => self.brackets += 1,
            Kind::Symbol(b']') => self.brackets = self.brackets.saturating_sub(1),
            Kind::Symbol(b';') => self.brackets = 0,
            _ => {}
        }
        if !matches!(kind, Kind::Space | Kind::Comment) {
            self.last = kind;
        }
        Some(Token {
            kind,
            text: &self.sql[start..self.at],
        })
    }
}

/// Whether a byte can begin a name. All beyond ASCII can, as the servers have it.
fn is_word_start(byte: u8) -> bool {
    byte == b'_' || byte >= 0x80 || byte.is_ascii_alphabetic()
}

/// Whether a byte can stand in the name of a parameter, or in the tag of a dollar quote.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_digit() || is_word_start(byte)
}

/// Whether a byte can stand in a name behind the first.
pub(super) fn is_name(byte: u8) -> bool {
    byte == b'$' || is_word(byte)
}
