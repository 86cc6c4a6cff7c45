//! The rows of one `ROWS` or `BLOCK`: its bytes as they arrived, and where each value begins.

use std::sync::Arc;

use super::cell::{Cell, Shape};
use super::codec::Reader;
use super::frame::{BatchOrder, Column, Malformed};
use super::server_text::TextForm;
use crate::backend::postgres::type_is_known as is_named;
use crate::sql::Dialect;

/// The form of a column of a `BLOCK` whose values have tags of their own.
const MIXED: u8 = 0x7F;
/// Set in the form of a column of a `BLOCK` that says of each value whether it is there.
const NULLABLE: u8 = 0x80;

/// The columns of a result.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) dialect: Dialect,
    pub(super) list: Vec<Column>,
    /// The names of the types as users see them, where they differ from the driver's.
    shown: Vec<Option<String>>,
    /// How the server's text of each is read.
    pub(super) forms: Vec<TextForm>,
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
        let forms = list.iter().map(|column| TextForm::of(dialect, &column.type_name));
        Self {
            dialect,
            forms: forms.collect(),
            list,
            shown,
        }
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

/// The rows of one `ROWS` or `BLOCK`.
#[derive(Debug)]
pub(super) struct BatchFrame {
    pub(super) columns: Arc<Columns>,
    payload: Vec<u8>,
    forms: Box<[Form]>,
    /// The places of the values with tags.
    places: Box<[u32]>,
    rows: u32,
}

/// Where the values of a column are in the payload.
#[derive(Debug)]
struct Form {
    /// The place of a byte for each row, which is 0 where the value is NULL.
    there: Option<u32>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// With their tags, each at a place of its own: the number of the first one's, and how many further the next one is.
    Tagged { first: usize, step: usize },
    /// Of one width, one after the other.
    Fixed { tag: u8, width: usize, at: usize },
    /// The end of each, and then their bytes.
    Long { tag: u8, ends: usize, at: usize },
}

impl BatchFrame {
    /// Looks for the values in a payload. Text is checked where it is read, so that it is read once.
    pub(super) fn read(columns: &Arc<Columns>, order: BatchOrder, payload: Vec<u8>) -> Result<Self, Malformed> {
        let mut reader = Reader::new("ROWS", &payload);
        let rows = reader.u32()?;
        let width = columns.list.len();
        // Each value has one byte at least.
        let count = (rows as usize)
            .checked_mul(width)
            .filter(|count| *count <= reader.left());
        let count = count.ok_or_else(|| Malformed::new("ROWS is cut off"))?;
        let mut search = Search {
            size: payload.len(),
            reader,
            rows: rows as usize,
            places: Vec::new(),
        };
        let forms = match order {
            BatchOrder::Rows => {
                search.pass(count)?;
                let tagged = |first| Values::Tagged { first, step: width };
                (0..width)
                    .map(|column| Form {
                        there: None,
                        values: tagged(column),
                    })
                    .collect()
            }
            BatchOrder::Columns => (0..width).map(|_| search.form()).collect::<Result<_, _>>()?,
        };
        search.reader.end()?;
        let batch = Self {
            columns: Arc::clone(columns),
            forms,
            places: search.places.into(),
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

    /// Returns the value of a column in a row. The error is that there is none.
    pub(super) fn cell(&self, row: u32, column: usize) -> Result<Cell<'_>, Malformed> {
        let none = || Malformed::new("a value is cut off");
        let row = row as usize;
        let form = self.forms.get(column).ok_or_else(none)?;
        if let Some(there) = form.there
            && self.payload.get(there as usize + row).ok_or_else(none)? == &0
        {
            return Ok(Cell::NULL);
        }
        match form.values {
            Values::Tagged { first, step } => {
                let place = *self.places.get(first + row * step).ok_or_else(none)? as usize;
                Cell::read(&mut Reader::new("a value", self.payload.get(place..).ok_or_else(none)?))
            }
            Values::Fixed { tag, width, at } => {
                let start = at + row * width;
                let body = self.payload.get(start..start + width).ok_or_else(none)?;
                Ok(Cell { tag, body })
            }
            Values::Long { tag, ends, at } => {
                let start = if row == 0 {
                    0
                } else {
                    self.end(ends, row - 1).ok_or_else(none)?
                };
                let end = self.end(ends, row).ok_or_else(none)?;
                let body = self.payload.get(at + start..at + end).ok_or_else(none)?;
                Ok(Cell { tag, body })
            }
        }
    }

    fn end(&self, ends: usize, row: usize) -> Option<usize> {
        let bytes = self.payload.get(ends + 4 * row..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes) as usize)
    }
}

/// The search for the values of a payload.
struct Search<'b> {
    reader: Reader<'b>,
    size: usize,
    rows: usize,
    places: Vec<u32>,
}

impl Search<'_> {
    fn at(&self) -> usize {
        self.size - self.reader.left()
    }

    /// Notes the places of values with tags.
    fn pass(&mut self, count: usize) -> Result<(), Malformed> {
        self.places.reserve_exact(count);
        for _ in 0..count {
            self.places.push(self.at() as u32);
            Cell::read(&mut self.reader)?;
        }
        Ok(())
    }

    /// Reads a column of a `BLOCK`.
    fn form(&mut self) -> Result<Form, Malformed> {
        let form = self.reader.u8()?;
        let there = if form & NULLABLE == 0 {
            None
        } else {
            let there = self.at() as u32;
            self.reader.skip(self.rows)?;
            Some(there)
        };
        let tag = form & !NULLABLE;
        let values = match Shape::of(tag) {
            _ if tag == MIXED => {
                let first = self.places.len();
                self.pass(self.rows)?;
                Values::Tagged { first, step: 1 }
            }
            Some(Shape::Fixed(width)) if width > 0 => {
                let at = self.at();
                self.reader.skip(self.rows.saturating_mul(width))?;
                Values::Fixed { tag, width, at }
            }
            Some(Shape::Long) => {
                let ends = self.at();
                let mut last = 0;
                for _ in 0..self.rows {
                    let end = self.reader.u32()?;
                    if end < last {
                        return Err(Malformed::new("a value of a BLOCK ends before it begins"));
                    }
                    last = end;
                }
                let at = self.at();
                self.reader.skip(last as usize)?;
                Values::Long { tag, ends, at }
            }
            _ => return Err(Malformed::new(format!("{form} is no form of a column in a BLOCK"))),
        };
        Ok(Form { there, values })
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
        self.payload.capacity() + size_of_val(&*self.places) + size_of_val(&*self.forms)
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
