//! The interface of a driver's row, which the drivers implement and `Row` uses.

use std::any::Any;
use std::fmt::Debug;

use super::ValueRef;
use crate::error::Result;

/// A row of a driver, decoded on demand.
pub(crate) trait RawRow: Debug + Send + Sync {
    /// Returns the number of columns.
    fn len(&self) -> usize;
    fn name(&self, index: usize) -> &str;
    /// Returns the server's name of the column's type, for messages.
    fn type_name(&self, index: usize) -> &str;
    /// Reads a column. The index must be below [`len`](Self::len).
    fn value(&self, index: usize) -> Result<ValueRef<'_>>;
    /// Returns whether a column of integers is declared as one of booleans.
    fn is_boolean(&self, _index: usize) -> bool {
        false
    }
    /// Reads a column for a reader that takes any kind of value: the integers 0 and 1 of a column that is declared
    /// boolean are booleans.
    fn any_value(&self, index: usize) -> Result<ValueRef<'_>> {
        Ok(match self.value(index)? {
            ValueRef::I64(number @ 0..=1) if self.is_boolean(index) => ValueRef::Bool(number == 1),
            ValueRef::U64(number @ 0..=1) if self.is_boolean(index) => ValueRef::Bool(number == 1),
            value => value,
        })
    }
    /// Returns the driver's own row, for callers that know its type.
    fn native(&self) -> &dyn Any;
}
