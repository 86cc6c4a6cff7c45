//! Rows of a statement that share their allocations.

use std::fmt;
use std::sync::Arc;

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Row, ffi};

use super::columns::ColumnSet;
use crate::error::{Error, ErrorKind, Result};
use crate::value::ValueRef;

/// Largest number of rows in an arena.
const ROWS: usize = 256;

/// Number of bytes of values from which on no row is added.
const BYTES: usize = 64 * 1024;

/// One value. Text and bytes are positions in the arena.
#[derive(Clone, Copy)]
enum StoredCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(u32, u32),
    Bytes(u32, u32),
    /// Text that is not UTF-8.
    NotText,
}

/// Rows with the same columns.
pub(super) struct RowArena {
    columns: Arc<ColumnSet>,
    cells: Vec<StoredCell>,
    text: String,
    bytes: Vec<u8>,
}

impl RowArena {
    pub(super) fn new(columns: &Arc<ColumnSet>) -> Self {
        Self {
            columns: Arc::clone(columns),
            cells: Vec::with_capacity(columns.len()),
            text: String::new(),
            bytes: Vec::new(),
        }
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// Returns whether no row should be added.
    pub(super) fn is_full(&self) -> bool {
        self.rows() >= ROWS || self.text.len() + self.bytes.len() >= BYTES
    }

    pub(super) fn columns(&self) -> &ColumnSet {
        &self.columns
    }

    /// Adds a row of the driver.
    pub(super) fn push(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        for index in 0..self.columns.len() {
            let cell = match row.get_ref(index)? {
                Stored::Null => StoredCell::Null,
                Stored::Integer(it) => StoredCell::Integer(it),
                Stored::Real(it) => StoredCell::Real(it),
                Stored::Text(it) => match std::str::from_utf8(it) {
                    Ok(it) => {
                        let start = self.text.len();
                        self.text.push_str(it);
                        StoredCell::Text(offset(start)?, offset(self.text.len())?)
                    }
                    Err(_) => StoredCell::NotText,
                },
                Stored::Blob(it) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(it);
                    StoredCell::Bytes(offset(start)?, offset(self.bytes.len())?)
                }
            };
            self.cells.push(cell);
        }
        Ok(())
    }

    fn cell(&self, row: u32, index: usize) -> StoredCell {
        let at = row as usize * self.columns.len() + index;
        self.cells.get(at).copied().unwrap_or(StoredCell::Null)
    }

    /// Reads a value.
    pub(super) fn value(&self, row: u32, index: usize) -> Result<ValueRef<'_>> {
        Ok(match self.cell(row, index) {
            StoredCell::Null => ValueRef::Null,
            StoredCell::Integer(it) => ValueRef::I64(it),
            StoredCell::Real(it) => ValueRef::F64(it),
            StoredCell::Text(start, end) => {
                ValueRef::Text(self.text.get(start as usize..end as usize).unwrap_or_default())
            }
            StoredCell::Bytes(start, end) => {
                ValueRef::Bytes(self.bytes.get(start as usize..end as usize).unwrap_or_default())
            }
            StoredCell::NotText => {
                let message = "a value cannot be read: it is stored as text and is not valid utf-8";
                return Err(Error::new(ErrorKind::Decode, message)
                    .help("cast it to a blob in the SQL (`CAST(column AS BLOB)`) and read the bytes"));
            }
        })
    }

    /// Returns the name of the storage class of a value.
    pub(super) fn class(&self, row: u32, index: usize) -> &'static str {
        match self.cell(row, index) {
            StoredCell::Null => "NULL",
            StoredCell::Integer(_) => "INTEGER",
            StoredCell::Real(_) => "REAL",
            StoredCell::Text(..) | StoredCell::NotText => "TEXT",
            StoredCell::Bytes(..) => "BLOB",
        }
    }
}

/// Returns a position in an arena. Fails if one row has more bytes than it can count.
fn offset(bytes: usize) -> rusqlite::Result<u32> {
    u32::try_from(bytes).map_err(|_| {
        let message = Some("a row has more than 4 GiB".to_owned());
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), message)
    })
}

impl fmt::Debug for RowArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowArena")
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}
