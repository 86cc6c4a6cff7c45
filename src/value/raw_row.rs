//! What a row of a driver can do; the drivers implement it, `Row` stands on it.

use std::any::Any;
use std::fmt::Debug;

use super::ValueRef;
use crate::error::Result;

/// One row of a driver, decoded on demand.
pub(crate) trait RawRow: Debug + Send + Sync {
    /// The number of columns.
    fn len(&self) -> usize;
    fn name(&self, index: usize) -> &str;
    /// The server's name of the column's type, for messages.
    fn type_name(&self, index: usize) -> &str;
    /// Reads a column. The index is below [`len`](Self::len).
    fn value(&self, index: usize) -> Result<ValueRef<'_>>;
    /// The driver's own row, for those who know its type.
    fn native(&self) -> &dyn Any;
}
