//! The verb of an SQL text, and its effect on the transaction. Both are read from the words of the text, never from the
//! server. They do not cover what a called procedure does.

use super::Dialect;
use super::generic_commits::commits_in_standard_sql;
use super::implicit_commits::commits_implicitly;
use super::server::Server;
use super::split::statements;
use super::transact;
use super::transaction_control::Control;
use super::word::Word;

/// The effect of a text on the definitions of tables and views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defines {
    #[default]
    Nothing,
    /// Changes them for its own connection.
    Own,
    /// Changes them for all connections.
    All,
}

/// The first word of a statement; after `WITH`, the verb that uses the common tables.
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

    /// Returns whether the server benefits from preparing the statement, or reports types only then.
    pub(crate) fn is_prepared(self) -> bool {
        !matches!(self, Self::Call | Self::Other)
    }

    pub(super) fn of(statement: &[Word<'_>]) -> Self {
        let Some(first) = statement.first() else {
            return Self::Other;
        };
        let find = |part: &Word<'_>| Self::MAIN.iter().find(|(word, _)| part.is(word)).map(|&(_, verb)| verb);
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

/// The facts about a text that are known before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct Facts {
    /// Number of statements in the text.
    pub(super) statements: usize,
    /// The verb of the first statement.
    pub(super) verb: Verb,
    pub(super) control: Control,
    /// Set if a statement of MySQL asks for the errors of the one before, which a preparation would replace.
    pub(super) diagnoses: bool,
    /// Set if a statement that ends a transaction begins the next (`COMMIT AND CHAIN`).
    pub(super) chains: bool,
    /// Set if a statement that writes has `RETURNING`.
    pub(super) returning: bool,
    /// Set if a statement returns all columns that a table has (`SELECT *`, `RETURNING *`).
    pub(super) starred: bool,
    /// The effect on the definitions of tables and views.
    pub(super) defines: Defines,
}

impl Facts {
    pub(super) fn of(dialect: Dialect, server: Option<Server>, parts: &[Word<'_>]) -> Self {
        let mut facts = Self {
            statements: 0,
            verb: Verb::Other,
            control: Control::None,
            diagnoses: false,
            chains: false,
            returning: false,
            starred: false,
            defines: Defines::Nothing,
        };
        for statement in statements(dialect, parts) {
            facts.add(dialect, server, statement);
        }
        facts
    }

    fn add(&mut self, dialect: Dialect, server: Option<Server>, statement: &[Word<'_>]) {
        let verb = Verb::of(statement);
        if dialect == Dialect::SqlServer {
            self.chains |= transact::begins_again(statement);
        }
        if self.statements == 0 {
            self.verb = verb;
        }
        self.statements += 1;
        let control = control(dialect, server, statement);
        self.control = self.control.max(control);
        self.diagnoses |= dialect == Dialect::MySql && diagnoses(verb, statement);
        self.chains |= control >= Control::Rollback && statement.iter().any(|part| part.is("CHAIN"));
        self.starred |= statement.windows(2).any(|two| {
            // After an operand it multiplies; after a parenthesis it belongs to `count(*)`.
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

/// The direction of the data that a statement of PostgreSQL exchanges with the client while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyDirection {
    /// `COPY … FROM STDIN`
    In,
    /// `COPY … TO STDOUT`
    Out,
}

/// Returns whether a statement of PostgreSQL exchanges data with the client while it runs.
pub(super) fn converses(parts: &[Word<'_>]) -> bool {
    statements(Dialect::Postgres, parts).any(|statement| copy_direction(statement).is_some())
}

/// Returns the direction in which a statement of PostgreSQL exchanges data with the client. The server takes either word in
/// either direction; anything else in its place is a file or a program of the server.
pub(super) fn copy_direction(statement: &[Word<'_>]) -> Option<CopyDirection> {
    if !statement.first()?.is("COPY") {
        return None;
    }
    let mut depth = 0;
    // Behind a dot it is the name of a table.
    let way = statement.windows(2).position(|two| {
        depth += two[0].nesting();
        depth == 0 && !two[0].is_symbol(b'.') && two[1].is_one_of(&["FROM", "TO"])
    })?;
    let (way, end) = (&statement[way + 1], statement.get(way + 2)?);
    if !end.is_one_of(&["STDIN", "STDOUT"]) {
        return None;
    }
    Some(if way.is("FROM") {
        CopyDirection::In
    } else {
        CopyDirection::Out
    })
}

/// Returns whether a statement of PostgreSQL makes the session listen.
pub(super) fn listens(parts: &[Word<'_>]) -> bool {
    statements(Dialect::Postgres, parts).any(|statement| statement[0].is("LISTEN"))
}

/// Returns whether a statement of MySQL asks for the errors or warnings of the statement before it.
fn diagnoses(verb: Verb, statement: &[Word<'_>]) -> bool {
    let what = statement.get(1);
    verb == Verb::Show && what.is_some_and(|what| what.is_one_of(&["WARNINGS", "ERRORS", "COUNT"]))
}

/// Returns the effect of a statement on the definitions of tables and views.
fn defines(statement: &[Word<'_>]) -> Defines {
    let Some((first, rest)) = statement.split_first() else {
        return Defines::Nothing;
    };
    let temporary = |part: &Word<'_>| part.is_one_of(&["TEMP", "TEMPORARY"]);
    // Blocks of PostgreSQL are not read here. A dropped table cannot be read until it is recreated. The exception is a
    // connection that then sees the table that a temporary one has hidden.
    match first {
        first if first.is_one_of(&["ALTER", "DO", "RENAME"]) => Defines::All,
        first if first.is("CREATE") && !rest.iter().take(4).any(temporary) => Defines::All,
        first if first.is_one_of(&["CREATE", "DROP"]) => Defines::Own,
        _ => Defines::Nothing,
    }
}

/// Returns the effect of one statement on the transaction.
fn control(dialect: Dialect, server: Option<Server>, statement: &[Word<'_>]) -> Control {
    let is = |index: usize, word: &str| statement.get(index).is_some_and(|part| part.is(word));
    let Some(first) = statement.first() else {
        return Control::None;
    };
    if dialect == Dialect::SqlServer {
        return transact::control(statement);
    }
    if first.is("BEGIN") && is(1, "NOT") {
        return Control::None;
    }
    let starts = first.is("START") && is(1, "TRANSACTION");
    let xa = dialect == Dialect::MySql && first.is("XA");
    if starts || first.is("BEGIN") || (xa && (is(1, "START") || is(1, "BEGIN"))) {
        return Control::Begin;
    }
    // A transaction that was prepared for a later commit no longer belongs to this connection.
    let later = dialect == Dialect::Postgres && is(1, "PREPARED");
    let ends = first.is("COMMIT") || (first.is("END") && dialect != Dialect::MySql);
    if (ends && !later)
        || (first.is("PREPARE") && is(1, "TRANSACTION"))
        // H2 prepares a transaction by these words.
        || (dialect == Dialect::Generic && first.is("PREPARE") && is(1, "COMMIT"))
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
    if (first.is("ABORT") && matches!(dialect, Dialect::Postgres | Dialect::Generic)) || (xa && is(1, "ROLLBACK")) {
        return Control::Rollback;
    }
    if first.is("SAVEPOINT") {
        return Control::Savepoint;
    }
    if first.is("RELEASE") {
        return Control::Release;
    }
    let implicit = match dialect {
        Dialect::MySql => commits_implicitly(server, statement),
        Dialect::Generic => commits_in_standard_sql(server, statement),
        Dialect::Postgres | Dialect::Sqlite | Dialect::SqlServer => false,
    };
    if implicit {
        return Control::Implicit;
    }
    Control::None
}
