//! The databases on which an option has a meaning.

use super::bridge::{dialect_of_subprotocol, subprotocol_of_module};
use super::{Bridge, DatabaseUrl, ForeignDriver};
use crate::sql::Dialect;

/// The kind of database that an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionPlace {
    dialect: Dialect,
    /// The driver outside of the program, and the way to it.
    foreign: Option<(Bridge, ForeignDriver)>,
}

impl OptionPlace {
    /// Returns whether options that are not this library's belong to the driver.
    pub(crate) fn passes_on(self) -> bool {
        self.foreign.is_some()
    }

    /// Returns whether an option belongs to the driver, though a setting of this library, `setting`, is spelled alike.
    pub(crate) fn keeps(self, setting: &str, option: &str) -> bool {
        self.foreign
            .is_some_and(|(_, driver)| driver.has_option(setting, option))
    }

    /// Returns the driver outside of the program.
    #[allow(dead_code, reason = "unused without a bridge")]
    pub(crate) fn foreign_driver(self) -> Option<ForeignDriver> {
        self.foreign.map(|(_, driver)| driver)
    }

    fn bridge(self) -> Option<Bridge> {
        self.foreign.map(|(bridge, _)| bridge)
    }

    /// Returns the name of the database or of its driver, for messages.
    pub(crate) fn shown(self) -> String {
        match self.bridge() {
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
        Self { dialect, foreign: None }
    }
}

impl DatabaseUrl {
    /// Returns the kind of database that its options are for. The module, or subprotocol and class, may be among them.
    pub(crate) fn place(&self) -> OptionPlace {
        self.place_with(
            self.option("dbapi_path"),
            self.option("jdbc_dsn_driver"),
            self.option("jdbc_driver"),
        )
    }

    /// Returns the kind of database with the module of Python, or the subprotocol and the class of Java, that a
    /// configuration names.
    pub(crate) fn place_with(
        &self,
        module: Option<&str>,
        subprotocol: Option<&str>,
        class: Option<&str>,
    ) -> OptionPlace {
        let subprotocol = self.driver().or(subprotocol);
        let (named, driver) = match self.bridge {
            Some(Bridge::DbApi) => (
                module.and_then(subprotocol_of_module),
                module.map_or(ForeignDriver::OtherModule, ForeignDriver::of_module),
            ),
            Some(Bridge::Jdbc) => (subprotocol, ForeignDriver::of_java(subprotocol, class)),
            Some(Bridge::Odbc) => (self.subprotocol(), ForeignDriver::Odbc),
            None => {
                return OptionPlace {
                    dialect: self.dialect(),
                    foreign: None,
                };
            }
        };
        OptionPlace {
            dialect: named.map_or_else(|| self.dialect(), |name| dialect_of_subprotocol(Some(name))),
            foreign: self.bridge.map(|bridge| (bridge, driver)),
        }
    }
}

/// The databases on which an option has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionScope {
    Any,
    /// All servers, and all drivers outside of the program.
    Connecting,
    /// PostgreSQL, MySQL and SQL Server.
    Servers,
    Postgres,
    MySql,
    SqlServer,
    Sqlite,
    /// MySQL, by whatever driver.
    MySqlSessions,
    /// SQLite, by whatever driver.
    SqliteSessions,
    Jdbc,
    DbApi,
}

impl OptionScope {
    /// Returns whether an option has a meaning on a kind of database.
    pub(crate) fn covers(self, place: OptionPlace) -> bool {
        let native = |covered: bool| covered && !place.passes_on();
        match self {
            Self::Any => true,
            Self::Connecting => place.passes_on() || place.dialect.is_served(),
            Self::Servers => native(place.dialect.is_served()),
            Self::Postgres => native(place.dialect == Dialect::Postgres),
            Self::MySql => native(place.dialect == Dialect::MySql),
            Self::SqlServer => native(place.dialect == Dialect::SqlServer),
            Self::Sqlite => native(place.dialect == Dialect::Sqlite),
            Self::MySqlSessions => place.dialect == Dialect::MySql,
            Self::SqliteSessions => place.dialect == Dialect::Sqlite,
            Self::Jdbc => place.bridge() == Some(Bridge::Jdbc),
            Self::DbApi => place.bridge() == Some(Bridge::DbApi),
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
