//! The queue of waiters for a connection.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot::{self, Receiver, Sender};

use super::runtime_key::RuntimeKey;
use super::{Caller, Lease, Pool};

/// The right to open one connection. If it is not used, it goes to the next in the queue.
pub(super) struct Permit(Option<Arc<Pool>>);

impl Permit {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self(Some(Arc::clone(pool)))
    }

    /// Marks the permit as used: the connection is open and counts by itself from now on.
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

/// The result of a wait in the queue.
pub(super) enum Grant {
    Lease(Lease),
    Permit(Permit),
}

/// A waiter in the queue.
pub(super) struct Waiter {
    pub(super) runtime_key: RuntimeKey,
    pub(super) caller: Caller,
    turn: Sender<Grant>,
}

impl Waiter {
    /// Hands a grant over. Returns it if the waiter has given up.
    pub(super) fn send(self, grant: Grant) -> Result<(), Grant> {
        self.turn.send(grant)
    }
}

/// The waiters in the order of their arrival. Waiters that have given up stay among them until they come first, or
/// until they are the larger part. So no operation walks through the queue, except that one, which is due after as many
/// have given up.
#[derive(Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
    /// Number of waiters among these that have given up.
    given_up: usize,
    /// Number of waiters that were looked at.
    #[cfg(test)]
    pub(super) looked_at: usize,
}

impl Queue {
    /// Returns the number of callers that wait.
    pub(super) fn len(&self) -> usize {
        self.waiters.len() - self.given_up
    }

    /// Adds a waiter at the end.
    pub(super) fn push(&mut self, runtime_key: RuntimeKey, caller: Caller, pool: &Weak<Pool>) -> Ticket {
        let (turn, granted) = oneshot::channel();
        self.waiters.push_back(Waiter {
            runtime_key,
            caller,
            turn,
        });
        Ticket {
            granted,
            pool: Weak::clone(pool),
        }
    }

    /// Takes the first waiter that has not given up.
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        loop {
            let waiter = self.waiters.pop_front()?;
            self.looks_at(1);
            if !waiter.turn.is_closed() {
                return Some(waiter);
            }
            self.given_up -= 1;
        }
    }

    /// Returns the runtime of the first waiter that has not given up.
    pub(super) fn first(&mut self) -> Option<RuntimeKey> {
        loop {
            let waiter = self.waiters.front()?;
            if !waiter.turn.is_closed() {
                return Some(waiter.runtime_key);
            }
            self.looks_at(1);
            self.waiters.pop_front();
            self.given_up -= 1;
        }
    }

    /// Notes that a waiter in the queue has given up.
    fn gave_up(&mut self) {
        self.given_up += 1;
        if self.given_up * 2 > self.waiters.len() {
            self.looks_at(self.waiters.len());
            self.waiters.retain(|waiter| !waiter.turn.is_closed());
            self.given_up = 0;
        }
    }

    /// Refuses all waiters.
    pub(super) fn clear(&mut self) {
        self.waiters.clear();
        self.given_up = 0;
    }

    #[cfg(test)]
    fn looks_at(&mut self, waiters: usize) {
        self.looked_at += waiters;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only a test counts")]
    fn looks_at(&mut self, _waiters: usize) {}
}

/// A place in the queue. Dropping it gives the place up.
pub(super) struct Ticket {
    granted: Receiver<Grant>,
    pool: Weak<Pool>,
}

impl Ticket {
    /// Waits for the connection, or the right to open one; `None` if the pool was closed.
    pub(super) async fn granted(&mut self) -> Option<Grant> {
        (&mut self.granted).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.granted.is_terminated() {
            return;
        }
        let Some(pool) = self.pool.upgrade() else { return };
        let mut state = pool.state.lock();
        // Grants are sent under this lock. One that is here already is dropped after it is released.
        let granted = self.granted.try_recv();
        if let Err(oneshot::error::TryRecvError::Empty) = granted {
            self.granted.close();
            state.queue.gave_up();
        }
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use crate::backend::fake::FakeConnector;
    use crate::error::Result;
    use crate::pool::{Caller, Lease, Pool};
    use crate::session::tests::engine;

    type Waiting = Pin<Box<dyn Future<Output = Result<Lease>>>>;

    fn queued(pool: &Arc<Pool>) -> Waiting {
        let pool = Arc::clone(pool);
        let mut waiting: Waiting = Box::pin(async move { pool.acquire(Caller::at(Location::caller())).await });
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        waiting
    }

    /// Returns the number of waiters that were looked at while `count` came, half of them gave up in the order of
    /// `stride`, and the rest had their turns.
    async fn looks(count: usize, stride: usize) -> [usize; 3] {
        let pool = Arc::clone(&engine(&FakeConnector::default(), false).pool);
        let looked_at = || pool.state.lock().queue.looked_at;
        let caller = Caller::at(Location::caller());
        let held = [pool.acquire(caller).await.unwrap(), pool.acquire(caller).await.unwrap()];
        let mut waiting: Vec<_> = (0..count).map(|_| Some(queued(&pool))).collect();
        let arrived = looked_at();
        assert_eq!(pool.status().waiting, count);
        for step in 0..count / 2 {
            waiting[step * stride % count] = None;
        }
        let gave_up = looked_at() - arrived;
        assert_eq!(pool.status().waiting, count - count / 2);
        drop(held);
        for waiting in waiting.into_iter().flatten() {
            drop(waiting.await.unwrap());
        }
        assert_eq!((pool.status().waiting, pool.status().in_use), (0, 0));
        [arrived, gave_up, looked_at() - gave_up - arrived]
    }

    #[tokio::test]
    async fn t4_no_caller_walks_through_the_queue_of_a_full_pool_found_a4() {
        for count in [100, 10_000] {
            // The first half; every second one; scattered.
            for stride in [1, 2, 37] {
                let [arrived, gave_up, served] = looks(count, stride).await;
                assert_eq!(arrived, 0, "who comes looks at nobody");
                assert!(gave_up <= 2 * count, "{gave_up} of {count}");
                assert!(served <= count, "{served} of {count}");
            }
        }
    }
}
