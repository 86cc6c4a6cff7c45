//! Notifications that a server sends by itself.

use std::fmt;

use futures::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};

/// A notification of PostgreSQL, sent by `NOTIFY` or `pg_notify`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    pub(crate) channel: String,
    pub(crate) payload: String,
    pub(crate) process_id: Option<u32>,
}

impl Notification {
    /// Returns the name of the channel.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Returns the payload; empty if the sender gave none.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// Returns the process id of the server's session that sent it, `pg_backend_pid()`; `None` in a sandbox.
    pub fn process_id(&self) -> Option<u32> {
        self.process_id
    }
}

/// Without the payload, which may be a user's.
impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("channel", &self.channel)
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

/// A connection that listens to channels.
pub(crate) trait NotificationSource: Send {
    /// Waits for the next notification. After an error the connection is lost. A dropped call loses nothing.
    fn receive(&mut self) -> BoxFuture<'_, Result<Notification>>;

    /// Checks that the server still answers.
    fn ping(&mut self) -> BoxFuture<'_, Result<()>>;
}

/// Returns the error of a driver that cannot listen.
pub(crate) fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "this driver does not receive notifications")
        .help("listen through PostgreSQL's own driver: `postgres://…`")
}
