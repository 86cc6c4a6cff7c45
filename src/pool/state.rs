//! What the pool knows, and what it decides. No I/O and no clock but the age of what it holds.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::idle::Idle;
use super::{Asker, Lease, Pool, PoolStatus};
use crate::telemetry::Meter;

/// Which runtime may use a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Home {
    /// Any: the driver has a thread of its own.
    Any,
    Runtime(runtime::Id),
}

/// The right to open one connection. Unused, it goes to the next in the queue.
pub(super) struct Permit(Option<Arc<Pool>>);

impl Permit {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self(Some(Arc::clone(pool)))
    }

    /// The connection is open and counts by itself from now on.
    pub(super) fn used(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.vacate();
        }
    }
}

/// What someone who waited gets.
pub(super) enum Grant {
    Lease(Lease),
    Permit(Permit),
}

/// The answer to someone who asks for a connection.
pub(super) enum Take {
    Idle {
        idle: Box<Idle>,
        holder: usize,
        /// Whether a connection was found dead while this one rested.
        doubtful: bool,
    },
    /// Open one; if this makes room by closing an idle connection of another runtime, here it is.
    Permit {
        evicted: Option<Box<Idle>>,
    },
    Wait(oneshot::Receiver<Grant>),
    Closed,
}

struct Waiter {
    home: Home,
    asker: Asker,
    turn: oneshot::Sender<Grant>,
}

struct Holder {
    asker: Asker,
    since: Instant,
    /// The runtime that cleans the connection after this holder.
    cleaning: Option<runtime::Id>,
}

/// The idle connections of one runtime; the one used last is at the back.
struct Shelf {
    lives: Arc<AtomicBool>,
    idle: VecDeque<Box<Idle>>,
    watched: bool,
    watch: Option<AbortHandle>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            lives: Arc::new(AtomicBool::new(true)),
            idle: VecDeque::new(),
            watched: false,
            watch: None,
        }
    }
}

pub(super) struct State {
    size: usize,
    limit: usize,
    /// Connections that are open, or being opened.
    open: usize,
    /// Few, so that looking through them is quicker than hashing.
    shelves: Vec<(Home, Shelf)>,
    waiting: VecDeque<Waiter>,
    holders: Vec<Option<Holder>>,
    vacant: Vec<usize>,
    closed: bool,
    /// When a connection was found dead; those that have rested since before then may be dead too.
    pub(super) doubted: Option<Instant>,
    /// How many are idle and in use by what was told last.
    told: (usize, usize),
    /// Since when the connection was in use that was given back last, until that is told.
    released: Option<Instant>,
}

impl State {
    pub(super) fn new(size: usize, overflow: usize) -> Self {
        Self {
            size,
            limit: size + overflow,
            open: 0,
            shelves: Vec::new(),
            waiting: VecDeque::new(),
            holders: Vec::new(),
            vacant: Vec::new(),
            closed: false,
            doubted: None,
            told: (0, 0),
            released: None,
        }
    }

    fn shelf(&self, home: Home) -> Option<&Shelf> {
        self.shelves
            .iter()
            .find_map(|(known, shelf)| (*known == home).then_some(shelf))
    }

    fn shelf_mut(&mut self, home: Home) -> Option<&mut Shelf> {
        self.shelves
            .iter_mut()
            .find_map(|(known, shelf)| (*known == home).then_some(shelf))
    }

    pub(super) fn take(&mut self, home: Home, runtime: runtime::Id, asker: Asker, now: Instant) -> Take {
        if self.closed {
            return Take::Closed;
        }
        if let Some(idle) = self.shelf_mut(home).and_then(|shelf| shelf.idle.pop_back()) {
            let doubtful = self.doubted.is_some_and(|when| idle.since < when);
            let holder = self.hold(asker, now);
            return Take::Idle { idle, holder, doubtful };
        }
        self.waiting.retain(|waiter| !waiter.turn.is_closed());
        // One that is being cleaned here is free sooner than a new one is open; however the cleaning ends, it serves
        // the queue.
        let cleaning = self
            .holders
            .iter()
            .flatten()
            .filter(|holder| holder.cleaning == Some(runtime))
            .count();
        let soon = cleaning > self.waiting.len();
        if self.open < self.limit && !soon {
            self.open += 1;
            return Take::Permit { evicted: None };
        }
        // The oldest idle connection of another runtime makes room.
        let oldest = self
            .shelves
            .iter_mut()
            .map(|(_, shelf)| shelf)
            .filter(|shelf| !shelf.idle.is_empty())
            .min_by_key(|shelf| shelf.idle[0].since);
        if let Some(shelf) = oldest.filter(|_| !soon) {
            return Take::Permit {
                evicted: shelf.idle.pop_front(),
            };
        }
        let (turn, wait) = oneshot::channel();
        self.waiting.push_back(Waiter { home, asker, turn });
        Take::Wait(wait)
    }

    /// Notes that the connection of a holder is being cleaned, and by which runtime.
    pub(super) fn cleaning(&mut self, holder: usize, runtime: runtime::Id) {
        if let Some(holder) = &mut self.holders[holder] {
            holder.cleaning = Some(runtime);
        }
    }

    /// Enters a holder, for the report of a full pool.
    pub(super) fn hold(&mut self, asker: Asker, now: Instant) -> usize {
        let holder = Some(Holder {
            asker,
            since: now,
            cleaning: None,
        });
        if let Some(free) = self.vacant.pop() {
            self.holders[free] = holder;
            free
        } else {
            self.holders.push(holder);
            self.holders.len() - 1
        }
    }

    pub(super) fn release(&mut self, holder: usize) {
        if let Some(known) = self.holders[holder].take() {
            self.vacant.push(holder);
            if Meter::MEASURES {
                self.released.get_or_insert(known.since);
            }
        }
    }

    /// Takes a connection back. It is returned if it is to be closed; then its place still counts.
    pub(super) fn put(
        &mut self,
        mut idle: Box<Idle>,
        holder: usize,
        expired: bool,
        now: Instant,
        lease: impl Fn(Box<Idle>, usize) -> Lease,
    ) -> Option<Box<Idle>> {
        self.release(holder);
        if self.closed || expired || self.shelf(idle.home).is_none() {
            return Some(idle);
        }
        // It was in use just now, whoever gets it next.
        idle.since = now;
        while let Some(waiter) = self.waiting.pop_front() {
            if waiter.turn.is_closed() {
                continue;
            }
            if waiter.home != idle.home {
                // It cannot use this connection, but it can have its place.
                self.waiting.push_front(waiter);
                return Some(idle);
            }
            let holder = self.hold(waiter.asker, now);
            match waiter.turn.send(Grant::Lease(lease(idle, holder))) {
                Err(Grant::Lease(refused)) => {
                    self.release(holder);
                    idle = refused.into_idle()?;
                }
                Ok(()) | Err(Grant::Permit(_)) => return None,
            }
        }
        if self.open > self.size {
            return Some(idle);
        }
        if let Some(shelf) = self.shelf_mut(idle.home) {
            shelf.idle.push_back(idle);
        }
        None
    }

    /// A place became free: the first in the queue may open a connection in it.
    pub(super) fn vacate(&mut self, permit: impl Fn() -> Option<Permit>) {
        while let Some(waiter) = self.waiting.pop_front() {
            let Some(permit) = permit() else { break };
            match waiter.turn.send(Grant::Permit(permit)) {
                Ok(()) => return,
                Err(Grant::Permit(refused)) => refused.used(),
                Err(Grant::Lease(_)) => {}
            }
        }
        self.open = self.open.saturating_sub(1);
    }

    /// Whether connections of this home were not watched yet; from now on they have a shelf, and are.
    pub(super) fn unwatched(&mut self, home: Home) -> bool {
        if let Some(shelf) = self.shelf_mut(home) {
            return !std::mem::replace(&mut shelf.watched, true);
        }
        let new = Shelf {
            watched: true,
            ..Shelf::default()
        };
        self.shelves.push((home, new));
        true
    }

    pub(super) fn watched(&mut self, home: Home, watch: AbortHandle) {
        if let Some(shelf) = self.shelf_mut(home) {
            shelf.watch = Some(watch);
        }
    }

    /// Tells whether the runtime of a home still runs.
    pub(super) fn life(&self, home: Home) -> Arc<AtomicBool> {
        // Without a shelf it has ended, or the pool was closed, while the connection was being opened.
        self.shelf(home).map_or_else(
            || Arc::new(AtomicBool::new(self.closed)),
            |shelf| Arc::clone(&shelf.lives),
        )
    }

    /// A runtime has ended: its connections are of no use to anyone.
    pub(super) fn runtime_ended(&mut self, home: Home) -> VecDeque<Box<Idle>> {
        if home == Home::Any {
            if let Some(kept) = self.shelf_mut(home) {
                kept.watched = false;
                kept.watch = None;
            }
            return VecDeque::new();
        }
        let Some(place) = self.shelves.iter().position(|(known, _)| *known == home) else {
            return VecDeque::new();
        };
        let (_, ended) = self.shelves.swap_remove(place);
        ended.lives.store(false, Ordering::Release);
        ended.idle
    }

    /// Takes out the idle connections that have rested since before `deadline`.
    pub(super) fn rested_since(&mut self, home: Home, deadline: Instant) -> VecDeque<Box<Idle>> {
        let Some(kept) = self.shelf_mut(home) else {
            return VecDeque::new();
        };
        let count = kept.idle.iter().take_while(|idle| idle.since <= deadline).count();
        kept.idle.drain(..count).collect()
    }

    pub(super) fn oldest(&self, home: Home) -> Option<Instant> {
        self.shelf(home)?.idle.front().map(|idle| idle.since)
    }

    /// Closes the pool for good. What it kept is returned, so that it ends outside of the lock.
    pub(super) fn close(&mut self) -> (VecDeque<Box<Idle>>, Vec<AbortHandle>) {
        self.closed = true;
        self.waiting.clear();
        let mut idle = VecDeque::new();
        let mut watches = Vec::new();
        for (_, shelf) in self.shelves.drain(..) {
            watches.extend(shelf.watch);
            idle.extend(shelf.idle);
        }
        self.open = self.open.saturating_sub(idle.len());
        (idle, watches)
    }

    /// How many are idle, and how many in use, more or fewer than when this was asked last.
    pub(super) fn moved(&mut self) -> (isize, isize) {
        let idle = self.idle();
        let now = (idle, self.open.saturating_sub(idle));
        let before = std::mem::replace(&mut self.told, now);
        (now.0 as isize - before.0 as isize, now.1 as isize - before.1 as isize)
    }

    /// Since when the connection was in use that was given back since this was asked last.
    pub(super) fn released(&mut self) -> Option<Instant> {
        self.released.take()
    }

    fn idle(&self) -> usize {
        self.shelves.iter().map(|(_, shelf)| shelf.idle.len()).sum()
    }

    pub(super) fn status(&self) -> PoolStatus {
        let idle = self.idle();
        let waiting = self.waiting.iter().filter(|waiter| !waiter.turn.is_closed()).count();
        PoolStatus {
            size: self.open,
            idle,
            in_use: self.open.saturating_sub(idle),
            waiting,
            limit: self.limit,
        }
    }

    /// Who holds connections, oldest first, for a message.
    pub(super) fn holders(&self) -> String {
        let mut holders: Vec<&Holder> = self.holders.iter().flatten().collect();
        if holders.is_empty() {
            return "they are being opened or cleaned".to_owned();
        }
        holders.sort_by_key(|holder| holder.since);
        let mut text = String::from("held by");
        for (index, holder) in holders.iter().take(8).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let age = holder.since.elapsed();
            let _ = write!(text, "{comma} {} for {age:.1?}", holder.asker);
        }
        if holders.len() > 8 {
            let _ = write!(text, " and {} more", holders.len() - 8);
        }
        text
    }
}
