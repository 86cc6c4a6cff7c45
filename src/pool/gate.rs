//! The gate of a database that has one writer at a time: writers take turns in the order in which they came.
//!
//! SQLite itself has a writer try again and again until the lock happens to be free. That is slow, unfair, and fails after a
//! while however short each turn is. So those of this process wait here, and SQLite is asked by one of them at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::{Asker, Lease, Owner};
use crate::backend::One;
use crate::error::{Error, ErrorKind, Result};

/// The gates of this process. Two pools, and two databases, may have the same file.
static GATES: LazyLock<Mutex<HashMap<One, Weak<Gate>>>> = LazyLock::new(Mutex::default);

/// One database's gate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Fair: a permit that is given back goes to the first in the queue.
    free: Semaphore,
    holder: Mutex<Option<Holder>>,
    turns: AtomicUsize,
    waiting: AtomicUsize,
}

/// What a turn is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// A statement outside of transactions, or the end of a transaction that was dropped: it ends by itself.
    Statement,
    /// A transaction, whose owner may do anything before it ends.
    Transaction,
    /// The outer transaction of force rollback.
    Sandbox,
}

/// Who has the turn.
#[derive(Clone, Copy, Debug)]
struct Holder {
    turn: usize,
    asker: Asker,
    owner: Owner,
    stay: Stay,
    since: Instant,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stay {
            Stay::Statement => "something under way",
            Stay::Transaction => "the transaction begun",
            Stay::Sandbox => "the outer transaction of force rollback, first used",
        };
        write!(f, "{what} by {}, for {:.1?}", self.asker, self.since.elapsed())
    }
}

/// Who asks for a turn, and how long that one waits.
#[derive(Clone, Copy)]
pub(crate) struct Bid<'a> {
    pub(crate) asker: Asker,
    /// Whom the turn is to belong to.
    pub(crate) owner: Owner,
    /// Whether an owner is the one who asks, or encloses it.
    pub(crate) is_own: &'a (dyn Fn(Owner) -> bool + Sync),
    pub(crate) stay: Stay,
    /// How long the same holder is waited for.
    pub(crate) busy: Duration,
    /// How long the queue is waited in.
    pub(crate) limit: Duration,
}

impl Gate {
    /// The gate of a database; everyone gets the same.
    pub(crate) fn of(database: One) -> Arc<Self> {
        let mut gates = GATES.lock();
        if let Some(gate) = gates.get(&database).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self {
            free: Semaphore::new(1),
            holder: Mutex::new(None),
            turns: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        gates.insert(database, Arc::downgrade(&gate));
        gate
    }

    /// A turn, if nobody has one or waits for one.
    pub(crate) fn try_enter(self: &Arc<Self>, bid: &Bid<'_>) -> Option<Turn> {
        self.free.try_acquire().ok()?.forget();
        Some(self.turn(bid))
    }

    /// The next turn. Dropping the future gives up the place in the queue, or the turn if it was just handed over.
    ///
    /// Fails with `LockTimeout` if one holder keeps it too long, with `Timeout` if the queue is too long, and with
    /// `ConcurrentUse` if it would wait for a transaction of its own.
    pub(crate) async fn enter(self: &Arc<Self>, bid: Bid<'_>) -> Result<Turn> {
        let arrived = Instant::now();
        let _waiting = Waiting::new(&self.waiting);
        let mut next = std::pin::pin!(self.free.acquire());
        loop {
            let holder = *self.holder.lock();
            if let Some(holder) = holder.filter(|holder| holder.stay == Stay::Transaction && (bid.is_own)(holder.owner))
            {
                return Err(own_transaction(&holder, bid.asker));
            }
            // Of one that has only just got its turn nothing is known yet.
            let since = holder.map_or_else(Instant::now, |holder| holder.since.max(arrived));
            let patience = bid.busy.min(bid.limit.saturating_sub(since.duration_since(arrived)));
            match timeout_at((since + patience).into(), &mut next).await {
                Ok(Ok(permit)) => {
                    permit.forget();
                    return Ok(self.turn(&bid));
                }
                Ok(Err(_)) => {
                    return Err(Error::new(
                        ErrorKind::NotConnected,
                        "the gate of the writers was closed",
                    ));
                }
                Err(_) => {}
            }
            let now = *self.holder.lock();
            if arrived.elapsed() >= bid.limit {
                return Err(self.too_many(now, &bid));
            }
            if let (Some(before), Some(now)) = (holder, now)
                && before.turn == now.turn
            {
                return Err(kept(&now, &bid));
            }
        }
    }

    /// A turn for which the permit is there.
    fn turn(self: &Arc<Self>, bid: &Bid<'_>) -> Turn {
        let holder = Holder {
            turn: self.turns.fetch_add(1, Ordering::Relaxed),
            asker: bid.asker,
            owner: bid.owner,
            stay: bid.stay,
            since: Instant::now(),
        };
        *self.holder.lock() = Some(holder);
        Turn(Arc::clone(self))
    }

    /// The transaction begun at a place has another owner now.
    pub(crate) fn moved(&self, begun: Asker, owner: Owner) {
        let mut holder = self.holder.lock();
        let moved = holder
            .as_mut()
            .filter(|holder| holder.asker.who == begun.who && std::ptr::eq(holder.asker.place, begun.place));
        if let Some(holder) = moved {
            holder.owner = owner;
        }
    }

    fn too_many(&self, holder: Option<Holder>, bid: &Bid<'_>) -> Error {
        let holder = holder.map_or_else(|| "nobody".to_owned(), |holder| holder.to_string());
        let message = format!(
            "the turn to write to the SQLite database did not come within {:?}: {} wait for it, and {holder} has it; asked for by {}",
            bid.limit,
            self.waiting.load(Ordering::Relaxed),
            bid.asker
        );
        Error::new(ErrorKind::Timeout, message)
            .help("SQLite has one writer at a time: write less often or more at once, or raise `pool_timeout`")
    }
}

fn kept(holder: &Holder, bid: &Bid<'_>) -> Error {
    let message = format!(
        "the SQLite database is locked: its one writer is {holder}; {} waited for its end {:?}",
        bid.asker, bid.busy
    );
    Error::new(ErrorKind::LockTimeout, message)
        .help("end transactions that write sooner, begin those that only read with `.read_only()`, or raise `busy_timeout`")
        .retryable()
}

fn own_transaction(holder: &Holder, asker: Asker) -> Error {
    let message = format!(
        "{asker} waits to write to the SQLite database while it is itself in a transaction that writes there: {holder}"
    );
    Error::new(ErrorKind::ConcurrentUse, message).help(
        "use that transaction, or end it first; a file has one writer, through however many databases and connections",
    )
}

/// Counts those who wait.
struct Waiting<'g>(&'g AtomicUsize);

impl<'g> Waiting<'g> {
    fn new(waiting: &'g AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The turn of a writer. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Gate>);

impl Turn {
    /// The transaction was dropped, and is rolled back in the background.
    pub(super) fn ends_by_itself(&self) {
        if let Some(holder) = &mut *self.0.holder.lock() {
            holder.stay = Stay::Statement;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.holder.lock() = None;
        self.0.free.add_permits(1);
    }
}

impl Lease {
    pub(crate) fn has_turn(&self) -> bool {
        self.idle.as_ref().is_some_and(|idle| idle.turn.is_some())
    }

    /// Keeps the turn to write until no transaction is open any more, or the connection is given back.
    pub(crate) fn keep_turn(&mut self, turn: Turn) {
        if let Some(idle) = &mut self.idle {
            idle.turn = Some(turn);
        }
    }

    pub(crate) fn take_turn(&mut self) -> Option<Turn> {
        self.idle.as_mut()?.turn.take()
    }

    /// Gives the turn to write to the next.
    pub(crate) fn end_turn(&mut self) {
        drop(self.take_turn());
    }
}
