//! The socket of a connection: messages out and in, one at a time.
//!
//! A call that is dropped loses nothing: what was not sent or read yet is sent or read by the next one.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use postgres_protocol::message::backend::Message;
use sqlx_core::net::Socket;

/// Number of bytes that are read at once.
const READ: usize = 8 * 1024;

/// The size to which the buffer of what is sent shrinks.
const KEPT: usize = 64 * 1024;

/// The longest message that the server may send, and the longest one before the session has begun. A longer one is none of
/// the protocol, and must not have room reserved.
const LONGEST: usize = 1 << 30;
const LONGEST_AT_STARTUP: usize = 1 << 20;

/// A socket with its buffers.
pub(super) struct MessageSocket {
    socket: Box<dyn Socket>,
    received: BytesMut,
    outgoing: Vec<u8>,
    /// The number of outgoing bytes that the socket has taken.
    sent: usize,
    /// The number of bytes that the socket has taken since it was opened.
    total: u64,
    /// Set if the socket may hold back what it has taken.
    held: bool,
}

impl MessageSocket {
    pub(super) fn new(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            received: BytesMut::new(),
            outgoing: Vec::new(),
            sent: 0,
            total: 0,
            held: false,
        }
    }

    /// Returns the buffer of what is sent next.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Returns the number of bytes that were sent since the socket was opened.
    pub(super) fn sent(&self) -> u64 {
        self.total
    }

    /// Forgets what was not sent. Returns whether no message was sent in part.
    pub(super) fn discard(&mut self) -> bool {
        self.outgoing.clear();
        std::mem::take(&mut self.sent) == 0
    }

    /// Returns the length of the message that is received next, with its tag, once that is known.
    fn next_length(&self, longest: usize) -> io::Result<Option<usize>> {
        let Some(length) = self.received.get(1..5) else {
            return Ok(None);
        };
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if length > longest {
            let what = format!("the server announced a message of {length} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Some(length + 1))
    }

    /// Returns the next message. What is to be sent is sent meanwhile, so that neither side waits for the other to read.
    pub(super) async fn receive(&mut self) -> io::Result<Message> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Message>> {
        loop {
            self.next_length(LONGEST)?;
            if let Some(message) = Message::parse(&mut self.received)? {
                return Poll::Ready(Ok(message));
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// Sends what is to be sent, as far as the socket takes it, and reads what there is.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is there is read without the runtime, which would let no other task run in a long answer.
        let proceed = ready!(tokio::task::coop::poll_proceed(cx));
        let unsent = match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        };
        let before = self.received.len();
        loop {
            self.received.resize(before + READ, 0);
            let read = self.socket.try_read(&mut &mut self.received[before..]);
            self.received.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(count) if count > 0 => {
                    proceed.made_progress();
                    return Poll::Ready(Ok(()));
                }
                // The server may have told why it reads no more; now that is read.
                _ if unsent.is_some() => return Poll::Ready(unsent.map_or(Ok(()), Err)),
                Ok(_) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_read_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends all that is to be sent.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outgoing.len() {
            match self.socket.try_write(&self.outgoing[self.sent..]) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => {
                    self.sent += sent;
                    self.total += sent as u64;
                    self.held = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_write_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(KEPT);
        self.sent = 0;
        if self.held {
            ready!(self.socket.poll_flush(cx))?;
            self.held = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what was received into `out`, but no more than one message.
    pub(super) fn take_received(&mut self, out: &mut tokio::io::ReadBuf<'_>, left: &mut usize) -> io::Result<()> {
        if *left == 0 {
            let Some(length) = self.next_length(LONGEST_AT_STARTUP)? else {
                return Ok(());
            };
            *left = length;
        }
        let count = self.received.len().min(*left).min(out.remaining());
        out.put_slice(&self.received[..count]);
        self.received.advance(count);
        *left -= count;
        Ok(())
    }

    /// Sends all that is to be sent, and closes the socket.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await?;
        poll_fn(|cx| self.socket.poll_shutdown(cx)).await
    }
}
