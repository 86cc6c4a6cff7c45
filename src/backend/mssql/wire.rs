//! The socket of a connection. It counts what arrives, and can be closed from outside.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// What is known of a socket beside it.
#[derive(Debug, Default)]
pub(super) struct WireState {
    received: AtomicU64,
    closed: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl WireState {
    /// Returns the number of bytes that have been read.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Ends the connection: whoever reads from it or writes to it gets an error.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    /// Fails if the connection was closed; else a later call to `close` wakes the task.
    fn check(&self, waiting: &AtomicWaker, context: &Context<'_>) -> io::Result<()> {
        // Registered before the flag is looked at, so that no call to `close` goes unnoticed.
        waiting.register(context.waker());
        if self.closed.load(Ordering::Acquire) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection was closed",
            ));
        }
        Ok(())
    }
}

/// The socket of a connection, for the traits of `futures`.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    state: Arc<WireState>,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, state: &Arc<WireState>) -> Self {
        Self {
            socket,
            state: Arc::clone(state),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.state.check(&self.state.reader, context)?;
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        self.state.received.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.state.check(&self.state.writer, context)?;
        Pin::new(&mut self.socket).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.check(&self.state.writer, context)?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use tokio::net::TcpListener;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn b1_who_writes_to_a_peer_that_does_not_read_is_woken_by_the_end() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (socket, _peer) = futures::try_join!(TcpStream::connect(address), listener.accept()).unwrap();
        let state = Arc::<WireState>::default();
        let mut wire = Wire::new(socket, &state);
        let (reads, writes) = (Arc::<Wakes>::default(), Arc::<Wakes>::default());
        let (first, second) = (Waker::from(Arc::clone(&reads)), Waker::from(Arc::clone(&writes)));
        let (mut reading, mut writing) = (Context::from_waker(&first), Context::from_waker(&second));
        let much = vec![0; 1024 * 1024];
        while let Poll::Ready(written) = Pin::new(&mut wire).poll_write(&mut writing, &much) {
            written.unwrap();
        }
        assert!(Pin::new(&mut wire).poll_read(&mut reading, &mut [0]).is_pending());
        let woken = |wakes: &Wakes| wakes.0.load(Ordering::SeqCst);
        assert_eq!((woken(&reads), woken(&writes)), (0, 0));
        state.close();
        assert_eq!((woken(&reads), woken(&writes)), (1, 1));
        let aborted = |end: Poll<io::Result<()>>| match end {
            Poll::Ready(Err(error)) => error.kind() == io::ErrorKind::ConnectionAborted,
            _ => false,
        };
        assert!(aborted(
            Pin::new(&mut wire).poll_write(&mut writing, &much).map_ok(drop)
        ));
        assert!(aborted(Pin::new(&mut wire).poll_flush(&mut writing)));
        assert!(aborted(
            Pin::new(&mut wire).poll_read(&mut reading, &mut [0]).map_ok(drop)
        ));
    }
}
