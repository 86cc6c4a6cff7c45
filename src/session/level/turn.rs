//! Turns on a connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::probe::is_open;
use super::unfinished::Unfinished;
use super::verdict::Sent;
use super::{ConnectionSlot, Level, LevelKind};
use crate::config::IsolationLevel;
use crate::error::{CLOSED_EARLIER, Error, ErrorKind, Result};
use crate::pool::{Caller, Drain, InFlight, Lease, SETTLE_LIMIT, TurnKind, drain};
use crate::session::limit::in_time;
use crate::session::scope::chain::Chain;
use crate::session::statement::internal::run;

impl Level {
    /// Waits for the turn on this level's connection, in the order of requests. An open stream buffers the rest of its
    /// rows. The connection is then idle and exactly as deep in transactions as this level is.
    pub(in crate::session) async fn lock(
        self: &Arc<Self>,
        chain: &Chain,
        caller: Caller,
    ) -> Result<OwnedMutexGuard<ConnectionSlot>> {
        self.lock_for(chain, caller, None).await
    }

    /// Does the same for a transaction. If it is the first use of the sandbox, that begins with the requested isolation
    /// level.
    pub(in crate::session) async fn lock_for(
        self: &Arc<Self>,
        chain: &Chain,
        caller: Caller,
        isolation: Option<IsolationLevel>,
    ) -> Result<OwnedMutexGuard<ConnectionSlot>> {
        let level = self.slot_level();
        let mut slot = if let Ok(slot) = Arc::clone(&level.slot).try_lock_owned() {
            slot
        } else {
            self.usable()?;
            // Boxed, or the future of every statement would contain this one.
            Box::pin(level.queue(chain, caller)).await?
        };
        self.usable()?;
        if self.engine.sandbox.is_some() {
            level.state.lock().holder = Some((caller, Instant::now()));
        }
        let ready = slot
            .lease()
            .is_some_and(|lease| lease.is_ready() && lease.depth() == level.depth);
        if !ready {
            slot = Box::pin(level.prepare(slot, caller, isolation)).await?;
        }
        Ok(slot)
    }

    async fn queue(self: &Arc<Self>, chain: &Chain, caller: Caller) -> Result<OwnedMutexGuard<ConnectionSlot>> {
        if let Some(child) = self.state.lock().child.clone()
            && chain.contains(child.owner)
        {
            return Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "{caller} waits for a connection that its own task holds in the transaction begun at {}",
                    child.opened.place
                ),
            )
            .help("use the inner transaction here, or end it first"));
        }
        let limit = self.patience();
        // The lock may have been handed over when this is cut off.
        let _unfinished = Unfinished::new(self);
        let _waiting = self.wait(caller);
        let _wanted = self.wanted(chain);
        let turn = async {
            let mut locking = std::pin::pin!(Arc::clone(&self.slot).lock_owned());
            loop {
                let mut opened = std::pin::pin!(self.stream_opened.notified());
                opened.as_mut().enable();
                let stream = self.state.lock().stream.as_ref().and_then(std::sync::Weak::upgrade);
                let drained = async {
                    match &stream {
                        Some(stream) => drain(&**stream).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    slot = &mut locking => return Ok(slot),
                    drained = drained => {
                        drained?;
                        if let Some(stream) = &stream {
                            self.forget_stream(stream);
                        }
                    }
                    () = opened => {}
                }
            }
        };
        match timeout(limit, turn).await {
            Ok(slot) => slot,
            Err(_) => Err(self.busy(caller, limit).await),
        }
    }

    fn forget_stream(&self, stream: &Arc<dyn Drain>) {
        let mut state = self.state.lock();
        if state
            .stream
            .as_ref()
            .is_some_and(|known| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(stream)))
        {
            state.stream = None;
        }
    }

    fn patience(&self) -> Duration {
        let settings = &self.engine.settings;
        if self.engine.sandbox.is_some() {
            settings.lease_timeout
        } else {
            settings.pool_timeout
        }
    }

    /// Acquires the connection at first use and leaves it as deep as this level.
    async fn prepare(
        self: &Arc<Self>,
        slot: OwnedMutexGuard<ConnectionSlot>,
        caller: Caller,
        isolation: Option<IsolationLevel>,
    ) -> Result<OwnedMutexGuard<ConnectionSlot>> {
        let unfinished = Unfinished::new(self);
        // Dropped before the guard if this is cut off.
        let mut slot = slot;
        let prepared = self.make_ready(&mut slot, caller, isolation).await;
        unfinished.done();
        prepared.map(|()| slot)
    }

    async fn make_ready(
        self: &Arc<Self>,
        slot: &mut ConnectionSlot,
        caller: Caller,
        isolation: Option<IsolationLevel>,
    ) -> Result<()> {
        let lost = self.kind == LevelKind::Base && slot.lease().is_some_and(|lease| lease.is_lost());
        if lost || matches!(slot, ConnectionSlot::Vacant) {
            let (mut lease, turn) = if self.kind == LevelKind::Sandbox {
                let who = (&Chain::current(), caller, TurnKind::Sandbox);
                self.engine
                    .in_turn(who, None, || self.acquire(caller), |_| false)
                    .await?
            } else {
                (self.acquire(caller).await?, None)
            };
            if let Some(turn) = turn {
                lease.keep_turn(turn);
            }
            if self.kind == LevelKind::Sandbox {
                // The outer transaction of force rollback begins with the first use.
                if let Err(error) = self.begin_outer(&mut lease, isolation).await {
                    if !lease.is_lost() || !self.is_private() {
                        return Err(error);
                    }
                    // The copy could not be recreated; another connection creates another.
                    lease = self.acquire(caller).await?;
                    self.begin_outer(&mut lease, isolation).await?;
                }
            }
            self.end_text(None);
            *slot = ConnectionSlot::Lease(lease);
        }
        let Some(lease) = slot.lease() else {
            return Err(self.gone(CLOSED_EARLIER));
        };
        if lease.is_lost() {
            return Err(self.gone("its connection was lost"));
        }
        if let Err(error) = self.level_out(lease).await {
            if lease.is_lost() {
                self.end_by_server(error.message());
            }
            if error.ends_transaction() && self.engine.sandbox.is_none() {
                // The server's own error; running it again may help.
                return Err(error);
            }
            // The loss of a transaction, or of the whole sandbox, says more than its cause.
            return Err(self.usable().err().unwrap_or(error));
        }
        Ok(())
    }

    async fn acquire(&self, caller: Caller) -> Result<Lease> {
        let acquired = self.engine.pool.acquire(caller).await;
        let warns_on_stderr = self.sandbox().is_some_and(|sandbox| sandbox.plan.warns_on_stderr);
        acquired.map_err(|error| match error.kind() {
            ErrorKind::NotConnected if warns_on_stderr => Error::new(
                ErrorKind::NotConnected,
                "the database on which this sandbox was opened was disconnected",
            )
            .help("keep it connected as long as its sandboxes are used"),
            _ => error,
        })
    }

    async fn level_out(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        // A statement that was cut off may have ended the transaction. SQLite does so if a statement says OR ROLLBACK,
        // MySQL with a deadlock that was not reported.
        let rules = self.engine.transactions;
        let was_cut = lease.was_cut();
        let cut = was_cut && rules.statements_may_end;
        let depth = lease.ready().await?.depth();
        let unverified = lease.is_transaction_unverified();
        if self.depth > 0 && (cut || unverified) {
            match self.has_transaction(lease, unverified).await {
                Ok(true) => {}
                // A statement that may have committed by itself is not run again because of a later error.
                Err(conflict) if !unverified => {
                    let conflict = self.ended_with(lease, conflict, false);
                    lease.discard();
                    self.end_by_server(conflict.message());
                    self.note_undone();
                    return Err(conflict);
                }
                Ok(false) | Err(_) => {
                    lease.discard();
                    return Err(self.gone("a statement that was cancelled ended it"));
                }
            }
        }
        if depth > self.depth {
            self.go_back(lease).await?;
            if let Some(statement_log) = self.engine.statement_log() {
                statement_log.note("-- a transaction that was dropped unfinished was rolled back");
            }
            if self.depth == 0 {
                lease.set_transaction_unverified(false);
                drop(lease.take_writers());
            }
        } else if depth < self.depth {
            return Err(self.gone("the transaction is no longer open on the server"));
        }
        // Also where the server has done a rollback whose answer was not waited for.
        lease.undo(self.depth).await?;
        if was_cut && self.kind == LevelKind::Base && (self.is_in_text() || lease.may_be_in_text()) {
            self.look_after_text(lease, self.opened).await;
        }
        if self.depth == 0 && !self.is_in_text() {
            // The transaction that had the turn was rolled back, now or before.
            lease.end_turn();
        }
        Ok(())
    }

    /// Returns whether the transaction is still open on the server, after something that may have ended it. `probed` is
    /// `true` if a probe savepoint was set before that. An error means that the server ended the transaction with this
    /// error, or that the connection was lost.
    pub(in crate::session) async fn has_transaction(&self, lease: &mut Lease, probed: bool) -> Result<bool> {
        lease.set_transaction_unverified(probed);
        let rules = self.engine.transactions;
        let asked = if probed && rules.code_may_commit {
            // A transaction that was ended and begun again is another one, which does not have the probe savepoint. It
            // is set again, so that it can be checked once more if the answer is not awaited.
            run(lease, rules.probe.ask).await.map(|()| true)
        } else {
            // On its own thread a dropped call runs to its end, and the next call can check again.
            let apart = lease.raw().is_ok_and(|raw| raw.is_apart()) || rules.finishes_dropped_calls;
            is_open(lease, if apart { InFlight::Statement } else { InFlight::Boundary }).await
        };
        lease.set_transaction_unverified(false);
        match asked {
            Err(error) if !error.is_fatal() && !error.ends_transaction() => Ok(false),
            asked => asked,
        }
    }

    /// Undoes the levels above this one, which were dropped. As after a dropped statement, a waiter has no other
    /// connection to use: what is open on this one would be lost with it.
    async fn go_back(self: &Arc<Self>, lease: &mut Lease) -> Result<()> {
        lease.mark(InFlight::Statement);
        let undone = in_time(SETTLE_LIMIT, lease.raw()?.rollback_to(self.depth)).await;
        let undone = undone.unwrap_or_else(|| Err(unanswered()));
        lease.mark(InFlight::None);
        let Err(error) = undone.map_err(|error| self.judged(error)) else {
            return Ok(());
        };
        self.heed(lease, &error, Sent::Boundary("ROLLBACK TO SAVEPOINT")).await;
        // Changes that could not be undone must not be committed.
        lease.discard();
        Err(error)
    }

    fn gone(self: &Arc<Self>, why: &str) -> Error {
        self.end_by_server(why);
        self.usable()
            .err()
            .unwrap_or_else(|| Error::new(ErrorKind::ConnectionLost, why.to_owned()))
    }
}

/// Returns the error for the rollback of a dropped level that is not answered.
fn unanswered() -> Error {
    Error::new(
        ErrorKind::ConnectionLost,
        format!("a transaction that was dropped could not be rolled back within {SETTLE_LIMIT:?}, so its connection was closed"),
    )
    .help("nothing was sent afterwards; run the work again from its beginning")
    .retryable()
}
