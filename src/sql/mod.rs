//! SQL text: cutting it into tokens, finding its parameters, writing them as the backend wants them. No I/O.
//!
//! `Lexer` cuts, `Template` is a text read once, `bind` makes a `Bound` of it and some values, and
//! `TemplateCache` keeps the templates.

mod act;
mod batch;
mod bind;
mod cache;
mod control;
mod definition;
mod dialect;
mod effect;
mod fault;
mod into_sql;
mod lexer;
mod list;
mod order;
mod statement;
mod steps;
mod summary;
mod switches;
mod template;

#[cfg(test)]
mod tests;

pub(crate) use act::Act;
pub(crate) use batch::Batch;
pub(crate) use cache::TemplateCache;
pub(crate) use control::{Control, Defines};
pub(crate) use definition::{Definition, Key, ObjectName};
pub use dialect::Dialect;
pub(crate) use effect::{Effect, Local};
pub use into_sql::IntoSql;
pub(crate) use statement::{Bound, Statement};
pub(crate) use summary::{Summary, sanitized, shown};
pub(crate) use switches::Setting;
pub(crate) use template::Template;
