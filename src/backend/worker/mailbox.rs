//! The channels to the isolated side.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::actor::Command;

/// The channels to the isolated side.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) hang_up: HangUp,
    /// Ready when the other side is gone. A command sent at that very moment may stay in the channel, and with it the
    /// sender of its answer, so waiting for the answer is not enough.
    pub(super) gone: oneshot::Receiver<()>,
}

/// A sender whose removal ends the other side.
pub(super) type HangUp = Arc<Mutex<Option<oneshot::Sender<()>>>>;

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.hang_up.lock().take();
    }
}
