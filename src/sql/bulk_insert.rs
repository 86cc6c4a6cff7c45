//! An `INSERT … VALUES` of one row, as it is sent for many rows.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::RwLock;

use super::values_row::ValuesRow;
use super::{Bound, Dialect, Statement};
use crate::value::Value;

/// The numbers of rows that one statement can contain. Few numbers mean few different texts.
const SIZES: [usize; 6] = [2_048, 512, 128, 32, 8, 1];

/// The maximum number of bytes of values in one statement, unless a single row has more: servers limit the size of a
/// message.
const BYTES: usize = 1024 * 1024;

/// The number of bytes beside the content of a value: its length, and in some protocols its type.
const LENGTH: usize = 8;

/// The maximum number of texts that are kept for columns of different types.
const MOST_TYPES: usize = 32;

/// An `INSERT` whose row of `VALUES` can be repeated.
#[derive(Debug)]
pub(crate) struct BulkInsert {
    dialect: Dialect,
    /// The statement for one row.
    single: Arc<Statement>,
    /// The text in front of the row, with `VALUES`.
    before: Box<str>,
    /// The length of what stands in front of `VALUES`.
    head: usize,
    /// The text in front of each placeholder of the row, and its slot.
    pieces: Box<[(Box<str>, usize)]>,
    /// The rest of the row.
    end: Box<str>,
    /// The text behind the row.
    after: Box<str>,
    slots: usize,
    /// The maximum number of placeholders of the driver, if it has one of its own.
    most: Option<u16>,
    selectable: bool,
    by_size: RwLock<Vec<(usize, Arc<Statement>)>>,
    by_types: RwLock<Vec<Arc<Statement>>>,
}

/// A column of rows that are sent as one array for each column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrayColumn<'t> {
    /// The SQL name of the type of the array.
    pub(crate) array: &'t str,
    /// The SQL name of the type to which the server converts the members.
    pub(crate) cast: Option<&'t str>,
    /// Set if every member is a `NULL` without a type, which then has that of its place.
    pub(crate) is_null: bool,
}

impl BulkInsert {
    /// Creates it from the statement for one row, and its text without placeholders. `row` is the text of the row that was
    /// found there, and `cuts` are the places of the placeholders in that, each with its slot; `most` is what a
    /// driver takes of them.
    pub(super) fn new(
        dialect: Dialect,
        single: &Arc<Statement>,
        text: &str,
        found: &ValuesRow,
        row: &str,
        cuts: &[(usize, usize)],
        most: Option<u16>,
    ) -> Self {
        let mut from = 0;
        let pieces = cuts.iter().map(|(cut, slot)| {
            let piece = Box::from(&row[from..*cut]);
            from = *cut;
            (piece, *slot)
        });
        Self {
            dialect,
            single: Arc::clone(single),
            before: Box::from(&text[..found.row.start]),
            head: found.keyword,
            pieces: pieces.collect(),
            end: Box::from(&row[from..]),
            after: Box::from(&text[found.row.end..]),
            slots: cuts.iter().map(|(_, slot)| slot + 1).max().unwrap_or(0),
            most,
            selectable: found.selectable,
            by_size: RwLock::default(),
            by_types: RwLock::default(),
        }
    }

    /// Returns what is done with the values of a statement, if they are one array for each column.
    pub(crate) fn of(statement: &Statement) -> Option<&Self> {
        statement.bulk()?.downcast_ref()
    }

    /// Returns the statement for one row.
    pub(crate) fn single(&self) -> &Arc<Statement> {
        &self.single
    }

    /// Returns whether a `SELECT` can stand for the row with the same meaning.
    pub(super) fn is_selectable(&self) -> bool {
        self.selectable
    }

    /// Returns statements for all rows, in their order. `one` binds a single row, and `ordered` puts the values of one of
    /// many into their order.
    pub(super) fn chunks(
        &self,
        rows: Vec<Vec<Value>>,
        one: impl Fn(Vec<Value>) -> Bound,
        ordered: impl Fn(Vec<Value>) -> Vec<Value>,
    ) -> Vec<Bound> {
        let mut chunks = Vec::new();
        let weights: Vec<usize> = rows.iter().map(|row| weight_of_row(row)).collect();
        let mut weights = weights.as_slice();
        let mut rows = rows.into_iter();
        while !weights.is_empty() {
            let size = self.chunk_size(weights);
            weights = &weights[size..];
            let mut taken = rows.by_ref().take(size);
            if size == 1 {
                chunks.extend(taken.next().map(&one));
                continue;
            }
            let mut values = Vec::with_capacity(size * self.width());
            taken.for_each(|row| values.extend(ordered(row)));
            chunks.push(Bound {
                statement: self.of_rows(size),
                values,
            });
        }
        chunks
    }

    /// Returns the number of values that a row binds if several rows are in one statement.
    fn width(&self) -> usize {
        if self.dialect.numbers_placeholders() {
            self.slots
        } else {
            self.pieces.len()
        }
    }

    /// Returns how many of the remaining rows go into the next statement.
    fn chunk_size(&self, weights: &[usize]) -> usize {
        let most = self.dialect.max_parameters();
        let (most, width) = match self.most {
            Some(driver) => (most.min(driver.into()), self.pieces.len()),
            None => (most, self.width()),
        };
        let most = (most / width.max(1)).min(self.dialect.max_rows());
        let fits = |size: usize| {
            size <= most
                && weights
                    .get(..size)
                    .is_some_and(|weights| weights.iter().sum::<usize>() <= BYTES)
        };
        SIZES.into_iter().find(|&size| fits(size)).unwrap_or(1)
    }

    fn of_rows(&self, size: usize) -> Arc<Statement> {
        if let Some((_, statement)) = self.by_size.read().iter().find(|(rows, _)| *rows == size) {
            return Arc::clone(statement);
        }
        let statement = Arc::new(self.single.rewritten(&self.text_of_rows(size)));
        let mut by_size = self.by_size.write();
        if let Some((_, statement)) = by_size.iter().find(|(rows, _)| *rows == size) {
            return Arc::clone(statement);
        }
        by_size.push((size, Arc::clone(&statement)));
        statement
    }

    fn text_of_rows(&self, size: usize) -> String {
        let row: usize = self.pieces.iter().map(|(piece, _)| piece.len() + 6).sum();
        let around = self.before.len() + self.after.len();
        let mut out = String::with_capacity(around + size * (row + self.end.len() + 2));
        out.push_str(&self.before);
        for index in 0..size {
            if index > 0 {
                out.push_str(", ");
            }
            for (piece, slot) in &self.pieces {
                out.push_str(piece);
                if self.dialect.numbers_placeholders() {
                    self.dialect.write_placeholder(&mut out, index * self.slots + slot + 1);
                } else {
                    out.push('?');
                }
            }
            out.push_str(&self.end);
        }
        out.push_str(&self.after);
        out
    }

    /// Turns rows into columns: one array for each slot. As many rows share a statement as fit into one message. `one`
    /// binds a single row.
    pub(super) fn columns(self: &Arc<Self>, rows: Vec<Vec<Value>>, one: impl Fn(Vec<Value>) -> Bound) -> Vec<Bound> {
        let mut chunks = Vec::new();
        let (mut first, mut weight) = (1, 0);
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); self.slots];
        for row in rows {
            let more = weight_of_row(&row);
            if weight > 0 && weight + more > BYTES {
                chunks.push(self.chunk(&mut columns, &mut first, &one));
                weight = 0;
            }
            // Also a row without bytes is one.
            weight += more.max(1);
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        if weight > 0 {
            chunks.push(self.chunk(&mut columns, &mut first, &one));
        }
        chunks
    }

    /// Empties columns into a statement. `first` is the number of their first row.
    fn chunk(
        self: &Arc<Self>,
        columns: &mut [Vec<Value>],
        first: &mut usize,
        one: impl Fn(Vec<Value>) -> Bound,
    ) -> Bound {
        let size = columns.first().map_or(0, Vec::len);
        let number = std::mem::replace(first, *first + size);
        let taken = columns.iter_mut().map(std::mem::take);
        if size == 1 {
            return one(taken.flatten().collect());
        }
        Bound {
            statement: Arc::new(Statement::of_bulk(self, number)),
            values: taken.map(Value::Array).collect(),
        }
    }

    /// Returns the first value of each column that is not `NULL`: a row with the types of the columns. In a column without
    /// one it is a `NULL` with the type that all of them have.
    pub(crate) fn sample(columns: &[Value]) -> Vec<Value> {
        let first = |column: &Value| {
            let Value::Array(members) = column else { return None };
            let value = members.iter().find(|member| !member.is_null());
            let null = || {
                members
                    .first()
                    .filter(|first| members.iter().all(|member| member == *first))
            };
            value.or_else(null).cloned()
        };
        columns
            .iter()
            .map(|column| first(column).unwrap_or(Value::Null))
            .collect()
    }

    /// Returns one row of columns; `None` after the last.
    pub(crate) fn row(columns: &[Value], index: usize) -> Option<Vec<Value>> {
        let member = |column: &Value| match column {
            Value::Array(members) => members.get(index).cloned(),
            _ => None,
        };
        columns.iter().map(member).collect()
    }

    /// Returns statements with the rows of columns in their text, in place of arrays.
    pub(crate) fn in_rows(&self, columns: &[Value]) -> Vec<Bound> {
        let rows = (0..).map_while(|index| Self::row(columns, index)).collect();
        let one = |values| Bound {
            statement: Arc::clone(&self.single),
            values,
        };
        self.chunks(rows, one, |values| values)
    }

    /// Returns the statement that takes one array for each column.
    pub(crate) fn of_arrays(&self, columns: &[ArrayColumn<'_>]) -> Arc<Statement> {
        let text = self.text_of_arrays(columns);
        let known = |all: &[Arc<Statement>]| all.iter().find(|one| one.text() == text).map(Arc::clone);
        if let Some(statement) = known(&self.by_types.read()) {
            return statement;
        }
        let statement = Arc::new(self.single.rewritten(&text));
        let mut by_types = self.by_types.write();
        if let Some(statement) = known(&by_types) {
            return statement;
        }
        if by_types.len() >= MOST_TYPES {
            by_types.clear();
        }
        by_types.push(Arc::clone(&statement));
        statement
    }

    fn text_of_arrays(&self, columns: &[ArrayColumn<'_>]) -> String {
        let mut out = format!("{}SELECT ", &self.before[..self.head]);
        // Without its parentheses.
        let mut skipped = 1;
        for (piece, slot) in &self.pieces {
            out.push_str(&piece[std::mem::take(&mut skipped)..]);
            let _ = match columns[*slot] {
                ArrayColumn { is_null: true, .. } => write!(out, " NULL "),
                ArrayColumn { cast: Some(to), .. } => write!(out, "(ebbtide_row.ebbtide_{slot}::{to})"),
                _ => write!(out, "(ebbtide_row.ebbtide_{slot})"),
            };
        }
        out.push_str(&self.end[..self.end.len() - 1]);
        // Set-returning functions in the list of a SELECT advance together, and no row is kept in between.
        out.push_str(" FROM (SELECT ");
        for (slot, column) in columns.iter().enumerate() {
            let comma = if slot > 0 { ", " } else { "" };
            let (number, array) = (slot + 1, column.array);
            let _ = write!(out, "{comma}pg_catalog.unnest(${number}::{array}) AS ebbtide_{slot}");
        }
        // What follows may stand right behind the parenthesis of the row.
        out.push_str(") AS ebbtide_row ");
        out.push_str(&self.after);
        out
    }
}

fn weight_of_row(row: &[Value]) -> usize {
    row.iter().map(weight).sum()
}

/// Returns roughly the number of bytes that a value takes on the wire, with its length.
fn weight(value: &Value) -> usize {
    let content = match value {
        Value::Text(text) | Value::Untyped(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Json(json) => json_weight(json),
        Value::Array(items) | Value::List(items) => items.iter().map(weight).sum(),
        _ => 16,
    };
    content + LENGTH
}

fn json_weight(json: &serde_json::Value) -> usize {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => text.len() + 2,
        Json::Array(items) => items.iter().map(json_weight).sum(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, field)| name.len() + 4 + json_weight(field))
            .sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
    }
}
