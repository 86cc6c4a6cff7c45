//! The policy for reading recent writes when reads go to replicas.

use super::keyword::spelled;

/// The scope whose reads avoid replicas that have not yet received what was written; see
/// [`Config::replica`](crate::Config::replica).
///
/// ```
/// use ebbtide::ReadYourWrites;
///
/// assert_eq!("database".parse::<ReadYourWrites>()?, ReadYourWrites::Database);
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadYourWrites {
    /// The task that wrote, and the tasks that it [shares](crate::Database::share) with. The default.
    #[default]
    Task,
    /// All users of this database in this process. Under steady writes few reads are left for the replicas.
    Database,
    /// No scope: every read may be older than the caller's own writes.
    Off,
}

impl ReadYourWrites {
    pub(super) const EXPECTED: &'static str = "`task`, `database` or `off`";

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Task, Self::Database, Self::Off]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// Returns the policy as an option spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Database => "database",
            Self::Off => "off",
        }
    }
}

spelled!(ReadYourWrites, "is not a scope of read-your-writes");
