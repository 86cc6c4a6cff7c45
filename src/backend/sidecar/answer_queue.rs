//! The answers of one channel that have arrived and were not read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::frame::AnswerFrame;

/// The reason why no more answers come.
#[derive(Debug)]
pub(super) struct QueueEnding {
    pub(super) reason: String,
    /// Set if what has no answer was not run.
    pub(super) nothing_ran: bool,
}

/// The answers of one channel, with the numbers of their requests.
#[derive(Debug, Default)]
pub(super) struct AnswerQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<(u32, AnswerFrame)>,
    ending: Option<Arc<QueueEnding>>,
    reader: Option<Waker>,
}

impl AnswerQueue {
    /// Adds an answer. Returns what is to be woken.
    pub(super) fn put(&self, request: u32, answer: AnswerFrame) -> Option<Waker> {
        let mut state = self.0.lock();
        if state.ending.is_none() {
            state.answers.push_back((request, answer));
        }
        state.reader.take()
    }

    /// Notes that no more answers come, and wakes the reader.
    pub(super) fn end(&self, ending: &Arc<QueueEnding>) {
        let reader = {
            let mut state = self.0.lock();
            state.ending.get_or_insert_with(|| Arc::clone(ending));
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Returns the reason if no more answers come.
    pub(super) fn ending(&self) -> Option<Arc<QueueEnding>> {
        self.0.lock().ending.clone()
    }

    /// Takes the next answer.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(u32, AnswerFrame), Arc<QueueEnding>>> {
        let mut state = self.0.lock();
        if let Some(answer) = state.answers.pop_front() {
            return Poll::Ready(Ok(answer));
        }
        if let Some(ending) = &state.ending {
            return Poll::Ready(Err(Arc::clone(ending)));
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
