//! The sandbox as a decoration of a connection: inside an outer transaction that never commits, transactions are
//! savepoints whose commits are as strict as real ones, and a statement outside of a transaction is kept or undone alone.
//!
//! It lies below the thread of full isolation, where no call is dropped half-way. Elsewhere the next call finds out
//! what became of a dropped one.

mod at_commit;
mod begin;
mod commit_check;
mod deferred;
mod raw_connection;
mod statement_savepoint;
mod virtual_commit;
mod writing_names;

use std::collections::HashSet;
use std::sync::Arc;

use super::RawConnection;
use super::internal::{ask, run};
use super::rules::{ServerRules, TransactionRules};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, Statement, TemplateCache};
use crate::value::{Params, Row, Value};
use at_commit::AtCommit;
use commit_check::Violation;
pub(crate) use deferred::Deferred;
use statement_savepoint::StatementSavepoint;
use writing_names::KnownNames;

/// Number of levels that are open outside of the application's transactions: the outer transaction.
const OUTSIDE: usize = 1;

/// The facts about an outer transaction that its connection has to know.
#[derive(Debug)]
pub(crate) struct OuterTransaction {
    pub(crate) dialect: Dialect,
    pub(crate) rules: &'static dyn ServerRules,
    pub(crate) templates: Arc<TemplateCache>,
    /// Knowledge about the database that its sandboxes share.
    pub(crate) deferred: Arc<Deferred>,
    /// The name of its session, where the server shows one.
    pub(crate) label: Option<String>,
    /// `true` if the connection checks foreign keys.
    pub(crate) foreign_keys: bool,
}

/// A connection in a sandbox. The outer transaction counts as a level: the statements of the application run at depth 1,
/// and a transaction that it takes for an outermost one has depth 2.
pub(crate) struct SandboxedConnection {
    inner: Box<dyn RawConnection>,
    outer: OuterTransaction,
    savepoint: StatementSavepoint,
    /// The reason why the outer transaction can take nothing any more, if there is one.
    lost: Option<String>,
    /// Rows that referred to missing ones before the sandbox began, or before it had deferred keys.
    violated: Option<HashSet<Violation>>,
    /// Settings, tables and cursors that the commit of the open transaction, or of the statement under way, ends.
    at_commit: AtCommit,
    /// Set if constraints that are created from now on are not checked as they are defined.
    constraints_set: bool,
    /// The oids of the temporary tables that each commit empties.
    emptied: Vec<i64>,
    /// The names that write when they are read, where that has to be known.
    writing: Option<KnownNames>,
    /// Set if such names may have been defined here.
    redefined: bool,
}

impl SandboxedConnection {
    pub(crate) fn new(inner: Box<dyn RawConnection>, outer: OuterTransaction) -> Box<Self> {
        Box::new(Self {
            inner,
            outer,
            savepoint: StatementSavepoint::Absent,
            lost: None,
            violated: None,
            at_commit: AtCommit::default(),
            constraints_set: false,
            emptied: Vec::new(),
            writing: None,
            redefined: false,
        })
    }

    fn rules(&self) -> &'static TransactionRules {
        self.outer.rules.transactions()
    }

    /// Runs SQL text of this crate's own.
    async fn run_own(&mut self, sql: impl Into<String>) -> Result<()> {
        run(&mut *self.inner, sql).await
    }

    /// Asks the server something, independently of what its user does.
    async fn ask(&mut self, sql: &str, params: Params) -> Result<Vec<Row>> {
        ask(&mut *self.inner, &self.outer.templates, sql, params).await
    }

    /// Returns whether the application has no transaction open.
    fn is_outside(&self) -> bool {
        self.inner.depth() == OUTSIDE
    }

    /// Returns whether there is something to do before or after a statement.
    fn attends(&self, statement: &Statement) -> bool {
        let effect = statement.effect();
        self.inner.depth() >= OUTSIDE
            && (self.lost.is_some()
                || self.guards()
                || effect.deferrable
                || effect.defines_code
                || !effect.local.is_empty())
    }

    /// Does what is due before a statement. Returns whether it has a savepoint of its own.
    async fn before(&mut self, statement: &Statement, values: &[Value]) -> Result<bool> {
        self.stands()?;
        let effect = statement.effect();
        if effect.defines_code {
            self.redefined = true;
        }
        if effect.deferrable && self.wants_violations() {
            self.note_violations().await?;
        }
        let guarded = self.guards();
        // Alone and outside of a transaction, a changed setting is simply undone.
        let notes = !(effect.local.is_empty() || guarded && effect.local_only);
        if guarded {
            self.protect(!notes).await?;
        }
        if notes {
            self.note_local(effect, values).await?;
        }
        Ok(guarded)
    }

    /// Does what is due after a statement: outside of a transaction it is kept, or undone alone.
    async fn after<T>(&mut self, statement: &Statement, guarded: bool, result: Result<T>) -> Result<T> {
        let result = match result {
            Err(error) if guarded && self.inner.ahead_failed() => return Err(self.lose(error)),
            other => other,
        };
        let effect = statement.effect();
        if effect.deferrable && result.is_ok() {
            self.outer.deferred.set(true);
        }
        let result = if effect.creates_local_tables() {
            let noted = self.note_created(result.is_err()).await;
            result.and_then(|done| noted.map(|()| done))
        } else {
            result
        };
        let result = match result {
            Ok(done) => self.defer_created(effect).await.map(|()| done),
            failed => failed,
        };
        if !guarded {
            return result;
        }
        match self.unprotect(statement, result.as_ref().err()).await {
            // The loss of the sandbox says more than its cause.
            Err(lost) if lost.kind() == ErrorKind::SandboxBroken => Err(lost),
            unprotected => result.and_then(|done| unprotected.map(|()| done)),
        }
    }

    /// Returns the error if the outer transaction takes nothing any more.
    fn stands(&self) -> Result<()> {
        match &self.lost {
            Some(why) => Err(Error::new(ErrorKind::SandboxBroken, why.clone())),
            None => Ok(()),
        }
    }
}
