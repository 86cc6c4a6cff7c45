//! Statements that change which objects the names in a text mean.

use super::Dialect;
use super::lexer::TokenKind;
use super::session_change::third_argument;
use super::word::Word;

/// A change of what names mean: of PostgreSQL's `search_path` and the role in it, or of MySQL's default database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathChange {
    #[default]
    None,
    /// It lasts until the transaction ends.
    Local,
    /// It lasts longer.
    Session,
}

/// Returns what a statement changes. What a function or procedure changes is not seen.
pub(super) fn path_change(dialect: Dialect, statement: &[Word<'_>]) -> PathChange {
    let first = &statement[0];
    match dialect {
        Dialect::Postgres if first.is_one_of(&["SET", "RESET", "DISCARD"]) => set(statement),
        Dialect::Postgres => set_config(statement),
        Dialect::MySql | Dialect::SqlServer if first.is("USE") => PathChange::Session,
        Dialect::Generic if first.is_one_of(&["USE", "SET"]) => PathChange::Session,
        Dialect::MySql | Dialect::Sqlite | Dialect::SqlServer | Dialect::Generic => PathChange::None,
    }
}

fn set(statement: &[Word<'_>]) -> PathChange {
    const NAMES: [&str; 5] = [
        "SEARCH_PATH",
        "SCHEMA",
        "ROLE",
        "AUTHORIZATION",
        "SESSION_AUTHORIZATION",
    ];
    let named = |part: &Word<'_>| {
        let name = part.text.trim_matches('"');
        matches!(part.kind, TokenKind::Word | TokenKind::Quoted)
            && NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let all = !statement[0].is("SET") && statement.get(1).is_some_and(|part| part.is("ALL"));
    if !all && !statement.iter().skip(1).take(3).any(named) {
        PathChange::None
    } else if statement.get(1).is_some_and(|part| part.is("LOCAL")) {
        PathChange::Local
    } else {
        PathChange::Session
    }
}

fn set_config(statement: &[Word<'_>]) -> PathChange {
    const NAMES: [&str; 3] = ["'search_path'", "'role'", "'session_authorization'"];
    let change = |index: usize| {
        let called = statement[index].is("SET_CONFIG") && statement.get(index + 1)?.is_symbol(b'(');
        let name = statement.get(index + 2).filter(|_| called)?;
        // Where the name is not written there, it may be any.
        let literal = name.kind == TokenKind::Literal && name.text.starts_with('\'');
        if literal && !NAMES.iter().any(|known| known.eq_ignore_ascii_case(name.text)) {
            return None;
        }
        let local = third_argument(&statement[index + 2..]).is_some_and(|scope| scope.is("TRUE"));
        Some(if local { PathChange::Local } else { PathChange::Session })
    };
    (0..statement.len()).filter_map(change).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Template;
    use Dialect::{MySql, Postgres, Sqlite};

    #[test]
    fn q4_a_change_of_what_names_mean_is_read_from_the_text_found_w4() {
        for (dialect, sql, change) in [
            (Postgres, "SET search_path = a", PathChange::Session),
            (Postgres, "set session Search_Path to a, b", PathChange::Session),
            (Postgres, "SET LOCAL \"search_path\" = a", PathChange::Local),
            (Postgres, "SELECT 1; SET LOCAL search_path TO a", PathChange::Local),
            (Postgres, "SET SCHEMA 'a'", PathChange::Session),
            (Postgres, "SET LOCAL ROLE a", PathChange::Local),
            (Postgres, "SET LOCAL SESSION AUTHORIZATION a", PathChange::Local),
            (Postgres, "RESET ROLE", PathChange::Session),
            (Postgres, "RESET ALL", PathChange::Session),
            (Postgres, "DISCARD ALL", PathChange::Session),
            (
                Postgres,
                "SELECT set_config('search_path', $1, true)",
                PathChange::Local,
            ),
            (
                Postgres,
                "SELECT pg_catalog.set_config('role', 'a', false)",
                PathChange::Session,
            ),
            (Postgres, "SELECT set_config($1, $2, true)", PathChange::Local),
            (Postgres, "SELECT set_config('app.tenant', $1, true)", PathChange::None),
            (Postgres, "SET statement_timeout = 1", PathChange::None),
            (Postgres, "SET CONSTRAINTS ALL DEFERRED", PathChange::None),
            (
                Postgres,
                "SELECT 'SET search_path = a', current_setting('search_path')",
                PathChange::None,
            ),
            (MySql, "USE other", PathChange::Session),
            (MySql, "SET names = 1", PathChange::None),
            (Sqlite, "PRAGMA user_version = 1", PathChange::None),
        ] {
            let template = Template::parse(dialect, sql).unwrap();
            assert_eq!(template.effect().path, change, "{dialect}: {sql}");
        }
    }
}
