//! A row without a database, for tests.

use std::any::Any;

use super::{RawRow, Row, Value, ValueRef};
use crate::error::Result;

/// A row of values kept in memory; the SQL types are the kinds of the values.
#[derive(Debug)]
pub(crate) struct Fake(Vec<(&'static str, Value)>);

impl Fake {
    pub(crate) fn new(columns: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self(columns.into_iter().collect())
    }

    pub(crate) fn row(columns: impl IntoIterator<Item = (&'static str, Value)>) -> Row {
        Row::new(Box::new(Self::new(columns)))
    }
}

impl RawRow for Fake {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn name(&self, index: usize) -> &str {
        self.0[index].0
    }

    fn type_name(&self, index: usize) -> &str {
        self.0[index].1.kind()
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        Ok((&self.0[index].1).into())
    }

    fn native(&self) -> &dyn Any {
        self
    }
}
