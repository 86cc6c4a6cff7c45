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
    /// Returns the driver's own row, for callers that know its type.
    fn native(&self) -> &dyn Any;
}
