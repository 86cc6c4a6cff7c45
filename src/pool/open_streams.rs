//! The open streams of a database in which readers keep writers out: one of SQLite in memory, which has no WAL.
//!
//! There a stream keeps its lock until its last row is read, and its reader may itself wait for the writer. So a writer
//! makes the streams buffer their rows. A stream that has returned no row may itself wait for the writer. Writers do
//! not wait for such a stream, but a commit that waits for readers reads it as well.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::drain::{Drain, drain};
use crate::error::Result;

/// The open streams of one database, of all pools that have it open.
#[derive(Debug, Default)]
pub(crate) struct OpenStreams {
    streams: Mutex<Vec<Weak<dyn Drain>>>,
    opened: Notify,
}

impl OpenStreams {
    /// Adds a stream that was opened.
    pub(crate) fn add(&self, stream: &Weak<dyn Drain>) {
        let mut streams = self.streams.lock();
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Weak::clone(stream));
        drop(streams);
        self.opened.notify_waiters();
    }

    fn all(&self) -> Vec<Arc<dyn Drain>> {
        self.streams.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Makes the streams that have returned rows buffer the others. They have their lock, so they wait for no other
    /// caller.
    pub(crate) async fn put_aside(&self) -> Result<()> {
        // Weak, so that one whose reader is gone is not kept open while another is read.
        let streams = self.streams.lock().clone();
        for stream in streams {
            if let Some(stream) = stream.upgrade().filter(|stream| stream.has_begun()) {
                drain(&*stream).await?;
            }
        }
        Ok(())
    }

    /// Runs something that may have to wait for readers, and makes the streams buffer their rows while it waits. `own`
    /// is the stream that it is part of.
    pub(crate) async fn beside<F: Future>(&self, writing: F, own: Option<&Weak<dyn Drain>>) -> F::Output {
        let mut writing = pin!(writing);
        loop {
            let mut opened = pin!(self.opened.notified());
            opened.as_mut().enable();
            let mut open = self.all();
            open.retain(|stream| !own.is_some_and(|own| std::ptr::addr_eq(own.as_ptr(), Arc::as_ptr(stream))));
            let aside = poll_fn(|context| {
                // A stream with too many rows keeps them; SQLite then waits for it.
                open.retain(|stream| stream.poll_drain(context).is_pending());
                Poll::<()>::Pending
            });
            tokio::select! {
                biased;
                written = &mut writing => return written,
                () = opened => {}
                () = aside => {}
            }
        }
    }
}
