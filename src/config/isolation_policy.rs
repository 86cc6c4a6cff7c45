//! What happens to an isolation level that a sandbox cannot give.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// What happens when a transaction in a sandbox asks for another isolation level than the sandbox has, whose level is
/// that of its first transaction: a savepoint cannot change it.
///
/// ```
/// use ebbtide::IsolationPolicy;
///
/// assert_eq!("deny".parse::<IsolationPolicy>()?, IsolationPolicy::Deny);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationPolicy {
    /// The transaction begins all the same, and the wish is kept among the recorded statements. The default.
    #[default]
    Record,
    /// Beginning it is an error ([`ErrorKind::Unsupported`]).
    Deny,
}

impl IsolationPolicy {
    pub(super) const EXPECTED: &'static str = "`record` or `deny`";

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Record, Self::Deny]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// The policy as an option spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for IsolationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IsolationPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| {
            let message = format!(
                "`{text}` is no policy for isolation levels; it must be {}",
                Self::EXPECTED
            );
            Error::new(ErrorKind::Config, message)
        })
    }
}
