//! The thread of a connection, as its users see it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use crate::desk::Desk;
use crate::worker::serve;

/// A thread with one connection of an ODBC driver. It ends with the last request, or when this is dropped.
pub struct Sidecar(Arc<Desk>);

impl Sidecar {
    /// Starts the thread. `answers` gets the frames of answers, one in each call, and is dropped after the last one. It
    /// must not wait.
    pub fn start(answers: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let desk = Desk::new(Box::new(answers));
        let served = Arc::clone(&desk);
        thread::Builder::new()
            .name("ebbtide-odbc".to_owned())
            .spawn(move || serve(&served))?;
        Ok(Self(desk))
    }

    /// Takes complete frames. Never waits for the driver.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if they are not as the protocol has them.
    pub fn send(&self, frames: &[u8]) -> io::Result<()> {
        if self.0.send(frames) {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Returns a function that ends the connection: what is under way is cancelled, and nothing more is answered. A
    /// driver that does not come back keeps its thread.
    pub fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let desk = Arc::clone(&self.0);
        move || desk.kill()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidecar").finish_non_exhaustive()
    }
}
