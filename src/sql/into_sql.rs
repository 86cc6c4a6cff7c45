//! What can be given to a verb as a statement.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::Dialect;
use crate::error::Result;
use crate::value::Params;

/// A statement: `&'static str`, text made at run time in [`AssertSqlSafe`], or, with the feature `sea-query`, a statement
/// of sea-query, which brings its values along (its parameters are then `()`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not taken as a statement",
    note = "SQL text made at run time may hold what an attacker typed: bind values as parameters (`:name`), and vouch for the rest with `ebbtide::AssertSqlSafe(text)`",
    note = "`&'static str` is taken as it is; statements of sea-query need the feature `sea-query`"
)]
pub trait IntoSql {
    /// The text in the dialect, and the values that come with it.
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
