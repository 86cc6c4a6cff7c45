//! The library's end of a channel: requests are numbered, and their answers come in order.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::frame::AnswerFrame;
use super::link::{Link, Wires, spawn};
use super::mailbox::{AnswerQueue, ProcessEnding};
use super::requests::{self, Outbox};
use crate::backend::CloseFn;

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
    wires: Arc<Wires>,
    number: u32,
    mailbox: Arc<AnswerQueue>,
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
        let (number, mailbox) = link.open();
        Self {
            wires: link.wires(),
            link,
            number,
            mailbox,
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
        Outbox::new(self.number, self.last)
    }

    /// Sends requests. Returns the number of the last one.
    pub(super) fn send(&mut self, outbox: Outbox) -> u32 {
        self.last = outbox.last();
        self.wires.send(self.number, outbox);
        self.last
    }

    /// Allows more `ROWS` of the request under way.
    pub(super) fn more(&self, credits: u32) {
        let frame = requests::more(self.number, self.answered + 1, credits);
        self.wires.notify(self.number, frame);
    }

    /// Cancels everything under way.
    pub(super) fn cancel(&self) {
        for request in self.answered + 1..=self.last {
            self.wires.notify(self.number, requests::cancel(self.number, request));
        }
    }

    /// Returns whether every request is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.answered == self.last
    }

    /// Returns the reason if the process or the connection has ended.
    pub(super) fn ending(&self) -> Option<Arc<ProcessEnding>> {
        self.mailbox.ending()
    }

    /// Waits for the next answer.
    pub(super) async fn answer(&mut self) -> Result<(u32, AnswerFrame), Arc<ProcessEnding>> {
        let (request, answer) = poll_fn(|context| self.mailbox.poll(context)).await?;
        if answer.is_final() && request > 0 {
            self.answered = request;
        }
        Ok((request, answer))
    }

    /// Closes the connection, and waits until that is done.
    pub(super) async fn close(mut self) -> Result<(), Arc<ProcessEnding>> {
        self.send_close();
        while !self.is_idle() {
            self.answer().await?;
        }
        Ok(())
    }

    fn send_close(&mut self) {
        self.closed = true;
        let mut outbox = self.outbox();
        if outbox.close().is_ok() {
            self.last = outbox.last();
            self.wires.close(self.number, outbox);
        }
    }

    /// Returns a function that closes the connection from outside.
    pub(super) fn close_handle(&self) -> CloseFn {
        let (wires, number, alone) = (Arc::clone(&self.wires), self.number, self.alone);
        Box::new(move || {
            let why = Arc::new(ProcessEnding("the connection was closed from outside".to_owned()));
            wires.end_channel(number, &why);
            if alone {
                wires.kill();
            }
        })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if self.closed || self.link.has_ended() {
            return;
        }
        let busy = !self.is_idle();
        if busy && self.alone {
            self.link.kill();
            return;
        }
        if busy {
            // Even where a driver cannot end a statement, its process can stop reading.
            self.cancel();
        }
        self.send_close();
        if busy && self.cancelling == Cancelling::Nothing {
            // Nothing else ends what hangs.
            let (wires, number, limit) = (Arc::clone(&self.wires), self.number, self.limit);
            let watch = move || {
                if !wires.wait_closed(number, limit) {
                    wires.kill();
                }
            };
            if spawn("ebbtide-close", watch).is_err() {
                self.link.kill();
            }
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
