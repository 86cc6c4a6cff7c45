//! The databases whose drivers are known.

use crate::odbc::Encoding;

/// The database behind a driver that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// PostgreSQL through psqlODBC.
    Postgres,
    /// MariaDB or MySQL, through the driver of either.
    MySql,
    /// SQLite through sqliteodbc.
    Sqlite,
    Other,
}

impl Product {
    /// Returns the product by the file of its driver, whose values are known.
    pub(crate) fn of_driver(file: &str) -> Self {
        let file = file.to_ascii_lowercase();
        let is = |word: &str| file.contains(word);
        if is("psqlodbc") {
            Self::Postgres
        } else if is("maodbc") || is("myodbc") {
            Self::MySql
        } else if is("sqlite3odbc") || is("sqliteodbc") {
            Self::Sqlite
        } else {
            Self::Other
        }
    }

    /// Returns the product by the name of its driver.
    pub(crate) fn named(driver: &str) -> Self {
        let driver = driver.to_ascii_lowercase();
        let is = |word: &str| driver.contains(word);
        if is("postgres") {
            Self::Postgres
        } else if is("maria") || is("mysql") {
            Self::MySql
        } else if is("sqlite") {
            Self::Sqlite
        } else {
            Self::of_driver(&driver)
        }
    }

    /// Returns the form of text that its driver takes.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Sqlite => Encoding::Narrow,
            Self::Postgres | Self::MySql | Self::Other => Encoding::Wide,
        }
    }

    /// Returns whether transactions are begun and ended by text. The driver of PostgreSQL reports success for a commit by
    /// its interface on a lost connection, and that of SQLite takes no kinds of transactions there.
    pub(crate) fn begins_by_text(self) -> bool {
        self != Self::Other
    }
}
