//! The state of the pool, and its decisions. No I/O, and no clock except for the age of what it holds.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime;
use tokio::task::AbortHandle;

use super::idle::Idle;
use super::queue::{Grant, Permit, Queue, Ticket};
use super::runtime_key::RuntimeKey;
use super::{Caller, Lease, Pool, PoolStatus};
use crate::telemetry::Meter;

/// The answer to a request for a connection.
pub(super) enum Take {
    Idle {
        idle: Box<Idle>,
        holder: usize,
        /// `true` if a connection was found dead while this one was idle.
        doubtful: bool,
    },
    /// The right to open a connection. `evicted` is an idle connection of another runtime that is closed to make room.
    Permit {
        evicted: Option<Box<Idle>>,
    },
    Wait(Ticket),
    Closed,
}

struct Holder {
    caller: Caller,
    since: Instant,
    /// The runtime that cleans the connection after this holder.
    cleaning: Option<runtime::Id>,
}

/// The idle connections of one runtime, the one used last at the back.
struct IdleList {
    lives: Arc<AtomicBool>,
    idle: VecDeque<Box<Idle>>,
    watched: bool,
    watch: Option<AbortHandle>,
}

impl Default for IdleList {
    fn default() -> Self {
        Self {
            lives: Arc::new(AtomicBool::new(true)),
            idle: VecDeque::new(),
            watched: false,
            watch: None,
        }
    }
}

pub(super) struct PoolState {
    size: usize,
    limit: usize,
    /// Number of connections that are open, or being opened.
    open: usize,
    /// Few, so that a search through them is faster than hashing.
    idle_lists: Vec<(RuntimeKey, IdleList)>,
    pub(super) queue: Queue,
    holders: Vec<Option<Holder>>,
    vacant: Vec<usize>,
    closed: bool,
    /// Time when a connection was last found dead or suspect; those that have been idle since before then may be dead
    /// too.
    pub(super) suspect_since: Option<Instant>,
    /// Number of idle connections and of connections in use, as reported last.
    reported: (usize, usize),
    /// Time since which the connection given back last was in use, until it is reported.
    released: Option<Instant>,
}

impl PoolState {
    pub(super) fn new(size: usize, overflow: usize) -> Self {
        Self {
            size,
            limit: size + overflow,
            open: 0,
            idle_lists: Vec::new(),
            queue: Queue::default(),
            holders: Vec::new(),
            vacant: Vec::new(),
            closed: false,
            suspect_since: None,
            reported: (0, 0),
            released: None,
        }
    }

    fn idle_list(&self, runtime_key: RuntimeKey) -> Option<&IdleList> {
        self.idle_lists
            .iter()
            .find_map(|(known, idle_list)| (*known == runtime_key).then_some(idle_list))
    }

    fn idle_list_mut(&mut self, runtime_key: RuntimeKey) -> Option<&mut IdleList> {
        self.idle_lists
            .iter_mut()
            .find_map(|(known, idle_list)| (*known == runtime_key).then_some(idle_list))
    }

    /// Answers the request of `caller` for a connection of `pool`.
    pub(super) fn take(
        &mut self,
        runtime_key: RuntimeKey,
        runtime: runtime::Id,
        caller: Caller,
        now: Instant,
        pool: &Weak<Pool>,
    ) -> Take {
        if self.closed {
            return Take::Closed;
        }
        if let Some(idle) = self
            .idle_list_mut(runtime_key)
            .and_then(|idle_list| idle_list.idle.pop_back())
        {
            let doubtful = self.suspect_since.is_some_and(|when| idle.since < when);
            let holder = self.add_holder(caller, now);
            return Take::Idle { idle, holder, doubtful };
        }
        // A connection that is being cleaned here is free sooner than a new one is open. However the cleaning ends, it
        // serves the queue.
        let cleaning = self
            .holders
            .iter()
            .flatten()
            .filter(|holder| holder.cleaning == Some(runtime))
            .count();
        let soon = cleaning > self.queue.len();
        if self.open < self.limit && !soon {
            self.open += 1;
            return Take::Permit { evicted: None };
        }
        // The oldest idle connection of another runtime is closed to get room.
        let oldest = self
            .idle_lists
            .iter_mut()
            .map(|(_, idle_list)| idle_list)
            .filter(|idle_list| !idle_list.idle.is_empty())
            .min_by_key(|idle_list| idle_list.idle[0].since);
        if let Some(idle_list) = oldest.filter(|_| !soon) {
            return Take::Permit {
                evicted: idle_list.idle.pop_front(),
            };
        }
        Take::Wait(self.queue.push(runtime_key, caller, pool))
    }

    /// Notes that the connection of a holder is being cleaned, and by which runtime.
    pub(super) fn cleaning(&mut self, holder: usize, runtime: runtime::Id) {
        if let Some(holder) = &mut self.holders[holder] {
            holder.cleaning = Some(runtime);
        }
    }

    /// Adds a holder, for the report of a full pool.
    pub(super) fn add_holder(&mut self, caller: Caller, now: Instant) -> usize {
        let holder = Some(Holder {
            caller,
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

    /// Takes a connection back. Returns it if it has to be closed; then its place still counts.
    pub(super) fn put(
        &mut self,
        mut idle: Box<Idle>,
        holder: usize,
        expired: bool,
        now: Instant,
        lease: impl Fn(Box<Idle>, usize) -> Lease,
    ) -> Option<Box<Idle>> {
        self.release(holder);
        if self.closed || expired || self.idle_list(idle.runtime_key).is_none() {
            return Some(idle);
        }
        // It was in use just now, no matter who gets it next.
        idle.since = now;
        while let Some(runtime_key) = self.queue.first() {
            if runtime_key != idle.runtime_key {
                // This waiter cannot use the connection, but it can have its place.
                return Some(idle);
            }
            let Some(waiter) = self.queue.pop() else { break };
            let holder = self.add_holder(waiter.caller, now);
            match waiter.send(Grant::Lease(lease(idle, holder))) {
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
        if let Some(idle_list) = self.idle_list_mut(idle.runtime_key) {
            idle_list.idle.push_back(idle);
        }
        None
    }

    /// Gives a free place to the first in the queue, which may open a connection in it.
    pub(super) fn vacate(&mut self, permit: impl Fn() -> Option<Permit>) {
        while let Some(waiter) = self.queue.pop() {
            let Some(permit) = permit() else { break };
            match waiter.send(Grant::Permit(permit)) {
                Ok(()) => return,
                Err(Grant::Permit(refused)) => refused.used(),
                Err(Grant::Lease(_)) => {}
            }
        }
        self.open = self.open.saturating_sub(1);
    }

    /// Returns whether connections of this runtime key were not watched yet. From now on they have an idle list and are
    /// watched.
    pub(super) fn unwatched(&mut self, runtime_key: RuntimeKey) -> bool {
        if let Some(idle_list) = self.idle_list_mut(runtime_key) {
            return !std::mem::replace(&mut idle_list.watched, true);
        }
        let new = IdleList {
            watched: true,
            ..IdleList::default()
        };
        self.idle_lists.push((runtime_key, new));
        true
    }

    pub(super) fn watched(&mut self, runtime_key: RuntimeKey, watch: AbortHandle) {
        if let Some(idle_list) = self.idle_list_mut(runtime_key) {
            idle_list.watch = Some(watch);
        }
    }

    /// Returns the flag that is `true` while the runtime of a key runs.
    pub(super) fn life(&self, runtime_key: RuntimeKey) -> Arc<AtomicBool> {
        // Without an idle list the runtime has ended, or the pool was closed, while the connection was being opened.
        self.idle_list(runtime_key).map_or_else(
            || Arc::new(AtomicBool::new(self.closed)),
            |idle_list| Arc::clone(&idle_list.lives),
        )
    }

    /// Removes the connections of a runtime that has ended, because they are unusable.
    pub(super) fn runtime_ended(&mut self, runtime_key: RuntimeKey) -> VecDeque<Box<Idle>> {
        if runtime_key == RuntimeKey::Any {
            if let Some(kept) = self.idle_list_mut(runtime_key) {
                kept.watched = false;
                kept.watch = None;
            }
            return VecDeque::new();
        }
        let Some(place) = self.idle_lists.iter().position(|(known, _)| *known == runtime_key) else {
            return VecDeque::new();
        };
        let (_, ended) = self.idle_lists.swap_remove(place);
        ended.lives.store(false, Ordering::Release);
        ended.idle
    }

    /// Takes out the connections that have been idle since before `deadline`.
    pub(super) fn rested_since(&mut self, runtime_key: RuntimeKey, deadline: Instant) -> VecDeque<Box<Idle>> {
        let Some(kept) = self.idle_list_mut(runtime_key) else {
            return VecDeque::new();
        };
        let count = kept.idle.iter().take_while(|idle| idle.since <= deadline).count();
        kept.idle.drain(..count).collect()
    }

    pub(super) fn oldest(&self, runtime_key: RuntimeKey) -> Option<Instant> {
        self.idle_list(runtime_key)?.idle.front().map(|idle| idle.since)
    }

    /// Closes the pool for good. Returns what it kept, so that it is dropped outside of the lock.
    pub(super) fn close(&mut self) -> (VecDeque<Box<Idle>>, Vec<AbortHandle>) {
        self.closed = true;
        self.queue.clear();
        let mut idle = VecDeque::new();
        let mut watches = Vec::new();
        for (_, idle_list) in self.idle_lists.drain(..) {
            watches.extend(idle_list.watch);
            idle.extend(idle_list.idle);
        }
        self.open = self.open.saturating_sub(idle.len());
        (idle, watches)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns the number of connections in use, or being opened or cleaned, by others than these holders.
    pub(super) fn in_use_by_others(&self, holders: &[usize]) -> usize {
        let own = holders.iter().filter(|own| self.holders[**own].is_some()).count();
        self.open.saturating_sub(self.idle()).saturating_sub(own)
    }

    /// Returns the changes in the numbers of idle connections and of connections in use since the last call.
    pub(super) fn moved(&mut self) -> (isize, isize) {
        let idle = self.idle();
        let now = (idle, self.open.saturating_sub(idle));
        let before = std::mem::replace(&mut self.reported, now);
        (now.0 as isize - before.0 as isize, now.1 as isize - before.1 as isize)
    }

    /// Returns since when the connection was in use that was given back since the last call.
    pub(super) fn released(&mut self) -> Option<Instant> {
        self.released.take()
    }

    pub(super) fn idle(&self) -> usize {
        self.idle_lists.iter().map(|(_, idle_list)| idle_list.idle.len()).sum()
    }

    pub(super) fn status(&self) -> PoolStatus {
        let idle = self.idle();
        PoolStatus {
            size: self.open,
            idle,
            in_use: self.open.saturating_sub(idle),
            waiting: self.queue.len(),
            limit: self.limit,
        }
    }

    /// Returns the holders of connections, oldest first, for a message.
    pub(super) fn holders(&self) -> String {
        let mut holders: Vec<&Holder> = self.holders.iter().flatten().collect();
        if holders.is_empty() {
            return "all are being opened or cleaned".to_owned();
        }
        holders.sort_by_key(|holder| holder.since);
        let mut text = String::from("held by");
        for (index, holder) in holders.iter().take(8).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let age = holder.since.elapsed();
            let _ = write!(text, "{comma} {} for {age:.1?}", holder.caller);
        }
        if holders.len() > 8 {
            let _ = write!(text, " and {} more", holders.len() - 8);
        }
        text
    }
}
