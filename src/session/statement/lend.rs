//! The driver's own connection, lent to code of unknown content, and what is checked around it.

use std::sync::Arc;

use super::checkout::Checkout;
use super::internal::run;
use super::pipeline::Way;
use super::run::{BoundStatement, Target};
use crate::backend::NativeJob;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Lease;
use crate::session::engine::Engine;
use crate::session::level::verdict::Sent;
use crate::session::level::{Level, LevelKind};
use crate::session::scope::chain::Chain;

impl Target {
    /// Lends the connection to a job of unknown content. It may do anything except end the transaction it is in.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` would store its arguments twice"
    )]
    pub(crate) fn lend(&self, work: &BoundStatement, job: NativeJob) -> impl Future<Output = Result<()>> + Send {
        async move {
            let mut started = {
                let chain = Chain::current();
                self.start(work, &chain, Way::Lent).await?
            };
            started.prepare().await?;
            let answer = {
                let sending = started.sending()?;
                sending.waiting.answer(sending.raw.with_native(job))
            };
            let result = answer.await;
            started.finish(result).await.map(drop)
        }
    }
}

impl Checkout {
    /// Sets a mark that shows afterwards whether the transaction is still open.
    pub(super) async fn before_lending(&mut self, work: &BoundStatement) -> Result<()> {
        let (depth, slot_level) = match self {
            Self::Pooled { lease, .. } => {
                lease.may_have_transaction();
                return Ok(());
            }
            Self::Level { slot_level, level, .. } => (level.depth, Arc::clone(slot_level)),
        };
        if work.template.effect().deferrable {
            // Also if it fails, since it may do more than one thing.
            slot_level.engine.deferred.set(true);
        }
        let rules = slot_level.engine.transactions;
        let lease = self.lease()?;
        if depth == 0 || rules.settings_outlive_rollback {
            // A closure may leave more changed than a transaction.
            lease.may_have_transaction();
        }
        if depth == 0 || slot_level.is_guarded() {
            return Ok(());
        }
        let marked = run(lease, rules.probe.set).await;
        // If the closure is dropped, the next user checks.
        lease.set_transaction_unverified(marked.is_ok());
        slot_level.heeded(lease, marked, Sent::Boundary(rules.probe.set)).await
    }

    /// Handles an error of lent work. If the error does not say whether the transaction is still open, that is checked
    /// afterwards.
    async fn heed_lent(&mut self, error: &Error, work: &BoundStatement) {
        let Self::Level { slot, level, .. } = self else { return };
        if error.is_retryable() {
            level.note_retryable();
        }
        if let Some(lease) = slot.lease()
            && (lease.is_lost() || error.ends_transaction() || error.kind() == ErrorKind::SandboxBroken)
        {
            level.heed(lease, error, Sent::Probed(work)).await;
        }
    }

    /// Does what is due after lent work: finds out what it left of the transaction, and keeps what was done there.
    pub(super) async fn after_lending<T>(&mut self, result: Result<T>, work: &BoundStatement) -> Result<T> {
        if let Self::Level { level, .. } = self {
            // What it defined is not known.
            level.engine.note_code();
        }
        if let Err(error) = &result {
            self.heed_lent(error, work).await;
        }
        let kept = self.keep_lent(work).await;
        // The connection may have been lost before it was known whether the work had committed.
        let exposed = matches!(self, Self::Level { level, .. } if level.engine.sandbox.is_none());
        let kept = kept.map_err(|error| self.judged(error, work, exposed));
        match (result, self) {
            (Err(lost), Self::Level { level, .. }) if lost.kind() == ErrorKind::SandboxBroken => {
                level.usable().and(Err(lost))
            }
            (result, _) => result.and_then(|done| kept.map(|()| done)),
        }
    }

    /// Checks whether the transaction is still open, and keeps what was done in it.
    async fn keep_lent(&mut self, work: &BoundStatement) -> Result<()> {
        let Self::Level {
            slot,
            slot_level,
            level,
            ..
        } = self
        else {
            return Ok(());
        };
        let Some(lease) = slot.lease().filter(|lease| !lease.is_lost()) else {
            level.end_by_server("its connection was lost");
            return Ok(());
        };
        if level.depth == 0 {
            level.look_after_unknown(lease, work.caller).await;
            return Ok(());
        }
        let kept = if lease.depth() < slot_level.depth {
            Err(None)
        } else if lease.is_transaction_unverified() {
            run(lease, level.engine.transactions.probe.release).await.map_err(Some)
        } else {
            // In a sandbox, its connection has looked.
            Ok(())
        };
        lease.set_transaction_unverified(false);
        let Err(error) = kept else { return Ok(()) };
        if error.as_ref().is_some_and(Error::is_retryable) {
            level.note_retryable();
        }
        if let Some(error) = error.as_ref().filter(|error| is_abort(&level.engine, error))
            && matches!(level.kind, LevelKind::Transaction { .. })
        {
            // Still open, but the server accepts only a rollback now.
            level
                .state
                .lock()
                .failed
                .get_or_insert_with(|| error.message().to_owned());
            return Ok(());
        }
        if let Some(lost) = error.as_ref().filter(|error| error.leaves_open()) {
            level.end_by_server(&work.ended_by(lost));
            return error.map_or(Ok(()), Err);
        }
        let conflict = error.filter(|error| error.ends_transaction() && level.engine.sandbox.is_none());
        Lease::discard(lease);
        level.end_by_server("something done with the driver's own connection ended it");
        match conflict {
            Some(conflict) => {
                level.note_undone();
                Err(conflict)
            }
            None => level.usable(),
        }
    }
}

impl Level {
    /// Returns whether the connection itself keeps or undoes what is done here, outside of the application's
    /// transactions.
    fn is_guarded(&self) -> bool {
        let savepoints = self.engine.transactions.statement_savepoints;
        !matches!(self.kind, LevelKind::Transaction { .. }) && savepoints.are_needed(self.engine.deferred.get())
    }
}

fn is_abort(engine: &Engine, error: &Error) -> bool {
    let aborted = engine.transactions.aborted;
    aborted.is_some() && error.sqlstate() == aborted
}
