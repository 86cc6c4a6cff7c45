//! Settings, temporary tables and cursors of PostgreSQL that a commit ends.

use super::lexer::TokenKind;
use super::word::Word;

/// Something that a commit ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// The setting with this name.
    Named(Box<str>),
    /// The setting whose name is the value in this slot.
    Slot(usize),
    /// The constraints that are checked immediately.
    Constraints,
    /// A temporary table that a commit drops. Its name is written as in the text.
    Dropped(Box<str>),
    /// A temporary table that a commit empties.
    Emptied(Box<str>),
    /// A cursor.
    Cursor,
}

impl Local {
    /// Returns whether this is a table, which exists only after the statement.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self, Self::Dropped(_) | Self::Emptied(_))
    }
}

/// Returns what the statement creates that a commit drops, empties or closes.
pub(super) fn ended_by_commit(statement: &[Word<'_>]) -> Option<Local> {
    let first = statement.first()?;
    if first.is("DECLARE") {
        let holds = statement
            .windows(2)
            .any(|pair| pair[0].is("WITH") && pair[1].is("HOLD"));
        return (!holds && statement.iter().any(|part| part.is("CURSOR"))).then_some(Local::Cursor);
    }
    if !first.is("CREATE")
        || !statement
            .iter()
            .take(3)
            .any(|part| part.is_one_of(&["TEMP", "TEMPORARY"]))
    {
        return None;
    }
    let table = statement.iter().position(|part| part.is("TABLE"))?;
    let action = statement
        .windows(3)
        .find(|words| words[0].is("ON") && words[1].is("COMMIT"))?;
    let name = table_name(&statement[table + 1..])?;
    if action[2].is("DROP") {
        Some(Local::Dropped(name))
    } else {
        action[2].is("DELETE").then_some(Local::Emptied(name))
    }
}

/// Returns the name of the table, without its schema.
fn table_name(after: &[Word<'_>]) -> Option<Box<str>> {
    let start = if after.first()?.is("IF") { 3 } else { 0 };
    let mut name = after.get(start)?;
    if after.get(start + 1).is_some_and(|part| part.is_symbol(b'.')) {
        name = after.get(start + 2)?;
    }
    matches!(name.kind, TokenKind::Word | TokenKind::Quoted).then(|| name.text.into())
}
