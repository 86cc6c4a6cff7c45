//! What a process was sent on one channel, and has not answered.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer_queue::AnswerQueue;
use super::frame::Malformed;
use super::requests::{self, Outbox};

/// The library's end of a channel, as long as its process may write to it.
pub(super) struct OpenChannel {
    pub(super) answers: Arc<AnswerQueue>,
    unanswered: VecDeque<Lot>,
    /// The last request that was sent.
    last: u32,
    /// The request whose final answer ends the channel.
    closes: Option<u32>,
}

/// Requests that were sent at once.
struct Lot {
    /// The one that is answered next.
    next: u32,
    last: u32,
    /// Number of their bytes, and of those that were sent about them.
    bytes: usize,
}

/// What an answer means for its channel.
pub(super) struct Answered {
    /// Number of bytes that the process has surely read.
    pub(super) bytes: usize,
    /// Set if the channel has ended.
    pub(super) closed: bool,
    /// Set if nobody reads the rows.
    pub(super) unread: bool,
}

impl OpenChannel {
    pub(super) fn new(answers: &Arc<AnswerQueue>) -> Self {
        Self {
            answers: Arc::clone(answers),
            unanswered: VecDeque::new(),
            last: 0,
            closes: None,
        }
    }

    /// Returns whether requests are under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Returns the bytes of requests; none if the channel is being closed.
    pub(super) fn requests(&mut self, outbox: Outbox) -> Option<Vec<u8>> {
        if self.closes.is_some() {
            return None;
        }
        self.last = outbox.last();
        self.unanswered.push_back(Lot {
            next: outbox.first(),
            last: outbox.last(),
            bytes: outbox.bytes.len(),
        });
        Some(outbox.bytes)
    }

    /// Returns the bytes of a frame about a request under way; none if it comes too late.
    pub(super) fn notice(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.unanswered.back_mut()?.bytes += bytes.len();
        Some(bytes)
    }

    /// Returns the bytes that cancel all requests under way.
    pub(super) fn cancel(&mut self, number: u32) -> Option<Vec<u8>> {
        let under_way = self.unanswered.iter().flat_map(|lot| lot.next..=lot.last);
        let bytes = under_way
            .flat_map(|request| requests::cancel(number, request))
            .collect();
        self.notice(bytes)
    }

    /// Returns the bytes that end the channel, and cancel what is under way if they are to; none if it is being closed.
    pub(super) fn close(&mut self, number: u32, cancels: bool) -> Option<Vec<u8>> {
        if self.closes.is_some() {
            return None;
        }
        let mut bytes = cancels.then(|| self.cancel(number)).flatten().unwrap_or_default();
        let mut outbox = Outbox::new(number, self.last);
        outbox.close().ok()?;
        let request = outbox.last();
        bytes.extend(self.requests(outbox)?);
        self.closes = Some(request);
        Some(bytes)
    }

    /// Notes an answer to a request.
    pub(super) fn answered(&mut self, request: u32, is_final: bool) -> Result<Answered, Malformed> {
        let mut answered = Answered {
            bytes: 0,
            closed: self.closes == Some(request) && is_final,
            unread: self.closes.is_some(),
        };
        if answered.closed {
            answered.bytes = self.unanswered.drain(..).map(|lot| lot.bytes).sum();
            return Ok(answered);
        }
        let Some(lot) = self.unanswered.front_mut().filter(|lot| lot.next == request) else {
            return Err(Malformed::new(format!(
                "it answered the request {request}, which is not under way"
            )));
        };
        if is_final {
            lot.next += 1;
            if request == lot.last {
                answered.bytes = lot.bytes;
                self.unanswered.pop_front();
            }
        }
        Ok(answered)
    }
}
