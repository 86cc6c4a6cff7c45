//! What the thread of a connection and those who ask it share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::answers::Answer;
use crate::canceller::Canceller;
use crate::failure::Failure;
use crate::frames::{Request, RequestKind, requests};

/// The time after which a statement that was cancelled is cancelled again: it may not have begun yet.
const AGAIN: Duration = Duration::from_millis(50);
/// The time after which a driver that does not end a statement is given up.
const GIVE_UP: Duration = Duration::from_secs(2);

/// What receives the frames of answers.
type Deliver = Box<dyn FnMut(&[u8]) + Send>;

/// The requests and the answers of one connection.
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// The statement under way, with the turn of its request. Its thread takes it back before it frees the statement.
    running: Mutex<Option<(u64, Canceller)>>,
    /// The last request that was cancelled, and with it all before it.
    cancelled: AtomicU32,
    /// Set once nobody asks or listens any more.
    over: AtomicBool,
    /// `None` once everything was answered.
    answers: Mutex<Option<Deliver>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    current: Option<Address>,
    /// The number of requests that were under way so far. The numbers of requests begin anew.
    turn: u64,
    /// Number of `ROWS` that may be sent.
    credits: u32,
}

impl State {
    /// Returns the request under way with its turn.
    fn under_way(&self) -> Option<(u64, Address)> {
        Some((self.turn, self.current?))
    }
}

/// The channel and the number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) channel: u32,
    pub(crate) number: u32,
}

impl Desk {
    pub(crate) fn new(answers: Deliver) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            running: Mutex::new(None),
            cancelled: AtomicU32::new(0),
            over: AtomicBool::new(false),
            answers: Mutex::new(Some(answers)),
        })
    }

    /// Takes frames. Never waits. Returns `false` if they are none.
    pub(crate) fn send(self: &Arc<Self>, bytes: &[u8]) -> bool {
        let Some(requests) = requests(bytes) else {
            return false;
        };
        let mut state = self.state.lock();
        let mut cancels = None;
        for request in requests {
            let now = state.current.is_some_and(|current| current.number == request.number);
            match request.kind {
                RequestKind::More(credits) if now => state.credits = state.credits.saturating_add(credits),
                RequestKind::More(_) => {}
                RequestKind::Cancel => {
                    self.cancelled.fetch_max(request.number, Ordering::Relaxed);
                    cancels = cancels.or(state.under_way().filter(|_| now));
                }
                _ => {
                    if request.number == 1 && state.current.is_none() && state.queue.is_empty() {
                        // Requests are counted anew.
                        self.cancelled.store(0, Ordering::Relaxed);
                    }
                    state.queue.push_back(request);
                }
            }
        }
        drop(state);
        self.changed.notify_all();
        if let Some((turn, current)) = cancels {
            self.end_running(turn, current);
        }
        true
    }

    /// Ends everything: what is under way is cancelled, and nothing more is answered.
    pub(crate) fn kill(self: &Arc<Self>) {
        let under_way = self.close();
        self.cancelled.store(u32::MAX, Ordering::Relaxed);
        self.changed.notify_all();
        if let Some((turn, current)) = under_way {
            self.end_running(turn, current);
        }
        self.forget_answers();
    }

    /// Notes that nobody asks any more. Returns the request under way, with its turn.
    pub(crate) fn close(&self) -> Option<(u64, Address)> {
        // Under the lock, so that a thread that has looked at it waits already.
        let state = self.state.lock();
        self.over.store(true, Ordering::SeqCst);
        self.changed.notify_all();
        state.under_way()
    }

    /// Waits for the next request; `None` after the last one.
    pub(crate) fn next(&self) -> Option<Request> {
        let mut state = self.state.lock();
        loop {
            if self.is_over() {
                return None;
            }
            if let Some(request) = state.queue.pop_front() {
                state.current = Some(Address {
                    channel: request.channel,
                    number: request.number,
                });
                state.turn += 1;
                state.credits = match &request.kind {
                    RequestKind::Run(run) => run.credits,
                    _ => 0,
                };
                return Some(request);
            }
            self.changed.wait(&mut state);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Returns whether a request was cancelled.
    pub(crate) fn is_cancelled(&self, number: u32) -> bool {
        number <= self.cancelled.load(Ordering::Relaxed)
    }

    /// Waits until `ROWS` may be sent. Returns `false` if they will not be wanted.
    pub(crate) fn take_credit(&self, number: u32) -> bool {
        let mut state = self.state.lock();
        while state.credits == 0 && !self.is_cancelled(number) && !self.is_over() {
            self.changed.wait(&mut state);
        }
        let taken = state.credits > 0 && !self.is_cancelled(number);
        state.credits = state.credits.saturating_sub(1);
        taken
    }

    /// Makes a statement the one that is cancelled, until the result is dropped.
    pub(crate) fn run(&self, canceller: Canceller) -> Running<'_> {
        let turn = self.state.lock().turn;
        *self.running.lock() = Some((turn, canceller));
        Running(self)
    }

    /// Answers the request under way for the last time, unless it was given up.
    pub(crate) fn finish(&self, answer: Answer) {
        let current = self.state.lock().current.take();
        self.changed.notify_all();
        if current.is_some() {
            self.answer(answer);
        }
    }

    /// Sends an answer.
    pub(crate) fn answer(&self, answer: Answer) {
        let bytes = answer.finish();
        if let Some(deliver) = self.answers.lock().as_mut() {
            deliver(&bytes);
        }
        // Whoever ended everything meanwhile has left this to the one that had the lock.
        if self.is_over() {
            self.forget_answers();
        }
    }

    /// Drops the receiver of answers, unless one is just being delivered: then the one who does that drops it.
    pub(crate) fn forget_answers(&self) {
        let deliver = self.answers.try_lock().and_then(|mut answers| answers.take());
        drop(deliver);
    }

    /// Starts a thread that cancels a request until it ends or is given up. A driver may take a while to cancel.
    fn end_running(self: &Arc<Self>, turn: u64, current: Address) {
        let desk = Arc::clone(self);
        let work = move || desk.cancel_until_ended(turn, current);
        // Without a thread the statement goes on until its end.
        let _ = thread::Builder::new().name("ebbtide-cancel".to_owned()).spawn(work);
    }

    fn cancel_until_ended(self: &Arc<Self>, turn: u64, current: Address) {
        let start = Instant::now();
        loop {
            // The next request may be under way meanwhile.
            if let Some((of, running)) = &*self.running.lock()
                && *of == turn
            {
                running.cancel();
            }
            let mut state = self.state.lock();
            if state.under_way() != Some((turn, current)) {
                return;
            }
            if start.elapsed() >= GIVE_UP {
                state.current = None;
                drop(state);
                let failure = Failure::cancelled().closing();
                self.answer(Answer::failed(current.channel, current.number, &failure));
                self.close();
                self.forget_answers();
                return;
            }
            self.changed.wait_for(&mut state, AGAIN);
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A statement that can be cancelled.
pub(crate) struct Running<'d>(&'d Desk);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Waits for a call that is cancelling it.
        *self.0.running.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_requests_that_are_counted_anew_are_not_cancelled() {
        const CANCEL: u8 = 9;
        const PING: u8 = 7;

        let desk = Desk::new(Box::new(|_| {}));
        let send = |number: u32, kind: u8| {
            let mut frame = vec![0, 0, 0, 9, 0, 0, 0, 1];
            frame.extend(number.to_be_bytes());
            frame.push(kind);
            assert!(desk.send(&frame));
        };
        send(7, CANCEL);
        assert!(desk.is_cancelled(7));
        send(1, PING);
        assert!(!desk.is_cancelled(1));
        assert_eq!(desk.next().map(|request| request.number), Some(1));
    }
}
