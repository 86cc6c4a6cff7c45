//! The texts that set up a session.

use crate::backend::{mysql, postgres, sqlite};
use crate::config::Config;
use crate::error::Result;
use crate::sql::Dialect;

/// A text that sets up a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backend) struct SessionText {
    pub(super) sql: String,
    /// Set if the configuration asks for it. The others are what products with the same SQL may not know.
    pub(super) asked: bool,
}

impl SessionText {
    /// Returns the texts for a configuration, as the drivers in this program send them.
    pub(in crate::backend) fn of(config: &Config) -> Result<Vec<Self>> {
        let (texts, usual) = match config.dialect() {
            Dialect::Postgres => (postgres::session(config)?, 1),
            Dialect::MySql => (mysql::session(config)?, 0),
            Dialect::Sqlite => (sqlite::session(config)?, 0),
            #[allow(unreachable_patterns, reason = "there are more dialects with more features")]
            _ => (Vec::new(), 0),
        };
        let texts = texts.into_iter().enumerate();
        Ok(texts
            .map(|(place, sql)| Self {
                sql,
                asked: place >= usual,
            })
            .collect())
    }
}
