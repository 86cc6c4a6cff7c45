//! The error of a value that cannot be read.

use std::fmt::Display;

use crate::error::{Error, ErrorKind};

/// Returns the error of a value that cannot be read; the row adds the name of its column.
#[cold]
pub(super) fn unreadable(type_name: &str, why: &dyn Display) -> Error {
    let name = if type_name.is_empty() { "value" } else { type_name };
    Error::new(ErrorKind::Decode, format!("a {name} cannot be read: {why}"))
        .help("cast it to text in the SQL (`CAST(column AS VARCHAR(1000))`) and read a String")
}
