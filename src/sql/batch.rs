//! One statement for many rows: `execute_many`.

use std::ops::Range;
use std::sync::Arc;

use super::bind::is_list;
use super::bind_error::BindError;
use super::template::Template;
use super::union_types::unite;
use super::{Bound, Statement};
use crate::error::Result;
use crate::value::{Params, Value};

/// The numbers of rows that one statement can contain. Few numbers mean few different texts.
const BATCH_SIZES: [usize; 5] = [512, 128, 32, 8, 1];

/// The maximum number of bytes of values in one statement, unless a single row has more: servers limit the size of a
/// message.
const BYTES: usize = 1024 * 1024;

/// Statements that together do what was requested, in the order of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Bound>,
}

impl Template {
    /// Binds many rows. Several rows share a statement if that has the same effect as one after the other; else each
    /// row has its own.
    pub(crate) fn bind_many(&self, rows: Vec<Params>) -> Result<Batch> {
        let total = rows.len();
        let mut bound = Vec::with_capacity(total);
        for (index, row) in rows.into_iter().enumerate() {
            let values = self.resolve(row.0).and_then(|values| self.refuse_lists(values));
            bound.push(values.map_err(|error| error.in_row(index + 1, total))?);
        }
        let row = self.row.as_ref().filter(|_| bound.iter().all(Option::is_some));
        let row = row.filter(|_| unite(self.dialect, &mut bound));
        let chunks = match row {
            Some(row) => self.chunks(row, bound.into_iter().flatten().collect()),
            None => self.one_by_one(bound)?,
        };
        Ok(Batch { chunks })
    }

    fn refuse_lists(&self, values: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, BindError> {
        let values = values.map(|values| self.place_lists(values)).transpose()?;
        let list = values.iter().flatten().position(is_list);
        list.map_or(Ok(values), |slot| {
            Err(BindError::new(
                format!(
                    "{} is a list, which a statement for many rows does not accept",
                    self.shown(slot)
                ),
                "run the statement once for each row; PostgreSQL accepts a list with `= ANY(…)` instead of IN",
            ))
        })
    }

    fn one_by_one(&self, rows: Vec<Option<Vec<Value>>>) -> Result<Vec<Bound>, BindError> {
        rows.into_iter()
            .map(|row| match row {
                None => self.bind_none(),
                Some(values) => Ok(self.one(values)),
            })
            .collect()
    }

    fn one(&self, values: Vec<Value>) -> Bound {
        Bound {
            statement: Arc::clone(&self.single),
            values: self.in_order(values),
        }
    }

    fn chunks(&self, row: &Range<usize>, rows: Vec<Vec<Value>>) -> Vec<Bound> {
        let mut chunks = Vec::new();
        let weights: Vec<usize> = rows.iter().map(|row| row.iter().map(weight).sum()).collect();
        let mut weights = weights.as_slice();
        let mut rows = rows.into_iter();
        while !weights.is_empty() {
            let size = self.chunk_size(weights);
            weights = &weights[size..];
            let mut taken = rows.by_ref().take(size);
            if size == 1 {
                chunks.extend(taken.next().map(|values| self.one(values)));
                continue;
            }
            let mut values = Vec::with_capacity(size * self.row_width());
            taken.for_each(|row| values.extend(self.in_order_of_row(row)));
            chunks.push(Bound {
                statement: self.statement_of_rows(row, size),
                values,
            });
        }
        chunks
    }

    /// Returns how many of the remaining rows go into the next statement.
    fn chunk_size(&self, weights: &[usize]) -> usize {
        let most = self.dialect.max_parameters() / self.row_width().max(1);
        let fits = |size: usize| {
            size <= most
                && weights
                    .get(..size)
                    .is_some_and(|weights| weights.iter().sum::<usize>() <= BYTES)
        };
        BATCH_SIZES.into_iter().find(|&size| fits(size)).unwrap_or(1)
    }

    fn statement_of_rows(&self, row: &Range<usize>, size: usize) -> Arc<Statement> {
        if let Some((_, statement)) = self.rows.read().iter().find(|(rows, _)| *rows == size) {
            return Arc::clone(statement);
        }
        let statement = self.write(&self.render_rows(row, size), false);
        let mut rows = self.rows.write();
        if let Some((_, statement)) = rows.iter().find(|(rows, _)| *rows == size) {
            return Arc::clone(statement);
        }
        rows.push((size, Arc::clone(&statement)));
        statement
    }

    fn render_rows(&self, row: &Range<usize>, size: usize) -> String {
        let mut out = String::with_capacity(self.text.len() + size * (row.len() + 6 * self.holes.len()));
        out.push_str(&self.text[..row.start]);
        for index in 0..size {
            if index > 0 {
                out.push_str(", ");
            }
            let end = self.fill(&mut out, row.start, &self.holes, |out, hole| {
                if self.dialect.numbers_placeholders() {
                    let number = index * self.slots + hole.slot + 1;
                    self.dialect.write_placeholder(out, number);
                } else {
                    out.push('?');
                }
            });
            out.push_str(&self.text[end..row.end]);
        }
        out.push_str(&self.text[row.end..]);
        out
    }
}

/// Returns roughly the number of bytes that a value takes on the wire.
fn weight(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Untyped(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Json(json) => json_weight(json),
        Value::Array(items) | Value::List(items) => items.iter().map(weight).sum(),
        _ => 16,
    }
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
