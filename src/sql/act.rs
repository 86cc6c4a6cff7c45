//! What a statement does to rows, as far as its text says: SQLite's driver repeats what the last one told for all that
//! follow.

use super::control::{Part, Verb, statements};
use super::definition::{self, ObjectName};
use super::{Dialect, Statement};

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

impl Statement {
    /// The table that a statement of the text inserts into.
    pub(crate) fn target(&self, dialect: Dialect, index: usize) -> Option<ObjectName> {
        let parts = definition::cut(dialect, self.text());
        let statement = statements(&parts).nth(index)?;
        let mut depth = 0;
        let into = statement.iter().position(|part| {
            depth += part.nesting();
            depth == 0 && part.is("INTO")
        })?;
        ObjectName::first(dialect, self.text(), &statement[into + 1..])
    }
}
