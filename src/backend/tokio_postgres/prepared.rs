//! The statements that a connection keeps prepared, by their text. The types of the parameters are part of the text that
//! is looked for; see [`variants`](crate::backend::sqlx::variants).

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use sqlx::SqlStr;

use super::row::RowColumns;

/// The beginning of the names of prepared statements.
pub(super) const NAMES: &str = "ebbtide_s_";

/// A prepared statement.
#[derive(Debug)]
pub(super) struct PreparedStatement {
    /// Its name on the server.
    pub(super) name: Arc<str>,
    pub(super) columns: Arc<RowColumns>,
    /// For each column whether it is read as text; empty if none is.
    pub(super) as_text: Arc<[bool]>,
    /// The time of its last use.
    used: u64,
}

/// The prepared statements of a connection.
#[derive(Debug)]
pub(super) struct Statements {
    by_text: HashMap<Text, PreparedStatement, RandomState>,
    /// The names of those that are to be closed.
    closing: Vec<Arc<str>>,
    capacity: usize,
    /// Counts uses, as a clock.
    uses: u64,
    /// Distinguishes its names from those of other connections, in case a pooler gives them one session.
    own: u64,
    /// Counts names.
    names: u64,
}

/// A text as a key.
#[derive(Debug)]
struct Text(SqlStr);

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl Statements {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            by_text: HashMap::default(),
            closing: Vec::new(),
            capacity,
            uses: 0,
            own: RandomState::default().hash_one(0),
            names: 0,
        }
    }

    /// Returns the statement of a text, which is about to be used.
    pub(super) fn find(&mut self, sql: &str) -> Option<&PreparedStatement> {
        self.uses += 1;
        let found = self.by_text.get_mut(sql)?;
        found.used = self.uses;
        Some(found)
    }

    /// Returns a name that no statement has or had. Until it is kept, it is one that is to be closed.
    pub(super) fn name(&mut self) -> Arc<str> {
        self.names += 1;
        let name: Arc<str> = format!("{NAMES}{:x}_{}", self.own, self.names).into();
        self.closing.push(Arc::clone(&name));
        name
    }

    /// Keeps a statement, in place of one of the same text. If there are too many, the one that was not used for
    /// longest is closed.
    pub(super) fn keep(&mut self, sql: SqlStr, name: Arc<str>, columns: RowColumns) {
        self.closing.retain(|closing| *closing != name);
        let prepared = PreparedStatement {
            name,
            as_text: columns.as_text().into(),
            columns: Arc::new(columns),
            used: self.uses,
        };
        if self.by_text.len() >= self.capacity
            && let Some(oldest) = self.by_text.values().map(|kept| kept.used).min()
        {
            let closing = self.by_text.extract_if(|_, kept| kept.used == oldest);
            self.closing.extend(closing.map(|(_, kept)| kept.name));
        }
        let replaced = self.by_text.insert(Text(sql), prepared);
        self.closing.extend(replaced.map(|kept| kept.name));
    }

    /// Forgets all statements.
    pub(super) fn clear(&mut self) {
        self.closing.extend(self.by_text.drain().map(|(_, kept)| kept.name));
    }

    /// Returns the names of the statements that are to be closed on the server.
    pub(super) fn closing(&mut self) -> impl Iterator<Item = Arc<str>> {
        self.closing.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqlSafeStr;

    use super::*;

    #[test]
    fn d1_the_statement_that_was_not_used_for_longest_is_closed() {
        let mut statements = Statements::new(2);
        for sql in ["a", "b"] {
            let name = statements.name();
            statements.keep(sql.into_sql_str(), name, RowColumns::default());
            assert!(statements.find(sql).is_some());
        }
        assert!(statements.find("a").is_some());
        let name = statements.name();
        statements.keep("c".into_sql_str(), name, RowColumns::default());
        assert!(statements.find("b").is_none() && statements.find("a").is_some());
        let closed: Vec<_> = statements.closing().collect();
        assert!(
            closed.len() == 1 && closed[0].starts_with(NAMES) && closed[0].ends_with("_2"),
            "{closed:?}"
        );
        statements.clear();
        assert_eq!(statements.closing().count(), 2);
    }
}
