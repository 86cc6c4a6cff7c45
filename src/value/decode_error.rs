//! Errors that occur while serde reads a row.

use std::fmt;

use serde::de::{self, Unexpected};

use super::columns::{ambiguous, missing, unreadable};
use super::mismatch::Mismatch;
use super::{RawRow, ValueRef};
use crate::error::{Error, ErrorKind};

/// The reason why something cannot be read; boxed, because it is rare and results pass through many functions.
#[derive(Debug)]
pub(super) struct DecodeError(Box<Cause>);

#[derive(Debug)]
enum Cause {
    /// A field without a column.
    Missing(&'static str),
    /// A field with several columns.
    Duplicate(&'static str),
    /// A value that does not fit; the column is not known yet.
    Mismatch(Mismatch),
    /// A complete error.
    Done(Error),
}

impl DecodeError {
    pub(super) fn into_error(self, row: &dyn RawRow, rust: &str) -> Error {
        match *self.0 {
            Cause::Missing(field) => missing(row, field),
            Cause::Duplicate(field) => ambiguous(row, field),
            Cause::Mismatch(mismatch) if row.len() == 1 => unreadable(row, 0, rust, mismatch),
            Cause::Mismatch(mismatch) => Error::new(
                ErrorKind::Decode,
                format!("the row cannot be read: {}", mismatch.reason),
            ),
            Cause::Done(error) => error,
        }
    }

    /// Adds the column to the error.
    #[cold]
    pub(super) fn at(self, row: &dyn RawRow, index: usize, rust: &str) -> Self {
        let mismatch = match *self.0 {
            Cause::Missing(field) => Mismatch::new(format!("its field `{field}` is missing")),
            Cause::Duplicate(field) => Mismatch::new(format!("its field `{field}` appears twice")),
            Cause::Mismatch(mismatch) => mismatch,
            Cause::Done(error) => return error.into(),
        };
        unreadable(row, index, rust, mismatch).into()
    }
}

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        Self(Box::new(Cause::Done(error)))
    }
}

impl From<Mismatch> for DecodeError {
    fn from(mismatch: Mismatch) -> Self {
        Self(Box::new(Cause::Mismatch(mismatch)))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Missing(field) => write!(f, "there is no column `{field}`"),
            Cause::Duplicate(field) => write!(f, "the column `{field}` appears twice"),
            Cause::Mismatch(mismatch) => f.write_str(&mismatch.reason),
            Cause::Done(error) => f.write_str(error.message()),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch::new(message.to_string()).into()
    }

    /// Creates the error as serde does, but without showing text or bytes, which may be confidential.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            Unexpected::Unit | Unexpected::Option => Mismatch::kind(&ValueRef::Null).into(),
            Unexpected::Str(_) => Mismatch::new(format!("it holds text, expected {expected}")).into(),
            found => Mismatch::new(format!("it holds {found}, expected {expected}")).into(),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            Unexpected::Str(_) => Mismatch::new(format!("its text is not {expected}")).into(),
            found => Mismatch::new(format!("{found} does not fit, expected {expected}")).into(),
        }
    }

    fn unknown_variant(_found: &str, expected: &'static [&'static str]) -> Self {
        let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        Mismatch::new(format!("it is none of the names {}", names.join(", "))).into()
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Box::new(Cause::Missing(field)))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(Box::new(Cause::Duplicate(field)))
    }
}
