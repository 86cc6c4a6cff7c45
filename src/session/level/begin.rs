//! The beginning and the end of a level.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::Child;
use super::leave::Leaving;
use super::verdict::Sent;
use super::{ConnectionSlot, Ended, Finish, Level, LevelKind};
use crate::backend::rules::{BeginOptions, ReadOnly};
use crate::backend::{Begin, ServerRules};
use crate::error::{CLOSED_EARLIER, Error, ErrorKind, LOST, Result};
use crate::pool::{Caller, InFlight, Lease};
use crate::session::level::siblings::beside_siblings;
use crate::session::scope::chain::{Chain, Owner};
use crate::session::statement::observe::Observation;

impl Level {
    /// Opens the next level: `BEGIN`, or a savepoint.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        options: BeginOptions,
        closure: bool,
        chain: &Chain,
        owner: Owner,
        caller: Caller,
    ) -> Result<Arc<Self>> {
        let _under_way = self.enter(chain, caller, Self::BEGINNING);
        let slot = self.lock_for(chain, caller, options.isolation).await?;
        // Boxed, because the future of every transaction has room for this one.
        Box::pin(self.begin_on(slot, options, closure, owner, caller)).await
    }

    /// Does the same on the connection whose lock is `slot`.
    pub(in crate::session) async fn begin_on(
        self: &Arc<Self>,
        mut slot: OwnedMutexGuard<ConnectionSlot>,
        options: BeginOptions,
        closure: bool,
        owner: Owner,
        caller: Caller,
    ) -> Result<Arc<Self>> {
        if self.is_in_text() {
            Box::pin(self.refuse_in_text(&mut slot, caller)).await?;
        }
        let level = self.slot_level();
        let span = self.transaction_span(caller);
        let what = if level.depth == 0 { "BEGIN" } else { "SAVEPOINT" };
        let observation = Observation::beginning(&self.engine, span.as_deref(), what);
        let begun = match slot.lease() {
            Some(lease) => {
                self.engine.sends(lease);
                let sending = pin!(level.send_begin(lease, options, caller));
                if closure {
                    sending.await
                } else {
                    beside_siblings(sending).await
                }
            }
            None => Err(Error::new(ErrorKind::ConnectionLost, CLOSED_EARLIER).help(LOST)),
        };
        self.engine.was_answered(slot.lease(), what, caller.place);
        let begun = begun.map_err(|error| self.judged(error));
        if begun.as_ref().is_err_and(Error::is_retryable) {
            self.note_retryable();
        }
        observation.end(None, begun.as_ref().err());
        if begun.is_err()
            && level.depth == 0
            && let Some(lease) = slot.lease()
        {
            lease.end_turn();
        }
        begun?;
        let level = level.open(self, slot, options, closure, owner, caller);
        level.state.lock().span = span;
        Ok(level)
    }

    /// Sends the statement that begins the level above this one.
    async fn send_begin(self: &Arc<Self>, lease: &mut Lease, options: BeginOptions, caller: Caller) -> Result<()> {
        let rules = self.engine.rules();
        let outermost = self.depth == 0;
        let begin = if outermost {
            Some(Begin::with(rules, options.settled(&self.engine))?)
        } else {
            options.nested(rules, self.kind == LevelKind::Sandbox)?;
            if self.kind == LevelKind::Sandbox
                && let Some(isolation) = options.isolation
            {
                self.other_isolation(isolation, caller.place)?;
            }
            None
        };
        lease.mark(if outermost {
            InFlight::Boundary
        } else {
            InFlight::Statement
        });
        let answer = lease.raw()?.begin(begin).await;
        lease.mark(InFlight::None);
        if let Err(error) = answer {
            // Boxed, or the future of every transaction would contain this one.
            Box::pin(self.not_begun(lease, options, error)).await?;
        }
        if options.read_only && !self.only_reads() {
            Box::pin(self.read_only(lease)).await?;
        }
        Ok(())
    }

    /// Handles the server's refusal to begin the level above this one.
    async fn not_begun(self: &Arc<Self>, lease: &mut Lease, options: BeginOptions, mut error: Error) -> Result<()> {
        let outermost = self.depth == 0;
        let locks = outermost && self.engine.transactions.one_writer;
        if locks && options.mode.is_none() && error.kind() == ErrorKind::ReadOnly {
            // The connection may only read (`PRAGMA query_only`), so there is no lock to take.
            lease.mark(InFlight::Boundary);
            let begun = lease.raw()?.begin(None).await;
            lease.mark(InFlight::None);
            match begun {
                Ok(()) => {
                    // It cannot write, so it needs no turn.
                    lease.end_turn();
                    return Ok(());
                }
                Err(second) => error = second,
            }
        }
        let sent = Sent::Boundary(if outermost { "BEGIN" } else { "SAVEPOINT" });
        self.heed(lease, &error, sent).await;
        if locks && error.kind() == ErrorKind::LockTimeout {
            // Without the lock nothing has begun, and the session keeps its own state.
            lease.mark(InFlight::None);
        } else if outermost {
            // It is unknown whether something was begun.
            lease.discard();
        }
        if error.kind() == ErrorKind::SandboxBroken {
            self.usable()?;
        }
        Err(error)
    }

    /// Creates the level above this one, on the connection whose lock is `slot`. `from` is the view it was begun
    /// through.
    fn open(
        self: &Arc<Self>,
        from: &Arc<Self>,
        slot: OwnedMutexGuard<ConnectionSlot>,
        options: BeginOptions,
        closure: bool,
        owner: Owner,
        caller: Caller,
    ) -> Arc<Self> {
        let kind = LevelKind::Transaction { closure };
        let level = Self::new(
            &self.engine,
            kind,
            self.depth + 1,
            caller,
            Some(Arc::clone(from)),
            ConnectionSlot::Parent(slot),
        );
        {
            let mut state = level.state.lock();
            state.rollback_only = options.rollback_only;
            state.read_only =
                options.read_only && self.depth > 0 && self.engine.transactions.read_only == ReadOnly::AtBegin;
        }
        let child = Child {
            level: Arc::downgrade(&level),
            opened: caller,
            since: Instant::now(),
            owner,
            who: caller.who,
            closure,
        };
        if !Arc::ptr_eq(self, from) {
            from.state.lock().child = Some(child.clone());
        }
        self.state.lock().child = Some(child);
        level
    }

    /// Commits or rolls back this level.
    ///
    /// Dropped half-way, the level has ended all the same. If it is unknown whether the connection committed, the
    /// connection is discarded.
    pub(crate) async fn finish(
        self: &Arc<Self>,
        how: Finish,
        chain: &Chain,
        place: &'static Location<'static>,
    ) -> Result<()> {
        let caller = Caller::at(place);
        let _under_way = self.enter(chain, caller, "ending a transaction");
        if how == Finish::Rollback && self.is_undone() {
            return self.finish_undone(caller);
        }
        self.usable()?;
        let mut slot = if self.has_child() {
            // Boxed, because the future of every end has room for this one.
            Box::pin(self.lock_after_child(chain, caller)).await?
        } else {
            self.lock(chain, caller).await?
        };
        // Whoever has this lock knows that no level above is open, even if the last one has not been removed yet.
        let (how, sent, failed, retryable) = {
            let mut state = self.state.lock();
            let how = if state.rollback_only { Finish::Rollback } else { how };
            let failed = state.failed.take();
            // A rollback certainly keeps nothing, even if it is cut off.
            let sent = if failed.is_some() { Finish::Rollback } else { how };
            state.ended = Some(match sent {
                Finish::Commit => Ended::Interrupted(place),
                Finish::Rollback => Ended::RolledBack(place),
            });
            (how, sent, failed, state.retryable)
        };
        let what = match (how, self.depth) {
            (Finish::Commit, 1) => "COMMIT",
            (Finish::Commit, _) => "RELEASE SAVEPOINT",
            (Finish::Rollback, 1) => "ROLLBACK",
            (Finish::Rollback, _) => "ROLLBACK TO SAVEPOINT",
        };
        let observation = Observation::ending(&self.engine, self, what);
        let _leaving = Leaving(self);
        let mut held = std::mem::replace(&mut *slot, ConnectionSlot::Gone);
        drop(slot);
        let _wrote = self.note_commit(how, chain, held.lease());
        let result = match held.lease() {
            Some(lease) => {
                self.engine.sends(lease);
                self.finish_on(lease, how, failed).await
            }
            None => Err(Error::new(ErrorKind::ConnectionLost, CLOSED_EARLIER).help(LOST)),
        };
        self.engine.was_answered(held.lease(), what, place);
        let result = result.map_err(|error| self.judged_end(sent, error, place));
        observation.end(None, result.as_ref().err());
        if result.as_ref().is_err_and(Error::is_retryable) {
            self.note_retryable();
        }
        if sent == Finish::Rollback && self.depth == 1 {
            // The transaction was given up for a reason of its own, not because its rollback went unanswered.
            self.state.lock().retryable = retryable;
        }
        self.state.lock().ended = Some(match &result {
            Ok(()) if how == Finish::Commit => Ended::Committed(place),
            Err(error) if error.outcome_unknown() => Ended::Interrupted(place),
            _ => Ended::RolledBack(place),
        });
        self.close_span();
        result
    }

    /// Completes the rollback of a level that the server has rolled back already.
    fn finish_undone(self: &Arc<Self>, caller: Caller) -> Result<()> {
        self.innermost(caller)?;
        if !matches!(self.ended(), Some(Ended::ByServer(_))) {
            return self.usable();
        }
        self.state.lock().ended = Some(Ended::RolledBack(caller.place));
        self.close_span();
        self.let_go();
        Ok(())
    }

    async fn finish_on(self: &Arc<Self>, lease: &mut Lease, how: Finish, failed: Option<String>) -> Result<()> {
        let below = self.depth - 1;
        let aborted = failed.map(|failed| aborted(self.engine.rules(), &failed));
        let result = match (how, aborted) {
            (Finish::Rollback, _) => self.roll_back(lease, below).await,
            (Finish::Commit, Some(aborted)) => self.roll_back(lease, below).await.and(Err(aborted)),
            (Finish::Commit, None) => {
                // The driver's side counts a savepoint even if the call is dropped.
                lease.mark(if self.depth > 1 {
                    InFlight::Statement
                } else {
                    InFlight::Boundary
                });
                let committing = lease.raw()?.commit(None);
                let committed = match self.engine.streams.as_ref().filter(|_| self.depth == 1) {
                    // Boxed, because the future of every end has room for this one.
                    Some(streams) => Box::pin(streams.beside(committing, None)).await,
                    None => committing.await,
                };
                lease.mark(InFlight::None);
                match committed {
                    Ok(()) => Ok(()),
                    // Boxed, or the future of every end would contain this one.
                    Err(error) => Err(Box::pin(self.not_committed(lease, error)).await),
                }
            }
        };
        if lease.depth() == 0 {
            lease.end_turn();
        }
        if !lease.is_lost()
            && let Err(error) = lease.undo(below).await
        {
            self.not_restored(lease, &error);
        }
        result
    }

    /// Undoes what is left of a level whose commit the server refused. Returns the first error, because later ones are
    /// consequences of it.
    async fn not_committed(self: &Arc<Self>, lease: &mut Lease, error: Error) -> Error {
        let stands = if self.depth > 1 {
            self.heed(lease, &error, Sent::Boundary("RELEASE SAVEPOINT")).await
        } else {
            if error.is_fatal() {
                lease.lose();
            }
            !lease.is_lost()
        };
        if stands && let Err(second) = self.roll_back(lease, self.depth - 1).await {
            tracing::debug!(error = %second, "rolling back after a refused commit failed");
        }
        error
    }

    async fn roll_back(self: &Arc<Self>, lease: &mut Lease, depth: usize) -> Result<()> {
        let hurried = depth == 0 && self.state.lock().hurried;
        lease.mark(if hurried {
            InFlight::Boundary
        } else {
            InFlight::Statement
        });
        match lease.raw()?.rollback_to(depth).await {
            Ok(()) => {
                lease.mark(InFlight::None);
                Ok(())
            }
            Err(error) => Box::pin(self.not_rolled_back(lease, error, depth)).await,
        }
    }

    async fn not_rolled_back(self: &Arc<Self>, lease: &mut Lease, error: Error, depth: usize) -> Result<()> {
        let error = self.judged(error);
        let sent = Sent::Boundary(if depth > 0 { "ROLLBACK TO SAVEPOINT" } else { "ROLLBACK" });
        self.heed(lease, &error, sent).await;
        // Closing the connection undoes what is open on it.
        lease.discard();
        if depth > 0 {
            self.end_by_server(&sent.ended_by(&error));
        }
        // If the server has rolled back by itself, the request is fulfilled.
        if error.ends_transaction() { Ok(()) } else { Err(error) }
    }

    /// Discards a connection whose settings could not be restored. The outcome of the level is known, but a setting
    /// made for that level alone must not stay.
    fn not_restored(self: &Arc<Self>, lease: &mut Lease, error: &Error) {
        lease.discard();
        if let ReadOnly::Setting { restore, .. } = self.engine.transactions.read_only
            && self.depth > 1
        {
            self.end_by_server(&Sent::Boundary(restore).ended_by(error));
        }
    }
}

fn aborted(rules: &dyn ServerRules, failed: &str) -> Error {
    let way_out = if rules.transactions().savepoints {
        "put a statement that may fail into a nested transaction"
    } else {
        "run a statement that may fail outside of it"
    };
    Error::new(
        ErrorKind::TransactionAborted,
        format!("the transaction was rolled back instead of committed, because a statement in it had failed: {failed}"),
    )
    .help(format!(
        "on {} a failed statement aborts its transaction; {way_out}",
        rules.name()
    ))
}
