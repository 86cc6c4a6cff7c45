//! What happens to an isolation level that a sandbox cannot give.

use super::spelled::spelled;

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
    /// Beginning it is an error ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
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

spelled!(IsolationPolicy, "is no policy for isolation levels");
