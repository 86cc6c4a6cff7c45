//! The library's end of a channel: requests are numbered, and their answers come in order.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::answer_queue::{AnswerQueue, QueueEnding};
use super::frame::AnswerFrame;
use super::link::Link;
use super::requests::{self, Outbox};
use super::shared_link::{SharedLink, spawn};
use crate::backend::CloseFn;

/// The number after which a channel without requests under way counts them from the beginning.
const RENEWED: u32 = 1 << 31;

/// The way in which a driver ends a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cancelling {
    /// The statement ends, and the connection stays.
    #[default]
    Statement,
    /// The connection ends with it.
    Connection,
    /// None.
    Nothing,
}

/// A channel. Its drop closes the connection, whatever is under way on it.
pub(super) struct Channel {
    /// Keeps the process.
    link: Arc<Link>,
    shared: Arc<SharedLink>,
    number: u32,
    answers: Arc<AnswerQueue>,
    /// The last request that was sent.
    last: u32,
    /// The last request whose final answer was read.
    answered: u32,
    pub(super) cancelling: Cancelling,
    /// Set if the process has no other channel.
    alone: bool,
    /// The time that a statement has to end after it was cancelled.
    limit: Duration,
    closed: bool,
}

impl Channel {
    pub(super) fn open(link: Arc<Link>, alone: bool, limit: Duration) -> Self {
        let (number, answers) = link.open();
        Self {
            shared: link.shared(),
            link,
            number,
            answers,
            last: 0,
            answered: 0,
            cancelling: Cancelling::default(),
            alone,
            limit,
            closed: false,
        }
    }

    /// Returns an empty outbox for the next requests.
    pub(super) fn outbox(&self) -> Outbox {
        let renewed = self.is_idle() && self.last > RENEWED;
        Outbox::new(self.number, if renewed { 0 } else { self.last })
    }

    /// Sends requests. Returns the number of the last one.
    pub(super) fn send(&mut self, outbox: Outbox) -> u32 {
        if self.is_idle() {
            self.answered = outbox.first() - 1;
        }
        self.last = outbox.last();
        self.shared.send(self.number, outbox);
        self.last
    }

    /// Allows more `ROWS` of the request under way.
    pub(super) fn more(&self, credits: u32) {
        let frame = requests::more(self.number, self.answered + 1, credits);
        self.shared.notify(self.number, frame);
    }

    /// Cancels everything under way.
    pub(super) fn cancel(&self) {
        self.shared.cancel(self.number);
    }

    /// Returns whether every request is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.answered == self.last
    }

    /// Returns whether a request is answered, if nothing was sent before what is under way.
    pub(super) fn has_answered(&self, request: u32) -> bool {
        self.answered >= request
    }

    /// Returns the reason if the process or the connection has ended.
    pub(super) fn ending(&self) -> Option<Arc<QueueEnding>> {
        self.answers.ending()
    }

    /// Waits for the next answer.
    pub(super) async fn answer(&mut self) -> Result<(u32, AnswerFrame), Arc<QueueEnding>> {
        let (request, answer) = poll_fn(|context| self.answers.poll(context)).await?;
        if answer.is_final() {
            self.answered = request;
        }
        Ok((request, answer))
    }

    /// Closes the connection, and waits until that is done.
    pub(super) async fn close(mut self) -> Result<(), Arc<QueueEnding>> {
        let closes = self.last + 1;
        self.closed = true;
        self.shared.close(self.number, false);
        while self.answered != closes {
            self.answer().await?;
        }
        Ok(())
    }

    /// Returns a function that closes the connection from outside.
    pub(super) fn close_handle(&self) -> CloseFn {
        let closing = self.closing();
        Box::new(move || {
            let ending = Arc::new(QueueEnding {
                reason: "the connection was closed from outside".to_owned(),
                nothing_ran: false,
            });
            closing.shared.end_channel(closing.number, &ending);
            if closing.alone {
                // Whoever holds the connection keeps its process.
                closing.shared.kill();
            } else {
                closing.close();
            }
        })
    }

    fn closing(&self) -> ForcedClosing {
        ForcedClosing {
            shared: Arc::clone(&self.shared),
            number: self.number,
            alone: self.alone,
            cancelling: self.cancelling,
            limit: self.limit,
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if !self.closed && !self.link.has_ended() {
            self.closing().close();
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The end of a connection whose requests may be under way.
struct ForcedClosing {
    shared: Arc<SharedLink>,
    number: u32,
    alone: bool,
    cancelling: Cancelling,
    limit: Duration,
}

impl ForcedClosing {
    fn close(&self) {
        let busy = self.shared.is_busy(self.number);
        if busy && self.alone {
            self.shared.kill();
            return;
        }
        // Even where a driver cannot end a statement, its process can stop reading.
        self.shared.close(self.number, true);
        if busy && self.cancelling == Cancelling::Nothing {
            // Nothing else ends what hangs.
            let (shared, number, limit) = (Arc::clone(&self.shared), self.number, self.limit);
            let watch = move || {
                if !shared.wait_closed(number, limit) {
                    shared.kill();
                }
            };
            if spawn("ebbtide-close", watch).is_err() {
                self.shared.kill();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peer::{Shared, slot};
    use super::*;

    #[tokio::test]
    async fn b6_requests_are_counted_anew_before_their_numbers_end() {
        let link = slot(&Shared::default()).link(&[]).await.unwrap();
        let mut channel = Channel::open(link, false, Duration::from_secs(5));
        (channel.last, channel.answered) = (RENEWED - 1, RENEWED - 1);
        let mut sent = Vec::new();
        for _ in 0..3 {
            let mut outbox = channel.outbox();
            outbox.ping().unwrap();
            outbox.ping().unwrap();
            let first = outbox.first();
            sent.push((first, channel.send(outbox)));
            while !channel.is_idle() {
                channel.answer().await.unwrap();
            }
        }
        assert_eq!(sent, [(RENEWED, RENEWED + 1), (1, 2), (3, 4)]);
        channel.close().await.unwrap();
    }
}
