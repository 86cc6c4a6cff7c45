//! The rows of one `ROWS`: its bytes as they arrived, and where each value begins.

use std::sync::Arc;

use super::codec::Reader;
use super::encode::tag;
use super::frame::{Column, Malformed};
use crate::backend::postgres::type_is_known as is_named;
use crate::sql::Dialect;

/// The deepest nesting of arrays; PostgreSQL has the same limit.
const MOST_DIMENSIONS: usize = 6;

/// The columns of a result.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) dialect: Dialect,
    pub(super) list: Vec<Column>,
    /// The names of the types as users see them, where they differ from the driver's.
    shown: Vec<Option<String>>,
}

impl Columns {
    /// Reads `COLUMNS`. Where the database writes names in capitals, those that have no other letters become small.
    pub(super) fn new(dialect: Dialect, mut list: Vec<Column>, folds_up: bool) -> Self {
        if folds_up {
            for column in &mut list {
                if !column.name.chars().any(char::is_lowercase) {
                    column.name = column.name.to_lowercase();
                }
            }
        }
        let shown = list.iter().map(|column| shown(dialect, &column.type_name)).collect();
        Self { dialect, list, shown }
    }

    /// Returns the name of the type of a column.
    pub(super) fn type_name(&self, index: usize) -> &str {
        let shown = self.shown.get(index).and_then(Option::as_deref);
        let own = || self.list.get(index).map_or("", |column| column.type_name.as_str());
        shown.unwrap_or_else(own)
    }
}

/// Returns the name of a type of PostgreSQL's own in capitals, as the library's own driver names it.
fn shown(dialect: Dialect, name: &str) -> Option<String> {
    let own = dialect == Dialect::Postgres && is_named(name);
    own.then(|| name.to_ascii_uppercase())
}

/// The rows of one `ROWS`.
#[derive(Debug)]
pub(super) struct BatchFrame {
    pub(super) columns: Arc<Columns>,
    payload: Vec<u8>,
    /// The place of each value, row after row.
    places: Box<[u32]>,
    rows: u32,
}

impl BatchFrame {
    /// Looks for the values in a payload. Text is checked where it is read, so that it is read once.
    pub(super) fn read(columns: &Arc<Columns>, payload: Vec<u8>) -> Result<Self, Malformed> {
        let mut reader = Reader::new("ROWS", &payload);
        let rows = reader.u32()?;
        let width = columns.list.len();
        // Each value has one byte at least.
        let count = (rows as usize)
            .checked_mul(width)
            .filter(|count| *count <= reader.left());
        let count = count.ok_or_else(|| Malformed::new("ROWS is cut off"))?;
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            places.push((payload.len() - reader.left()) as u32);
            pass(&mut reader, 0)?;
        }
        reader.end()?;
        let batch = Self {
            columns: Arc::clone(columns),
            places: places.into(),
            rows,
            payload,
        };
        #[cfg(test)]
        let batch = batch.counted();
        Ok(batch)
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Returns a place from which the value of a column in a row can be read.
    pub(super) fn cell(&self, row: u32, column: usize) -> Reader<'_> {
        let place = self.places.get(row as usize * self.columns.list.len() + column);
        let bytes = place.and_then(|place| self.payload.get(*place as usize..));
        Reader::new("a value", bytes.unwrap_or_default())
    }
}

#[cfg(test)]
thread_local! {
    /// Number of bytes in the batches that this thread has read, and that are still kept.
    pub(super) static KEPT_NOW: std::sync::atomic::AtomicUsize = const { std::sync::atomic::AtomicUsize::new(0) };
    /// The most that were kept at once.
    pub(super) static MOST_KEPT: std::sync::atomic::AtomicUsize = const { std::sync::atomic::AtomicUsize::new(0) };
}

#[cfg(test)]
impl BatchFrame {
    fn bytes(&self) -> usize {
        self.payload.capacity() + self.places.len() * size_of::<u32>()
    }

    fn counted(self) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let bytes = self.bytes();
        let now = KEPT_NOW.with(|now| now.fetch_add(bytes, Relaxed)) + bytes;
        MOST_KEPT.with(|most| most.fetch_max(now, Relaxed));
        self
    }
}

#[cfg(test)]
impl Drop for BatchFrame {
    fn drop(&mut self) {
        let bytes = self.bytes();
        KEPT_NOW.with(|now| now.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed));
    }
}

/// Passes a value of a row.
fn pass(reader: &mut Reader<'_>, depth: usize) -> Result<(), Malformed> {
    match reader.u8()? {
        tag::NULL => Ok(()),
        tag::BOOL => reader.skip(1),
        tag::F32 => reader.skip(4),
        tag::I64 | tag::U64 | tag::F64 => reader.skip(8),
        tag::INTERVAL => reader.skip(16),
        tag::DECIMAL..=tag::BYTES | tag::DATE..=tag::UNTYPED | tag::INET | tag::UNREADABLE => reader.bytes().map(drop),
        tag::ARRAY if depth < MOST_DIMENSIONS => {
            let count = reader.u32()?;
            if count as usize > reader.left() {
                return Err(Malformed::new("an array is cut off"));
            }
            (0..count).try_for_each(|_| pass(reader, depth + 1))
        }
        tag::ARRAY => Err(Malformed::new("an array has too many dimensions")),
        other => Err(Malformed::new(format!("{other} is no tag of a value in a row"))),
    }
}
