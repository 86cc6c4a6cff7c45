//! The link to a process, as its users hold it.

use std::fmt;
use std::io::Write;
use std::ops::Deref;
use std::sync::Arc;

use super::shared_link::{SharedLink, SidecarPeer, spawn};

/// The link to a process. When the last user drops it, the process is ended.
pub(super) struct Link(Arc<SharedLink>);

impl Link {
    pub(super) fn new(pipe: Box<dyn Write + Send>, peer: Box<dyn SidecarPeer>) -> Self {
        Self(Arc::new(SharedLink::new(pipe, peer)))
    }

    /// Returns what the threads of the link share.
    pub(super) fn shared(&self) -> Arc<SharedLink> {
        Arc::clone(&self.0)
    }
}

impl Deref for Link {
    type Target = SharedLink;

    fn deref(&self) -> &SharedLink {
        &self.0
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Ended by the end of its input. The thread that reads sees it.
        self.close_input();
        let shared = self.shared();
        if spawn("ebbtide-end", move || shared.end_in_time()).is_err() {
            self.kill();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
