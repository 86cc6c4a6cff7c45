//! Errors about the parameters of a statement.

use crate::error::{Error, ErrorKind};

/// An incomplete error about parameters: only the caller knows the row it is about.
#[derive(Debug)]
pub(super) struct BindError {
    message: String,
    help: String,
}

impl BindError {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }

    /// Adds the number of the row among several, counted from one.
    pub(super) fn in_row(self, row: usize, rows: usize) -> Self {
        Self {
            message: format!("row {row} of {rows}: {}", self.message),
            ..self
        }
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        Self::new(ErrorKind::Parameter, error.message).help(error.help)
    }
}

/// Returns a count with its noun: `1 value`, `2 values`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Returns a list of the first few names, each with a sign before it.
pub(super) fn names<'n>(sign: &str, names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names.take(SHOWN).map(|name| format!("{sign}{name}")).collect();
    match shown.as_slice() {
        _ if more > 0 => format!("{} and {more} more", shown.join(", ")),
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        few => few.concat(),
    }
}
