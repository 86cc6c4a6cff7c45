//! A row of any driver as sqlx reads rows.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::error::BoxDynError;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{Any, AnyColumn, AnyValueRef};
use crate::error::Error;
use crate::value::{Mismatch, RawRow, unreadable};

/// A row of any driver, decoded on demand.
///
/// It is what `#[derive(sqlx::FromRow)]` reads in [`decode`](crate::Query::decode), and the row of queries for
/// [`Any`](super::Any).
///
/// Columns are found by index or by name. The search for a name begins at the column after the one found before. So
/// fields in the order of the columns are found at once; and of two columns with one name, each is read once, in order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// use ebbtide::any::AnyRow;
/// use sqlx::{FromRow, Row};
///
/// struct Point(f64, f64);
///
/// impl FromRow<'_, AnyRow> for Point {
///     fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
///         Ok(Self(row.try_get("x")?, row.try_get("y")?))
///     }
/// }
///
/// let Point(x, y) = database.fetch_one("SELECT 1.5 AS x, 2 AS y", ()).decode().await?;
/// assert_eq!((x, y), (1.5, 2.0));
/// # Ok(()) }
/// ```
pub struct AnyRow {
    raw: Box<dyn RawRow>,
    /// Where the search for the next name begins.
    next: AtomicUsize,
    columns: OnceLock<Box<[AnyColumn]>>,
}

impl AnyRow {
    pub(crate) fn new(raw: Box<dyn RawRow>) -> Self {
        Self {
            raw,
            next: AtomicUsize::new(0),
            columns: OnceLock::new(),
        }
    }

    /// Returns the index of a column. Fields are mostly in the order of the columns, so the next column comes first.
    fn find(&self, name: &str) -> Option<usize> {
        let len = self.raw.len();
        let next = self.next.load(Ordering::Relaxed);
        let found = (next..len)
            .chain(0..next.min(len))
            .find(|at| self.raw.name(*at) == name)?;
        self.next.store(found + 1, Ordering::Relaxed);
        Some(found)
    }

    #[inline]
    fn read(&self, at: usize) -> crate::Result<AnyValueRef<'_>> {
        let value = self.raw.value(at)?;
        Ok(AnyValueRef::of_column(value, &*self.raw, at))
    }
}

#[cold]
fn unread(error: Error) -> BoxDynError {
    Mismatch::from(error).into()
}

/// Returns the error for a column that cannot be read as `T`. It has the words of [`crate::Row::get`], unless the type
/// has words of its own.
#[cold]
fn undecodable<T>(row: &dyn RawRow, at: usize, index: &dyn fmt::Debug, why: BoxDynError) -> sqlx::Error {
    let source = match why.downcast::<Mismatch>() {
        Ok(mismatch) => unreadable(row, at, std::any::type_name::<T>(), *mismatch).into(),
        Err(other) => other,
    };
    sqlx::Error::ColumnDecode {
        index: format!("{index:?}"),
        source,
    }
}

impl Row for AnyRow {
    type Database = Any;

    fn len(&self) -> usize {
        self.raw.len()
    }

    fn columns(&self) -> &[AnyColumn] {
        self.columns.get_or_init(|| AnyColumn::all(&*self.raw))
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, index: I) -> Result<AnyValueRef<'_>, sqlx::Error> {
        self.read(index.index(self)?)
            .map_err(|error: Error| sqlx::Error::ColumnDecode {
                index: format!("{index:?}"),
                source: error.into(),
            })
    }

    /// Reads a column. The value alone decides whether it can be read as `T`.
    #[inline]
    fn try_get<'r, T, I>(&'r self, index: I) -> Result<T, sqlx::Error>
    where
        I: ColumnIndex<Self>,
        T: Decode<'r, Any> + Type<Any>,
    {
        let at = index.index(self)?;
        let read = match self.read(at) {
            Ok(value) => T::decode(value),
            Err(error) => Err(unread(error)),
        };
        read.map_err(|why| undecodable::<T>(&*self.raw, at, &index, why))
    }
}

impl ColumnIndex<AnyRow> for usize {
    fn index(&self, row: &AnyRow) -> Result<usize, sqlx::Error> {
        let len = row.raw.len();
        if *self < len {
            Ok(*self)
        } else {
            Err(sqlx::Error::ColumnIndexOutOfBounds { index: *self, len })
        }
    }
}

impl ColumnIndex<AnyRow> for &str {
    fn index(&self, row: &AnyRow) -> Result<usize, sqlx::Error> {
        row.find(self)
            .ok_or_else(|| sqlx::Error::ColumnNotFound((*self).to_owned()))
    }
}

/// Shows names and types, never values.
impl fmt::Debug for AnyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyRow ")?;
        let columns = (0..self.raw.len()).map(|at| (self.raw.name(at), self.raw.type_name(at)));
        f.debug_map().entries(columns).finish()
    }
}
