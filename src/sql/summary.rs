//! What may be told of a text where values must not be seen: a summary of few words, and the text without its literals.

use std::fmt::Write;

use super::Dialect;
use super::control::{Part, statements};
use super::lexer::{Kind, Lexer};

/// The longest summary, in bytes. It ends before the word that would not fit.
const LONGEST: usize = 255;

/// How much of a text is shown, in bytes.
const SHOWN: usize = 8 * 1024;

/// What a text does, in few words: `SELECT note`, `INSERT note SELECT draft`. Made once for each text, when somebody wants
/// to see it.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    words: String,
    /// How many of the words are operations.
    operations: usize,
    /// The length of the first of them.
    first: usize,
    full: bool,
}

impl Summary {
    pub(crate) fn of(dialect: Dialect, text: &str) -> Self {
        let tokens = Lexer::new(dialect, text).filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment));
        let parts: Vec<_> = tokens
            .map(|token| Part {
                kind: token.kind,
                text: token.text,
                start: 0,
                end: 0,
                hole: false,
            })
            .collect();
        let mut summary = Self::default();
        statements(&parts).for_each(|statement| summary.add(statement));
        summary
    }

    /// The words, which can be none.
    pub(crate) fn text(&self) -> &str {
        &self.words
    }

    /// The operation, if there is just one.
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

    fn add(&mut self, statement: &[Part<'_>]) {
        let Some(first) = statement.first().filter(|first| first.kind == Kind::Word) else {
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
        // For each open parenthesis: whether a verb stands in it, and whether a comma leads to another table.
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

    /// `CREATE TABLE IF NOT EXISTS note …` is `CREATE TABLE note`. Returns where the rest begins.
    fn definition(&mut self, statement: &[Part<'_>]) -> usize {
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

    /// The name that begins here, if one does. Returns where the rest begins.
    fn target(&mut self, statement: &[Part<'_>], from: usize) -> usize {
        let rest = &statement[from.min(statement.len())..];
        let skipped = rest.iter().take_while(|part| part.is_one_of(&BESIDE_NAMES)).count();
        let mut name = String::new();
        let mut taken = 0;
        for part in &rest[skipped..] {
            let wanted = if taken % 2 == 0 {
                matches!(part.kind, Kind::Word | Kind::Quoted)
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

/// Words that begin a statement on tables.
const VERBS: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];
/// Words that begin a definition.
const DEFINES: [&str; 4] = ["CREATE", "ALTER", "DROP", "TRUNCATE"];
/// What can be defined.
#[rustfmt::skip]
const OBJECTS: [&str; 19] = [
    "AGGREGATE", "DATABASE", "DOMAIN", "EVENT", "EXTENSION", "FUNCTION", "INDEX", "POLICY", "PROCEDURE", "ROLE", "RULE",
    "SCHEMA", "SEQUENCE", "SERVER", "TABLE", "TRIGGER", "TYPE", "USER", "VIEW",
];
/// Words that may stand before a name and are none.
#[rustfmt::skip]
const BESIDE_NAMES: [&str; 25] = [
    "ABORT", "CONCURRENTLY", "DELAYED", "EXISTS", "FAIL", "GLOBAL", "HIGH_PRIORITY", "IF", "IGNORE", "INTO", "LATERAL",
    "LOCAL", "LOW_PRIORITY", "MATERIALIZED", "NOT", "ONLY", "OR", "QUICK", "REPLACE", "ROLLBACK", "TEMP", "TEMPORARY",
    "UNIQUE", "UNLOGGED", "VIRTUAL",
];
/// Words behind which a comma no longer leads to another table.
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

/// What a token means for the summary.
enum Read {
    Nothing,
    Operation,
    /// An operation whose table follows at once.
    OperationOn,
    Target,
    Open,
    Close,
}

impl Level {
    fn read(&mut self, part: &Part<'_>, before: Option<&Part<'_>>, after: Option<&Part<'_>>) -> Read {
        let before_is = |words: &[&str]| before.is_some_and(|before| before.is_one_of(words));
        match part.kind {
            Kind::Symbol(b'(') => return Read::Open,
            Kind::Symbol(b')') => return Read::Close,
            Kind::Symbol(b',') if self.lists => return Read::Target,
            Kind::Word if !before.is_some_and(|before| before.is_symbol(b'.')) => {}
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

/// The text with `?` in place of its literals and without its comments, for texts that bring their values along. What
/// stands in double quotes is a name but on MySQL.
pub(crate) fn sanitized(dialect: Dialect, text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for token in Lexer::new(dialect, text.trim()) {
        match token.kind {
            Kind::Comment => {}
            Kind::Literal | Kind::Number => out.push('?'),
            Kind::Word if token.text.eq_ignore_ascii_case("true") || token.text.eq_ignore_ascii_case("false") => {
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

/// As much of a text as is shown.
pub(crate) fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}
