//! One statement for many rows: `execute_many`.

use std::sync::Arc;

use super::bind::is_list;
use super::bind_error::BindError;
use super::bulk_insert::BulkInsert;
use super::template::Template;
use super::union_types::unite;
use super::{Bound, Statement};
use crate::error::Result;
use crate::value::{Params, Value};

/// Statements that together do what was requested, in the order of the rows.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Bound>,
}

/// The form in which a driver takes the rows of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsForm {
    /// As the values of so many tuples.
    Tuples,
    #[allow(dead_code, reason = "only PostgreSQL's driver takes them")]
    /// As one array for each column, with a [`BulkInsert`] that tells what is done with them.
    Arrays,
}

impl Template {
    /// Binds many rows. Several rows share a statement if that has the same effect as one after the other; else each
    /// row has its own.
    pub(crate) fn bind_many(&self, rows: Vec<Params>, form: RowsForm) -> Result<Batch> {
        let total = rows.len();
        let mut bound = Vec::with_capacity(total);
        for (index, row) in rows.into_iter().enumerate() {
            let values = self.resolve(row.0).and_then(|values| self.refuse_lists(values));
            bound.push(values.map_err(|error| error.in_row(index + 1, total))?);
        }
        let bulk = self.bulk.as_ref().filter(|_| bound.iter().all(Option::is_some));
        let bulk = bulk.filter(|_| unite(self.dialect, &mut bound));
        let chunks = match bulk {
            Some(bulk) => self.chunks(bulk, bound.into_iter().flatten().collect(), form),
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

    fn chunks(&self, bulk: &Arc<BulkInsert>, rows: Vec<Vec<Value>>, form: RowsForm) -> Vec<Bound> {
        // The members of an array of arrays would be rows of their own.
        let nested = |rows: &[Vec<Value>]| rows.iter().flatten().any(|value| matches!(value, Value::Array(_)));
        if form == RowsForm::Arrays && bulk.is_selectable() && !nested(&rows) {
            return bulk.columns(rows, |values| self.one(values));
        }
        bulk.chunks(rows, |values| self.one(values), |values| self.in_order_of_row(values))
    }
}

impl Bound {
    /// Returns the number of rows, if they are sent as one array for each column.
    pub(super) fn rows_of_arrays(&self) -> Option<usize> {
        BulkInsert::of(&self.statement)?;
        match self.values.first()? {
            Value::Array(members) => Some(members.len()),
            _ => None,
        }
    }
}

impl Statement {
    /// Creates the statement for rows that come as one array for each column. Its text is that for one row, for display.
    /// `first` is the number of its first row among all, counted from 1.
    pub(super) fn of_bulk(bulk: &Arc<BulkInsert>, first: usize) -> Self {
        let single = bulk.single();
        single.rewritten(single.text()).with_bulk(bulk.clone(), first)
    }
}
