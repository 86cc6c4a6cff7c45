//! A statement as a driver takes it.

use std::any::Any;

use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, ForeignText, ParamStyle, Statement, inserts_one_row};

/// The notes on a statement: its text for the driver, and whether it inserts one row.
#[derive(Debug)]
pub(super) struct DriverText {
    pub(super) foreign: ForeignText,
    /// Set if the key that it generates is that of its row.
    pub(super) has_key: bool,
}

impl DriverText {
    /// Returns the notes on a statement, which are made once.
    pub(super) fn of(statement: &Statement, dialect: Dialect, style: ParamStyle) -> Result<&Self> {
        let notes = statement.notes().get_or_init(|| {
            let notes = Self {
                foreign: ForeignText::of(statement, dialect, style),
                // PostgreSQL has no such keys; RETURNING is the way there.
                has_key: dialect != Dialect::Postgres && inserts_one_row(dialect, statement.text()),
            };
            Box::new(notes) as Box<dyn Any + Send + Sync>
        });
        notes.downcast_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Driver,
                "one prepared statement was used on two kinds of database",
            )
        })
    }
}
