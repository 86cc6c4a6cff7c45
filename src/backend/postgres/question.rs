//! The question which types the server expects where the values leave that open.
//!
//! The server is made to prepare the text in a block that catches its error, so that a transaction survives it, and the
//! question is one message without parameters.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::encode::{ASKED, ASKED_ARRAY};
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
        setting("text", &literal(&statement.without_null_tests())),
        setting("wanted", &list(&wanted)),
        setting("fallback", &list(&fallback)),
        setting("kinds", &format!("'{kinds}'")),
    ];
    AssertSqlSafe(format!("SELECT {};\n{ASK}", settings.join(", "))).into_sql_str()
}

/// Returns a literal that the server reads alike, whatever it thinks of backslashes.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// Reads the answer: the type of each parameter, or `None` if the server cannot prepare the text.
pub(super) fn answer(rows: &[String]) -> Option<Vec<Arc<ServerType>>> {
    // The first row is that of the settings.
    let [_, types, details @ ..] = rows else { return None };
    let details: HashMap<u32, Detail<'_>> = details.iter().filter_map(|row| Detail::read(row)).collect();
    let types = types.strip_prefix('{')?.strip_suffix('}')?;
    let mut known = HashMap::new();
    types
        .split(',')
        .map(|oid| {
            let oid = oid.parse().ok()?;
            if let Some(known) = known.get(&oid) {
                return Some(Arc::clone(known));
            }
            let found = Arc::new(Detail::resolve(&details, oid)?);
            known.insert(oid, Arc::clone(&found));
            Some(found)
        })
        .collect()
}

/// A row of the answer, about one type.
struct Detail<'a> {
    /// The type that a domain is over, or 0.
    base: u32,
    /// The type of the members of an array, or 0.
    element: u32,
    odd: bool,
    /// The function that reads its binary form.
    receive: &'a str,
    name: &'a str,
}

impl<'a> Detail<'a> {
    fn read(row: &'a str) -> Option<(u32, Self)> {
        let mut parts = row.splitn(6, ' ');
        let mut next = || parts.next();
        let oid = next()?.parse().ok()?;
        let detail = Self {
            base: next()?.parse().ok()?,
            element: next()?.parse().ok()?,
            odd: next()? == "t",
            receive: next()?,
            name: next()?,
        };
        Some((oid, detail))
    }

    fn resolve(details: &HashMap<u32, Self>, oid: u32) -> Option<ServerType> {
        const AS_TEXT: [&str; 6] = [
            "textrecv",
            "varcharrecv",
            "bpcharrecv",
            "citextrecv",
            "enum_recv",
            "xml_recv",
        ];
        let given = details.get(&oid)?;
        let (mut base, mut inner) = (oid, given);
        while inner.base != 0 {
            base = inner.base;
            inner = details.get(&base)?;
        }
        let receive = inner.receive.rsplit('.').next().unwrap_or_default();
        Some(ServerType {
            oid,
            base,
            is_text: AS_TEXT.contains(&receive),
            odd: given.odd || inner.odd,
            element: (inner.element != 0)
                .then(|| Self::resolve(details, inner.element).map(Box::new))
                .flatten(),
            name: given.name.into(),
        })
    }
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
            "16500 25 0 f domain_in public.\"a name\"",
            "25 0 0 f textrecv pg_catalog.text",
            "1015 0 1043 f array_recv pg_catalog._varchar",
            "1043 0 0 f varcharrecv pg_catalog.\"varchar\"",
        ]));
        let types = answer.unwrap();
        assert!(types[0].is_text && types[0].base == oid::TEXT && &*types[0].name == "public.\"a name\"");
        assert_eq!(types[1].element.as_ref().unwrap().oid, oid::VARCHAR);
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
