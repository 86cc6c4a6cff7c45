//! Statements in the sandbox outside of a transaction: each is kept, or fails alone, as if it had committed by itself.

use std::collections::HashSet;
use std::sync::Arc;

use super::Node;
use super::ask::{ask, run};
use crate::error::{Constraint, ConstraintKind, Error, ErrorKind, Result};
use crate::pool::{Lease, Shield};
use crate::sql::{Dialect, Effect, TemplateCache};
use crate::value::{Params, Row};

pub(super) const SET: &str = "SAVEPOINT ebbtide_shield";
const MOVE: &str = "RELEASE SAVEPOINT ebbtide_shield; SAVEPOINT ebbtide_shield";
const BACK: &str = "ROLLBACK TO SAVEPOINT ebbtide_shield";
/// What a commit would check; it changes nothing, not even when the constraints are checked later.
pub(super) const CHECK: &str =
    "SAVEPOINT ebbtide_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT ebbtide_check; ";

/// A row that refers to a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Violation {
    table: String,
    row: Option<i64>,
    parent: String,
    key: i64,
}

/// The rows of a SQLite database that refer to missing ones.
pub(super) async fn violations(lease: &mut Lease, templates: &TemplateCache) -> Result<HashSet<Violation>> {
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

impl Node {
    /// Whether constraints may be checked only at the commit.
    pub(super) fn defers(&self) -> bool {
        self.ground.sandbox.is_some() && self.ground.deferred.get() == Some(true)
    }

    /// Whether a statement that fails outside of a transaction would undo more than itself.
    pub(super) fn needs_shield(&self) -> bool {
        match self.ground.dialect() {
            Dialect::Postgres => true,
            Dialect::Sqlite => self.defers(),
            Dialect::MySql => false,
        }
    }

    /// Sets the savepoint a statement outside of a transaction is rolled back to, if it is not where it belongs.
    pub(super) async fn shield(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let moved = match lease.shield() {
            Shield::Set => Ok(()),
            Shield::Absent => run(lease, SET).await,
            Shield::Behind if lease.raw()?.post(MOVE) => Ok(()),
            Shield::Behind => run(lease, MOVE).await,
            Shield::Doubtful => return self.recovered(lease).await,
        };
        // What was kept before would be undone by going back, so nobody can go on.
        moved.map_err(|error| self.unshielded(lease, error))?;
        lease.set_shield(Shield::Doubtful);
        Ok(())
    }

    async fn recovered(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        self.recover(lease).await?;
        lease.set_shield(Shield::Doubtful);
        Ok(())
    }

    /// Goes back to the savepoint, which undoes the last statement alone.
    async fn go_behind(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        let back = run(lease, BACK).await;
        back.map_err(|error| self.unshielded(lease, error))?;
        lease.set_shield(Shield::Set);
        Ok(())
    }

    /// An error if the savepoint could not be moved, of which nobody has heard yet.
    fn shield_was_moved(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        match lease.raw()?.post_failed() {
            Some(error) => Err(self.unshielded(lease, error)),
            None => Ok(()),
        }
    }

    /// The savepoint is not where it belongs, and cannot be brought there: the outer transaction takes nothing any more.
    fn unshielded(self: &Arc<Self>, lease: &mut Lease, error: Error) -> Error {
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
    pub(super) async fn recover(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        self.shield_was_moved(lease)?;
        let kept = match self.ground.dialect() {
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
            Ok(()) => lease.set_shield(Shield::Set),
        }
        self.restore_settings(lease).await
    }

    /// Sets back what a statement outside of a transaction changed until its end.
    async fn restore_settings(&self, lease: &mut Lease) -> Result<()> {
        let restore = self.restored_settings();
        if restore.is_empty() {
            Ok(())
        } else {
            run(lease, restore).await
        }
    }

    /// The statement has ended: what it did is kept, or it alone is undone.
    pub(super) async fn unshield(
        self: &Arc<Self>,
        lease: &mut Lease,
        effect: &Effect,
        error: Option<&Error>,
    ) -> Result<()> {
        if lease.is_lost() {
            return Ok(());
        }
        self.shield_was_moved(lease)?;
        let failed = error.is_some_and(|error| error.sqlstate().is_some());
        if error.is_some() && !failed {
            // It may have succeeded on the server, and its rows could not be read.
            return self.recover(lease).await;
        }
        // Outside of a transaction SET LOCAL has no effect.
        if failed || (effect.local_only && !effect.local.is_empty()) {
            let _ = self.restored_settings();
            return self.go_behind(lease).await;
        }
        self.restore_settings(lease).await?;
        if effect.reads {
            lease.set_shield(Shield::Set);
            return Ok(());
        }
        if !self.defers() {
            lease.set_shield(Shield::Behind);
            return Ok(());
        }
        // It stays in doubt until the check is done.
        let checked = self.check(lease).await;
        match checked {
            Ok(()) if self.ground.dialect() == Dialect::Postgres => lease.set_shield(Shield::Set),
            Ok(()) => lease.set_shield(Shield::Behind),
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
        match self.ground.dialect() {
            Dialect::Postgres => run(lease, format!("{CHECK}{MOVE}")).await,
            Dialect::Sqlite => self.check_keys(lease).await,
            Dialect::MySql => Ok(()),
        }
    }

    /// Whether it is time to see which rows of a SQLite database refer to missing ones already.
    pub(super) fn wants_violations(&self) -> bool {
        let sandbox = self.sandbox().filter(|_| self.ground.dialect() == Dialect::Sqlite);
        sandbox.is_some_and(|sandbox| sandbox.violated.lock().is_none())
    }

    /// What was wrong before is not the fault of whoever runs in the sandbox.
    pub(super) async fn note_violations(&self, lease: &mut Lease) -> Result<()> {
        let violated = match violations(lease, &self.ground.templates).await {
            // Keys that SQLite cannot check at all are not the fault of a test either.
            Err(error) if !error.is_fatal() => None,
            violated => Some(violated?),
        };
        if let Some(sandbox) = self.sandbox() {
            *sandbox.violated.lock() = violated;
        }
        Ok(())
    }

    /// SQLite does not check deferred foreign keys where a savepoint is released, but tells which are violated.
    pub(super) async fn check_keys(&self, lease: &mut Lease) -> Result<()> {
        if !self.defers() || !self.ground.settings.foreign_keys {
            return Ok(());
        }
        let known = self.sandbox().and_then(|sandbox| sandbox.violated.lock().clone());
        // Nothing is known as long as this sandbox itself has no key that is checked late.
        let Some(known) = known else { return Ok(()) };
        let violated = violations(lease, &self.ground.templates).await?;
        let Some(Violation { table, parent, .. }) = violated.difference(&known).next() else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Constraint,
            format!("FOREIGN KEY constraint failed: a row of `{table}` refers to one of `{parent}` that is missing"),
        )
        .with_code("787")
        .with_constraint(Constraint::new(ConstraintKind::ForeignKey))
        .help("a commit checks deferred constraints, and so does the commit of a transaction in the sandbox"))
    }
}
