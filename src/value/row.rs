//! `Row`: a row by index, by name, or as a whole.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::from_value::Mismatch;
use super::json::to_json;
use super::{FromValue, RawRow, Value, ValueRef, deserialize_row};
use crate::error::{Error, ErrorKind, Result, nearest};

/// One row of a result.
///
/// Columns are decoded when they are asked for. Names may occur twice; the order is the statement's. `Debug` shows names
/// and SQL types, never values.
pub struct Row(Box<dyn RawRow>);

impl Row {
    pub(crate) fn new(raw: Box<dyn RawRow>) -> Self {
        Self(raw)
    }

    pub(crate) fn raw(&self) -> &dyn RawRow {
        &*self.0
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads one column, by its index from 0 or by its name. [`FromValue`] tells what can be read as what.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when there is no such column, the name occurs twice, or the value does not fit the type.
    pub fn get<T: FromValue>(&self, index: impl ColumnIndex) -> Result<T> {
        let index = index.find(self)?;
        let value = self.0.value(index).map_err(Mismatch::from);
        value
            .and_then(|value| match &value {
                // Made anew from what the server wrote in another form.
                ValueRef::Owned(whole @ (Value::Text(_) | Value::Bytes(_))) => T::decode(whole.into()),
                _ => T::decode(value),
            })
            .map_err(|mismatch| unreadable(&*self.0, index, std::any::type_name::<T>(), mismatch))
    }

    /// The names of the columns in order, duplicates included.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.0.name(index))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Result<Value>)> {
        (0..self.len()).map(|index| (self.0.name(index), self.get(index)))
    }

    /// All values in order.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when the type of a column is unknown to this crate.
    pub fn values(&self) -> Result<Vec<Value>> {
        self.iter().map(|(_, value)| value).collect()
    }

    /// The row as a map from names to values.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when a name occurs twice, or the type of a column is unknown to this crate.
    pub fn to_map(&self) -> Result<BTreeMap<String, Value>> {
        unique(&*self.0)?;
        self.iter().map(|(name, value)| Ok((name.to_owned(), value?))).collect()
    }

    /// The row as a JSON object: decimals, dates and UUIDs become text, bytes an array of numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when a name occurs twice, or a number is NaN or infinite, which JSON cannot say.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        unique(&*self.0)?;
        let mut object = serde_json::Map::new();
        for (index, name) in self.columns().enumerate() {
            let value = self.0.value(index).map_err(Mismatch::from).and_then(to_json);
            let value = value.map_err(|mismatch| unreadable(&*self.0, index, "JSON", mismatch))?;
            object.insert(name.to_owned(), value);
        }
        Ok(object.into())
    }

    /// Reads the whole row: a struct or a map by the columns' names, a tuple by their order, and anything else from a
    /// row of one column.
    ///
    /// A struct may leave columns out, and takes text for a `serde_json::Value` as the document it must be. Unit variants of enums are read from text, nested structs from JSON. A row that is read
    /// as `serde_json::Value` becomes an object.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when a field has no column, a name occurs twice, a tuple has more or fewer members than
    /// there are columns, or a value does not fit.
    pub fn deserialize<'r, T: Deserialize<'r>>(&'r self) -> Result<T> {
        deserialize_row(&*self.0)
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

/// The text without the quotes of its `Debug`.
fn format_args_of(text: &str) -> impl fmt::Debug {
    struct Plain<'t>(&'t str);
    impl fmt::Debug for Plain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    Plain(text)
}

/// What a column can be asked for by: its index from 0, or its name.
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

pub(super) fn columns_counted(count: usize) -> String {
    if count == 1 {
        "1 column".into()
    } else {
        format!("{count} columns")
    }
}

fn names(row: &dyn RawRow) -> impl Iterator<Item = &str> {
    (0..row.len()).map(|index| row.name(index))
}

/// The columns there are, for the help line.
fn listed(row: &dyn RawRow) -> String {
    if row.len() == 0 {
        return "the row has no columns".into();
    }
    let names: Vec<String> = names(row).map(|name| format!("`{name}`")).collect();
    format!("the columns are {}", names.join(", "))
}

/// A column that is asked for and not there.
pub(super) fn missing(row: &dyn RawRow, wanted: &str) -> Error {
    let help = match nearest(wanted, names(row)) {
        Some(near) => format!("did you mean `{near}`? {}", listed(row)),
        None => listed(row),
    };
    Error::new(ErrorKind::Decode, format!("the row has no column `{wanted}`")).help(help)
}

/// A name that several columns have.
pub(super) fn ambiguous(row: &dyn RawRow, name: &str) -> Error {
    let places: Vec<String> = names(row)
        .enumerate()
        .filter(|(_, other)| *other == name)
        .map(|(index, _)| index.to_string())
        .collect();
    if places.len() < 2 {
        // A field may go by several names.
        return Error::new(ErrorKind::Decode, format!("several columns are meant for `{name}`")).help(listed(row));
    }
    Error::new(
        ErrorKind::Decode,
        format!(
            "the column name `{name}` is ambiguous: the columns {} have it",
            places.join(" and ")
        ),
    )
    .help("give one of them another name with AS, or read them by index")
}

/// Refuses names that occur twice, where one would silently replace the other.
pub(super) fn unique(row: &dyn RawRow) -> Result<()> {
    for index in 1..row.len() {
        let name = row.name(index);
        if (0..index).any(|before| row.name(before) == name) {
            return Err(ambiguous(row, name));
        }
    }
    Ok(())
}

/// A column that cannot be read as the Rust type of that name.
pub(super) fn unreadable(row: &dyn RawRow, index: usize, rust: &str, mismatch: Mismatch) -> Error {
    let (name, sql, rust) = (row.name(index), row.type_name(index), short(rust));
    if mismatch.null {
        return Error::new(
            ErrorKind::Decode,
            format!("column `{name}` ({sql}) is NULL, which {rust} cannot hold"),
        )
        .help(format!("read it as Option<{rust}>, or exclude NULL in the statement"));
    }
    let error = Error::new(
        ErrorKind::Decode,
        format!("column `{name}` ({sql}) cannot be read as {rust}: {}", mismatch.reason),
    );
    match mismatch.help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// `core::option::Option<alloc::string::String>` as people write it.
fn short(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut segment = 0;
    for char in name.chars() {
        if char == ':' {
            out.truncate(segment);
        } else {
            out.push(char);
            if !char.is_alphanumeric() && char != '_' {
                segment = out.len();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn type_names_lose_their_paths() {
        assert_eq!(short("core::option::Option<alloc::string::String>"), "Option<String>");
        assert_eq!(short("i64"), "i64");
        assert_eq!(
            short("(i64, chrono::datetime::DateTime<chrono::offset::utc::Utc>)"),
            "(i64, DateTime<Utc>)"
        );
        assert_eq!(short("&str"), "&str");
    }
}
