//! `Row`: access to a row by index, by name, or as a whole.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::columns::{ambiguous, columns_counted, listed, missing, unique, unreadable};
use super::json::to_json;
use super::mismatch::Mismatch;
use super::same_type::is;
use super::{FromValue, RawRow, Value, ValueRef, deserialize_row};
use crate::error::{Error, ErrorKind, Result};

/// One row of a result.
///
/// Columns are decoded when they are requested. Names may occur twice; the order is the statement's. `Debug` shows
/// names and SQL types, never values; [`show`](Self::show) shows the values too.
///
/// Two rows are equal if they have the same names and [`Value`]s in the same order. A row with a value that cannot be
/// read is equal to none, not even to itself.
pub struct Row(Box<dyn RawRow>);

impl Row {
    pub(crate) fn new(raw: Box<dyn RawRow>) -> Self {
        Self(raw)
    }

    pub(crate) fn raw(&self) -> &dyn RawRow {
        &*self.0
    }

    pub(crate) fn into_raw(self) -> Box<dyn RawRow> {
        self.0
    }

    /// Returns the number of columns.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one column, by its index from 0 or by its name. [`FromValue`] lists the conversions.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if there is no such column, the name occurs twice, or the value does not fit the type.
    pub fn get<T: FromValue>(&self, index: impl ColumnIndex) -> Result<T> {
        let index = index.find(self)?;
        let value = if is::<T, Value>() || is::<T, Option<Value>>() {
            self.0.any_value(index)
        } else {
            self.0.value(index)
        };
        value
            .map_err(Mismatch::from)
            .and_then(|value| match &value {
                // Recreated from another form that the server wrote.
                ValueRef::Owned(whole @ (Value::Text(_) | Value::Bytes(_))) => T::from_value(whole.into()),
                _ => T::from_value(value),
            })
            .map_err(|mismatch| unreadable(&*self.0, index, std::any::type_name::<T>(), mismatch))
    }

    /// Returns the names of the columns in order, duplicates included.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.0.name(index))
    }

    /// Returns names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Result<Value>)> {
        (0..self.len()).map(|index| (self.0.name(index), self.get(index)))
    }

    /// Returns all values in order.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the type of a column is unknown to this crate.
    pub fn values(&self) -> Result<Vec<Value>> {
        self.iter().map(|(_, value)| value).collect()
    }

    /// Returns the row as a map from names to values.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if a name occurs twice, or the type of a column is unknown to this crate.
    pub fn to_map(&self) -> Result<BTreeMap<String, Value>> {
        unique(&*self.0)?;
        self.iter().map(|(name, value)| Ok((name.to_owned(), value?))).collect()
    }

    /// Returns the row as a JSON object: decimals, dates and UUIDs become text, bytes an array of numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if a name occurs twice, or a number is NaN or infinite, which JSON cannot represent.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        unique(&*self.0)?;
        let mut object = serde_json::Map::new();
        for (index, name) in self.columns().enumerate() {
            let value = self.0.any_value(index).map_err(Mismatch::from).and_then(to_json);
            let value = value.map_err(|mismatch| unreadable(&*self.0, index, "JSON", mismatch))?;
            object.insert(name.to_owned(), value);
        }
        Ok(object.into())
    }

    /// Returns the names and values for `{:?}`, for tests and for a look while developing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
    /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
    /// let row = database.fetch_one("SELECT 7 AS id, 'milk' AS text", ()).await?;
    /// assert_eq!(format!("{:?}", row.show()), r#"Row {"id": I64(7), "text": Text("milk")}"#);
    /// # Ok(()) }
    /// ```
    pub fn show(&self) -> impl fmt::Debug {
        ShownRow(self)
    }

    /// Reads the whole row: a struct or a map by the columns' names, a tuple by their order, and any other type from a
    /// row of one column.
    ///
    /// A struct may omit columns. For a `serde_json::Value` it takes text as the document that it must be. Unit
    /// variants of enums are read from text, nested structs from JSON. A row that is read as `serde_json::Value`
    /// becomes an object.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if a field has no column, a name occurs twice, a tuple has more or fewer members than
    /// there are columns, or a value does not fit.
    pub fn deserialize<'r, T: Deserialize<'r>>(&'r self) -> Result<T> {
        deserialize_row(&*self.0)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let same = |((name, value), (other_name, other)): ((_, Result<Value>), (_, Result<Value>))| {
            name == other_name && matches!((value, other), (Ok(value), Ok(other)) if value == other)
        };
        self.len() == other.len() && self.iter().zip(other.iter()).all(same)
    }
}

/// A row whose `Debug` shows its values.
struct ShownRow<'r>(&'r Row);

impl fmt::Debug for ShownRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row ")?;
        let mut map = f.debug_map();
        for (name, value) in self.0.iter() {
            match value {
                Ok(value) => map.entry(&name, &value),
                Err(error) => map.entry(&name, &format_args_of(error.message())),
            };
        }
        map.finish()
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row ")?;
        f.debug_map()
            .entries((0..self.len()).map(|index| (self.0.name(index), format_args_of(self.0.type_name(index)))))
            .finish()
    }
}

/// Returns a text whose `Debug` has no quotes.
fn format_args_of(text: &str) -> impl fmt::Debug {
    struct Plain<'t>(&'t str);
    impl fmt::Debug for Plain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    Plain(text)
}

/// A type that identifies a column: its index from 0, or its name.
pub trait ColumnIndex: sealed::Find {}

impl<T: sealed::Find> ColumnIndex for T {}

mod sealed {
    pub trait Find {
        #[doc(hidden)]
        fn find(&self, row: &super::Row) -> super::Result<usize>;
    }
}

impl sealed::Find for usize {
    fn find(&self, row: &Row) -> Result<usize> {
        let len = row.len();
        if *self < len {
            return Ok(*self);
        }
        let count = columns_counted(len);
        Err(Error::new(
            ErrorKind::Decode,
            format!("there is no column {self}: the row has {count}, counted from 0"),
        )
        .help(listed(row.raw())))
    }
}

impl sealed::Find for str {
    fn find(&self, row: &Row) -> Result<usize> {
        let mut found = row.columns().enumerate().filter(|(_, name)| *name == self);
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (None, _) => Err(missing(row.raw(), self)),
            (Some(_), Some(_)) => Err(ambiguous(row.raw(), self)),
        }
    }
}

impl sealed::Find for String {
    fn find(&self, row: &Row) -> Result<usize> {
        sealed::Find::find(self.as_str(), row)
    }
}

impl<T: sealed::Find + ?Sized> sealed::Find for &T {
    fn find(&self, row: &Row) -> Result<usize> {
        (**self).find(row)
    }
}
