//! The mode in which a SQLite file is opened.

use super::keyword::spelled;

/// The mode in which a SQLite file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqliteMode {
    /// `ro`: for reading; a missing file is an error.
    ReadOnly,
    /// `rw`: for reading and writing; a missing file is an error.
    ReadWrite,
    /// `rwc`: for reading and writing; a missing file is created. The default.
    #[default]
    ReadWriteCreate,
    /// `memory`: no file is opened; the path is the name of a database in memory.
    Memory,
}

impl SqliteMode {
    pub(super) const EXPECTED: &'static str = "`ro`, `rw`, `rwc` or `memory`";

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::ReadOnly, Self::ReadWrite, Self::ReadWriteCreate, Self::Memory]
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
    }

    /// Returns the mode as SQLite's URIs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
            Self::ReadWriteCreate => "rwc",
            Self::Memory => "memory",
        }
    }
}

spelled!(SqliteMode, "is not a mode of SQLite");
