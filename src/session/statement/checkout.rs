//! The connection while one statement has it: the steps before the statement, and those after it.

use std::sync::{Arc, Weak};

use tokio::sync::OwnedMutexGuard;

use super::internal::run;
use super::run::BoundStatement;
use crate::error::{CLOSED_EARLIER, Error, ErrorKind, LOST, Result};
use crate::pool::{Drain, InFlight, Lease, OpenStreams, Pool};
use crate::session::engine::Engine;
use crate::session::level::operations::UnderWay;
use crate::session::level::verdict::{Sent, Verdict};
use crate::session::level::{ConnectionSlot, Level};
use crate::session::replicas::{WriteNote, blame};
use crate::sql::{Control, excerpt};

/// The connection, checked out for one statement.
pub(in crate::session) enum Checkout {
    Pooled {
        lease: Lease,
        _wrote: Option<WriteNote>,
    },
    Level {
        slot: OwnedMutexGuard<ConnectionSlot>,
        slot_level: Arc<Level>,
        level: Arc<Level>,
        under_way: UnderWay,
        _wrote: Option<WriteNote>,
    },
}

impl Checkout {
    pub(in crate::session) fn lease(&mut self) -> Result<&mut Lease> {
        match self {
            Self::Pooled { lease, .. } => Ok(lease),
            Self::Level { slot, .. } => slot.lease().ok_or_else(given_up),
        }
    }

    /// Returns the pool of the connection.
    pub(in crate::session) fn pool<'h>(&'h self, engine: &'h Engine) -> &'h Arc<Pool> {
        match self {
            Self::Pooled { lease, .. } => lease.pool(),
            Self::Level { .. } => &engine.pool,
        }
    }

    /// Returns the error of a read, marked if the replica is its cause.
    pub(in crate::session) fn blamed(&self, error: Error, engine: &Engine) -> Error {
        if Arc::ptr_eq(self.pool(engine), &engine.pool) {
            error
        } else {
            blame(error)
        }
    }

    /// Registers an open stream. A waiter for this connection may make it buffer its rows.
    pub(in crate::session) fn opened(&self, engine: &Engine, stream: Weak<dyn Drain>) {
        engine.stream_opened(&stream);
        if let Self::Level { slot_level, .. } = self {
            slot_level.state.lock().stream = Some(stream);
            slot_level.stream_opened.notify_waiters();
        }
    }

    /// Forgets an open stream that has read its last row. It waits for no one now, and may itself be run again.
    pub(in crate::session) fn closed(&self, stream: &Weak<dyn Drain>) {
        if let Self::Level { slot_level, .. } = self {
            let open = &mut slot_level.state.lock().stream;
            if open
                .as_ref()
                .is_some_and(|open| std::ptr::addr_eq(open.as_ptr(), stream.as_ptr()))
            {
                *open = None;
            }
        }
    }

    /// Returns the open streams for whose lock a statement may have to wait. In a transaction only the commit waits.
    pub(in crate::session) fn waits_for_streams<'g>(
        &self,
        engine: &'g Engine,
        work: &BoundStatement,
    ) -> Option<&'g OpenStreams> {
        let outside = match self {
            Self::Pooled { .. } => true,
            Self::Level { slot_level, .. } => slot_level.depth == 0,
        };
        let streams = engine.streams.as_deref()?;
        (outside && !work.template.effect().asks).then_some(streams)
    }

    /// Returns whether the statement may end the transaction by itself, so that a mark may have to be set before it is
    /// sent.
    pub(in crate::session) fn wants_probe(&self, work: &BoundStatement) -> bool {
        work.template.effect().opaque && matches!(self, Self::Level { slot_level, .. } if slot_level.depth > 0)
    }

    /// Sets the mark that shows afterwards whether the transaction is still open, where code on the server may end it.
    /// Elsewhere the answer of the server is enough.
    pub(in crate::session) async fn probe(&mut self, work: &BoundStatement) -> Result<()> {
        let Self::Level { slot, level, .. } = self else {
            return Ok(());
        };
        let Some(lease) = slot.lease() else {
            return Err(given_up());
        };
        if !level.engine.transactions.code_may_commit {
            lease.set_transaction_unverified(true);
            return Ok(());
        }
        let set = run(lease, level.engine.transactions.probe.set).await;
        lease.set_transaction_unverified(set.is_ok());
        level.heeded(lease, set, Sent::Statement(work)).await
    }

    /// Returns whether there is something to do after the statement.
    pub(in crate::session) fn wants_care(&self, failed: bool, work: &BoundStatement) -> bool {
        match self {
            Self::Pooled { .. } => false,
            Self::Level { slot_level, level, .. } => {
                level.leaves_text_unknown(failed, work)
                    || (slot_level.depth > 0 && (failed || slot_level.is_to_be_asked_after(work)))
            }
        }
    }

    /// Does what is due after the statement: checks whether the transaction is still open.
    pub(in crate::session) async fn after<T>(&mut self, result: Result<T>, work: &BoundStatement) -> Result<T> {
        let ended = self.look_after(result.as_ref().err(), work).await;
        let Some(ended) = ended else { return result };
        Err(match result {
            Err(first) if first.kind() == ErrorKind::SandboxBroken => ended,
            // The first error is returned; the second shows the state of the transaction.
            Err(first) if ended.is_retryable() => first.retryable(),
            Err(first) => first,
            Ok(_) => ended,
        })
    }

    /// Settles the connection after the statement. [`after`](Self::after) determines what its error means for a
    /// transaction.
    pub(in crate::session) fn settled(&mut self, engine: &Engine, error: Option<&Error>, work: &BoundStatement) {
        self.note_control(work, error.is_some());
        let Ok(lease) = self.lease() else { return };
        lease.mark(InFlight::None);
        let Some(error) = error else {
            if let (Self::Level { level, .. }, false) = (&*self, work.template.effect().notifies.is_empty()) {
                level.notifies(work);
            }
            if work.template.effect().deferrable {
                // Also outside of sandboxes, which need to know it.
                engine.deferred.set(true);
            }
            if let (Self::Level { level, .. }, Control::Savepoint) = (&*self, work.template.control()) {
                // After ROLLBACK TO the transaction can be committed again.
                level.state.lock().failed = None;
            }
            return;
        };
        if error.is_fatal() {
            lease.lose();
        }
    }

    /// Checks whether the transaction is still open. SQLite may end it with an error (`ON CONFLICT ROLLBACK`,
    /// `RAISE(ROLLBACK)`, a full disk). MySQL may end it with errors that cannot be listed, and with a procedure that
    /// commits. Neither reports it. The next statement must not run outside of the transaction.
    async fn look_after(&mut self, error: Option<&Error>, work: &BoundStatement) -> Option<Error> {
        let Self::Level {
            slot,
            slot_level,
            level,
            ..
        } = self
        else {
            return None;
        };
        let lease = slot.lease()?;
        let probed = slot_level.depth > 0 && work.template.effect().opaque;
        let cause = match error {
            Some(error) => {
                let sent = if probed {
                    Sent::Probed(work)
                } else {
                    Sent::Statement(work)
                };
                match level.verdict(lease, error, sent).await {
                    Verdict::Stands => {
                        if level.leaves_text_unknown(true, work) {
                            level.look_after_text(lease, work.caller).await;
                        }
                        return None;
                    }
                    Verdict::Ended(cause) => cause,
                }
            }
            None if slot_level.depth == 0 || !slot_level.is_to_be_asked_after(work) => {
                if level.leaves_text_unknown(false, work) {
                    level.look_after_text(lease, work.caller).await;
                }
                return None;
            }
            None => match level.has_transaction(lease, probed).await {
                Ok(true) => return None,
                Ok(false) => {
                    lease.discard();
                    let (text, caller) = (excerpt(work.text()), work.caller);
                    level.end_by_server(&format!("the statement `{text}` of {caller} ended it"));
                    None
                }
                Err(conflict) => Some(level.ended_after(lease, conflict, work)),
            },
        };
        // The loss of the whole sandbox says more than its cause.
        match cause.filter(|_| level.engine.sandbox.is_none()) {
            Some(cause) => Some(cause),
            None => level.usable().err(),
        }
    }
}

impl Level {
    /// Returns whether the server is asked after a statement that succeeded whether the transaction is still open: after
    /// one that runs others, or may be read in more than one way; and after a script, if that costs no round trip.
    fn is_to_be_asked_after(&self, work: &BoundStatement) -> bool {
        work.template.effect().opaque || (self.engine.transactions.one_writer && work.template.statements() > 1)
    }

    /// Returns the error of a transaction that was found ended, with an error of its own, after a completed statement.
    fn ended_after(self: &Arc<Self>, lease: &mut Lease, error: Error, work: &BoundStatement) -> Error {
        let unanswered = error.leaves_open();
        let ended = self.ended_with(lease, error, true);
        lease.discard();
        self.end_by_server(&work.ended_by(&ended));
        if unanswered && self.engine.sandbox.is_none() {
            // The code that the statement ran may have committed.
            return ended.unknown(&work.named(), work.caller.place);
        }
        self.note_undone();
        ended
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::ConnectionLost, CLOSED_EARLIER).help(LOST)
}
