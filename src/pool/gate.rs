//! The gate of a database that has one writer at a time: writers take turns in order of arrival.
//!
//! SQLite itself lets a writer retry until the lock happens to be free. That is slow and unfair, and it fails after a
//! while, however short each turn is. So the writers of this process wait here, and only one at a time asks SQLite.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::{Caller, OpenStreams, Owner};
use crate::backend::DatabaseIdentity;
use crate::error::{Error, ErrorKind, Result};

/// The gates of this process. Two pools, and two databases, may have the same file.
static GATES: LazyLock<Mutex<HashMap<DatabaseIdentity, Weak<WriterGate>>>> = LazyLock::new(Mutex::default);

/// The gate of one database.
#[derive(Debug)]
pub(crate) struct WriterGate {
    /// The queue; the holder of this permit is the first in it. Both semaphores are fair.
    first: Semaphore,
    /// The turn. Apart from the first of the queue, only callers that have had the turn before wait for it.
    free: Semaphore,
    holder: Mutex<Option<Holder>>,
    turns: AtomicUsize,
    waiting: AtomicUsize,
    /// The open streams, which keep others from writing where there is no WAL.
    pub(crate) streams: Arc<OpenStreams>,
}

/// The purpose of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnKind {
    /// A statement outside of transactions, or the end of a dropped transaction: it ends by itself.
    Statement,
    /// A transaction, whose owner may do anything before it ends.
    Transaction,
    /// The outer transaction of force rollback.
    Sandbox,
}

/// The holder of a turn that does not end by itself.
pub(crate) trait Writer: Send + Sync {
    /// Returns the owner that has to end it; `None` if it ends by itself.
    fn owner(&self) -> Option<Owner>;
}

/// An owner that is about to begin a transaction, until this is dropped.
pub(crate) struct Claim(Arc<Claimant>);

impl Claim {
    pub(crate) fn new(owner: Owner) -> Self {
        Self(Arc::new(Claimant(Mutex::new(Some(owner)))))
    }

    pub(crate) fn as_writer(&self) -> Weak<dyn Writer> {
        Arc::downgrade(&self.0) as Weak<dyn Writer>
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Another writer may refer to it for a moment more.
        *self.0.0.lock() = None;
    }
}

/// The owner of a claim, while it is made.
struct Claimant(Mutex<Option<Owner>>);

impl Writer for Claimant {
    fn owner(&self) -> Option<Owner> {
        *self.0.lock()
    }
}

/// The place of a waiter in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the end of the queue.
    Last,
    /// In front of the queue, because an earlier turn could not be used.
    Front,
}

/// The current holder of the turn.
#[derive(Clone)]
struct Holder {
    turn: usize,
    caller: Caller,
    kind: TurnKind,
    /// Cannot be upgraded after the last handle of the writer is dropped.
    writer: Option<Weak<dyn Writer>>,
    since: Instant,
}

impl Holder {
    fn owner(&self) -> Option<Owner> {
        self.writer.as_ref()?.upgrade()?.owner()
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holder({self})")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TurnKind::Statement => "an operation",
            TurnKind::Transaction => "the transaction begun",
            TurnKind::Sandbox => "the outer transaction of force rollback, first used",
        };
        write!(f, "{what} by {}, for {:.1?}", self.caller, self.since.elapsed())
    }
}

/// A request for a turn, with its caller and the time limits of its wait.
#[derive(Clone, Copy)]
pub(crate) struct TurnRequest<'a> {
    pub(crate) caller: Caller,
    pub(crate) place: Place,
    /// Returns whether an owner is the caller, or encloses it.
    pub(crate) is_own: &'a (dyn Fn(Owner) -> bool + Sync),
    pub(crate) kind: TurnKind,
    /// Time limit of the wait for one holder.
    pub(crate) busy: Duration,
    /// Time limit of the wait in the queue.
    pub(crate) limit: Duration,
}

impl WriterGate {
    /// Returns the gate of a database, the same for all callers.
    pub(crate) fn of(database: DatabaseIdentity) -> Arc<Self> {
        let mut gates = GATES.lock();
        if let Some(gate) = gates.get(&database).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self {
            first: Semaphore::new(1),
            free: Semaphore::new(1),
            holder: Mutex::new(None),
            turns: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            streams: Arc::default(),
        });
        gates.insert(database, Arc::downgrade(&gate));
        gate
    }

    /// Returns a turn, if the gate has no holder and no queue.
    pub(crate) fn try_enter(self: &Arc<Self>, request: &TurnRequest<'_>) -> Option<Turn> {
        let _first = self.first.try_acquire().ok()?;
        self.free.try_acquire().ok()?.forget();
        Some(self.turn(request))
    }

    /// Waits in the queue, and then for the turn.
    async fn next(&self, place: Place) -> Result<SemaphorePermit<'_>, AcquireError> {
        let _first = match place {
            Place::Last => Some(self.first.acquire().await?),
            Place::Front => None,
        };
        self.free.acquire().await
    }

    /// Waits for the next turn. Dropping the future gives up the place in the queue, or the turn if it was just handed
    /// over.
    ///
    /// Fails with `LockTimeout` if one holder keeps the turn too long, with `Timeout` if the queue is too long, and
    /// with `ConcurrentUse` if the caller would wait for its own transaction.
    pub(crate) async fn enter(self: &Arc<Self>, request: TurnRequest<'_>) -> Result<Turn> {
        let arrived = Instant::now();
        let _waiting = Waiting::new(&self.waiting);
        let mut next = std::pin::pin!(self.next(request.place));
        loop {
            let holder = self.holder();
            if let Some(holder) = &holder
                && holder.owner().is_some_and(request.is_own)
            {
                return Err(own_transaction(holder, request.caller));
            }
            // A holder that has just received its turn is not known yet.
            let since = holder
                .as_ref()
                .map_or_else(Instant::now, |holder| holder.since.max(arrived));
            let patience = request
                .busy
                .min(request.limit.saturating_sub(since.duration_since(arrived)));
            match timeout_at((since + patience).into(), &mut next).await {
                Ok(Ok(permit)) => {
                    permit.forget();
                    return Ok(self.turn(&request));
                }
                Ok(Err(_)) => {
                    return Err(Error::new(ErrorKind::NotConnected, "the queue of writers was closed"));
                }
                Err(_) => {}
            }
            let now = self.holder();
            if arrived.elapsed() >= request.limit {
                return Err(self.too_many(now, &request));
            }
            if let (Some(before), Some(now)) = (holder, now)
                && before.turn == now.turn
            {
                return Err(kept(&now, &request));
            }
        }
    }

    fn holder(&self) -> Option<Holder> {
        self.holder.lock().clone()
    }

    /// Returns whether the turn belongs to a transaction of such an owner.
    pub(crate) fn is_held_by(&self, is_own: impl FnOnce(Owner) -> bool) -> bool {
        self.holder().and_then(|holder| holder.owner()).is_some_and(is_own)
    }

    /// Returns a turn whose permit was acquired.
    fn turn(self: &Arc<Self>, request: &TurnRequest<'_>) -> Turn {
        let holder = Holder {
            turn: self.turns.fetch_add(1, Ordering::Relaxed),
            caller: request.caller,
            kind: request.kind,
            writer: None,
            since: Instant::now(),
        };
        *self.holder.lock() = Some(holder);
        Turn(Arc::clone(self))
    }

    /// Returns the error of a caller that has waited too long for the turn of others.
    pub(crate) fn kept_from(&self, request: &TurnRequest<'_>) -> Error {
        match self.holder() {
            Some(holder) => kept(&holder, request),
            None => self.too_many(None, request),
        }
    }

    fn too_many(&self, holder: Option<Holder>, request: &TurnRequest<'_>) -> Error {
        let holder = holder.map_or_else(|| "no caller".to_owned(), |holder| holder.to_string());
        let message = format!(
            "no turn to write to the SQLite database within {:?}: {} waiting, and it is held by {holder}; requested by {}",
            request.limit,
            self.waiting.load(Ordering::Relaxed),
            request.caller
        );
        Error::new(ErrorKind::Timeout, message).help(
            "SQLite has one writer at a time: write more in one transaction, write less often, or raise `pool_timeout`",
        )
    }
}

fn kept(holder: &Holder, request: &TurnRequest<'_>) -> Error {
    let message = format!(
        "the SQLite database is locked: its only writer is {holder}; {} waited for it to finish for {:?}",
        request.caller, request.busy
    );
    Error::new(ErrorKind::LockTimeout, message)
        .help("end transactions that write earlier, begin transactions that only read with `.read_only()`, or raise `busy_timeout`")
        .retryable()
}

fn own_transaction(holder: &Holder, caller: Caller) -> Error {
    let message = format!(
        "{caller} waits to write to the SQLite database while it is already in a transaction that writes to it: {holder}"
    );
    Error::new(ErrorKind::ConcurrentUse, message).help(
        "use that transaction, or end it first; a file has one writer at a time, among all databases and connections",
    )
}

/// A guard that counts a waiter.
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
pub(crate) struct Turn(Arc<WriterGate>);

impl Turn {
    /// Notes the transaction that has the turn. The reference is weak, because the writer holds the turn.
    pub(crate) fn is_for(&self, writer: Weak<dyn Writer>) {
        if let Some(holder) = &mut *self.0.holder.lock() {
            holder.kind = TurnKind::Transaction;
            holder.writer = Some(writer);
        }
    }

    /// Notes that the transaction was dropped and is rolled back in the background.
    pub(super) fn ends_by_itself(&self) {
        if let Some(holder) = &mut *self.0.holder.lock() {
            holder.kind = TurnKind::Statement;
            holder.writer = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.holder.lock() = None;
        self.0.free.add_permits(1);
    }
}
