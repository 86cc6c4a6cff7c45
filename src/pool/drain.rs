//! Open streams, as waiters for their connections see them.

use std::task::{Context, Poll};

use crate::error::Result;

/// An open stream, as a waiter for its connection sees it.
pub(crate) trait Drain: Send + Sync {
    /// Returns whether it has handed out a row, so that it waits for no lock.
    fn has_begun(&self) -> bool;

    /// Reads the rest of the rows into memory, so that the connection becomes free.
    fn poll_drain(&self, context: &Context<'_>) -> Poll<Result<()>>;

    /// Notes that it has returned its connection and has the rest of its rows in memory.
    fn returned(&self);
}

/// Makes a stream buffer its remaining rows.
pub(crate) async fn drain(stream: &dyn Drain) -> Result<()> {
    std::future::poll_fn(|context| stream.poll_drain(context)).await
}
