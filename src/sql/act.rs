//! What a statement does to rows, as far as its text says: SQLite's driver repeats what the last one told for all that
//! follow.

use super::Dialect;
use super::control::{Part, Verb, statements};
use super::definition::{self, ObjectName};

/// What one statement of a text does to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It changes none.
    Nothing,
    /// It updates or deletes.
    Changes,
    /// Every row that it counts is a new one.
    Inserts,
    /// A row that it counts is a new one, or one that was there and is updated.
    Upserts,
}

impl Act {
    /// Those of a text, in its order.
    pub(super) fn of_all(parts: &[Part<'_>]) -> Vec<Self> {
        statements(parts).map(Self::of).collect()
    }

    fn of(statement: &[Part<'_>]) -> Self {
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

/// The tables that the statements of a text for SQLite insert into.
pub(super) fn targets(text: &str) -> Box<[Option<ObjectName>]> {
    let parts = definition::cut(Dialect::Sqlite, text);
    statements(&parts).map(|statement| target(text, statement)).collect()
}

fn target(text: &str, statement: &[Part<'_>]) -> Option<ObjectName> {
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
