//! The check of what only a commit checks.

use std::collections::HashSet;

use super::SandboxedConnection;
use crate::backend::rules::CommitCheck;
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
use crate::value::{Params, Row};

/// A row that refers to a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Violation {
    table: String,
    row: Option<i64>,
    parent: String,
    key: i64,
}

impl SandboxedConnection {
    /// Returns whether constraints may be checked only at the commit.
    pub(super) fn defers(&self) -> bool {
        self.outer.deferred.get() == Some(true)
    }

    /// Returns whether it is time to collect the rows that refer to missing ones already.
    pub(super) fn wants_violations(&self) -> bool {
        self.rules().commit_check.lists() && self.violated.is_none()
    }

    /// Notes the existing violations, which are not the fault of code in the sandbox.
    pub(super) async fn note_violations(&mut self) -> Result<()> {
        let CommitCheck::Violations { list, .. } = self.rules().commit_check else {
            return Ok(());
        };
        self.violated = match self.violations(list).await {
            // Keys that the server cannot check at all are not the fault of a test either.
            Err(error) if !error.is_fatal() => None,
            violated => Some(violated?),
        };
        Ok(())
    }

    /// Returns the rows that refer to missing ones, which the query `list` returns.
    async fn violations(&mut self, list: &str) -> Result<HashSet<Violation>> {
        let rows = self.ask(list, Params::default()).await?;
        let violation = |row: &Row| {
            Ok(Violation {
                table: row.get(0)?,
                row: row.get(1)?,
                parent: row.get(2)?,
                key: row.get(3)?,
            })
        };
        rows.iter().map(violation).collect()
    }

    /// Checks deferred foreign keys, where the query `list` returns which are violated. `code` is that of the error.
    pub(super) async fn check_keys(&mut self, list: &str, code: &'static str) -> Result<()> {
        // Nothing is known as long as this sandbox itself has no deferred key.
        if !self.defers() || !self.outer.foreign_keys || self.violated.is_none() {
            return Ok(());
        }
        let violated = self.violations(list).await?;
        let known = self.violated.as_ref();
        let new = violated
            .iter()
            .find(|violation| known.is_some_and(|known| !known.contains(violation)));
        let Some(Violation { table, parent, .. }) = new else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Constraint,
            format!("FOREIGN KEY constraint failed: a row of `{table}` references a missing row of `{parent}`"),
        )
        .with_code(code)
        .with_constraint(Constraint::new(ConstraintKind::ForeignKey))
        .help("a commit checks deferred constraints, also the commit of a transaction in a sandbox"))
    }
}
