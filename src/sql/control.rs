//! What a text does: its verb, and what it does to the transaction. Read from its words, never from the
//! server, so it holds for what the text says and not for what a procedure called by it does.

use super::Dialect;
use super::lexer::Kind;
use super::switches::{Setting, assigned};

/// What a text does to the transaction it runs in. Of a script, the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Control {
    /// Nothing.
    None,
    /// Releases a savepoint.
    Release,
    /// Sets a savepoint, or goes back to one.
    Savepoint,
    /// Commits on the way, as MySQL does for the definition of tables.
    Implicit,
    /// Begins a transaction.
    Begin,
    /// Rolls the transaction back.
    Rollback,
    /// Commits the transaction, or prepares it for a later commit.
    Commit,
}

/// Whether a text changes what tables and views look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defines {
    #[default]
    Nothing,
    /// For its own connection.
    Own,
    /// For everybody.
    All,
}

/// The first word of a statement; behind `WITH`, the one the common tables are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Select,
    Insert,
    Replace,
    Update,
    Delete,
    Merge,
    Values,
    Table,
    Show,
    /// `EXPLAIN` and `DESCRIBE`.
    Explain,
    Pragma,
    Call,
    /// Everything else: definitions, settings, transactions.
    Other,
}

impl Verb {
    const MAIN: [(&'static str, Self); 8] = [
        ("SELECT", Self::Select),
        ("INSERT", Self::Insert),
        ("REPLACE", Self::Replace),
        ("UPDATE", Self::Update),
        ("DELETE", Self::Delete),
        ("MERGE", Self::Merge),
        ("VALUES", Self::Values),
        ("TABLE", Self::Table),
    ];

    /// Whether the server gains from keeping the statement prepared, or tells types only then.
    pub(crate) fn is_prepared(self) -> bool {
        !matches!(self, Self::Call | Self::Other)
    }

    pub(super) fn of(statement: &[Part<'_>]) -> Self {
        let Some(first) = statement.first() else {
            return Self::Other;
        };
        let find = |part: &Part<'_>| Self::MAIN.iter().find(|(word, _)| part.is(word)).map(|&(_, verb)| verb);
        if first.is("WITH") {
            let mut depth = 0;
            for part in statement {
                depth += part.nesting();
                if let (0, Some(verb)) = (depth, find(part)) {
                    return verb;
                }
            }
            return Self::Select;
        }
        match find(first) {
            Some(verb) => verb,
            None if first.is("SHOW") => Self::Show,
            None if first.is_one_of(&["EXPLAIN", "DESCRIBE", "DESC"]) => Self::Explain,
            None if first.is("PRAGMA") => Self::Pragma,
            None if first.is("CALL") => Self::Call,
            None => Self::Other,
        }
    }
}

/// A token that is neither space nor comment, and where it stands in the text without placeholders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether a placeholder was taken out here.
    pub(super) hole: bool,
}

impl Part<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub(super) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// What the token adds to the depth of parentheses.
    pub(super) fn nesting(&self) -> i32 {
        i32::from(self.is_symbol(b'(')) - i32::from(self.is_symbol(b')'))
    }
}

/// What is known of a text before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// How many statements it holds.
    pub(super) statements: usize,
    /// The verb of the first.
    pub(super) verb: Verb,
    pub(super) control: Control,
    /// A statement that writes says `RETURNING`.
    pub(super) returning: bool,
    /// One gives back whatever columns a table has (`SELECT *`, `RETURNING *`).
    pub(super) starred: bool,
    /// Whether one changes what tables and views look like.
    pub(super) defines: Defines,
}

impl Facts {
    pub(super) fn of(dialect: Dialect, parts: &[Part<'_>]) -> Self {
        let mut facts = Self {
            statements: 0,
            verb: Verb::Other,
            control: Control::None,
            returning: false,
            starred: false,
            defines: Defines::Nothing,
        };
        for statement in statements(parts) {
            facts.add(dialect, statement);
        }
        facts
    }

    fn add(&mut self, dialect: Dialect, statement: &[Part<'_>]) {
        let verb = Verb::of(statement);
        if self.statements == 0 {
            self.verb = verb;
        }
        self.statements += 1;
        self.control = self.control.max(control(dialect, statement));
        self.starred |= statement.windows(2).any(|two| {
            // Behind an operand it multiplies, behind a parenthesis it is that of `count(*)`.
            let first = two[0].is_one_of(&["SELECT", "DISTINCT", "ALL", "RETURNING"]);
            two[1].is_symbol(b'*') && (first || two[0].is_symbol(b',') || two[0].is_symbol(b'.'))
        });
        self.defines = self.defines.max(defines(statement));
        if matches!(
            verb,
            Verb::Insert | Verb::Replace | Verb::Update | Verb::Delete | Verb::Merge
        ) {
            let mut depth = 0;
            self.returning |= statement.iter().any(|part| {
                depth += part.nesting();
                depth == 0 && part.is("RETURNING")
            });
        }
    }
}

/// The statements of a text, without the parentheses around them.
pub(super) fn statements<'p, 't>(mut parts: &'p [Part<'t>]) -> impl Iterator<Item = &'p [Part<'t>]> {
    std::iter::from_fn(move || {
        while !parts.is_empty() {
            let (statement, rest) = split_first(parts);
            parts = rest;
            let outer = statement.iter().take_while(|part| part.is_symbol(b'(')).count();
            if outer < statement.len() {
                return Some(&statement[outer..]);
            }
        }
        None
    })
}

/// Parts the first statement from the rest. The body of a trigger or procedure belongs to it.
fn split_first<'p, 't>(parts: &'p [Part<'t>]) -> (&'p [Part<'t>], &'p [Part<'t>]) {
    let body = has_body(parts);
    let (mut depth, mut block) = (0, 0);
    for (index, part) in parts.iter().enumerate() {
        depth += part.nesting();
        if part.is_symbol(b';') && depth <= 0 && block <= 0 {
            return (&parts[..index], &parts[index + 1..]);
        }
        if body {
            let after_end = index > 0 && parts[index - 1].is("END");
            if part.is("BEGIN") || (part.is("CASE") && !after_end) {
                block += 1;
            } else if part.is("END") {
                let closes_loop = parts
                    .get(index + 1)
                    .is_some_and(|next| next.is_one_of(&["IF", "LOOP", "WHILE", "REPEAT", "FOR"]));
                block -= i32::from(!closes_loop);
            }
        }
    }
    (parts, &[])
}

/// Whether a statement may hold others between `BEGIN` and `END`.
fn has_body(parts: &[Part<'_>]) -> bool {
    const BODIES: [&str; 5] = ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"];
    let words = || parts.iter().take(16).take_while(|part| !part.is_symbol(b';'));
    match parts {
        [first, ..] if first.is("CREATE") => words().any(|part| part.is_one_of(&BODIES)),
        [first, second, third, ..] => first.is("BEGIN") && second.is("NOT") && third.is("ATOMIC"),
        _ => false,
    }
}

/// Whether a statement of PostgreSQL has the client say or hear something in the middle of it (`COPY … FROM STDIN`).
pub(super) fn converses(parts: &[Part<'_>]) -> bool {
    let client = |part: &Part<'_>| part.is_one_of(&["STDIN", "STDOUT"]);
    statements(parts).any(|statement| statement[0].is("COPY") && statement.iter().any(client))
}

/// Whether a statement of PostgreSQL makes the session listen.
pub(super) fn listens(parts: &[Part<'_>]) -> bool {
    statements(parts).any(|statement| statement[0].is("LISTEN"))
}

/// Whether a statement changes what tables and views look like.
fn defines(statement: &[Part<'_>]) -> Defines {
    let Some((first, rest)) = statement.split_first() else {
        return Defines::Nothing;
    };
    let temporary = |part: &Part<'_>| part.is_one_of(&["TEMP", "TEMPORARY"]);
    // What a block of PostgreSQL does is not read here. What was dropped can be read by nobody until it is made anew, but
    // for the one who sees what a temporary table has hidden.
    match first {
        first if first.is_one_of(&["ALTER", "DO", "RENAME"]) => Defines::All,
        first if first.is("CREATE") && !rest.iter().take(4).any(temporary) => Defines::All,
        first if first.is_one_of(&["CREATE", "DROP"]) => Defines::Own,
        _ => Defines::Nothing,
    }
}

/// What one statement does to the transaction.
fn control(dialect: Dialect, statement: &[Part<'_>]) -> Control {
    let is = |index: usize, word: &str| statement.get(index).is_some_and(|part| part.is(word));
    let Some(first) = statement.first() else {
        return Control::None;
    };
    if first.is("BEGIN") && is(1, "NOT") {
        return Control::None;
    }
    let starts = first.is("START") && is(1, "TRANSACTION");
    let xa = dialect == Dialect::MySql && first.is("XA");
    if starts || first.is("BEGIN") || (xa && (is(1, "START") || is(1, "BEGIN"))) {
        return Control::Begin;
    }
    // What was prepared for a later commit belongs to no transaction of this connection.
    let later = dialect == Dialect::Postgres && is(1, "PREPARED");
    let ends = first.is("COMMIT") || (first.is("END") && dialect != Dialect::MySql);
    if (ends && !later)
        || (first.is("PREPARE") && is(1, "TRANSACTION"))
        || (xa && (is(1, "COMMIT") || is(1, "PREPARE")))
    {
        return Control::Commit;
    }
    if first.is("ROLLBACK") && !later {
        let to = if is(1, "WORK") || is(1, "TRANSACTION") { 2 } else { 1 };
        return if is(to, "TO") {
            Control::Savepoint
        } else {
            Control::Rollback
        };
    }
    if (first.is("ABORT") && dialect == Dialect::Postgres) || (xa && is(1, "ROLLBACK")) {
        return Control::Rollback;
    }
    if first.is("SAVEPOINT") {
        return Control::Savepoint;
    }
    if first.is("RELEASE") {
        return Control::Release;
    }
    if dialect == Dialect::MySql && commits_implicitly(statement) {
        return Control::Implicit;
    }
    Control::None
}

/// Whether MySQL or MariaDB commits before or after the statement without being told to.
fn commits_implicitly(statement: &[Part<'_>]) -> bool {
    const ALWAYS: [&str; 16] = [
        "ALTER",
        "TRUNCATE",
        "RENAME",
        "GRANT",
        "REVOKE",
        "LOCK",
        "UNLOCK",
        "FLUSH",
        "OPTIMIZE",
        "REPAIR",
        "RESET",
        "CHANGE",
        "INSTALL",
        "UNINSTALL",
        "CACHE",
        "BACKUP",
    ];
    let Some((first, rest)) = statement.split_first() else {
        return false;
    };
    let early = |words: &[&str]| rest.iter().take(4).any(|part| part.is_one_of(words));
    if first.is("CREATE") || first.is("DROP") {
        let mut words = rest.iter().skip_while(|part| part.is_one_of(&["OR", "REPLACE"]));
        return !words.next().is_some_and(|part| part.is("TEMPORARY"));
    }
    if first.is("SET") {
        let role = rest.first().is_some_and(|part| part.is("DEFAULT"));
        return role
            || early(&["PASSWORD"])
            || assigned(statement)
                .iter()
                .any(|(setting, _)| *setting == Setting::Autocommit);
    }
    first.is_one_of(&ALWAYS)
        || (first.is_one_of(&["ANALYZE", "CHECK"]) && early(&["TABLE", "TABLES", "VIEW"]))
        || (first.is("LOAD") && early(&["INDEX"]))
        || (first.is_one_of(&["START", "STOP"])
            && early(&["SLAVE", "SLAVES", "REPLICA", "REPLICAS", "GROUP_REPLICATION"]))
}
