//! The calls of ODBC in a safe form. Handles are freed with their owners, buffers live as long as the driver may use them,
//! and everything but cancelling stays on the thread of its connection.
//!
//! Text is `Wide` (UTF-16) for drivers that know it, which the driver manager hands over as it is. A driver that does not
//! know it gets its bytes as they are (`Narrow`, UTF-8). The driver manager would translate between the two by the locale,
//! and lose letters.

mod bound;
mod cancel;
mod connection;
mod diagnostic;
mod encoding;
mod environment;
mod statement;

pub(crate) use bound::Bound;
pub(crate) use cancel::CancelHandle;
pub(crate) use connection::Connection;
pub(crate) use diagnostic::Diagnostic;
pub(crate) use encoding::Encoding;
pub(crate) use environment::Environment;
pub(crate) use odbc_sys::{InfoType, SqlDataType};
pub(crate) use statement::{Described, Statement};

/// What a call failed with: the records of its handle.
pub(crate) type Result<T> = std::result::Result<T, Vec<Diagnostic>>;
