//! The turn to write, on a database that has one writer at a time.
//!
//! The writer that has the turn also has a connection and never waits for one. Otherwise all other writers would wait
//! with it, for something that may not concern them. See [`Engine::in_turn`].

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::OwnedMutexGuard;

use super::begin_options::{BeginOptions, Mode};
use super::text_transaction::Text;
use super::{ConnectionSlot, Level, LevelKind};
use crate::backend::Writers;
use crate::error::Result;
use crate::pool::{Caller, Claim, Lease, Place, Turn, TurnKind, TurnRequest, Writer, WriterGate};
use crate::session::engine::Engine;
use crate::session::limit::in_time;
use crate::session::scope::chain::{Chain, Owner};
use crate::session::statement::checkout::Checkout;
use crate::session::statement::run::{BoundStatement, Target};
use crate::sql::Control;

impl Engine {
    /// Returns the gate of its writers, if it has one and that is known.
    fn known_gate(&self) -> Option<&Arc<WriterGate>> {
        self.gate.get().and_then(Option::as_ref)
    }

    /// Finds the gate. The file can be identified only when it exists, and the first connection creates it.
    async fn find_gate(&self, caller: Caller) -> Result<Option<&Arc<WriterGate>>> {
        if self.gate.get().is_none() {
            let mut writers = self.pool.connector().writers();
            if matches!(writers, Writers::Unknown(_)) {
                drop(self.pool.acquire(caller).await?);
                writers = self.pool.connector().writers();
            }
            self.gate.get_or_init(|| match writers {
                Writers::Many => None,
                Writers::Of(one) | Writers::Unknown(one) => Some(WriterGate::of(one)),
            });
        }
        Ok(self.known_gate())
    }

    /// Takes the turn to write, where writers have to take turns.
    async fn turn(&self, chain: &Chain, caller: Caller, kind: TurnKind, place: Place) -> Result<Option<Turn>> {
        if !self.has_one_writer {
            return Ok(None);
        }
        if let Some(gate) = self.known_gate()
            && let Some(turn) = gate.try_enter(&self.request(caller, kind, place, &|_| false))
        {
            return Ok(Some(turn));
        }
        // Boxed, because another writer rarely has it.
        Box::pin(async {
            let Some(gate) = self.find_gate(caller).await? else {
                return Ok(None);
            };
            let is_own = |owner| chain.contains(owner);
            gate.enter(self.request(caller, kind, place, &is_own)).await.map(Some)
        })
        .await
    }

    fn request<'a>(
        &self,
        caller: Caller,
        kind: TurnKind,
        place: Place,
        is_own: &'a (dyn Fn(Owner) -> bool + Sync),
    ) -> TurnRequest<'a> {
        TurnRequest {
            caller,
            place,
            is_own,
            kind,
            busy: self.settings.busy_timeout,
            limit: self.settings.pool_timeout,
        }
    }

    /// Takes the turn, and a connection by `taking`.
    ///
    /// The turn comes first, so that waiting writers keep no connection from readers. The connection may not be
    /// available at once then: the pool is empty, or a shared connection is in use. In that case the turn goes to the
    /// next writer. It is taken again, in front of the queue, when the connection has come. The exception is a
    /// transaction of SQL text that is open there and has the turn, which `has_turn` reports. Of the writers that find
    /// no idle connection, only one at a time waits for the pool, and then for the turn with a connection.
    pub(in crate::session) async fn in_turn<T, F: Future<Output = Result<T>>>(
        &self,
        (chain, caller, kind): (&Chain, Caller, TurnKind),
        pooled: bool,
        taking: impl Fn() -> F,
        has_turn: impl FnOnce(&mut T) -> bool,
    ) -> Result<(T, Option<Turn>)> {
        let turn = self.turn(chain, caller, kind, Place::Last).await?;
        if !pooled || turn.is_none() || self.pool.has_idle() {
            let mut first = pin!(taking());
            let at_once = poll_fn(|context| Poll::Ready(first.as_mut().poll(context))).await;
            if let Poll::Ready(taken) = at_once {
                return Ok((taken?, turn));
            }
            // Not started again: it may have begun to check an idle connection, which a drop would close.
            drop(turn);
            let mut taken = first.await?;
            let turn = if has_turn(&mut taken) {
                None
            } else {
                self.turn(chain, caller, kind, Place::Front).await?
            };
            return Ok((taken, turn));
        }
        drop(turn);
        // Boxed, because the future of every writer would reserve room for the timer.
        let alone = Box::pin(in_time(self.settings.pool_timeout, self.before_pool.acquire())).await;
        let _alone = alone.ok_or_else(|| self.pool.starved(caller))?;
        let taken = taking().await?;
        Ok((taken, self.turn(chain, caller, kind, Place::Front).await?))
    }

    /// Takes the turn for a transaction that began without it, if the turn is free. It does not wait, because the other
    /// writers may wait for something that this transaction has read.
    fn turn_late(&self, caller: Caller, level: &Arc<Level>, lease: &mut Lease) {
        if !lease.has_turn()
            && let Some(gate) = self.known_gate()
            && let Some(turn) = gate.try_enter(&self.request(caller, TurnKind::Transaction, Place::Last, &|_| false))
        {
            turn.is_for(level.outermost().as_writer());
            lease.keep_turn(turn);
        }
    }
}

impl Target {
    /// Returns whether a statement takes the turn to write, or is in a transaction that has it.
    pub(in crate::session) fn wants_turn(&self, work: &BoundStatement) -> bool {
        self.engine().has_one_writer && work.template.effect().writes
    }

    /// Takes the turn and the connection for one statement. In a transaction it needs no turn of its own,
    /// because the transaction has it.
    pub(in crate::session) async fn check_out_in_turn(
        &self,
        work: &BoundStatement,
        chain: &Chain,
        what: &'static str,
    ) -> Result<Checkout> {
        let caller = work.caller;
        let begins = work.template.control() == Control::Begin;
        let level = self.level(chain, caller)?;
        let own = match &level {
            // A transaction cannot be begun as text there.
            None => !begins,
            Some(level) => level.kind == LevelKind::Base && !level.has_turn_of_text(),
        };
        if !own {
            let mut check_out = self.check_out(work, chain, what).await?;
            check_out.turn_late(work);
            return Ok(check_out);
        }
        if let Some(level) = &level {
            level.end_turn_of_dropped(chain, caller).await?;
        }
        let in_text = begins || level.as_ref().is_some_and(|level| level.is_in_text());
        let kind = if in_text {
            TurnKind::Transaction
        } else {
            TurnKind::Statement
        };
        let pooled = level.as_ref().is_none_or(|level| level.is_vacant());
        let holding = || self.check_out(work, chain, what);
        let has_turn =
            |check_out: &mut Checkout| matches!(check_out, Checkout::Level { level, .. } if level.has_turn_of_text());
        let taken = self.engine().in_turn((chain, caller, kind), pooled, holding, has_turn);
        let (mut check_out, turn) = taken.await?;
        match (&mut check_out, turn) {
            (Checkout::Pooled { lease, .. }, Some(turn)) => lease.keep_turn(turn),
            // The text may have ended, or begun, while the turn was waited for.
            (Checkout::Level { level, slot, .. }, Some(turn)) if begins || level.is_in_text() => {
                if let Some(lease) = slot.lease() {
                    level.keep_turn_of_text(lease, turn, chain.innermost());
                }
            }
            (Checkout::Level { level, under_way, .. }, Some(turn)) => {
                level.state.lock().turns.push((under_way.id, turn));
            }
            (_, None) => {}
        }
        Ok(check_out)
    }
}

impl Checkout {
    /// Returns whether the statement has the turn to write for itself.
    pub(in crate::session) fn has_own_turn(&self) -> bool {
        match self {
            Self::Pooled { lease, .. } => lease.has_turn(),
            Self::Level { under_way, .. } => under_way.has_turn(),
        }
    }

    /// Takes the turn with a statement that writes, in a transaction that began without the turn.
    pub(in crate::session) fn turn_late(&mut self, work: &BoundStatement) {
        if let Self::Level { level, slot, .. } = self
            && level.depth > 0
            && let Some(lease) = slot.lease()
        {
            level.engine.turn_late(work.caller, level, lease);
        }
    }

    /// Notes that a transaction was begun as SQL text.
    pub(in crate::session) fn begun_as_text(&mut self) {
        if let Self::Level { level, .. } = self
            && level.kind == LevelKind::Base
            && level.engine.has_one_writer
        {
            let owner = Chain::current().innermost();
            let mut state = level.state.lock();
            state.text.get_or_insert_with(|| Text::new(owner));
        }
    }

    /// Ends the turn of a transaction that began as SQL text and has ended as such.
    pub(in crate::session) fn end_turn_of_text(&mut self) {
        if let Self::Level { level, slot, .. } = self {
            level.end_turn_of_text(slot.lease());
        }
    }
}

impl BeginOptions {
    /// Returns whether the transaction is to be the one that writes.
    fn writes(self) -> bool {
        matches!(self.mode, Some(Mode::Immediate | Mode::Exclusive))
            || (!self.read_only && self.mode != Some(Mode::Deferred))
    }
}

/// A guard that rolls back what a beginning leaves open on a connection, if the beginning is cut off. If the beginning
/// has ended, it keeps the connection's lock, and the guard does nothing.
struct Unfinished<'n>(&'n Arc<Level>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.roll_back_soon();
    }
}

impl Writer for Level {
    fn owner(&self) -> Option<Owner> {
        let below = {
            let state = self.state.lock();
            state.parent.clone().filter(|_| state.ended.is_none())?
        };
        let state = below.state.lock();
        let own = state
            .child
            .as_ref()
            .filter(|child| std::ptr::eq(child.level.as_ptr(), self));
        own.map(|child| child.owner)
    }
}

impl Level {
    fn as_writer(self: &Arc<Self>) -> Weak<dyn Writer> {
        Arc::downgrade(self) as Weak<dyn Writer>
    }

    /// Returns whether a transaction is open here that was begun as SQL text.
    pub(in crate::session) fn is_in_text(&self) -> bool {
        self.state.lock().text.is_some()
    }

    /// Returns whether such a transaction has the turn.
    fn has_turn_of_text(&self) -> bool {
        self.state.lock().text.as_ref().is_some_and(|text| text.has_turn)
    }

    fn keep_turn_of_text(&self, lease: &mut Lease, turn: Turn, owner: Owner) {
        let mut state = self.state.lock();
        let text = state.text.get_or_insert_with(|| Text::new(owner));
        text.has_turn = true;
        turn.is_for(Arc::downgrade(&text.claim) as Weak<dyn Writer>);
        drop(state);
        lease.keep_turn(turn);
    }

    pub(in crate::session) fn end_turn_of_text(&self, lease: Option<&mut Lease>) {
        let text = self.state.lock().text.take();
        if let (Some(lease), Some(_)) = (lease, text) {
            lease.end_turn();
        }
    }

    /// Ends the turn of a transaction that was begun as SQL text, if an error has ended it (`INSERT OR ROLLBACK`).
    pub(in crate::session) async fn look_after_text(self: &Arc<Self>, lease: &mut Lease) {
        if self.is_in_text() && !self.has_transaction(lease, false).await.unwrap_or(false) {
            self.end_turn_of_text(Some(lease));
        }
    }

    /// Returns whether its connection has to come from the pool.
    fn is_vacant(&self) -> bool {
        self.slot
            .try_lock()
            .is_ok_and(|mut slot| slot.lease().is_none_or(|lease| lease.is_lost()))
    }

    /// Returns whether a transaction that begins here takes the turn to write.
    pub(in crate::session) fn begins_writing(&self, options: BeginOptions) -> bool {
        self.kind == LevelKind::Base && self.engine.has_one_writer && options.writes()
    }

    /// Takes the turn and begins the transaction that has it.
    pub(in crate::session) async fn begin_in_turn(
        self: &Arc<Self>,
        options: BeginOptions,
        closure: bool,
        chain: &Chain,
        owner: Owner,
        caller: Caller,
    ) -> Result<Arc<Self>> {
        // Registered from the start, so that a second begin in parallel is noticed while it waits for its turn.
        let _under_way = self.enter(chain.innermost(), caller, Self::BEGINNING);
        let _unfinished = Unfinished(self);
        let claim = Arc::new(Claim(owner));
        let locking = || self.lock_for(chain, caller, options.isolation);
        let (mut slot, turn) = if self.is_in_text() {
            // SQLite refuses a second BEGIN.
            (locking().await?, None)
        } else {
            self.end_turn_of_dropped(chain, caller).await?;
            let has_turn = |_: &mut OwnedMutexGuard<ConnectionSlot>| self.has_turn_of_text();
            let who = (chain, caller, TurnKind::Transaction);
            self.engine.in_turn(who, self.is_vacant(), locking, has_turn).await?
        };
        // Kept with the connection, so that the turn lasts as long as something may be open there.
        if let (Some(turn), Some(lease)) = (turn, slot.lease()) {
            turn.is_for(Arc::downgrade(&claim) as Weak<dyn Writer>);
            lease.keep_turn(turn);
        }
        let level = self.begin_on(slot, options, closure, owner, caller).await?;
        if let Ok(mut slot) = level.slot.try_lock()
            && let Some(turn) = slot.lease().and_then(|lease| lease.turn())
        {
            turn.is_for(level.as_writer());
        }
        Ok(level)
    }

    /// Ends the turn of a transaction that was dropped on this connection. The turn lasts until the transaction is
    /// rolled back, which the next user of the connection does.
    async fn end_turn_of_dropped(self: &Arc<Self>, chain: &Chain, caller: Caller) -> Result<()> {
        let left = self
            .slot
            .try_lock()
            .is_ok_and(|mut slot| slot.lease().is_some_and(|lease| lease.has_turn()));
        if left {
            drop(self.lock(chain, caller).await?);
        }
        Ok(())
    }

    /// Rolls back what was left open on this connection, without waiting for its next use: the other writers could not
    /// write until then. A connection without users is cleaned by its lease.
    pub(in crate::session) fn roll_back_soon(self: &Arc<Self>) {
        // Without another user, the lease cleans the connection when it is dropped here.
        if self.kind != LevelKind::Base || !self.engine.has_one_writer || Arc::strong_count(self) == 1 {
            return;
        }
        let handle = {
            // The holder of the lock rolls back.
            let Ok(mut slot) = self.slot.try_lock() else { return };
            let left = slot.lease().filter(|lease| lease.depth() > 0 || lease.was_cut());
            let Some(lease) = left else { return };
            lease.handle().clone()
        };
        let level = Arc::downgrade(self);
        handle.spawn(async move {
            let Some(level) = level.upgrade() else { return };
            if let Err(error) = level.lock(&Chain::current(), level.opened).await {
                tracing::debug!(%error, "a transaction that was dropped was ended by closing its connection");
            }
        });
    }
}
