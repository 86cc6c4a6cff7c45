//! The effect of statements on rows, read from their text. SQLite's driver repeats the last reported count for all
//! statements that follow.

use super::Dialect;
use super::control::Verb;
use super::definition::{self, ObjectName};
use super::split::statements;
use super::word::Word;

/// The effect of one statement on rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Changes no rows.
    Nothing,
    /// Updates or deletes rows.
    Changes,
    /// Inserts rows: every counted row is new.
    Inserts,
    /// Inserts or updates rows: a counted row is new, or existed and is updated.
    Upserts,
}

impl Act {
    /// Returns the effects of all statements of a text, in order.
    pub(super) fn of_all(parts: &[Word<'_>]) -> Vec<Self> {
        statements(Dialect::Sqlite, parts).map(Self::of).collect()
    }

    fn of(statement: &[Word<'_>]) -> Self {
        match Verb::of(statement) {
            Verb::Insert | Verb::Replace => {
                let updates = statement.windows(2).any(|two| two[0].is("DO") && two[1].is("UPDATE"));
                if updates { Self::Upserts } else { Self::Inserts }
            }
            Verb::Update | Verb::Delete | Verb::Merge => Self::Changes,
            _ => Self::Nothing,
        }
    }
}

/// Returns the tables that the statements of a text for SQLite insert into.
pub(super) fn targets(text: &str) -> Box<[Option<ObjectName>]> {
    let parts = definition::cut(Dialect::Sqlite, text);
    statements(Dialect::Sqlite, &parts)
        .map(|statement| target(text, statement))
        .collect()
}

fn target(text: &str, statement: &[Word<'_>]) -> Option<ObjectName> {
    let mut depth = 0;
    let into = statement.iter().position(|part| {
        depth += part.nesting();
        depth == 0 && part.is("INTO")
    })?;
    ObjectName::first(Dialect::Sqlite, text, &statement[into + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Template;

    #[test]
    fn q1_the_tables_of_a_text_are_looked_for_once() {
        let sql =
            "insert into a values (1); select 1; with w as (select 1) insert or ignore into main.\"b\" select * from w";
        let template = Template::parse(Dialect::Sqlite, sql).unwrap();
        let statement = template.statement();
        let written = |index| statement.target(index).map(|table| table.written.as_str());
        assert_eq!([0, 1, 2, 3].map(written), [Some("a"), None, Some("main.\"b\""), None]);
        let again = statement.target(0).unwrap();
        assert!(std::ptr::eq(again, statement.target(0).unwrap()));
    }
}
