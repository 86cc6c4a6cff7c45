//! A driver of ODBC, on a thread of this process in place of a child process.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ebbtide_odbc::Sidecar;

use super::codec;
use super::frame::LENGTH;
use super::link::Link;
use super::shared_link::{SharedLink, SidecarPeer};
use crate::error::{Error, ErrorKind, Result};

/// The pipe to a thread: what is written is a request at once.
struct ThreadPipe(Sidecar);

impl Write for ThreadPipe {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.0.send(frames)?;
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread as the end of a link.
struct ThreadPeer(Box<dyn Fn() + Send + Sync>);

impl SidecarPeer for ThreadPeer {
    fn kill(&self) {
        (self.0)();
    }

    fn reap(&self, _grace: Duration) -> String {
        "the thread of the ODBC driver has ended".to_owned()
    }
}

/// What receives answers, and ends the link when none come any more.
struct Answers(Arc<OnceLock<Arc<SharedLink>>>);

impl Answers {
    fn take(&self, frame: &[u8]) {
        let Some(shared) = self.0.get() else { return };
        let delivered = codec::frame(frame.get(LENGTH..).unwrap_or_default()).and_then(|frame| shared.deliver(frame));
        match delivered {
            Ok(Some(waker)) => waker.wake(),
            Ok(None) => {}
            Err(why) => shared.end(Some(&why)),
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(shared) = self.0.get() {
            shared.end(None);
        }
    }
}

/// Starts a thread.
pub(super) fn start() -> Result<Link> {
    // The link needs the thread, and the thread the link; nothing is answered before something is asked.
    let place = Arc::<OnceLock<Arc<SharedLink>>>::default();
    let answers = Answers(Arc::clone(&place));
    let sidecar = Sidecar::start(move |frame| answers.take(frame))
        .map_err(|why| Error::new(ErrorKind::Driver, format!("no thread can be started: {why}")))?;
    let peer = ThreadPeer(Box::new(sidecar.killer()));
    let link = Link::new(Box::new(ThreadPipe(sidecar)), Box::new(peer));
    // It was empty until now.
    let _ = place.set(link.shared());
    Ok(link)
}
