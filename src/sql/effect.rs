//! The effects of an SQL text besides the rows that it changes, read from its words. If they are ambiguous, the
//! cautious answer is given.

use super::Dialect;
use super::code::defines_code;
use super::control::{CopyDirection, Verb, copy_direction};
use super::lexer::TokenKind;
use super::local::{Local, ended_by_commit};
use super::notify::{NotifyCall, notifies};
use super::path_change::{PathChange, path_change};
use super::session_change::{SessionChange, session_change, taints_session, third_argument};
use super::switches::{Setting, switched};
use super::transact;
use super::word::{Word, closing};

/// The known effects of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(crate) struct Effect {
    /// Set if the text certainly only reads.
    pub(crate) reads: bool,
    /// Set if the text writes nothing itself; the functions that it calls may.
    pub(crate) asks: bool,
    /// Set if the text locks the rows that it reads, or may do so: `FOR UPDATE` and similar clauses.
    pub(crate) locks: bool,
    /// Set if the text takes the write lock of a SQLite database, or may do so.
    pub(crate) writes: bool,
    /// Set if the text changes the session in a way that no rollback undoes.
    pub(crate) taints_session: bool,
    /// What the text changes in the session that the next user of its connection must not find.
    pub(crate) session: SessionChange,
    /// What the text changes of the meaning of names.
    pub(crate) path: PathChange,
    /// Set if the text mentions constraints that can be deferred.
    pub(crate) deferrable: bool,
    /// Set if the text may define code that runs when something else is read: a view, a function, a policy
    /// (PostgreSQL).
    pub(crate) defines_code: bool,
    /// Set if the text runs code that is stored on the server, which may end the transaction there.
    pub(crate) opaque: bool,
    /// The setting that the text changes from the value on which the library's transactions rely (MySQL).
    pub(crate) switches: Option<Setting>,
    /// Set if the text only sets settings until the transaction ends (PostgreSQL).
    pub(crate) local_only: bool,
    /// Everything that the text changes until the transaction ends (PostgreSQL).
    pub(crate) local: Vec<Local>,
    /// The notifications that the text sends (PostgreSQL).
    pub(crate) notifies: Vec<NotifyCall>,
}

impl Effect {
    /// Returns whether the text creates temporary tables that a commit drops or empties.
    pub(crate) fn creates_local_tables(&self) -> bool {
        self.local.iter().any(Local::is_table)
    }

    /// Reads the effects of the statements of a text. `slot` maps the number of a placeholder to its value.
    pub(super) fn of<'a>(
        dialect: Dialect,
        statements: impl Iterator<Item = &'a [Word<'a>]>,
        slot: impl Fn(usize) -> usize,
    ) -> Self {
        let mut effect = Self {
            reads: true,
            asks: true,
            local_only: true,
            ..Self::default()
        };
        let mut holes = 0;
        for statement in statements {
            effect.add(dialect, statement, holes, &slot);
            holes += statement.iter().filter(|part| part.hole).count();
        }
        effect
    }

    fn add(&mut self, dialect: Dialect, statement: &[Word<'_>], holes: usize, slot: &impl Fn(usize) -> usize) {
        self.reads &= reads(dialect, statement, false);
        self.asks &= reads(dialect, statement, true);
        self.locks |= match dialect {
            Dialect::SqlServer => transact::locks(statement),
            _ => locks(statement),
        };
        self.writes |= dialect == Dialect::Sqlite && writes(statement);
        self.taints_session |= taints_session(dialect, statement);
        self.session = self.session.max(session_change(dialect, statement));
        self.path = self.path.max(path_change(dialect, statement));
        self.deferrable |= statement
            .iter()
            .any(|part| part.is_one_of(&["DEFERRABLE", "DEFERRED", "DEFER_FOREIGN_KEYS"]));
        self.opaque |= match dialect {
            Dialect::MySql | Dialect::Generic => holds_others(statement),
            Dialect::SqlServer => transact::runs_others(statement),
            Dialect::Postgres | Dialect::Sqlite => false,
        };
        if self.switches.is_none() {
            self.switches = match dialect {
                Dialect::MySql | Dialect::Generic => switched(statement),
                Dialect::SqlServer => transact::switched(statement),
                Dialect::Postgres | Dialect::Sqlite => None,
            };
        }
        if dialect == Dialect::Postgres {
            self.defines_code |= defines_code(statement);
            let local = set_local(statement);
            self.local_only &= local.is_some();
            self.local.extend(local);
            self.local.extend(set_config(statement, holes, slot));
            self.local.extend(ended_by_commit(statement));
            self.notifies.extend(notifies(statement, holes, slot));
        }
    }
}

/// Functions and keywords before a parenthesis that change nothing.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "ABS", "ALL", "AND", "ANY", "ARRAY", "ARRAY_AGG", "ARRAY_LENGTH", "ARRAY_TO_JSON", "AS", "AVG", "BETWEEN",
    "BOOL_AND", "BOOL_OR", "BY", "CASE", "CAST", "CEIL", "CEILING", "CHAR", "CHAR_LENGTH", "COALESCE", "CONCAT",
    "CONCAT_WS", "CONVERT", "COUNT", "CUME_DIST", "CURRENT_SETTING", "CURRENT_TIMESTAMP", "DATE", "DATETIME",
    "DATE_ADD", "DATE_FORMAT", "DATE_PART", "DATE_SUB", "DATE_TRUNC", "DECIMAL", "DENSE_RANK", "DISTINCT", "ELSE",
    "EXCEPT", "EXISTS", "EXTRACT", "FILTER", "FIRST_VALUE", "FLOOR", "FORMAT", "FROM", "GENERATE_SERIES",
    "GREATEST", "GROUP", "GROUP_CONCAT", "HAVING", "HEX", "IFNULL", "IN", "INSTR", "INTERSECT", "INTERVAL", "JOIN",
    "JSONB_AGG", "JSONB_BUILD_ARRAY", "JSONB_BUILD_OBJECT", "JSONB_EACH", "JSONB_OBJECT_AGG", "JSON_AGG",
    "JSON_ARRAY", "JSON_ARRAYAGG", "JSON_BUILD_ARRAY", "JSON_BUILD_OBJECT", "JSON_EACH", "JSON_EXTRACT",
    "JSON_OBJECT", "JSON_OBJECTAGG", "JSON_OBJECT_AGG", "LAG", "LAST_VALUE", "LATERAL", "LEAD", "LEAST", "LEFT",
    "LENGTH", "LIKE", "LIMIT", "LOWER", "LPAD", "LTRIM", "MATCH", "MATERIALIZED", "MAX", "MD5", "MIN", "MOD", "NOT",
    "NOW", "NTH_VALUE", "NTILE", "NULLIF", "NUMERIC", "OFFSET", "ON", "OR", "OVER", "PERCENTILE_CONT",
    "PERCENTILE_DISC", "PERCENT_RANK", "POSITION", "POWER", "PRINTF", "QUOTE", "RANDOM", "RANK", "REGEXP_REPLACE",
    "REPEAT", "REPLACE", "REVERSE", "RIGHT", "ROLLUP", "ROUND", "ROW", "ROW_NUMBER", "ROW_TO_JSON", "RPAD", "RTRIM",
    "SELECT", "SIGN", "SOME", "SPLIT_PART", "SQRT", "STRFTIME", "STRING_AGG", "STRPOS", "STR_TO_DATE", "SUBSTR",
    "SUBSTRING", "SUM", "THEN", "TIME", "TIMESTAMP", "TOTAL", "TO_CHAR", "TO_DATE", "TO_JSON", "TO_JSONB",
    "TO_TIMESTAMP", "TO_TSQUERY", "TO_TSVECTOR", "TRIM", "TRUNC", "TYPEOF", "UNHEX", "UNION", "UNNEST", "UPPER",
    "USING", "VALUES", "VARCHAR", "VERSION", "WHEN", "WHERE", "WITHIN", "XOR", "YEAR",
];

/// The harmless names that PostgreSQL does not have, so that such a function is user-defined there.
#[rustfmt::skip]
const ELSEWHERE: &[&str] = &[
    "CONVERT", "DATETIME", "DATE_ADD", "DATE_FORMAT", "DATE_SUB", "GROUP_CONCAT", "HEX", "IFNULL", "INSTR", "JSON_ARRAY",
    "JSON_ARRAYAGG", "JSON_EXTRACT", "JSON_OBJECTAGG", "MATCH", "PRINTF", "QUOTE", "STRFTIME", "STR_TO_DATE", "TOTAL",
    "TYPEOF", "UNHEX", "XOR", "YEAR",
];

/// Returns whether a statement certainly changes nothing. It contains no verb that writes. Unless functions are
/// trusted, it calls only those that are known to be harmless.
fn reads(dialect: Dialect, statement: &[Word<'_>], trusting: bool) -> bool {
    if dialect == Dialect::Postgres && copy_direction(statement) == Some(CopyDirection::Out) {
        return match statement
            .get(1)
            .filter(|next| next.is_symbol(b'('))
            .and(closing(statement, 1))
        {
            Some(end) => reads(dialect, &statement[2..end - 1], trusting),
            None => true,
        };
    }
    let verb = Verb::of(statement);
    if !matches!(
        verb,
        Verb::Select | Verb::Values | Verb::Table | Verb::Show | Verb::Explain
    ) || (dialect == Dialect::SqlServer && transact::may_write(statement))
    {
        return false;
    }
    let tables = if trusting { Vec::new() } else { common_tables(statement) };
    statement.iter().enumerate().all(|(index, part)| {
        let before = index.checked_sub(1).map(|index| &statement[index]);
        // After `AS`, and before it in a common table, a name has its columns in the parentheses.
        let named = before.is_some_and(|before| before.is("AS")) || tables.contains(&index);
        let called = !named && statement.get(index + 1).is_some_and(|next| next.is_symbol(b'('));
        match part.kind {
            TokenKind::Quoted => trusting || !called,
            TokenKind::Word if called && !trusting => {
                let word = part.text.to_ascii_uppercase();
                // After a dot it is a user-defined function.
                !before.is_some_and(|before| before.is_symbol(b'.'))
                    && HARMLESS.binary_search(&&*word).is_ok()
                    && !(dialect == Dialect::Postgres && ELSEWHERE.contains(&&*word))
            }
            // `FOR UPDATE` and `FOR NO KEY UPDATE` lock rows; whatever undoes the transaction also releases the locks.
            TokenKind::Word if part.is("UPDATE") => before.is_some_and(|before| before.is_one_of(&["FOR", "KEY"])),
            TokenKind::Word => !part.is_one_of(&["INSERT", "DELETE", "MERGE", "INTO", "ANALYZE", "ANALYSE"]),
            _ => true,
        }
    })
}

/// Returns the positions of common table names with a list of columns: `WITH RECURSIVE name (column) AS (…)`.
fn common_tables(statement: &[Word<'_>]) -> Vec<usize> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(with) = statement[at..].iter().position(|part| part.is("WITH")) {
        at += with + 1;
        let mut next = at + usize::from(statement.get(at).is_some_and(|part| part.is("RECURSIVE")));
        while let Some((columns, end)) = common_table(statement, next) {
            if columns {
                names.push(next);
            }
            if !statement.get(end).is_some_and(|part| part.is_symbol(b',')) {
                break;
            }
            next = end + 1;
        }
    }
    names
}

/// Reads one common table. Returns whether it names its columns, and the position of its end.
fn common_table(statement: &[Word<'_>], start: usize) -> Option<(bool, usize)> {
    let name = statement.get(start)?;
    if !matches!(name.kind, TokenKind::Word | TokenKind::Quoted) {
        return None;
    }
    let columns = statement.get(start + 1)?.is_symbol(b'(');
    let mut at = if columns {
        closing(statement, start + 1)?
    } else {
        start + 1
    };
    if !statement.get(at)?.is("AS") {
        return None;
    }
    at += 1;
    while statement.get(at)?.is_one_of(&["NOT", "MATERIALIZED"]) {
        at += 1;
    }
    statement.get(at)?.is_symbol(b'(').then_some(())?;
    Some((columns, closing(statement, at)?))
}

/// Returns whether a statement locks the rows that it reads: `FOR [NO KEY] UPDATE`, `FOR [KEY] SHARE`, `LOCK IN SHARE
/// MODE`.
fn locks(statement: &[Word<'_>]) -> bool {
    statement
        .windows(2)
        .any(|two| two[0].is_one_of(&["FOR", "KEY", "IN"]) && two[1].is_one_of(&["UPDATE", "SHARE"]))
}

/// Returns whether a statement of SQLite takes the write lock, or may do so. If a text starts a transaction that takes
/// the lock later, that is unknown at its start.
fn writes(statement: &[Word<'_>]) -> bool {
    const NOT_IN_THE_FILE: [&str; 7] = ["COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ATTACH", "DETACH"];
    const PRAGMAS: [&str; 10] = [
        "APPLICATION_ID",
        "AUTO_VACUUM",
        "ENCODING",
        "INCREMENTAL_VACUUM",
        "JOURNAL_MODE",
        "OPTIMIZE",
        "PAGE_SIZE",
        "SCHEMA_VERSION",
        "USER_VERSION",
        "WAL_CHECKPOINT",
    ];
    let Some((first, rest)) = statement.split_first() else {
        return false;
    };
    let second = |words: &[&str]| rest.first().is_some_and(|part| part.is_one_of(words));
    match Verb::of(statement) {
        Verb::Pragma => any_of(rest, &PRAGMAS),
        Verb::Other if first.is("BEGIN") => second(&["IMMEDIATE", "EXCLUSIVE"]),
        Verb::Other if first.is("CREATE") => !second(&["TEMP", "TEMPORARY"]),
        // `VACUUM INTO` writes another file.
        Verb::Other if first.is("VACUUM") => !any_of(rest, &["INTO"]),
        Verb::Other => !first.is_one_of(&NOT_IN_THE_FILE),
        _ => !reads(Dialect::Sqlite, statement, true),
    }
}

/// Returns whether a statement of MySQL or MariaDB runs others, which are not read here. It may be a procedure, a
/// prepared text, a block (MariaDB has them outside of procedures), or `SET STATEMENT … FOR`.
pub(super) fn holds_others(statement: &[Word<'_>]) -> bool {
    const BLOCKS: [&str; 9] = [
        "CALL", "EXECUTE", "BEGIN", "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR",
    ];
    let second = |what: fn(&Word<'_>) -> bool| statement.get(1).is_some_and(what);
    statement.first().is_some_and(|first| {
        first.is_one_of(&BLOCKS)
            || (first.is("SET") && second(|part| part.is("STATEMENT")))
            // The label of a loop.
            || (first.kind == TokenKind::Word && second(|part| part.is_symbol(b':')))
    })
}

pub(super) fn any_of(parts: &[Word<'_>], words: &[&str]) -> bool {
    parts.iter().any(|part| part.is_one_of(words))
}

/// Returns the setting that `SET LOCAL` changes.
fn set_local(statement: &[Word<'_>]) -> Option<Local> {
    let [first, second, rest @ ..] = statement else {
        return None;
    };
    if first.is("SET") && second.is("CONSTRAINTS") {
        return Some(Local::Constraints);
    }
    if !(first.is("SET") && second.is("LOCAL")) {
        return None;
    }
    let name = rest.first()?;
    let known = [
        ("TIME", "timezone"),
        ("SCHEMA", "search_path"),
        ("NAMES", "client_encoding"),
        ("SESSION", "session_authorization"),
        ("ROLE", "role"),
    ];
    if let Some((_, known)) = known.iter().find(|(word, _)| name.is(word)) {
        return Some(Local::Named((*known).into()));
    }
    let name: String = rest
        .iter()
        .take_while(|part| {
            matches!(part.kind, TokenKind::Word | TokenKind::Quoted) && !part.is("TO") || part.is_symbol(b'.')
        })
        .map(|part| part.text.trim_matches('"'))
        .collect();
    (!name.is_empty()).then(|| Local::Named(name.into()))
}

/// Returns the settings that calls of `set_config` change.
fn set_config<'p>(
    statement: &'p [Word<'p>],
    mut holes: usize,
    slot: &'p impl Fn(usize) -> usize,
) -> impl Iterator<Item = Local> + 'p {
    statement.iter().enumerate().filter_map(move |(index, part)| {
        holes += usize::from(part.hole);
        if !part.is("SET_CONFIG") || !statement.get(index + 1)?.is_symbol(b'(') {
            return None;
        }
        let argument = statement.get(index + 2)?;
        if third_argument(&statement[index + 2..]).is_some_and(|scope| scope.is("FALSE")) {
            return None;
        }
        if argument.hole {
            return Some(Local::Slot(slot(holes)));
        }
        let name = argument.text.strip_prefix('\'')?.strip_suffix('\'')?;
        (argument.kind == TokenKind::Literal).then(|| Local::Named(name.into()))
    })
}
