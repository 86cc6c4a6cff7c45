//! The turn to write, on a database that has one writer at a time.

use std::sync::Arc;

use super::begin_options::BeginOptions;
use super::hold::Hold;
use super::{Chain, Ground, Kind, Mode, Node, Owner, Target, Work};
use crate::backend::Writers;
use crate::error::Result;
use crate::pool::{Asker, Bid, Gate, Lease, Stay, Turn};
use crate::sql::Control;

impl Ground {
    /// The gate of its writers, if it has one and that is known.
    fn known_gate(&self) -> Option<&Arc<Gate>> {
        self.gate.get().and_then(Option::as_ref)
    }

    /// Finds the gate. Which file it is can be seen only when it is there, and the first connection makes it.
    async fn find_gate(&self, asker: Asker) -> Result<Option<&Arc<Gate>>> {
        if self.gate.get().is_none() {
            let mut writers = self.pool.connector().writers();
            if matches!(writers, Writers::Unknown(_)) {
                drop(self.pool.acquire(asker).await?);
                writers = self.pool.connector().writers();
            }
            self.gate.get_or_init(|| match writers {
                Writers::Many => None,
                Writers::Of(one) | Writers::Unknown(one) => Some(Gate::of(one)),
            });
        }
        Ok(self.known_gate())
    }

    /// Takes the turn to write, where writers have to take turns.
    pub(super) async fn turn(&self, chain: &Chain, owner: Owner, asker: Asker, stay: Stay) -> Result<Option<Turn>> {
        if !self.has_one_writer {
            return Ok(None);
        }
        if let Some(gate) = self.known_gate()
            && let Some(turn) = gate.try_enter(&self.bid(owner, asker, stay, &|_| false))
        {
            return Ok(Some(turn));
        }
        // Boxed, because the future of every statement has room for this one.
        Box::pin(async {
            let Some(gate) = self.find_gate(asker).await? else {
                return Ok(None);
            };
            let is_own = |owner| chain.contains(owner);
            gate.enter(self.bid(owner, asker, stay, &is_own)).await.map(Some)
        })
        .await
    }

    fn bid<'a>(&self, owner: Owner, asker: Asker, stay: Stay, is_own: &'a (dyn Fn(Owner) -> bool + Sync)) -> Bid<'a> {
        Bid {
            asker,
            owner,
            is_own,
            stay,
            busy: self.settings.busy_timeout,
            limit: self.settings.pool_timeout,
        }
    }

    /// Takes the turn for a transaction that began without it, if it is free. To wait would be wrong: the others may wait for
    /// what this one has read.
    fn turn_late(&self, work: &Work, chain: &Chain, lease: &mut Lease) {
        if !lease.has_turn()
            && let Some(gate) = self.known_gate()
            && let Some(turn) = gate.try_enter(&self.bid(chain.innermost(), work.asker, Stay::Transaction, &|_| false))
        {
            lease.keep_turn(turn);
        }
    }

    /// A transaction begun at a place has another owner now.
    pub(super) fn turn_moved(&self, begun: Asker, owner: Owner) {
        if let Some(gate) = self.known_gate() {
            gate.moved(begun, owner);
        }
    }
}

impl Target {
    /// Whether a statement takes the turn to write, or is in a transaction that has it.
    pub(super) fn wants_turn(&self, work: &Work) -> bool {
        self.ground().has_one_writer && work.template.effect().writes
    }

    /// Takes the turn and the connection for one statement. The turn comes first, so that those who wait for it keep no
    /// connection from those who read, and before any lock of a level, so that nobody holds one whom the turn's holder waits
    /// for.
    pub(super) async fn hold_in_turn(&self, work: &Work, chain: &Chain, what: &'static str) -> Result<Hold> {
        let ground = self.ground();
        let begins = work.template.control() == Control::Begin;
        let level = self.level(chain, work.asker)?;
        let turn = match &level {
            Some(node) if node.kind != Kind::Base || node.has_turn_of_text() => None,
            None if begins => None,
            level => {
                if let Some(node) = level {
                    node.end_turn_of_dropped(chain, work.asker).await?;
                }
                let stay = if begins { Stay::Transaction } else { Stay::Statement };
                ground.turn(chain, chain.innermost(), work.asker, stay).await?
            }
        };
        let mut hold = self.hold(work, chain, what).await?;
        match (&mut hold, turn) {
            (Hold::Pooled { lease, .. }, Some(turn)) => lease.keep_turn(turn),
            (Hold::Level { node, under_way, .. }, Some(turn)) => {
                let until = if begins { TEXT } else { under_way.id };
                node.state.lock().turns.push((until, turn));
            }
            (Hold::Level { node, wire, .. }, None) if node.depth > 0 => {
                if let Some(lease) = wire.lease() {
                    ground.turn_late(work, chain, lease);
                }
            }
            (_, None) => {}
        }
        Ok(hold)
    }
}

/// Stands for a transaction that was begun as SQL text, which ends as such.
const TEXT: u64 = u64::MAX;

impl Hold {
    /// The turn to write that the statement has for itself.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        match self {
            Self::Pooled { lease, .. } => lease.take_turn(),
            Self::Level { under_way, .. } => under_way.node.take_turn(under_way.id),
        }
    }

    /// What began as SQL text has ended as such.
    pub(super) fn end_turn_of_text(&mut self) {
        if let Self::Level { node, .. } = self {
            drop(node.take_turn(TEXT));
        }
    }
}

impl BeginOptions {
    /// Whether the transaction is to be the one that writes.
    fn writes(self) -> bool {
        !self.read_only && self.mode != Some(Mode::Deferred)
    }
}

impl Node {
    fn take_turn(&self, until: u64) -> Option<Turn> {
        let mut state = self.state.lock();
        let at = state.turns.iter().position(|(id, _)| *id == until)?;
        Some(state.turns.swap_remove(at).1)
    }

    /// Whether a transaction is open here that was begun as SQL text and has the turn.
    fn has_turn_of_text(&self) -> bool {
        self.state.lock().turns.iter().any(|(id, _)| *id == TEXT)
    }

    /// Whether a transaction beginning here takes the turn to write.
    pub(super) fn begins_writing(&self, options: BeginOptions) -> bool {
        self.kind == Kind::Base && self.ground.has_one_writer && options.writes()
    }

    /// Takes the turn and begins the transaction that has it.
    pub(super) async fn begin_in_turn(
        self: &Arc<Self>,
        options: BeginOptions,
        closure: bool,
        chain: &Chain,
        owner: Owner,
        asker: Asker,
    ) -> Result<Arc<Self>> {
        // Known from the start, so that a second begin beside this one is noticed while it waits for its turn.
        let _under_way = self.enter(chain.innermost(), asker, "beginning a transaction");
        let turn = if self.has_turn_of_text() {
            None
        } else {
            self.end_turn_of_dropped(chain, asker).await?;
            self.ground.turn(chain, owner, asker, Stay::Transaction).await?
        };
        let node = self.begin(options, closure, chain, owner, asker).await?;
        if let Some(turn) = turn
            && let Ok(mut wire) = node.wire.try_lock()
            && let Some(lease) = wire.lease()
        {
            lease.keep_turn(turn);
        }
        Ok(node)
    }

    /// A transaction that was dropped on this connection has the turn until it is rolled back, which is done by whoever uses
    /// the connection next.
    async fn end_turn_of_dropped(self: &Arc<Self>, chain: &Chain, asker: Asker) -> Result<()> {
        let left = self
            .wire
            .try_lock()
            .is_ok_and(|mut wire| wire.lease().is_some_and(|lease| lease.has_turn()));
        if left {
            drop(self.lock(chain, asker).await?);
        }
        Ok(())
    }
}
