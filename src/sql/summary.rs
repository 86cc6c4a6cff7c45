//! Descriptions of an SQL text that show no values: a summary of few words, and the text without its literals.

use std::fmt::Write;

use super::lexer::{Lexer, TokenKind};
use super::split::statements;
use super::word::{Word, words};
use super::{Dialect, SqlMode};

/// The longest summary, in bytes. It ends before the first word that does not fit.
const LONGEST: usize = 255;

/// The length of the shown text, in bytes.
const SHOWN: usize = 8 * 1024;

/// A summary of a text in few words: `SELECT note`, `INSERT note SELECT draft`. It is created once for each text, when
/// it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    words: String,
    /// Number of the operations among the words.
    operations: usize,
    /// The length of the first operation.
    first: usize,
    full: bool,
}

impl Summary {
    pub(crate) fn of(dialect: Dialect, mode: SqlMode, text: &str) -> Self {
        let parts = words(Lexer::new(dialect, text).in_mode(mode));
        let mut summary = Self::default();
        statements(dialect, &parts).for_each(|statement| summary.add(statement));
        summary
    }

    /// Returns the words, of which there may be none.
    pub(crate) fn text(&self) -> &str {
        &self.words
    }

    /// Returns the operation, if there is just one.
    pub(crate) fn operation(&self) -> Option<&str> {
        self.words.get(..self.first).filter(|_| self.operations == 1)
    }

    fn push(&mut self, word: &str) {
        self.full |= self.words.len() + 1 + word.len() > LONGEST;
        if !self.full {
            if !self.words.is_empty() {
                self.words.push(' ');
            }
            self.words.push_str(word);
        }
    }

    fn operation_is(&mut self, word: &str) {
        self.push(word);
        self.operations += 1;
        if self.operations == 1 {
            self.first = self.words.len();
        }
    }

    fn add(&mut self, statement: &[Word<'_>]) {
        let Some(first) = statement.first().filter(|first| first.kind == TokenKind::Word) else {
            return;
        };
        let mut at = 0;
        if first.is_one_of(&DEFINES) {
            at = self.definition(statement);
        } else if !first.is_one_of(&VERBS) && !first.is("WITH") {
            self.operation_is(first.text);
            at = if first.is_one_of(&["CALL", "TABLE"]) {
                self.target(statement, 1)
            } else {
                1
            };
        }
        // For each open parenthesis: whether it contains a verb, and whether a comma leads to another table.
        let mut levels = vec![Level::default()];
        while let Some(part) = statement.get(at) {
            let before = at.checked_sub(1).map(|before| &statement[before]);
            at += 1;
            let Some(level) = levels.last_mut() else { return };
            match level.read(part, before, statement.get(at)) {
                Read::Nothing => {}
                Read::Operation => self.operation_is(part.text),
                Read::OperationOn => {
                    self.operation_is(part.text);
                    at = self.target(statement, at);
                }
                Read::Target => at = self.target(statement, at),
                Read::Open => levels.push(Level::default()),
                Read::Close => {
                    if levels.len() > 1 {
                        levels.pop();
                    }
                }
            }
        }
    }

    /// Adds a definition: `CREATE TABLE IF NOT EXISTS note …` is `CREATE TABLE note`. Returns the position of the rest.
    fn definition(&mut self, statement: &[Word<'_>]) -> usize {
        let mut at = 1;
        let mut words = statement[0].text.to_owned();
        while let Some(part) = statement.get(at) {
            if part.is_one_of(&OBJECTS) {
                let _ = write!(words, " {}", part.text);
            } else if !part.is_one_of(&BESIDE_NAMES) {
                break;
            }
            at += 1;
        }
        self.operation_is(&words);
        self.target(statement, at)
    }

    /// Adds the name that starts here, if there is one. Returns the position of the rest.
    fn target(&mut self, statement: &[Word<'_>], from: usize) -> usize {
        let rest = &statement[from.min(statement.len())..];
        let skipped = rest.iter().take_while(|part| part.is_one_of(&BESIDE_NAMES)).count();
        let mut name = String::new();
        let mut taken = 0;
        for part in &rest[skipped..] {
            let wanted = if taken % 2 == 0 {
                matches!(part.kind, TokenKind::Word | TokenKind::Quoted)
            } else {
                part.is_symbol(b'.')
            };
            if !wanted {
                break;
            }
            name.push_str(part.text);
            taken += 1;
        }
        if name.is_empty() || rest[skipped].is_one_of(&VERBS) {
            return from + skipped;
        }
        self.push(&name);
        from + skipped + taken
    }
}

/// Words that start a statement on tables.
const VERBS: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];
/// Words that start a definition.
const DEFINES: [&str; 4] = ["CREATE", "ALTER", "DROP", "TRUNCATE"];
/// The kinds of objects that can be defined.
#[rustfmt::skip]
const OBJECTS: [&str; 19] = [
    "AGGREGATE", "DATABASE", "DOMAIN", "EVENT", "EXTENSION", "FUNCTION", "INDEX", "POLICY", "PROCEDURE", "ROLE", "RULE",
    "SCHEMA", "SEQUENCE", "SERVER", "TABLE", "TRIGGER", "TYPE", "USER", "VIEW",
];
/// Words that may precede a name and are not part of it.
#[rustfmt::skip]
const BESIDE_NAMES: [&str; 25] = [
    "ABORT", "CONCURRENTLY", "DELAYED", "EXISTS", "FAIL", "GLOBAL", "HIGH_PRIORITY", "IF", "IGNORE", "INTO", "LATERAL",
    "LOCAL", "LOW_PRIORITY", "MATERIALIZED", "NOT", "ONLY", "OR", "QUICK", "REPLACE", "ROLLBACK", "TEMP", "TEMPORARY",
    "UNIQUE", "UNLOGGED", "VIRTUAL",
];
/// Words after which a comma no longer leads to another table.
#[rustfmt::skip]
const ENDS: [&str; 15] = [
    "EXCEPT", "FETCH", "FOR", "GROUP", "HAVING", "INTERSECT", "LIMIT", "OFFSET", "ORDER", "RETURNING", "SET", "UNION",
    "VALUES", "WHERE", "WINDOW",
];

#[derive(Default)]
struct Level {
    verb: bool,
    lists: bool,
}

/// The meaning of a token for the summary.
enum Read {
    Nothing,
    Operation,
    /// An operation whose table follows immediately.
    OperationOn,
    Target,
    Open,
    Close,
}

impl Level {
    fn read(&mut self, part: &Word<'_>, before: Option<&Word<'_>>, after: Option<&Word<'_>>) -> Read {
        let before_is = |words: &[&str]| before.is_some_and(|before| before.is_one_of(words));
        match part.kind {
            TokenKind::Symbol(b'(') => return Read::Open,
            TokenKind::Symbol(b')') => return Read::Close,
            TokenKind::Symbol(b',') if self.lists => return Read::Target,
            TokenKind::Word if !before.is_some_and(|before| before.is_symbol(b'.')) => {}
            _ => return Read::Nothing,
        }
        let called = after.is_some_and(|after| after.is_symbol(b'('));
        // Elsewhere these are parts of other clauses: `FOR UPDATE`, `ON DELETE`, `DO UPDATE`.
        let begins = before.is_none_or(|before| before.is_symbol(b'(') || before.is_symbol(b')'))
            || before_is(&["EXPLAIN", "ANALYZE", "AS"]);
        if part.is("SELECT") || (begins && !called && part.is_one_of(&VERBS)) {
            *self = Self {
                verb: true,
                lists: false,
            };
            return if part.is_one_of(&["SELECT", "DELETE"]) {
                Read::Operation
            } else {
                Read::OperationOn
            };
        }
        if part.is("FROM") && self.verb && !before_is(&["DISTINCT"]) {
            self.lists = true;
            return Read::Target;
        }
        if self.verb && !called && part.is_one_of(&["JOIN", "STRAIGHT_JOIN", "INTO", "USING"]) {
            return Read::Target;
        }
        if part.is_one_of(&ENDS) {
            self.lists = false;
        }
        Read::Nothing
    }
}

/// Returns the text with `?` in place of its literals and without its comments, for texts that contain their values.
/// Double quotes enclose a name, except on MySQL without `ANSI_QUOTES`.
pub(crate) fn sanitized(dialect: Dialect, mode: SqlMode, text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for token in Lexer::new(dialect, text.trim()).in_mode(mode) {
        match token.kind {
            TokenKind::Comment => {}
            TokenKind::Literal | TokenKind::Number => out.push('?'),
            TokenKind::Word if token.text.eq_ignore_ascii_case("true") || token.text.eq_ignore_ascii_case("false") => {
                out.push('?');
            }
            _ => out.push_str(token.text),
        }
        if out.len() > SHOWN {
            break;
        }
    }
    let end = shown(&out).len();
    out.truncate(end);
    out
}

/// Returns as much of a text as is shown.
pub(crate) fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}
