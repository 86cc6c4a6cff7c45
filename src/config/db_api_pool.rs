//! The processes in which a Python module runs.

use super::keyword::spelled;

/// The Python processes in which the connections of a DB-API 2 module run.
///
/// ```
/// use ebbtide::DbApiPool;
///
/// assert_eq!("process".parse::<DbApiPool>()?, DbApiPool::Process);
/// assert_eq!(DbApiPool::default().to_string(), "thread");
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbApiPool {
    /// One process for all connections of a module, each on a thread of its own.
    #[default]
    Thread,
    /// A process for each connection.
    Process,
}

impl DbApiPool {
    pub(super) const EXPECTED: &'static str = "`thread` or `process`";

    /// Returns the word for it in options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Process => "process",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Thread, Self::Process]
            .into_iter()
            .find(|pool| text.eq_ignore_ascii_case(pool.as_str()))
    }
}

spelled!(DbApiPool, "is no pool of Python processes");
