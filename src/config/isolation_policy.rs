//! The policy for isolation levels that a sandbox cannot provide.

use super::keyword::spelled;

/// The handling of a transaction in a sandbox that requests another isolation level than the sandbox has. The first
/// transaction of the sandbox sets its level; a savepoint cannot change it.
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
    /// Starts the transaction anyway, and adds the requested level to the recorded statements. The default.
    #[default]
    Record,
    /// Refuses to start the transaction ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
    Deny,
}

impl IsolationPolicy {
    pub(super) const EXPECTED: &'static str = "`record` or `deny`";

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Record, Self::Deny]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// Returns the policy as an option spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Deny => "deny",
        }
    }
}

spelled!(IsolationPolicy, "is not an isolation policy");
