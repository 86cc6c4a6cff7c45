//! The types that a verb accepts as a statement.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::Dialect;
use crate::error::Result;
use crate::value::Params;

/// A statement: `&'static str`, or text created at run time in [`AssertSqlSafe`]. With the feature `sea-query`, also a
/// statement or a definition of sea-query, which contains its values (its parameters are then `()`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a statement",
    note = "SQL text built at run time may contain an attacker's input: bind values as parameters (`:name`), and declare the rest safe with `ebbtide::AssertSqlSafe(text)`",
    note = "`&'static str` is accepted as it is; statements of sea-query need the feature `sea-query`"
)]
pub trait IntoSql {
    /// Returns the text in the dialect, and the values that come with it.
    #[doc(hidden)]
    fn into_sql(self, dialect: Dialect) -> Result<(SqlStr, Params)>;
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl IntoSql for $type {
            fn into_sql(self, _dialect: Dialect) -> Result<(SqlStr, Params)> {
                Ok((self.into_sql_str(), Params::default()))
            }
        }
    )*};
}

text!(
    &'static str,
    SqlStr,
    AssertSqlSafe<&str>,
    AssertSqlSafe<String>,
    AssertSqlSafe<Box<str>>,
    AssertSqlSafe<Arc<str>>,
    AssertSqlSafe<Arc<String>>,
    AssertSqlSafe<Cow<'static, str>>
);
