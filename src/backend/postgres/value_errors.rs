//! The errors about values that cannot be read.

use crate::error::{Error, ErrorKind};

/// Returns the error for a value that does not have the form it should have.
pub(super) fn broken(what: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the server sent a value that cannot be read: {what}"),
    )
}

/// Returns the error for a value that the Rust type cannot hold; it can be read as text.
pub(super) fn cast(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("a {name} cannot be read: it {why}"))
        .help("cast it to text in the SQL (`column::text`) and read a String")
}

pub(super) fn unreadable(name: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("values of the type {name} cannot be read without a cast"),
    )
    .help("cast it to text in the SQL (`column::text`) and read a String")
}
