//! The reason why a value cannot be read as a type.

use std::borrow::Cow;
use std::fmt;

use super::{Value, ValueRef};
use crate::error::{Error, ErrorKind};

/// The reason why a value cannot be read as a type, from [`FromValue::from_value`](crate::FromValue::from_value). The
/// error of the row has it as [`ErrorKind::Decode`], after the column and both types.
///
/// ```
/// use ebbtide::{FromValue, Mismatch, ValueRef};
///
/// struct Percent(u8);
///
/// impl FromValue for Percent {
///     fn from_value(value: ValueRef<'_>) -> Result<Self, Mismatch> {
///         match u8::from_value(value)? {
///             share @ 0..=100 => Ok(Self(share)),
///             _ => Err(Mismatch::new("it is more than 100").help("read it as u8")),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// let error = database.fetch_value::<Percent>("SELECT 101 AS share", ()).await.err().expect("an error");
/// assert_eq!(error.message(), "column `share` (INTEGER) cannot be read as Percent: it is more than 100");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Mismatch {
    pub(super) reason: Cow<'static, str>,
    pub(super) help: Option<Cow<'static, str>>,
    pub(super) null: bool,
}

impl Mismatch {
    /// Creates a mismatch for this reason. Messages end in logs, so it should not contain the value.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
            null: false,
        }
    }

    /// Sets the advice on what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn fraction() -> Self {
        Self::new("the decimal number has a fraction").help("read it as rust_decimal::Decimal")
    }

    pub(super) fn not_finite() -> Self {
        Self::new("JSON supports neither NaN nor infinity").help("read it as f64")
    }

    /// Returns the mismatch for a value of another kind.
    pub(crate) fn kind(value: &ValueRef<'_>) -> Self {
        let (holds, reads) = natural(value);
        let mut out = Self::new(format!("it holds {holds}"));
        if matches!(value, ValueRef::Null) {
            out.null = true;
            return out;
        }
        out.help = Some(format!("read it as {reads}").into());
        out
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Mismatch {}

/// Converts the error of a driver that has a value but cannot provide it.
impl From<Error> for Mismatch {
    fn from(error: Error) -> Self {
        let help = error.advice().map(|help| help.to_owned().into());
        Self {
            reason: error.message().to_owned().into(),
            help,
            null: false,
        }
    }
}

const JSON_READS: (&str, &str) = ("a JSON document", "serde_json::Value or ebbtide::Json<_>");

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        let error = Self::new(ErrorKind::Decode, mismatch.reason);
        match mismatch.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// Returns the kind of a value, and the Rust type that reads it, for messages.
fn natural(value: &ValueRef<'_>) -> (&'static str, &'static str) {
    match value {
        ValueRef::Null => ("NULL", "Option<_>"),
        ValueRef::Bool(_) => ("a boolean", "bool"),
        ValueRef::I64(_) => ("an integer", "i64"),
        ValueRef::U64(_) => ("an integer", "u64"),
        ValueRef::F32(_) => ("a floating-point number", "f32"),
        ValueRef::F64(_) => ("a floating-point number", "f64"),
        ValueRef::Decimal(_) => ("a decimal number", "rust_decimal::Decimal"),
        ValueRef::Text(_) => ("text", "String"),
        ValueRef::Json(_) => JSON_READS,
        ValueRef::Bytes(_) => ("bytes", "Vec<u8>"),
        ValueRef::Date(_) => ("a date", "chrono::NaiveDate"),
        ValueRef::Time(_) => ("a time of day", "chrono::NaiveTime"),
        ValueRef::DateTime(_) => ("a date and time, which has no zone", "chrono::NaiveDateTime"),
        ValueRef::Timestamp(_) => ("a point in time", "chrono::DateTime<Utc>"),
        ValueRef::Uuid(_) => ("a UUID", "uuid::Uuid"),
        ValueRef::Owned(value) => match value {
            Value::Json(_) => JSON_READS,
            Value::Interval(_) => ("an interval", "ebbtide::Interval"),
            Value::Inet(_) => ("a network address", "ipnetwork::IpNetwork"),
            Value::Array(_) | Value::List(_) => ("an array", "Vec<_>"),
            Value::Null | Value::NullOf(_) => ("NULL", "Option<_>"),
            _ => ("a value of another kind", "ebbtide::Value"),
        },
    }
}
