//! Who reads what was just written, where reads go to replicas.

use super::spelled::spelled;

/// Who keeps away from replicas that have not yet received what was written; see [`Config::replica`](crate::Config::replica).
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
    /// The task that wrote, and whoever it [shares](crate::Database::share) with. The default.
    #[default]
    Task,
    /// Everybody who uses this database in this process. Under steady writing few reads are left for the replicas.
    Database,
    /// Nobody: every read may be older than the caller's own writes.
    Off,
}

impl ReadYourWrites {
    pub(super) const EXPECTED: &'static str = "`task`, `database` or `off`";

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Task, Self::Database, Self::Off]
            .into_iter()
            .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
    }

    /// The policy as an option spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Database => "database",
            Self::Off => "off",
        }
    }
}

spelled!(ReadYourWrites, "does not say who reads what was written");
