//! Statements in the sandbox outside of a transaction: each is kept, or fails alone, as if it had committed by itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
use crate::pool::{Lease, StatementSavepoint};
use crate::session::level::Level;
use crate::session::statement::internal::{ask, run};
use crate::sql::{Dialect, Effect, TemplateCache};
use crate::value::{Params, Row};

pub(in crate::session) const SET: &str = "SAVEPOINT ebbtide_statement";
const MOVE: &str = "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement";
const BACK: &str = "ROLLBACK TO SAVEPOINT ebbtide_statement";
/// SQL that checks what a commit would check. It changes nothing, not even the time at which constraints are checked.
pub(in crate::session) const CHECK: &str =
    "SAVEPOINT ebbtide_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT ebbtide_check; ";

/// A row that refers to a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::session) struct Violation {
    table: String,
    row: Option<i64>,
    parent: String,
    key: i64,
}

/// Returns the rows of a SQLite database that refer to missing ones.
pub(in crate::session) async fn violations(lease: &mut Lease, templates: &TemplateCache) -> Result<HashSet<Violation>> {
    let rows = ask(lease, templates, "PRAGMA foreign_key_check", Params::default()).await?;
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

impl Level {
    /// Returns whether constraints may be checked only at the commit.
    pub(in crate::session) fn defers(&self) -> bool {
        self.engine.sandbox.is_some() && self.engine.deferred.get() == Some(true)
    }

    /// Returns whether a statement that fails outside of a transaction would undo more than itself.
    pub(in crate::session) fn needs_statement_savepoint(&self) -> bool {
        match self.engine.dialect() {
            Dialect::Postgres => true,
            Dialect::Sqlite => self.defers(),
            Dialect::MySql => false,
        }
    }

    /// Sets the savepoint that a statement outside of a transaction is rolled back to, if it is not in place.
    pub(in crate::session) async fn protect(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let moved = match lease.statement_savepoint() {
            StatementSavepoint::Set => Ok(()),
            StatementSavepoint::Absent => run(lease, SET).await,
            StatementSavepoint::Behind if lease.raw()?.post(MOVE) => Ok(()),
            StatementSavepoint::Behind => run(lease, MOVE).await,
            StatementSavepoint::Unverified => return self.recovered(lease).await,
        };
        // Going back would undo what was confirmed before, so the sandbox cannot go on.
        moved.map_err(|error| self.unprotected(lease, error))?;
        lease.set_statement_savepoint(StatementSavepoint::Unverified);
        Ok(())
    }

    async fn recovered(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        self.recover(lease).await?;
        lease.set_statement_savepoint(StatementSavepoint::Unverified);
        Ok(())
    }

    /// Goes back to the savepoint, which undoes the last statement alone.
    async fn go_behind(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let back = run(lease, BACK).await;
        back.map_err(|error| self.unprotected(lease, error))?;
        lease.set_statement_savepoint(StatementSavepoint::Set);
        Ok(())
    }

    /// Returns the error if the savepoint could not be moved and that was not reported yet.
    fn savepoint_was_moved(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        match lease.raw()?.post_failed() {
            Some(error) => Err(self.unprotected(lease, error)),
            None => Ok(()),
        }
    }

    /// The savepoint is not where it belongs, and cannot be brought there: the outer transaction takes nothing any more.
    fn unprotected(self: &Arc<Self>, lease: &mut Lease, error: Error) -> Error {
        if error.is_fatal() {
            return error;
        }
        lease.discard();
        self.end_by_server(&format!(
            "the savepoint of its statements was lost: {}",
            error.message()
        ));
        self.usable().err().unwrap_or(error)
    }

    /// After a statement that was dropped half-way: what it did is kept, if it succeeded.
    pub(in crate::session) async fn recover(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        self.savepoint_was_moved(lease)?;
        let kept = match self.engine.dialect() {
            Dialect::Postgres if self.defers() => self.check(lease).await,
            Dialect::Sqlite if self.defers() => match self.check(lease).await {
                Ok(()) => run(lease, MOVE).await,
                violated => violated,
            },
            _ => run(lease, MOVE).await,
        };
        match kept {
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => self.go_behind(lease).await?,
            Ok(()) => lease.set_statement_savepoint(StatementSavepoint::Set),
        }
        self.end_local(lease).await
    }

    /// Ends what the commit of a statement outside of a transaction would end.
    async fn end_local(&self, lease: &mut Lease) -> Result<()> {
        let ends = self.ends_at_commit();
        if ends.is_empty() {
            Ok(())
        } else {
            run(lease, ends).await
        }
    }

    /// Ends the statement: what it did is kept, or it alone is undone.
    pub(in crate::session) async fn unprotect(
        self: &Arc<Self>,
        lease: &mut Lease,
        effect: &Effect,
        error: Option<&Error>,
    ) -> Result<()> {
        if lease.is_lost() {
            return Ok(());
        }
        self.savepoint_was_moved(lease)?;
        let failed = error.is_some_and(|error| error.sqlstate().is_some());
        if error.is_some() && !failed {
            // It may have succeeded on the server, although its rows could not be read.
            return self.recover(lease).await;
        }
        // Outside of a transaction SET LOCAL has no effect.
        if failed || (effect.local_only && !effect.local.is_empty()) {
            let _ = self.ends_at_commit();
            return self.go_behind(lease).await;
        }
        if effect.reads {
            lease.set_statement_savepoint(StatementSavepoint::Set);
            return Ok(());
        }
        self.end_local(lease).await?;
        if !self.defers() {
            lease.set_statement_savepoint(StatementSavepoint::Behind);
            return Ok(());
        }
        // The savepoint stays unverified until the check is done.
        let checked = self.check(lease).await;
        match checked {
            Ok(()) if self.engine.dialect() == Dialect::Postgres => {
                lease.set_statement_savepoint(StatementSavepoint::Set);
            }
            Ok(()) => lease.set_statement_savepoint(StatementSavepoint::Behind),
            Err(error) => {
                if !lease.is_lost() {
                    self.go_behind(lease).await?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Checks what the commit of a statement outside of a transaction would check.
    async fn check(&self, lease: &mut Lease) -> Result<()> {
        match self.engine.dialect() {
            Dialect::Postgres => run(lease, format!("{CHECK}{MOVE}")).await,
            Dialect::Sqlite => self.check_keys(lease).await,
            Dialect::MySql => Ok(()),
        }
    }

    /// Returns whether it is time to collect the rows of a SQLite database that refer to missing ones already.
    pub(in crate::session) fn wants_violations(&self) -> bool {
        let sandbox = self.sandbox().filter(|_| self.engine.dialect() == Dialect::Sqlite);
        sandbox.is_some_and(|sandbox| sandbox.violated.lock().is_none())
    }

    /// Notes the existing violations, which are not the fault of code in the sandbox.
    pub(in crate::session) async fn note_violations(&self, lease: &mut Lease) -> Result<()> {
        let violated = match violations(lease, &self.engine.templates).await {
            // Keys that SQLite cannot check at all are not the fault of a test either.
            Err(error) if !error.is_fatal() => None,
            violated => Some(violated?),
        };
        if let Some(sandbox) = self.sandbox() {
            *sandbox.violated.lock() = violated;
        }
        Ok(())
    }

    /// Checks deferred foreign keys. SQLite does not check them when a savepoint is released, but reports which are
    /// violated.
    pub(in crate::session) async fn check_keys(&self, lease: &mut Lease) -> Result<()> {
        if !self.defers() || !self.engine.settings.foreign_keys {
            return Ok(());
        }
        let known = self.sandbox().and_then(|sandbox| sandbox.violated.lock().clone());
        // Nothing is known as long as this sandbox itself has no deferred key.
        let Some(known) = known else { return Ok(()) };
        let violated = violations(lease, &self.engine.templates).await?;
        let Some(Violation { table, parent, .. }) = violated.difference(&known).next() else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Constraint,
            format!("FOREIGN KEY constraint failed: a row of `{table}` references a missing row of `{parent}`"),
        )
        .with_code("787")
        .with_constraint(Constraint::new(ConstraintKind::ForeignKey))
        .help("a commit checks deferred constraints, also the commit of a transaction in a sandbox"))
    }
}
