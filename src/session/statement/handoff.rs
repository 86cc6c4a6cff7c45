//! Rows on their way from the code that reads them off the wire to the code that wants them.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::backend::Pulse;

/// Number of rows that wait for their reader if the driver is on another thread; each message may wake one.
const AHEAD: usize = 64;

/// A short queue with one writer and one reader. With room for one, the writer continues only when its item was taken:
/// while the reader has that, nothing is read off the wire.
pub(crate) struct Handoff<T> {
    state: Mutex<State<T>>,
    pulse: Pulse,
}

struct State<T> {
    items: VecDeque<T>,
    room: usize,
    closed: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
}

impl<T> Handoff<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                room: 1,
                closed: false,
                writer: None,
                reader: None,
            }),
            pulse: Pulse::default(),
        }
    }

    /// Returns the pulse, which shows when the writer waits for the reader.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Lets a writer on another thread go ahead of its reader.
    pub(in crate::session) fn widen(&self) {
        self.state.lock().room = AHEAD;
    }

    /// Hands an item over. Returns `false` if the reader is gone.
    pub(crate) async fn put(&self, item: T) -> bool {
        let reader = {
            let mut state = self.state.lock();
            state.items.push_back(item);
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
        self.pulse.beat();
        let wanted = std::future::poll_fn(|context| {
            let mut state = self.state.lock();
            if state.closed || state.items.len() < state.room {
                return Poll::Ready(!state.closed);
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        self.pulse.beat();
        wanted
    }

    /// Waits until the reader is gone.
    pub(crate) async fn closed(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.state.lock();
            if state.closed {
                return Poll::Ready(());
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Returns the next item, if there is one.
    pub(in crate::session) fn take(&self) -> Option<T> {
        let (item, writer) = {
            let mut state = self.state.lock();
            let item = state.items.pop_front()?;
            (item, state.writer.take())
        };
        writer.into_iter().for_each(Waker::wake);
        Some(item)
    }

    /// Returns the next item. If there is none yet, its arrival wakes the reader.
    pub(in crate::session) fn take_or_wait(&self, context: &Context<'_>) -> Option<T> {
        if let Some(item) = self.take() {
            return Some(item);
        }
        let mut state = self.state.lock();
        if state.items.is_empty() {
            state.reader = Some(context.waker().clone());
            return None;
        }
        drop(state);
        self.take()
    }

    fn close(&self) {
        let writer = {
            let mut state = self.state.lock();
            state.closed = true;
            state.items.clear();
            state.writer.take()
        };
        writer.into_iter().for_each(Waker::wake);
    }
}

/// The reader of a handoff, which closes it when it is dropped.
pub(in crate::session) struct Reading<T>(pub(in crate::session) Arc<Handoff<T>>);

impl<T> Deref for Reading<T> {
    type Target = Handoff<T>;

    fn deref(&self) -> &Handoff<T> {
        &self.0
    }
}

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> fmt::Debug for Handoff<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handoff").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::task::noop_waker_ref;

    use super::*;

    #[test]
    fn with_room_for_one_the_writer_goes_on_when_its_item_was_taken() {
        let handoff = Handoff::new();
        let mut writing = Box::pin(handoff.put(1));
        assert_eq!(writing.as_mut().now_or_never(), None);
        assert!(handoff.pulse().waits_for_reader());
        assert_eq!(handoff.take(), Some(1));
        assert_eq!(writing.as_mut().now_or_never(), Some(true));
        assert!(!handoff.pulse().waits_for_reader());
    }

    #[test]
    fn a_reader_that_is_gone_wants_nothing_more() {
        let handoff = Arc::new(Handoff::new());
        let mut writing = Box::pin(handoff.put(1));
        assert_eq!(writing.as_mut().now_or_never(), None);
        drop(Reading(Arc::clone(&handoff)));
        assert_eq!(writing.as_mut().now_or_never(), Some(false));
        assert_eq!(handoff.closed().now_or_never(), Some(()));
        assert_eq!(handoff.take_or_wait(&Context::from_waker(noop_waker_ref())), None);
    }
}
