//! What goes wrong while serde reads a row.

use std::fmt;

use serde::de::{self, Unexpected};

use super::from_value::Mismatch;
use super::row::{ambiguous, missing, unreadable};
use super::{RawRow, ValueRef};
use crate::error::{Error, ErrorKind};

/// Why something cannot be read; boxed, because it is rare and results are passed through many hands.
#[derive(Debug)]
pub(super) struct Fault(Box<Cause>);

#[derive(Debug)]
enum Cause {
    /// A field without a column.
    Missing(&'static str),
    /// A field with several columns.
    Duplicate(&'static str),
    /// A value that does not fit; the column is not known yet.
    Mismatch(Mismatch),
    /// All that there is to say has been said.
    Done(Error),
}

impl Fault {
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

    /// Says which column it was.
    #[cold]
    pub(super) fn at(self, row: &dyn RawRow, index: usize, rust: &str) -> Self {
        let mismatch = match *self.0 {
            Cause::Missing(field) => Mismatch::new(format!("its field `{field}` is missing")),
            Cause::Duplicate(field) => Mismatch::new(format!("its field `{field}` is there twice")),
            Cause::Mismatch(mismatch) => mismatch,
            Cause::Done(error) => return error.into(),
        };
        unreadable(row, index, rust, mismatch).into()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(Box::new(Cause::Done(error)))
    }
}

impl From<Mismatch> for Fault {
    fn from(mismatch: Mismatch) -> Self {
        Self(Box::new(Cause::Mismatch(mismatch)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Missing(field) => write!(f, "there is no column `{field}`"),
            Cause::Duplicate(field) => write!(f, "the column `{field}` is there twice"),
            Cause::Mismatch(mismatch) => f.write_str(&mismatch.reason),
            Cause::Done(error) => f.write_str(error.message()),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch::new(message.to_string()).into()
    }

    /// As serde has it, but without showing text or bytes: they may be nobody's business.
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
        Mismatch::new(format!("it holds none of the names {}", names.join(", "))).into()
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Box::new(Cause::Missing(field)))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(Box::new(Cause::Duplicate(field)))
    }
}
