//! The dialects on which an option has a meaning.

use crate::sql::Dialect;

/// The dialects on which an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionScope {
    Any,
    /// PostgreSQL and MySQL.
    Servers,
    Postgres,
    MySql,
    Sqlite,
}

impl OptionScope {
    /// Returns whether an option has a meaning on a dialect.
    pub(crate) fn covers(self, dialect: Dialect) -> bool {
        match self {
            Self::Any => true,
            Self::Servers => matches!(dialect, Dialect::Postgres | Dialect::MySql),
            Self::Postgres => dialect == Dialect::Postgres,
            Self::MySql => dialect == Dialect::MySql,
            Self::Sqlite => dialect == Dialect::Sqlite,
        }
    }
}
