//! What a statement changes in its session, read from its words. What a function or procedure changes is not seen.

use super::Dialect;
use super::lexer::TokenKind;
use super::transact;
use super::word::{Word, closing};

/// A change of the session, as seen by the next user of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionChange {
    /// There is none that outlives the statement or its transaction.
    #[default]
    None,
    /// The statement undid changes, which an `after_connect` hook may have made.
    Undone,
    /// The statement changed it, or may have.
    Changed,
    /// The statement changed what cannot be reset.
    Lasting,
    /// The statement ended what the driver has prepared.
    Breaking,
}

/// Returns what a statement changes in its session.
pub(super) fn session_change(dialect: Dialect, statement: &[Word<'_>]) -> SessionChange {
    let statement = executed(dialect, statement);
    let Some((first, rest)) = statement.split_first() else {
        return SessionChange::None;
    };
    let changed = match dialect {
        Dialect::Postgres if ends_prepared(first, rest) => return SessionChange::Breaking,
        Dialect::Postgres if first.is("LOAD") => return SessionChange::Lasting,
        Dialect::Postgres => postgres(first, rest) || session_lock(statement) || sets_config(statement),
        Dialect::MySql => mysql(first, rest) || called(statement, "GET_LOCK") || assigns_variable(statement),
        Dialect::Generic => generic(first, rest),
        Dialect::SqlServer => transact::changes_session(statement),
        Dialect::Sqlite => sqlite(first, rest) || called(statement, "LOAD_EXTENSION"),
    };
    if changed {
        SessionChange::Changed
    } else if undoes(dialect, first, rest) {
        SessionChange::Undone
    } else {
        SessionChange::None
    }
}

/// Returns the statement that a statement runs: the one that is explained (PostgreSQL), or for which settings are set
/// (MariaDB).
fn executed<'p, 't>(dialect: Dialect, statement: &'p [Word<'t>]) -> &'p [Word<'t>] {
    let second = |word: &str| statement.get(1).is_some_and(|part| part.is(word));
    let start = match statement.first() {
        Some(first) if dialect == Dialect::Postgres && first.is("EXPLAIN") => {
            let options = closing(statement, 1).filter(|_| statement[1].is_symbol(b'('));
            let plain = || {
                let option = |part: &&Word<'_>| part.is_one_of(&["ANALYZE", "ANALYSE", "VERBOSE"]);
                1 + statement[1..].iter().take_while(option).count()
            };
            options.unwrap_or_else(plain)
        }
        Some(first) if dialect == Dialect::MySql && first.is("SET") && second("STATEMENT") => {
            statement.iter().position(|part| part.is("FOR")).map_or(0, |at| at + 1)
        }
        _ => 0,
    };
    &statement[start..]
}

/// Returns whether a statement of PostgreSQL ends prepared statements that are the driver's.
fn ends_prepared(first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    let drivers = |part: &Word<'_>| part.text.trim_matches('"').starts_with("sqlx_s_");
    (first.is_one_of(&["DEALLOCATE", "DISCARD"]) && any_of(rest, &["ALL"]))
        || (first.is("DEALLOCATE") && rest.iter().any(drivers))
}

/// Returns whether a statement undoes changes of the session.
fn undoes(dialect: Dialect, first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    match dialect {
        Dialect::Postgres => first.is_one_of(&["RESET", "DISCARD", "DEALLOCATE"]),
        Dialect::MySql => {
            let dropped = |part: &Word<'_>| part.is_one_of(&["TEMPORARY", "PREPARE"]);
            first.is("DEALLOCATE") || (first.is("DROP") && rest.first().is_some_and(dropped))
        }
        // Not known from its words.
        Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => false,
    }
}

/// Returns whether a statement of standard SQL, or of a product that has its own words, changes the session.
fn generic(first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    const CHANGING: [&str; 12] = [
        "ATTACH", "DECLARE", "DETACH", "INSTALL", "LOAD", "LOCK", "PRAGMA", "PREPARE", "RESET", "SET", "UNLOCK", "USE",
    ];
    let temporary = |part: &Word<'_>| part.is_one_of(&["TEMP", "TEMPORARY"]);
    first.is_one_of(&CHANGING) || (first.is("CREATE") && rest.iter().take(4).any(temporary))
}

fn postgres(first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    const TEMPORARY: [&str; 2] = ["TEMP", "TEMPORARY"];
    const INTO: [&str; 5] = ["TEMP", "TEMPORARY", "LOCAL", "GLOBAL", "PG_TEMP"];
    let second = |words: &[&str]| rest.first().is_some_and(|part| part.is_one_of(words));
    let pair = |one: &str, other: &[&str]| rest.windows(2).any(|two| two[0].is(one) && two[1].is_one_of(other));
    if first.is("CREATE") {
        let before = |part: &&Word<'_>| !part.is_one_of(&["OR", "REPLACE", "LOCAL", "GLOBAL"]);
        let temporary = rest.iter().find(before).is_some_and(|part| part.is_one_of(&TEMPORARY));
        let temporary = temporary || any_of(rest, &["PG_TEMP"]);
        return temporary && !in_order(rest, ["ON", "COMMIT", "DROP"]);
    }
    (first.is("SET") && !second(&["LOCAL", "TRANSACTION", "CONSTRAINTS"]))
        || (first.is("PREPARE") && !second(&["TRANSACTION"]))
        || (first.is("DECLARE") && pair("WITH", &["HOLD"]))
        // Blocks are not read.
        || first.is("DO")
        || pair("INTO", &INTO)
        || in_order(rest, ["INTO", "TABLE", "PG_TEMP"])
}

fn in_order(parts: &[Word<'_>], words: [&str; 3]) -> bool {
    let found = |three: &[Word<'_>]| three.iter().zip(words).all(|(part, word)| part.is(word));
    parts.windows(3).any(found)
}

/// Returns whether a statement calls `set_config` for more than its transaction.
fn sets_config(statement: &[Word<'_>]) -> bool {
    (0..statement.len()).any(|index| {
        statement[index].is("SET_CONFIG")
            && statement.get(index + 1).is_some_and(|part| part.is_symbol(b'('))
            && !third_argument(&statement[index + 2..]).is_some_and(|scope| scope.is("TRUE"))
    })
}

/// Returns the third of the arguments in parentheses that begin here, if it is a single word.
pub(super) fn third_argument<'p, 't>(arguments: &'p [Word<'t>]) -> Option<&'p Word<'t>> {
    let (mut depth, mut commas) = (0, 0);
    for (index, part) in arguments.iter().enumerate() {
        depth += part.nesting();
        if depth < 0 {
            return None;
        }
        if part.is_symbol(b',') && depth == 0 {
            commas += 1;
            if commas == 2 {
                let ends = arguments.get(index + 2).is_some_and(|part| part.is_symbol(b')'));
                return arguments.get(index + 1).filter(|_| ends);
            }
        }
    }
    None
}

/// Returns whether a statement of PostgreSQL takes a lock of the session.
fn session_lock(statement: &[Word<'_>]) -> bool {
    statement.iter().any(|part| {
        part.kind == TokenKind::Word && {
            let word = part.text.to_ascii_lowercase();
            word.contains("advisory_lock") && !word.contains("xact") || word.starts_with("dblink")
        }
    })
}

fn mysql(first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    // `SET TRANSACTION` is for the next one of the session.
    const OTHERS: [&str; 2] = ["PASSWORD", "DEFAULT"];
    const EVERYBODY: [&str; 3] = ["GLOBAL", "PERSIST", "PERSIST_ONLY"];
    const BLOCKS: [&str; 8] = ["BEGIN", "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR", "EXECUTE"];
    let second = |words: &[&str]| rest.first().is_some_and(|part| part.is_one_of(words));
    if first.is("SET") {
        let global = second(&EVERYBODY) && !rest.iter().any(|part| part.is_symbol(b','));
        return !second(&OTHERS) && !global;
    }
    first.is_one_of(&["USE", "PREPARE", "HANDLER", "LOCK", "BACKUP"])
        || (first.is("CREATE") && rest.iter().take(3).any(|part| part.is("TEMPORARY")))
        || (first.is("FLUSH") && any_of(rest, &["LOCK", "EXPORT"]))
        || (first.is_one_of(&BLOCKS) && any_of(rest, &["SET", "PREPARE", "USE", "TEMPORARY"]))
}

/// Returns whether a statement of MySQL gives a user variable a value, or may do so.
fn assigns_variable(statement: &[Word<'_>]) -> bool {
    let names = |index: usize| {
        statement.get(index).is_some_and(|part| part.is_symbol(b'@'))
            && !statement.get(index + 1).is_some_and(|part| part.is_symbol(b'@'))
    };
    let lists = statement[0].is_one_of(&["CALL", "LOAD"]);
    (0..statement.len()).any(|index| {
        let part = &statement[index];
        let assigns = part.is_symbol(b':') && statement.get(index + 1).is_some_and(|next| next.is_symbol(b'='));
        assigns || (part.is("INTO") && names(index + 1)) || (lists && names(index))
    })
}

fn sqlite(first: &Word<'_>, rest: &[Word<'_>]) -> bool {
    /// Those that ask, or set something of the file or the transaction.
    const NOT_OF_THE_SESSION: [&str; 19] = [
        "APPLICATION_ID",
        "AUTO_VACUUM",
        "DEFER_FOREIGN_KEYS",
        "ENCODING",
        "FOREIGN_KEY_CHECK",
        "FOREIGN_KEY_LIST",
        "INCREMENTAL_VACUUM",
        "INDEX_INFO",
        "INDEX_LIST",
        "INDEX_XINFO",
        "INTEGRITY_CHECK",
        "OPTIMIZE",
        "PAGE_SIZE",
        "QUICK_CHECK",
        "SCHEMA_VERSION",
        "TABLE_INFO",
        "TABLE_LIST",
        "TABLE_XINFO",
        "USER_VERSION",
    ];
    if first.is("PRAGMA") {
        let sets = rest.iter().any(|part| part.is_symbol(b'=') || part.is_symbol(b'('));
        return sets && !any_of(rest, &NOT_OF_THE_SESSION) && !any_of(rest, &["WAL_CHECKPOINT"]);
    }
    let temporary = rest.first().is_some_and(|part| part.is_one_of(&["TEMP", "TEMPORARY"]))
        || rest.windows(2).any(|two| two[0].is("TEMP") && two[1].is_symbol(b'.'));
    first.is_one_of(&["ATTACH", "DETACH"]) || (first.is("CREATE") && temporary)
}

fn called(statement: &[Word<'_>], name: &str) -> bool {
    statement
        .windows(2)
        .any(|two| two[0].is(name) && two[1].is_symbol(b'('))
}

fn any_of(parts: &[Word<'_>], words: &[&str]) -> bool {
    parts.iter().any(|part| part.is_one_of(words))
}

/// Returns whether a statement changes the session permanently.
pub(super) fn taints_session(dialect: Dialect, statement: &[Word<'_>]) -> bool {
    let explained = if dialect == Dialect::Postgres {
        executed(dialect, statement)
    } else {
        statement
    };
    let Some((first, rest)) = explained.split_first() else {
        return false;
    };
    let second = |words: &[&str]| rest.first().is_some_and(|part| part.is_one_of(words));
    let any = |what: fn(&Word<'_>) -> bool| statement.iter().any(what);
    match dialect {
        Dialect::Postgres => {
            // Blocks are not read here, and a statement that was prepared with tables that are undone later is useless
            // to others.
            first.is_one_of(&["DEALLOCATE", "LOAD", "DO", "CALL", "CREATE", "ALTER", "DROP"])
                || (first.is("PREPARE") && !second(&["TRANSACTION"]))
                || session_lock(statement)
        }
        Dialect::MySql => {
            // A user variable has one `@`; two of them name a setting.
            let at = |part: Option<&Word<'_>>| part.is_some_and(|part| part.text.starts_with('@'));
            let variable = statement.iter().enumerate().any(|(index, part)| {
                part.is_symbol(b'@')
                    && !at(statement.get(index + 1))
                    && !at(index.checked_sub(1).map(|i| &statement[i]))
            });
            first.is_one_of(&["SET", "USE", "PREPARE", "DEALLOCATE", "HANDLER", "LOCK", "BACKUP"])
                || (first.is_one_of(&["CREATE", "DROP"]) && rest.iter().take(3).any(|part| part.is("TEMPORARY")))
                || variable
                || any(|part| part.is("GET_LOCK"))
        }
        Dialect::Generic => generic(first, rest),
        Dialect::SqlServer => transact::changes_session(statement),
        Dialect::Sqlite => {
            let asks = [
                "TABLE_INFO",
                "TABLE_XINFO",
                "TABLE_LIST",
                "INDEX_LIST",
                "INDEX_INFO",
                "INDEX_XINFO",
                "FOREIGN_KEY_LIST",
                "FOREIGN_KEY_CHECK",
                "INTEGRITY_CHECK",
                "QUICK_CHECK",
            ];
            let sets = any(|part| part.is_symbol(b'=')) || (any(|part| part.is_symbol(b'(')) && !any_of(rest, &asks));
            first.is_one_of(&["ATTACH", "DETACH"]) || (first.is("PRAGMA") && sets)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Template;
    use Dialect::{MySql, Postgres, Sqlite};
    use SessionChange::{Breaking, Changed, Lasting, None, Undone};

    #[test]
    fn t6_what_the_next_user_must_not_find_is_known_from_the_text_found_w3() {
        for (dialect, sql, change) in [
            (Postgres, "SET ROLE a", Changed),
            (Postgres, "SET SESSION AUTHORIZATION a", Changed),
            (Postgres, "SELECT 1; set search_path to a", Changed),
            (Postgres, "SET TIME ZONE 'UTC'", Changed),
            (Postgres, "SET LOCAL ROLE a", None),
            (Postgres, "SET TRANSACTION READ ONLY", None),
            (Postgres, "SET CONSTRAINTS ALL DEFERRED", None),
            (Postgres, "SELECT set_config('a.b', 'c', false)", Changed),
            (Postgres, "SELECT set_config('a.b', 'c', $1)", Changed),
            (Postgres, "SELECT set_config('a.b', f(1, 2), true)", None),
            (Postgres, "CREATE TEMP TABLE a (b int)", Changed),
            (Postgres, "CREATE TABLE pg_temp.a (b int)", Changed),
            (Postgres, "CREATE TEMP TABLE a (b int) ON COMMIT DROP", None),
            (Postgres, "SELECT 1 AS a INTO TEMP b", Changed),
            (Postgres, "CREATE TABLE a (temp int)", None),
            (Postgres, "PREPARE a AS SELECT 1", Changed),
            (Postgres, "DECLARE a CURSOR WITH HOLD FOR SELECT 1", Changed),
            (Postgres, "SELECT pg_advisory_lock(1)", Changed),
            (Postgres, "SELECT pg_advisory_xact_lock(1)", None),
            (Postgres, "DO $$ BEGIN END $$", Changed),
            (Postgres, "SELECT 1 AS a INTO pg_temp.b", Changed),
            (Postgres, "SELECT 1 AS a INTO TABLE pg_temp.b", Changed),
            (Postgres, "SELECT 1 AS a INTO GLOBAL TEMP b", Changed),
            (Postgres, "SELECT 1 AS a INTO TABLE b", None),
            (
                Postgres,
                "EXPLAIN ANALYZE VERBOSE CREATE TEMP TABLE a AS SELECT 1",
                Changed,
            ),
            (
                Postgres,
                "EXPLAIN (ANALYZE, FORMAT JSON) CREATE TEMP TABLE a AS SELECT 1",
                Changed,
            ),
            (Postgres, "EXPLAIN (SELECT 1)", None),
            (Postgres, "DEALLOCATE ALL", Breaking),
            (Postgres, "DEALLOCATE PREPARE sqlx_s_1", Breaking),
            (Postgres, "DEALLOCATE a", Undone),
            (Postgres, "DISCARD ALL", Breaking),
            (Postgres, "LOAD 'a'", Lasting),
            (Postgres, "DISCARD TEMP", Undone),
            (Postgres, "RESET ROLE", Undone),
            (Postgres, "RESET ROLE; SET ROLE a", Changed),
            (Postgres, "SELECT 'SET ROLE a'", None),
            (MySql, "SET time_zone = '+01:00'", Changed),
            (MySql, "SET @a = 1", Changed),
            (MySql, "SET GLOBAL max_connections = 10", None),
            (MySql, "SET GLOBAL a = 1, SESSION b = 2", Changed),
            (MySql, "SET TRANSACTION READ ONLY", Changed),
            (MySql, "SET GLOBAL TRANSACTION READ ONLY", None),
            (MySql, "SET STATEMENT max_statement_time = 1 FOR SELECT 1", None),
            (
                MySql,
                "SET STATEMENT max_statement_time = 1 FOR CREATE TEMPORARY TABLE a (b int)",
                Changed,
            ),
            (MySql, "SET PASSWORD = 'a'", None),
            (MySql, "DROP TEMPORARY TABLE a", Undone),
            (MySql, "LOCK INSTANCE FOR BACKUP", Changed),
            (MySql, "BACKUP STAGE START", Changed),
            (MySql, "BACKUP LOCK a", Changed),
            (MySql, "SELECT @a := 1", Changed),
            (MySql, "SELECT 1 INTO @a", Changed),
            (MySql, "SELECT @a, @@version", None),
            (MySql, "USE other", Changed),
            (MySql, "SELECT GET_LOCK('a', 1)", Changed),
            (MySql, "LOCK TABLES a WRITE", Changed),
            (MySql, "CREATE TEMPORARY TABLE a (b int)", Changed),
            (MySql, "CALL p(@a)", Changed),
            (MySql, "INSERT INTO a VALUES (1)", None),
            (Sqlite, "PRAGMA foreign_keys = OFF", Changed),
            (Sqlite, "PRAGMA user_version = 1", None),
            (Sqlite, "PRAGMA table_info(a)", None),
            (Sqlite, "PRAGMA foreign_keys", None),
            (Sqlite, "ATTACH 'a' AS b", Changed),
            (Sqlite, "CREATE TEMP TABLE a (b)", Changed),
            (Sqlite, "CREATE TABLE temp.a (b)", Changed),
            (Sqlite, "CREATE TABLE a (temp)", None),
        ] {
            let template = Template::parse(dialect, sql).unwrap();
            assert_eq!(template.effect().session, change, "{dialect}: {sql}");
        }
    }
}
