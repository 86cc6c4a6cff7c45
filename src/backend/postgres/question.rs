//! The question which types the server expects where the values leave that open.
//!
//! The server is made to prepare the text in a block that catches its error, so that a transaction survives it, and the
//! question is one message without parameters.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::encode::{ASKED, ASKED_ARRAY};
use super::literal::quoted;
use super::oid;
use super::server_type::ServerType;
use crate::sql::Statement;

const ASK: &str = include_str!("question.sql");

/// Returns the question for a text whose values have the types `own` by themselves. `nulls` tells which are `NULL`.
pub(super) fn question(statement: &Statement, own: &[u32], nulls: impl Iterator<Item = bool>) -> SqlStr {
    let (mut wanted, mut fallback, mut kinds) = (String::new(), String::new(), String::new());
    for (own, null) in own.iter().zip(nulls) {
        let (first, second) = match *own {
            oid::UNDECLARED | ASKED | oid::TEXT => (oid::UNKNOWN, oid::TEXT),
            ASKED_ARRAY | oid::TEXT_ARRAY => (oid::UNKNOWN, oid::TEXT_ARRAY),
            own if null => (own, oid::UNKNOWN),
            own => (own, own),
        };
        let _ = write!(wanted, ",{first}");
        let _ = write!(fallback, ",{second}");
        kinds.push(if *own == oid::TEXT { 't' } else { '-' });
    }
    let setting = |name: &str, value: &str| format!("pg_catalog.set_config('ebbtide.{name}', {value}, true)");
    let list = |list: &str| format!("'{{{}}}'", &list[1..]);
    let settings = [
        setting("text", &quoted(&statement.without_null_tests())),
        setting("wanted", &list(&wanted)),
        setting("fallback", &list(&fallback)),
        setting("kinds", &format!("'{kinds}'")),
    ];
    AssertSqlSafe(format!("SELECT {};\n{ASK}", settings.join(", "))).into_sql_str()
}

/// Reads the answer: the type of each parameter, or `None` if the server cannot prepare the text.
pub(super) fn answer(rows: &[String]) -> Option<Vec<Arc<ServerType>>> {
    // The first row is that of the settings.
    let [_, types, details @ ..] = rows else { return None };
    let details = details.iter().filter_map(|row| ServerType::read(row));
    let known: HashMap<u32, Arc<ServerType>> = details.map(|found| (found.oid, Arc::new(found))).collect();
    let types = types.strip_prefix('{')?.strip_suffix('}')?;
    types
        .split(',')
        .map(|oid| known.get(&oid.parse().ok()?).map(Arc::clone))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q4_the_answer_of_the_server_is_read() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        let answer = answer(&rows(&[
            "SELECT …",
            "{16500,1015,16500}",
            "16500 0 f public.\"a name\"",
            "1015 1043 f pg_catalog._varchar",
        ]));
        let types = answer.unwrap();
        assert!(types[0].foreign && &*types[0].name == "public.\"a name\"");
        assert!(!types[1].foreign && types[1].element == Some(oid::VARCHAR));
        assert!(Arc::ptr_eq(&types[0], &types[2]));
        assert!(super::answer(&rows(&["SELECT …", "{}"])).is_none());
        assert!(super::answer(&[]).is_none());
    }

    #[test]
    fn q4_the_question_holds_the_text_as_a_literal() {
        let question = question(
            &Statement::new(r"SELECT $1, 'it''s', E'\\' WHERE $2 IS NULL", false),
            &[oid::TEXT, oid::INT8],
            [false, true].into_iter(),
        );
        let question = question.as_str();
        assert!(
            question.contains(r"E'SELECT $1, ''it''''s'', E''\\\\'' WHERE NULL IS NULL'"),
            "{question}"
        );
        assert!(question.contains("'{705,20}'") && question.contains("'{25,705}'") && question.contains("'t-'"));
    }
}
