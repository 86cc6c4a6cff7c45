//! The open streams of a database in which readers keep writers out: one of SQLite in memory, which has no WAL.
//!
//! There a stream keeps its lock until its last row is read, and its reader may be one who waits for the writer. So whoever
//! writes has the streams put their rows aside. A stream that has handed nothing out may itself wait for the writer; nobody
//! waits for such a one, but it is read as well while a commit waits for the readers.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::Result;
use crate::session::level::drain::{Drain, drain};

/// The open streams of one database.
#[derive(Default)]
pub(in crate::session) struct OpenStreams {
    streams: Mutex<Vec<Weak<dyn Drain>>>,
    opened: Notify,
}

impl OpenStreams {
    /// A stream was opened.
    pub(in crate::session) fn add(&self, stream: &Weak<dyn Drain>) {
        let mut streams = self.streams.lock();
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Weak::clone(stream));
        drop(streams);
        self.opened.notify_waiters();
    }

    fn all(&self) -> Vec<Arc<dyn Drain>> {
        self.streams.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Has those put their rows aside that have handed some out. They have their lock, so they wait for nobody.
    pub(in crate::session) async fn put_aside(&self) -> Result<()> {
        for stream in self.all() {
            if stream.has_begun() {
                drain(&*stream).await?;
            }
        }
        Ok(())
    }

    /// Runs what may have to wait for those who read, and has the streams put their rows aside as long as it waits. `own` is
    /// the stream that it is part of.
    pub(in crate::session) async fn beside<F: Future>(&self, writing: F, own: Option<&Weak<dyn Drain>>) -> F::Output {
        let mut writing = pin!(writing);
        loop {
            let mut opened = pin!(self.opened.notified());
            opened.as_mut().enable();
            let mut open = self.all();
            open.retain(|stream| !own.is_some_and(|own| std::ptr::addr_eq(own.as_ptr(), Arc::as_ptr(stream))));
            let aside = poll_fn(|context| {
                // One with too many rows keeps them; it is then waited for as SQLite does it.
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
