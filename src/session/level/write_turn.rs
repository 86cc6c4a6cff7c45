//! The turn to write, on a database that has one writer at a time.
//!
//! The writer that has the turn also has a connection and never waits for one. Otherwise all other writers would wait
//! with it, for something that may not concern them. See [`Engine::in_turn`].

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::{OwnedMutexGuard, SemaphorePermit};

use super::unfinished::Unfinished;
use super::{ConnectionSlot, Level, LevelKind};
use crate::backend::Writers;
use crate::backend::rules::BeginOptions;
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
    async fn turn(&self, (chain, caller, kind): (&Chain, Caller, TurnKind), place: Place) -> Result<Option<Turn>> {
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

    /// Takes the turn, and a connection by `taking`: that of `level`, or one of the pool.
    ///
    /// The turn comes first, so that waiting writers keep no connection from readers. The connection may not be
    /// available at once then: the pool is empty, or a shared connection is in use. In that case the turn goes to the
    /// next writer. It is taken again, in front of the queue, when the connection has come. The exception is a
    /// transaction of SQL text that is open there and has the turn, which `has_turn` reports. Of the writers that find
    /// no idle connection, only one at a time waits for the pool, and then for the turn with a connection.
    pub(in crate::session) async fn in_turn<T, F: Future<Output = Result<T>>>(
        &self,
        who: (&Chain, Caller, TurnKind),
        level: Option<&Arc<Level>>,
        taking: impl Fn() -> F,
        has_turn: impl Fn(&mut T) -> bool,
    ) -> Result<(T, Option<Turn>)> {
        let mut place = Place::Last;
        loop {
            let Some(turn) = self.turn(who, place).await? else {
                return Ok((taking().await?, None));
            };
            place = Place::Front;
            let mut taking = pin!(taking());
            let starved = level.is_none_or(|level| level.is_vacant()) && !self.pool.has_idle();
            if !starved {
                let at_once = poll_fn(|context| Poll::Ready(taking.as_mut().poll(context))).await;
                if let Poll::Ready(taken) = at_once {
                    return Ok((taken?, Some(turn)));
                }
                // Not started again: it may have begun to check an idle connection, which a drop would close.
            }
            drop(turn);
            let _next = if starved {
                Some(self.next_writer(who.1).await?)
            } else {
                None
            };
            let mut taken = taking.await?;
            if has_turn(&mut taken) {
                return Ok((taken, None));
            }
            if let Some(turn) = self.turn_unless_wanted(who, level).await? {
                return Ok((taken, Some(turn)));
            }
        }
    }

    /// Waits until no other writer waits for a connection of the pool.
    async fn next_writer(&self, caller: Caller) -> Result<SemaphorePermit<'_>> {
        // Boxed, because the future of every writer would reserve room for the timer.
        let alone = Box::pin(in_time(self.settings.pool_timeout, self.pool.next_writer.acquire())).await;
        alone.and_then(Result::ok).ok_or_else(|| match self.known_gate() {
            // Connections are free; the other writers wait for the turn.
            Some(gate) if self.pool.has_idle() => {
                let limit = self.settings.pool_timeout;
                gate.kept_from(&TurnRequest {
                    busy: limit,
                    ..self.request(caller, TurnKind::Statement, Place::Last, &|_| false)
                })
            }
            _ => self.pool.starved(caller),
        })
    }

    /// Waits for the turn in front of the queue, with the connection of `level`. Returns `None` if the connection has to
    /// be released first, because the holder of the turn waits for it.
    async fn turn_unless_wanted(
        &self,
        who: (&Chain, Caller, TurnKind),
        level: Option<&Arc<Level>>,
    ) -> Result<Option<Turn>> {
        let mut turn = pin!(self.turn(who, Place::Front));
        loop {
            let mut wanted = pin!(self.wanted.notified());
            wanted.as_mut().enable();
            if level.is_some_and(|level| level.state.lock().wanted > 0) {
                return Ok(None);
            }
            tokio::select! {
                biased;
                turn = &mut turn => return turn,
                () = wanted => {}
            }
        }
    }

    /// Takes the turn for a transaction that began without it, if the turn is free. It does not wait, because the other
    /// writers may wait for something that this transaction has read. One that cannot write gets no turn.
    fn turn_late(&self, caller: Caller, level: &Arc<Level>, lease: &mut Lease) {
        if !lease.has_turn()
            && !lease.is_read_only()
            && !level.only_reads()
            && let Some(gate) = self.known_gate()
            && let Some(turn) = gate.try_enter(&self.request(caller, TurnKind::Transaction, Place::Last, &|_| false))
        {
            if level.kind == LevelKind::Base {
                level.keep_turn_of_text(lease, turn, caller);
            } else {
                turn.is_for(level.outermost().as_writer());
                lease.keep_turn(turn);
            }
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
        let (caller, control) = (work.caller, work.template.control());
        let begins = control == Control::Begin;
        let level = self.level(chain, caller)?;
        let own = match &level {
            // A BEGIN alone is refused there.
            None => !begins || work.template.statements() > 1,
            Some(level) => level.waits_for_turn(),
        };
        if !own {
            let mut check_out = self.check_out(work, chain, what).await?;
            if !check_out.is_outside() {
                check_out.turn_late(work);
                return Ok(check_out);
            }
            // The transaction of SQL text ended while its connection was waited for.
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
        let taking = || self.check_out(work, chain, what);
        let has_turn =
            |check_out: &mut Checkout| matches!(check_out, Checkout::Level { level, .. } if level.has_turn_of_text());
        let taken = self
            .engine()
            .in_turn((chain, caller, kind), level.as_ref(), taking, has_turn);
        let (mut check_out, turn) = taken.await?;
        match (&mut check_out, turn) {
            (Checkout::Pooled { lease, .. }, Some(turn)) => lease.keep_turn(turn),
            (
                Checkout::Level {
                    level, slot, under_way, ..
                },
                Some(turn),
            ) => {
                let lease = slot.lease();
                // The text may have ended, or begun, while the turn was waited for.
                match lease {
                    // A transaction began on the shared connection meanwhile.
                    Some(lease) if level.depth > 0 => {
                        if !lease.has_turn() && !lease.is_read_only() && !level.only_reads() {
                            turn.is_for(level.outermost().as_writer());
                            lease.keep_turn(turn);
                        }
                    }
                    Some(lease) if begins || level.is_in_text() => level.keep_turn_of_text(lease, turn, caller),
                    Some(lease) if control != Control::None => {
                        // What it leaves open is known afterwards.
                        lease.keep_turn(turn);
                        level.note_text(Some(lease), caller);
                    }
                    _ => level.state.lock().turns.push((under_way.id, turn)),
                }
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

    /// Returns whether the statement is in no transaction, of the library or of SQL text.
    fn is_outside(&self) -> bool {
        matches!(self, Self::Level { level, .. } if level.depth == 0 && !level.is_in_text())
    }

    /// Takes the turn with a statement that writes, in a transaction that began without the turn.
    fn turn_late(&mut self, work: &BoundStatement) {
        if let Self::Level { level, slot, .. } = self
            && let Some(lease) = slot.lease()
        {
            level.engine.turn_late(work.caller, level, lease);
        }
    }
}

/// A wait of the holder of the turn for a connection; see [`Level::wanted`].
pub(super) struct Wanted(Arc<Level>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.state.lock().wanted -= 1;
    }
}

impl Writer for Level {
    fn owner(&self) -> Option<Owner> {
        if self.is_in_text() {
            return self.owner_of_text();
        }
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
    pub(super) fn as_writer(self: &Arc<Self>) -> Weak<dyn Writer> {
        Arc::downgrade(self) as Weak<dyn Writer>
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
        if self.is_in_text() {
            let mut slot = self.lock(chain, caller).await?;
            self.refuse_in_text(&mut slot, caller).await?;
        }
        // Registered from the start, so that a second begin in parallel is noticed while it waits for its turn.
        let _under_way = self.enter(chain, caller, Self::BEGINNING);
        let _unfinished = Unfinished::new(self);
        let claim = Claim::new(owner);
        let locking = || self.lock_for(chain, caller, options.isolation);
        self.end_turn_of_dropped(chain, caller).await?;
        let has_turn = |_: &mut OwnedMutexGuard<ConnectionSlot>| self.has_turn_of_text();
        let who = (chain, caller, TurnKind::Transaction);
        let (mut slot, turn) = self.engine.in_turn(who, Some(self), locking, has_turn).await?;
        // Kept with the connection, so that the turn lasts as long as something may be open there.
        if let (Some(turn), Some(lease)) = (turn, slot.lease()) {
            turn.is_for(claim.as_writer());
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

    /// Notes that the caller waits for this connection, if it has the turn to write. A writer that has the connection
    /// and waits for the turn then releases it.
    pub(super) fn wanted(self: &Arc<Self>, chain: &Chain) -> Option<Wanted> {
        let gate = self.engine.known_gate()?;
        if !gate.is_held_by(|owner| chain.contains(owner)) {
            return None;
        }
        self.state.lock().wanted += 1;
        self.engine.wanted.notify_waiters();
        Some(Wanted(Arc::clone(self)))
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
}
