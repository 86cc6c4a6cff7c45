//! Statements outside of a transaction: each is kept, or fails alone, as if it had committed by itself.

use super::{OUTSIDE, SandboxedConnection};
use crate::backend::rules::CommitCheck;
use crate::backend::{NativeJob, QueryResult};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Statement;

/// The savepoint to which a failing statement is rolled back, so that it undoes only itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatementSavepoint {
    /// There is none.
    Absent,
    /// Nothing was written since it was set.
    Set,
    /// The writes since it was set are to be kept: it has to be set again.
    Behind,
    /// A statement was in flight, and its outcome is unknown.
    Unverified,
}

impl SandboxedConnection {
    /// Returns whether a statement that fails now would undo more than itself.
    pub(super) fn guards(&self) -> bool {
        self.is_outside() && self.rules().statement_savepoints.are_needed(self.outer.deferred.get())
    }

    /// Sets the savepoint that a statement outside of a transaction is rolled back to, if it is not in place. If the
    /// statement is the next request, the text rides along with it where the driver can.
    pub(super) async fn protect(&mut self, is_next: bool) -> Result<()> {
        self.verify().await?;
        let texts = &self.rules().statement_savepoint;
        let text = match self.savepoint {
            StatementSavepoint::Absent => Some(texts.set),
            StatementSavepoint::Behind => Some(texts.renew),
            StatementSavepoint::Set | StatementSavepoint::Unverified => None,
        };
        if let Some(text) = text
            && !(is_next && self.inner.send_ahead(text))
        {
            // Going back would undo what was confirmed before, so the sandbox cannot go on.
            self.run_own(text).await.map_err(|error| self.lose(error))?;
        }
        self.savepoint = StatementSavepoint::Unverified;
        Ok(())
    }

    /// Finds out what became of a statement that was dropped half-way, if one was.
    pub(super) async fn verify(&mut self) -> Result<()> {
        self.stands()?;
        if self.savepoint == StatementSavepoint::Unverified {
            self.recover().await?;
        }
        Ok(())
    }

    /// Goes back to the savepoint, which undoes the last statement alone.
    async fn go_behind(&mut self) -> Result<()> {
        self.run_own(self.rules().statement_savepoint.back).await?;
        self.savepoint = StatementSavepoint::Set;
        Ok(())
    }

    /// The savepoint is not where it belongs, and cannot be brought there: the outer transaction takes nothing any more.
    pub(super) fn lose(&mut self, error: Error) -> Error {
        if error.is_fatal() {
            return error;
        }
        let why = format!("the savepoint of its statements was lost: {}", error.message());
        self.lost = Some(why.clone());
        Error::new(ErrorKind::SandboxBroken, why)
    }

    /// After something of which it is not known whether it succeeded: what it did is kept, if it did.
    async fn recover(&mut self) -> Result<()> {
        let checked = if self.defers() {
            self.check().await
        } else {
            Ok(StatementSavepoint::Behind)
        };
        let kept = match checked {
            Ok(StatementSavepoint::Set) => Ok(()),
            Ok(_) => self.run_own(self.rules().statement_savepoint.renew).await,
            Err(error) => Err(error),
        };
        match kept {
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => self.go_behind().await.map_err(|error| self.lose(error))?,
            Ok(()) => self.savepoint = StatementSavepoint::Set,
        }
        self.end_local().await
    }

    /// Ends what the commit of a statement outside of a transaction would end.
    async fn end_local(&mut self) -> Result<()> {
        let ends = self.ends_at_commit();
        if ends.is_empty() {
            Ok(())
        } else {
            self.run_own(ends).await
        }
    }

    /// Ends a statement: what it did is kept, or it alone is undone.
    pub(super) async fn unprotect(&mut self, statement: &Statement, error: Option<&Error>) -> Result<()> {
        let effect = statement.effect();
        match error {
            // With the transaction the savepoint is gone, too.
            Some(error) if error.is_fatal() || error.ends_transaction() => return Ok(()),
            // It may have succeeded on the server, although its rows could not be read.
            Some(error) if error.sqlstate().is_none() => return self.recover().await,
            Some(_) => return self.undo_failed().await,
            None => {}
        }
        // Outside of a transaction SET LOCAL has no effect.
        if effect.local_only && !effect.local.is_empty() {
            let _ = self.ends_at_commit();
            return self.go_behind().await.map_err(|error| self.lose(error));
        }
        if effect.reads && !self.may_write_unseen(statement) {
            self.savepoint = StatementSavepoint::Set;
            return Ok(());
        }
        self.end_local().await?;
        if !self.defers() {
            self.savepoint = StatementSavepoint::Behind;
            return Ok(());
        }
        // The savepoint stays unverified until the check is done.
        match self.check().await {
            Ok(savepoint) => self.savepoint = savepoint,
            Err(error) => {
                if !error.is_fatal() {
                    self.go_behind().await.map_err(|error| self.lose(error))?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Undoes a statement that the server has refused, unless its error has ended the whole transaction, which the
    /// caller finds out.
    async fn undo_failed(&mut self) -> Result<()> {
        let _ = self.ends_at_commit();
        let Err(error) = self.go_behind().await else {
            return Ok(());
        };
        if error.is_fatal() || matches!(self.inner.transaction_open().await, Ok(true)) {
            return Err(self.lose(error));
        }
        Ok(())
    }

    /// Checks what the commit of a statement outside of a transaction would check. Returns where its savepoint is then.
    async fn check(&mut self) -> Result<StatementSavepoint> {
        let rules = self.rules();
        match rules.commit_check {
            CommitCheck::Text { check, .. } => {
                // The savepoint is renewed in the same round trip.
                let renew = rules.statement_savepoint.renew;
                self.run_own(format!("{check}{renew}")).await?;
                Ok(StatementSavepoint::Set)
            }
            CommitCheck::Violations { list, code, .. } => {
                self.check_keys(list, code).await?;
                Ok(StatementSavepoint::Behind)
            }
            CommitCheck::Nothing => Ok(StatementSavepoint::Behind),
        }
    }

    /// Runs a job of unknown content. Outside of a transaction, what it did is kept, if it left the outer transaction
    /// usable.
    pub(super) async fn lend(&mut self, job: NativeJob) -> Result<QueryResult> {
        self.stands()?;
        // What it will define is not known.
        self.redefined = true;
        let guarded = self.guards();
        if guarded {
            self.protect(false).await?;
        }
        let result = self.inner.with_native(job).await;
        let ended = self.inner.depth() < OUTSIDE || result.as_ref().is_err_and(Error::is_fatal);
        if !guarded || ended {
            return result;
        }
        let kept = self.recover().await;
        result.and_then(|done| kept.map(|()| done))
    }
}
