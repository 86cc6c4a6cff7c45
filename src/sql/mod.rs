//! SQL text: splits it into tokens, finds its parameters, and writes them as the backend expects. No I/O.
//!
//! `Lexer` splits the text, `Template` is a parsed text, `bind` creates a `Bound` from it and some values, and
//! `TemplateCache` keeps the templates.

mod act;
mod batch;
mod bind;
mod bind_error;
mod bind_order;
#[allow(dead_code, reason = "only PostgreSQL's driver takes arrays")]
mod bulk_insert;
mod byte_order_mark;
mod cache;
mod code;
mod control;
mod definition;
mod dialect;
mod dollars;
mod effect;
mod excerpt;
mod foreign;
mod generic_commits;
mod implicit_commits;
mod into_sql;
mod lexer;
mod lexical;
mod list;
mod local;
mod mention;
mod notify;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
mod one_row;
mod order;
mod path_change;
mod read;
mod readings;
mod render;
mod server;
mod session_change;
mod split;
mod sql_mode;
mod statement;
mod steps;
mod summary;
mod switches;
mod template;
mod transact;
mod transaction_control;
mod union_types;
mod utility;
mod values_row;
mod variable;
mod version_comment;
mod word;

#[cfg(test)]
mod tests;

pub(crate) use act::Act;
pub(crate) use batch::{Batch, RowsForm};
#[allow(unused_imports, reason = "only PostgreSQL's driver takes arrays")]
pub(crate) use bulk_insert::ArrayColumn;
pub(crate) use bulk_insert::BulkInsert;
pub(crate) use byte_order_mark::without_byte_order_mark;
pub(crate) use cache::TemplateCache;
pub(crate) use control::{CopyDirection, Defines};
pub(crate) use definition::{Definition, Key, ObjectName};
pub use dialect::Dialect;
pub(crate) use effect::Effect;
pub(crate) use excerpt::excerpt;
#[allow(unused_imports, reason = "only drivers outside of the process use it")]
pub(crate) use foreign::{ForeignText, ParamStyle};
pub use into_sql::IntoSql;
pub(crate) use local::Local;
pub(crate) use mention::mentions;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(crate) use one_row::inserts_one_row;
pub(crate) use path_change::PathChange;
pub(crate) use server::{Product, SeenServer, Server};
pub(crate) use session_change::SessionChange;
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(crate) use split::split;
pub(crate) use sql_mode::SqlMode;
pub(crate) use statement::{Bound, Statement};
pub(crate) use summary::{Summary, sanitized, shown};
pub(crate) use switches::Setting;
pub(crate) use template::Template;
pub(crate) use transaction_control::Control;

/// Returns the texts of the tokens, for [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn tokens(dialect: Dialect, sql: &str) -> Vec<&str> {
    lexer::Lexer::new(dialect, sql).map(|token| token.text).collect()
}

/// Returns the names of the parameters, for [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn names_of(template: &Template) -> impl Iterator<Item = String> {
    template.names.iter().map(ToString::to_string)
}

/// All dialects, for [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) const DIALECTS: [Dialect; 5] = Dialect::ALL;
