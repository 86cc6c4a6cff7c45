//! The databases on which an option has a meaning.

use super::bridge::{dialect_of_subprotocol, subprotocol_of_module};
use super::{Bridge, DatabaseUrl};
use crate::sql::Dialect;

/// The kind of database that an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionPlace {
    dialect: Dialect,
    bridge: Option<Bridge>,
}

impl OptionPlace {
    /// Returns whether options that are not this library's belong to the driver.
    pub(crate) fn passes_on(self) -> bool {
        self.bridge.is_some()
    }

    /// Returns the name of the database or of its driver, for messages.
    pub(crate) fn shown(self) -> String {
        match self.bridge {
            None => self.dialect.to_string(),
            Some(Bridge::Jdbc) => "drivers of JDBC".to_owned(),
            Some(Bridge::DbApi) => "modules of DB-API 2".to_owned(),
            Some(Bridge::Odbc) => "drivers of ODBC".to_owned(),
        }
    }
}

#[cfg(test)]
impl From<Dialect> for OptionPlace {
    fn from(dialect: Dialect) -> Self {
        Self { dialect, bridge: None }
    }
}

impl DatabaseUrl {
    /// Returns the kind of database that its options are for.
    pub(crate) fn place(&self) -> OptionPlace {
        // The module or the subprotocol may be among the options.
        let named = match self.bridge {
            Some(Bridge::DbApi) => self.option("dbapi_path").and_then(subprotocol_of_module),
            Some(Bridge::Jdbc) => self.option("jdbc_dsn_driver"),
            Some(Bridge::Odbc) | None => None,
        };
        OptionPlace {
            dialect: named.map_or_else(|| self.dialect(), |name| dialect_of_subprotocol(Some(name))),
            bridge: self.bridge,
        }
    }
}

/// The databases on which an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionScope {
    Any,
    /// PostgreSQL, MySQL, and all drivers outside of the program.
    Connecting,
    /// PostgreSQL and MySQL.
    Servers,
    Postgres,
    MySql,
    Sqlite,
    /// SQLite, by whatever driver.
    SqliteSessions,
    Jdbc,
    DbApi,
}

impl OptionScope {
    /// Returns whether an option has a meaning on a kind of database.
    pub(crate) fn covers(self, place: OptionPlace) -> bool {
        let native = |covered: bool| covered && place.bridge.is_none();
        match self {
            Self::Any => true,
            Self::Connecting => place.bridge.is_some() || place.dialect.is_served(),
            Self::Servers => native(place.dialect.is_served()),
            Self::Postgres => native(place.dialect == Dialect::Postgres),
            Self::MySql => native(place.dialect == Dialect::MySql),
            Self::Sqlite => native(place.dialect == Dialect::Sqlite),
            Self::SqliteSessions => place.dialect == Dialect::Sqlite,
            Self::Jdbc => place.bridge == Some(Bridge::Jdbc),
            Self::DbApi => place.bridge == Some(Bridge::DbApi),
        }
    }

    /// Returns the databases on which it has a meaning, where those are drivers outside of the program.
    pub(crate) fn only_on(self) -> Option<&'static str> {
        match self {
            Self::Jdbc => Some("drivers of JDBC (`jdbc+h2://…`)"),
            Self::DbApi => Some("Python's DB-API 2 (`dbapi2://…`)"),
            _ => None,
        }
    }
}
