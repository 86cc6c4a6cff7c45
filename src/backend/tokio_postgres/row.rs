//! Rows, and their columns.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, RowDescriptionBody};

use super::foreign_types::{ForeignTypes, KnownType};
use crate::backend::postgres::{ForeignType as _, binary, textual, type_name, utf8};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{RawRow, ValueRef};

/// The columns of an answer.
#[derive(Debug, Default)]
pub(super) struct RowColumns(Box<[Column]>);

#[derive(Debug)]
struct Column {
    name: Box<str>,
    oid: u32,
    /// What is known of a type that is not among the common ones.
    known: Option<Arc<KnownType>>,
    /// Set if its values are sent as text.
    text: bool,
}

impl RowColumns {
    /// Reads the description of columns.
    pub(super) fn read(body: &RowDescriptionBody) -> std::io::Result<Self> {
        let columns = body.fields().map(|field| {
            Ok(Column {
                name: field.name().into(),
                oid: field.type_oid(),
                known: None,
                text: field.format() == 0,
            })
        });
        Ok(Self(columns.collect::<Vec<_>>()?.into()))
    }

    /// Returns the types that are not among the common ones.
    pub(super) fn foreign(&self) -> impl Iterator<Item = u32> {
        let oids = self.0.iter().map(|column| column.oid);
        oids.filter(|oid| type_name(*oid).is_none())
    }

    /// Sets what is known of such types. From now on values are sent in the binary format, where a type is known and has
    /// one.
    pub(super) fn know(&mut self, types: &ForeignTypes) {
        for column in &mut self.0 {
            column.known = types.get(column.oid);
            column.text = match &column.known {
                Some(known) => known.is_text_only(),
                None => type_name(column.oid).is_none(),
            };
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns for each column whether its values are sent as text; empty if none are.
    pub(super) fn as_text(&self) -> Vec<bool> {
        if self.0.iter().any(|column| column.text) {
            self.0.iter().map(|column| column.text).collect()
        } else {
            Vec::new()
        }
    }
}

/// A row as the server sent it, decoded on demand.
pub(super) struct PostgresRow {
    pub(super) columns: Arc<RowColumns>,
    pub(super) body: DataRowBody,
}

impl RawRow for PostgresRow {
    fn len(&self) -> usize {
        self.columns.len()
    }

    fn name(&self, index: usize) -> &str {
        &self.columns.0[index].name
    }

    fn type_name(&self, index: usize) -> &str {
        let column = &self.columns.0[index];
        match &column.known {
            Some(known) => known.name(),
            None => type_name(column.oid).unwrap_or("?"),
        }
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let Column { oid, known, text, .. } = &self.columns.0[index];
        let range = self.body.ranges().nth(index).map_err(|error| broken(&error))?;
        let Some(range) = range.ok_or_else(|| broken(&std::io::ErrorKind::UnexpectedEof.into()))? else {
            return Ok(ValueRef::Null);
        };
        let bytes = &self.body.buffer()[range];
        if *text {
            textual(*oid, utf8(bytes)?)
        } else {
            binary(*oid, known.as_deref(), bytes)
        }
    }

    fn native(&self) -> &dyn Any {
        self
    }
}

fn broken(error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the server sent a row that cannot be read: {error}"),
    )
}

/// Shows names and types, never values.
impl fmt::Debug for PostgresRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = (0..self.len()).map(|at| (self.name(at), self.type_name(at)));
        f.debug_map().entries(columns).finish()
    }
}
