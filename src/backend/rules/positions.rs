//! The positions of a server in its history of writes.

use crate::backend::position::Position;
use crate::value::Row;

/// The way to compare a replica with its primary.
#[derive(Debug)]
pub(crate) struct PositionRules {
    /// The query for the position of a primary.
    pub(crate) question: &'static str,
    /// Reads the primary's answer; `None` if the server keeps no position.
    pub(crate) read: fn(&[Row]) -> Option<Position>,
    /// Returns whether servers of this kind have such a position.
    pub(crate) has: fn(&Position) -> bool,
}
