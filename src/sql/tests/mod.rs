//! Tests of the whole module, on all dialects.

mod batch;
mod binding;
mod control;
mod definition;
mod effect;
mod lexing;
mod lists;
mod order;
mod placeholders;
mod properties;
mod summary;

use std::borrow::Cow;

use super::{Bound, CopyDirection, Dialect, SqlMode, Template};
use crate::error::{Error, ErrorKind};
use crate::value::{ParamValues, Params, Value};

const ALL: [Dialect; 5] = Dialect::ALL;

/// The dialects whose statements have the words of the standard.
const STANDARD: [Dialect; 4] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite, Dialect::Generic];

fn none() -> Params {
    Params(ParamValues::Empty)
}

/// Creates parameters of numbers, by position.
fn positional(values: &[i64]) -> Params {
    Params(ParamValues::Positional(
        values.iter().copied().map(Value::I64).collect(),
    ))
}

/// Creates parameters of numbers, by name.
fn named(pairs: &[(&'static str, i64)]) -> Params {
    with(pairs.iter().map(|&(name, value)| (name, Value::I64(value))).collect())
}

fn with(pairs: Vec<(&'static str, Value)>) -> Params {
    Params(ParamValues::named(
        pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)),
    ))
}

fn list(values: &[i64]) -> Value {
    Value::List(values.iter().copied().map(Value::I64).collect())
}

fn parse(dialect: Dialect, sql: &str) -> Template {
    Template::parse(dialect, sql).unwrap()
}

fn bind(dialect: Dialect, sql: &str, params: Params) -> Bound {
    parse(dialect, sql).bind(params).unwrap()
}

/// Returns the text and the bound numbers.
fn shown(bound: &Bound) -> (String, Vec<i64>) {
    let number = |value: &Value| {
        if let Value::I64(number) = value {
            *number
        } else {
            panic!("{value:?}")
        }
    };
    (
        bound.statement.text().to_owned(),
        bound.values.iter().map(number).collect(),
    )
}

fn sent(dialect: Dialect, sql: &str, params: Params) -> (String, Vec<i64>) {
    shown(&bind(dialect, sql, params))
}

/// Returns the error as it is shown; it must be about parameters.
fn refused(dialect: Dialect, sql: &str, params: Params) -> String {
    let error: Error = match Template::parse(dialect, sql) {
        Ok(template) => template.bind(params).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Parameter);
    error.to_string()
}
