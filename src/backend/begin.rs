//! The beginning of an outermost transaction.

use sqlx::SqlStr;

use super::rules::{BeginOptions, ServerRules};
use super::sqlx::own_sql;
use crate::error::Result;

/// The beginning of an outermost transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begin {
    /// The text that begins it; `None` is the plain one.
    pub(crate) sql: Option<SqlStr>,
    /// What the text says, for a driver that is switched by its interface.
    #[cfg_attr(
        not(any(test, feature = "jdbc", feature = "dbapi2", feature = "odbc")),
        allow(dead_code, reason = "the drivers of sqlx take text")
    )]
    pub(crate) options: BeginOptions,
    /// The text that runs first in it, in the same round trip where the driver can.
    pub(crate) first: Option<SqlStr>,
}

impl Begin {
    /// Returns the beginning of a transaction with options, which a server may refuse.
    pub(crate) fn with(rules: &dyn ServerRules, options: BeginOptions) -> Result<Self> {
        Ok(Self {
            sql: rules.begin(options)?,
            options,
            first: None,
        })
    }

    /// Returns all of it as one text for a server whose plain text is `plain`; `None` is the plain one.
    pub(crate) fn into_text(self, plain: &str) -> Option<SqlStr> {
        let Some(first) = self.first else { return self.sql };
        let begin = self.sql.as_ref().map_or(plain, SqlStr::as_str);
        Some(own_sql(format!("{begin}; {}", first.as_str())))
    }
}
