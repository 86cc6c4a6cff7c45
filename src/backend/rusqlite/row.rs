//! A row of an arena, read on demand.

use std::any::Any;
use std::sync::Arc;

use super::row_arena::RowArena;
use crate::backend::{OfferedRow, RowSink};
use crate::error::{Error, Result};
use crate::value::{RawRow, ValueRef};

/// A row: an arena, which all of its rows share, and a number.
#[derive(Debug)]
pub(super) struct ArenaRow {
    arena: Arc<RowArena>,
    row: u32,
}

impl RawRow for ArenaRow {
    fn len(&self) -> usize {
        self.arena.columns().len()
    }

    fn name(&self, index: usize) -> &str {
        self.arena.columns().name(index)
    }

    fn type_name(&self, index: usize) -> &str {
        let declared = self.arena.columns().declared(index);
        declared.unwrap_or_else(|| self.arena.class(self.row, index))
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        self.arena.value(self.row, index)
    }

    fn is_boolean(&self, index: usize) -> bool {
        self.arena.columns().declared(index) == Some("BOOLEAN")
    }

    fn native(&self) -> &dyn Any {
        self
    }
}

/// A row that is offered to a sink.
struct OfferedArenaRow(Option<ArenaRow>);

impl OfferedRow for OfferedArenaRow {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_ref().map(|row| row as &dyn RawRow)
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take().map(|row| Box::new(row) as Box<dyn RawRow>)
    }
}

/// Returns the rows of an arena.
pub(super) fn rows(arena: RowArena) -> impl Iterator<Item = ArenaRow> {
    let (count, arena) = (arena.rows() as u32, Arc::new(arena));
    (0..count).map(move |row| ArenaRow {
        arena: Arc::clone(&arena),
        row,
    })
}

/// Offers the rows of an arena to a sink, up to the first that it refuses.
pub(super) fn offer(arena: RowArena, sink: &mut dyn RowSink, refused: &mut Option<Error>) {
    if refused.is_some() {
        return;
    }
    *refused = rows(arena).find_map(|row| sink.row(&mut OfferedArenaRow(Some(row))).err());
}
