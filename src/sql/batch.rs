//! One statement for many rows: `execute_many`.

use std::ops::Range;
use std::sync::Arc;

use super::control::{Part, Verb};
use super::fault::Fault;
use super::lexer::Kind;
use super::template::{Template, numbered};
use super::{Bound, Dialect, Statement};
use crate::error::Result;
use crate::value::{Params, Value};

/// The numbers of rows that are put into one statement. Few numbers make few different texts.
const LADDER: [usize; 5] = [512, 128, 32, 8, 1];

/// The most bytes of values that are put into one statement, unless a single row has more: servers limit
/// the size of a message.
const BYTES: usize = 1024 * 1024;

/// Statements that do together what was asked for, in the order of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Bound>,
}

impl Template {
    /// Binds many rows: several to a statement where that does the same as one after the other, else one
    /// to a statement.
    pub(crate) fn bind_many(&self, rows: Vec<Params>) -> Result<Batch> {
        let total = rows.len();
        let mut bound = Vec::with_capacity(total);
        for (index, row) in rows.into_iter().enumerate() {
            let values = self.resolve(row.0).and_then(|values| self.refuse_lists(values));
            bound.push(values.map_err(|fault| fault.in_row(index + 1, total))?);
        }
        let row = self.row.as_ref().filter(|_| bound.iter().all(Option::is_some));
        let chunks = match row {
            Some(row) => self.chunks(row, bound.into_iter().flatten().collect()),
            None => self.one_by_one(bound)?,
        };
        Ok(Batch { chunks })
    }

    fn refuse_lists(&self, values: Option<Vec<Value>>) -> Result<Option<Vec<Value>>, Fault> {
        let list = values
            .iter()
            .flatten()
            .position(|value| matches!(value, Value::List(_)));
        list.map_or(Ok(values), |slot| {
            Err(Fault::new(
                format!(
                    "{} is a list, which has no place in a statement for many rows",
                    self.shown(slot)
                ),
                "run the statement once for each row; PostgreSQL takes an `Array` as one value",
            ))
        })
    }

    fn one_by_one(&self, rows: Vec<Option<Vec<Value>>>) -> Result<Vec<Bound>, Fault> {
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

    /// How many of the rows left go into the next statement.
    fn chunk_size(&self, weights: &[usize]) -> usize {
        let most = self.dialect.max_parameters() / self.row_width().max(1);
        let fits = |size: usize| {
            size <= most
                && weights
                    .get(..size)
                    .is_some_and(|weights| weights.iter().sum::<usize>() <= BYTES)
        };
        LADDER.into_iter().find(|&size| fits(size)).unwrap_or(1)
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
                if self.dialect == Dialect::Postgres {
                    numbered(out, index * self.slots + hole.slot + 1);
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

/// Roughly the bytes a value takes on the wire.
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

/// Finds the one row of `INSERT … VALUES (…)` that may be repeated: all placeholders stand in it, and
/// nothing in it can depend on the rows inserted before.
pub(super) fn row_of_values(dialect: Dialect, verb: Verb, parts: &[Part<'_>]) -> Option<Range<usize>> {
    if !matches!(verb, Verb::Insert | Verb::Replace) || !parts.first()?.is_one_of(&["INSERT", "REPLACE"]) {
        return None;
    }
    let mut depth = 0;
    let values = parts.iter().position(|part| {
        depth += part.nesting();
        depth == 0 && part.is_one_of(&["VALUES", "SELECT", "TABLE", "WITH", "SET"])
    })?;
    let (before, rest) = parts.split_at(values);
    let (keyword, rest) = rest.split_first()?;
    if !keyword.is("VALUES") || !rest.first()?.is_symbol(b'(') {
        return None;
    }
    depth = 0;
    let closing = rest.iter().position(|part| {
        depth += part.nesting();
        depth == 0
    })?;
    let (row, after) = (&rest[..=closing], &rest[closing + 1..]);
    let inside = row.iter().any(|part| part.hole) && !before.iter().chain(after).any(|part| part.hole);
    let ends = after
        .first()
        .is_none_or(|next| next.is_one_of(&["ON", "RETURNING", "AS"]) || next.is_symbol(b';'));
    // PostgreSQL refuses to update one row twice in one statement.
    let updates = dialect == Dialect::Postgres && after.windows(2).any(|two| two[0].is("DO") && two[1].is("UPDATE"));
    (inside && ends && !updates && is_plain(row)).then(|| row[0].start..row[closing].end)
}

/// Whether a row holds nothing but placeholders, constants, casts, and functions that look at nothing else.
fn is_plain(row: &[Part<'_>]) -> bool {
    const CALLS: [&str; 20] = [
        "CAST",
        "COALESCE",
        "NULLIF",
        "LOWER",
        "UPPER",
        "TRIM",
        "NOW",
        "JSON",
        "JSONB",
        "NUMERIC",
        "DECIMAL",
        "CHAR",
        "VARCHAR",
        "VARYING",
        "BINARY",
        "TIME",
        "TIMESTAMP",
        "DATETIME",
        "BIT",
        "INTERVAL",
    ];
    row.iter().enumerate().all(|(index, part)| match part.kind {
        _ if part.hole || part.is_constant() => true,
        Kind::Word => !part.is_one_of(&["SELECT", "VALUES", "TABLE", "WITH"]),
        Kind::Symbol(b'(') => index == 0 || row[index - 1].is_one_of(&CALLS) || row[index - 1].is_symbol(b'('),
        Kind::Cast | Kind::Quoted | Kind::Symbol(b',' | b')' | b'[' | b']' | b'+' | b'-' | b'.') => true,
        _ => false,
    })
}
