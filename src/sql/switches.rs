//! The settings of a MySQL session on which every commit depends, and the statements that change them.

use super::lexer::TokenKind;
use super::word::Word;

/// A setting on which the guarantees of the library's transactions depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// If off, what is written outside of transactions is lost silently.
    Autocommit,
    /// If other than `NO_CHAIN`, a COMMIT starts the next transaction, or ends the session.
    CompletionType,
    /// If on, a statement outside of a transaction begins one, which nobody commits (SQL Server).
    ImplicitTransactions,
}

impl Setting {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Autocommit => "autocommit",
            Self::CompletionType => "completion_type",
            Self::ImplicitTransactions => "implicit_transactions",
        }
    }

    fn of(name: &Word<'_>) -> Option<Self> {
        let text = match name.kind {
            TokenKind::Word => name.text,
            TokenKind::Quoted => name.text.trim_matches('`'),
            _ => return None,
        };
        Self::named(text)
    }

    /// Returns the setting with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Autocommit, Self::CompletionType]
            .into_iter()
            .find(|setting| name.eq_ignore_ascii_case(setting.name()))
    }

    /// Returns whether a value is certainly the one on which the library relies.
    pub(crate) fn keeps(self, value: &str) -> bool {
        let known: &[&str] = match self {
            Self::Autocommit => &["1", "on", "true"],
            Self::CompletionType => &["0", "no_chain"],
            Self::ImplicitTransactions => &["off"],
        };
        let value = value.trim_matches(['\'', '"']);
        known.iter().any(|known| value.eq_ignore_ascii_case(known))
    }
}

/// Returns the settings of the session that a statement of MySQL or MariaDB assigns to, each with its value.
pub(super) fn assigned<'p, 't>(statement: &'p [Word<'t>]) -> Vec<(Setting, &'p [Word<'t>])> {
    let mut found = Vec::new();
    for (index, part) in statement.iter().enumerate() {
        // Blocks of MariaDB contain statements; the body of a created object runs later, if ever.
        let begins = index == 0 || statement[index - 1].is_one_of(&["BEGIN", "THEN", "ELSE", "DO", "ATOMIC", "FOR"]);
        let begins = begins || statement[index - 1].is_symbol(b';');
        if part.is("SET") && begins && !statement[0].is("CREATE") {
            assignments(&statement[index + 1..], &mut found);
        }
    }
    found
}

/// Reads the assignments after `SET`, or after `SET STATEMENT` up to `FOR`.
fn assignments<'p, 't>(parts: &'p [Word<'t>], found: &mut Vec<(Setting, &'p [Word<'t>])>) {
    let for_statement = parts.first().is_some_and(|part| part.is("STATEMENT"));
    let (mut depth, mut from) = (0, usize::from(for_statement));
    let mut everybody = false;
    for (index, part) in parts.iter().enumerate().skip(from) {
        depth += part.nesting();
        let ends = part.is_symbol(b';') || (for_statement && part.is("FOR"));
        if depth == 0 && (ends || part.is_symbol(b',')) {
            found.extend(assignment(&parts[from..index], &mut everybody));
            from = index + 1;
        }
        if depth == 0 && ends {
            return;
        }
    }
    found.extend(assignment(&parts[from..], &mut everybody));
}

/// Reads one assignment. `GLOBAL` before a name applies to the names after it as well, `@@global.` only to its own.
fn assignment<'p, 't>(mut parts: &'p [Word<'t>], everybody: &mut bool) -> Option<(Setting, &'p [Word<'t>])> {
    const EVERYBODY: [&str; 3] = ["GLOBAL", "PERSIST", "PERSIST_ONLY"];
    let first = parts.first()?;
    let mut global = *everybody;
    if first.is_symbol(b'@') {
        // A single `@` is a user variable.
        parts = parts
            .get(1..)
            .filter(|rest| rest.first().is_some_and(|part| part.is_symbol(b'@')))?;
        parts = &parts[1..];
        global = false;
        if let [scope, point, rest @ ..] = parts
            && point.is_symbol(b'.')
        {
            global = scope.is_one_of(&EVERYBODY);
            parts = rest;
        }
    } else if first.is_one_of(&EVERYBODY) || first.is_one_of(&["SESSION", "LOCAL"]) {
        *everybody = first.is_one_of(&EVERYBODY);
        global = *everybody;
        parts = &parts[1..];
    }
    let (name, rest) = parts.split_first()?;
    let setting = Setting::of(name).filter(|_| !global)?;
    match rest {
        [equals, value @ ..] if equals.is_symbol(b'=') => Some((setting, value)),
        [colon, equals, value @ ..] if colon.is_symbol(b':') && equals.is_symbol(b'=') => Some((setting, value)),
        _ => None,
    }
}

/// Returns the setting that a statement changes, or may change, from the value on which the library relies.
pub(super) fn switched(statement: &[Word<'_>]) -> Option<Setting> {
    let unsafe_value = |value: &[Word<'_>], setting: Setting| match value {
        [value] => value.hole || !setting.keeps(value.text),
        _ => true,
    };
    assigned(statement)
        .into_iter()
        .find_map(|(setting, value)| unsafe_value(value, setting).then_some(setting))
}
