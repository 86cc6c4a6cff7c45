//! Statements in the sandbox outside of a transaction: each is kept, or fails alone, as if it had committed by itself.

use std::collections::HashSet;
use std::sync::Arc;

use crate::backend::rules::{CommitCheck, StatementSavepoints};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
use crate::pool::{Lease, StatementSavepoint};
use crate::session::level::Level;
use crate::session::statement::internal::{ask, run};
use crate::session::statement::run::BoundStatement;
use crate::sql::TemplateCache;
use crate::value::{Params, Row};

/// A row that refers to a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::session) struct Violation {
    table: String,
    row: Option<i64>,
    parent: String,
    key: i64,
}

/// Returns the rows that refer to missing ones, which the query `list` returns.
async fn violations(lease: &mut Lease, templates: &TemplateCache, list: &str) -> Result<HashSet<Violation>> {
    let rows = ask(lease, templates, list, Params::default()).await?;
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
        match self.engine.transactions.statement_savepoints {
            StatementSavepoints::Always => true,
            StatementSavepoints::IfDeferred => self.defers(),
            StatementSavepoints::Never => false,
        }
    }

    /// Sets the savepoint that a statement outside of a transaction is rolled back to, if it is not in place.
    pub(in crate::session) async fn protect(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let savepoint = &self.engine.transactions.statement_savepoint;
        let moved = match lease.statement_savepoint() {
            StatementSavepoint::Set => Ok(()),
            StatementSavepoint::Absent => run(lease, savepoint.set).await,
            StatementSavepoint::Behind if lease.raw()?.post(savepoint.renew) => Ok(()),
            StatementSavepoint::Behind => run(lease, savepoint.renew).await,
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
        let back = run(lease, self.engine.transactions.statement_savepoint.back).await;
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
        let checked = if self.defers() {
            self.check(lease).await
        } else {
            Ok(StatementSavepoint::Behind)
        };
        let kept = match checked {
            Ok(StatementSavepoint::Set) => Ok(()),
            Ok(_) => run(lease, self.engine.transactions.statement_savepoint.renew).await,
            Err(error) => Err(error),
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

    /// Ends the statement: what it did is kept, or it alone is undone. `reads` is `true` if it certainly did nothing.
    pub(in crate::session) async fn unprotect(
        self: &Arc<Self>,
        lease: &mut Lease,
        work: &BoundStatement,
        reads: bool,
        error: Option<&Error>,
    ) -> Result<()> {
        let effect = work.template.effect();
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
        if reads {
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
            Ok(savepoint) => lease.set_statement_savepoint(savepoint),
            Err(error) => {
                if !lease.is_lost() {
                    self.go_behind(lease).await?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Checks what the commit of a statement outside of a transaction would check. Returns where its savepoint is then.
    async fn check(&self, lease: &mut Lease) -> Result<StatementSavepoint> {
        match self.engine.transactions.commit_check {
            CommitCheck::Text { check, .. } => {
                // The savepoint is renewed in the same round trip.
                let renew = self.engine.transactions.statement_savepoint.renew;
                run(lease, format!("{check}{renew}")).await?;
                Ok(StatementSavepoint::Set)
            }
            CommitCheck::Violations { list, code, .. } => {
                self.check_keys(lease, list, code).await?;
                Ok(StatementSavepoint::Behind)
            }
            CommitCheck::Nothing => Ok(StatementSavepoint::Behind),
        }
    }

    /// Returns whether it is time to collect the rows that refer to missing ones already.
    pub(in crate::session) fn wants_violations(&self) -> bool {
        let sandbox = self.sandbox().filter(|_| self.engine.transactions.commit_check.lists());
        sandbox.is_some_and(|sandbox| sandbox.violated.lock().is_none())
    }

    /// Notes the existing violations, which are not the fault of code in the sandbox.
    pub(in crate::session) async fn note_violations(&self, lease: &mut Lease) -> Result<()> {
        let CommitCheck::Violations { list, .. } = self.engine.transactions.commit_check else {
            return Ok(());
        };
        let violated = match violations(lease, &self.engine.templates, list).await {
            // Keys that the server cannot check at all are not the fault of a test either.
            Err(error) if !error.is_fatal() => None,
            violated => Some(violated?),
        };
        if let Some(sandbox) = self.sandbox() {
            *sandbox.violated.lock() = violated;
        }
        Ok(())
    }

    /// Checks deferred foreign keys, where the query `list` returns which are violated. `code` is that of the error.
    pub(in crate::session) async fn check_keys(&self, lease: &mut Lease, list: &str, code: &'static str) -> Result<()> {
        if !self.defers() || !self.engine.settings.foreign_keys {
            return Ok(());
        }
        let known = self.sandbox().and_then(|sandbox| sandbox.violated.lock().clone());
        // Nothing is known as long as this sandbox itself has no deferred key.
        let Some(known) = known else { return Ok(()) };
        let violated = violations(lease, &self.engine.templates, list).await?;
        let Some(Violation { table, parent, .. }) = violated.difference(&known).next() else {
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
