//! Connections of sidecars: a scripted process for what a real one cannot be stopped at, and real ones.

mod database;
mod jdbc;
mod measure;
mod peer;
mod real;
mod scripted;

use std::sync::Arc;

use super::session::SessionText;
use super::target::{Limits, Sharing, SidecarKind, Target};
use crate::backend::{Begin, Connector, OfferedRow, RawConnection, Request, RowSink};
use crate::config::Config;
use crate::error::Result;
use crate::sql::{Dialect, Statement, Template};
use crate::value::{Params, Row, Value};

/// Returns the interpreter.
fn python() -> String {
    std::env::var("EBBTIDE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Returns a target of the DB-API.
fn dbapi(dialect: Dialect, open: &[(&str, &str)]) -> Target {
    let url = match dialect {
        Dialect::Postgres => "jdbc+postgresql://h/d",
        Dialect::MySql => "jdbc+mysql://h/d",
        Dialect::Sqlite => "jdbc+sqlite://x",
        _ => "jdbc+h2://mem:x",
    };
    Target {
        kind: SidecarKind::DbApi,
        dialect,
        product: None,
        command: vec![python().into()],
        open: open
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        secrets: vec!["hunter2".to_owned()],
        session: SessionText::of(&Config::from_url(url).unwrap()).unwrap(),
        file: None,
        place: "a database of tests".to_owned(),
        shared: Sharing::Program,
        limits: Limits::default(),
    }
}

/// A sink that keeps its rows.
#[derive(Default)]
struct Rows(Vec<Row>);

impl RowSink for Rows {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        self.0.extend(row.take().map(Row::new));
        Ok(())
    }
}

fn statement(dialect: Dialect, sql: &str, values: Vec<Value>) -> (Arc<Statement>, Vec<Value>) {
    let bound = Template::parse(dialect, sql)
        .unwrap()
        .bind(Params::positional(values))
        .unwrap();
    (bound.statement, bound.values)
}

/// Runs a statement and returns its rows as text.
async fn rows(raw: &mut dyn RawConnection, dialect: Dialect, sql: &str, values: Vec<Value>) -> Result<Vec<String>> {
    let (statement, values) = statement(dialect, sql, values);
    let request = Request {
        statement: &statement,
        values: &values,
    };
    let mut rows = Rows::default();
    raw.run(request, &mut rows).await?;
    let shown = rows.0.iter().map(|row| match row.values() {
        Ok(values) => values
            .iter()
            .map(|value| format!("{value:?}"))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    });
    Ok(shown.collect())
}

/// Runs a statement and returns its result.
async fn run(raw: &mut dyn RawConnection, dialect: Dialect, sql: &str) -> Result<crate::backend::QueryResult> {
    let (statement, values) = statement(dialect, sql, Vec::new());
    let request = Request {
        statement: &statement,
        values: &values,
    };
    raw.run(request, &mut Rows::default()).await
}
