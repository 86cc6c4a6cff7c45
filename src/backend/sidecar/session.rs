//! The texts that set up a session.

use crate::backend::{mysql, postgres, sqlite};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Server};
use crate::url::product_of_subprotocol;

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
            Dialect::MySql => {
                check_charset(config.settings().charset.as_deref())?;
                (mysql::session(config)?, 0)
            }
            Dialect::Sqlite => (sqlite::session(config)?, 0),
            Dialect::SqlServer | Dialect::Generic => (parameters(config)?, 0),
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

/// Returns the statements that set the parameters of a session.
fn parameters(config: &Config) -> Result<Vec<String>> {
    let product = product_of_subprotocol(config.product_name());
    let rules = config
        .dialect()
        .rules_of(product.map(|product| Server { product, version: 0 }));
    let settings = config.settings().server_settings.iter();
    let texts = settings.map(|(name, value)| {
        rules.parameter(name, value).ok_or_else(|| {
            let message = format!("server_settings: {} has no statement that sets `{name}`", rules.name());
            Error::new(ErrorKind::Config, message).help("execute the server's own statement in an `after_connect` hook")
        })
    });
    texts.collect()
}

/// Refuses a character set in which the text of a driver would be read as other text: the session has utf8mb4.
pub(in crate::backend) fn check_charset(charset: Option<&str>) -> Result<()> {
    match charset {
        Some(other) if !["utf8mb4", "utf8mb3", "utf8"].contains(&other.to_ascii_lowercase().as_str()) => {
            let message = format!("the character set `{other}` is not that of the session, which is utf8mb4");
            Err(Error::new(ErrorKind::Config, message).help("leave `charset` out"))
        }
        _ => Ok(()),
    }
}
