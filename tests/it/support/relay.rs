//! The bytes that pass through a proxy: each connection is carried, counted, delayed, held or cut here.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Swap;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lines: Mutex<Vec<Line>>,
    pub(super) delay: Mutex<Duration>,
    pub(super) flow: watch::Sender<Flow>,
    /// A new number cuts the connections that were opened before.
    pub(super) cuts: watch::Sender<u64>,
    /// `true` if a cut resets the connection to the client instead of closing it.
    pub(super) resets: AtomicBool,
    pub(super) requests: watch::Sender<usize>,
    /// From the request of that number on, this flow applies.
    pub(super) turn: Mutex<Option<(usize, Flow)>>,
    pub(super) swap: Mutex<Option<Swap>>,
}

/// One connection through the proxy, as the counters see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) open: bool,
    /// `true` if the client sent the last bytes.
    asked: bool,
    pub(super) round_trips: usize,
    /// The answer that the client gets in place of the next one.
    answer: Option<Vec<u8>>,
    /// The client port that the server sees.
    pub(super) port: u16,
    /// Number of cuts before it was opened; a later cut ends it.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Free,
    OnlyToServer,
    Stopped,
}

impl Flow {
    fn lets(self, direction: Direction) -> bool {
        match self {
            Self::Free => true,
            Self::OnlyToServer => direction == Direction::ToServer,
            Self::Stopped => false,
        }
    }
}

impl Shared {
    pub(super) fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a connection is one of those that were cut, even if it has not ended yet.
    fn is_cut(&self, line: usize) -> bool {
        self.lines()[line].cuts != *self.cuts.borrow()
    }

    pub(super) fn swap(&self) -> MutexGuard<'_, Option<Swap>> {
        self.swap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes that are passed on in place of a piece.
    fn instead(&self, line: usize, direction: Direction, bytes: Vec<u8>) -> Vec<u8> {
        if direction == Direction::ToClient {
            return self.lines()[line].answer.take().unwrap_or(bytes);
        }
        let mut swap = self.swap();
        let Some((instead, answer)) = swap.as_ref().and_then(|swap| swap.take(&bytes)) else {
            return bytes;
        };
        *swap = None;
        self.lines()[line].answer = answer;
        instead
    }

    /// Records that a piece is about to be passed on.
    fn note(&self, line: usize, direction: Direction) {
        let mut lines = self.lines();
        let line = &mut lines[line];
        match direction {
            Direction::ToServer if !line.asked => {
                line.asked = true;
                let turn = *self.turn.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((request, flow)) = turn
                    && request == *self.requests.borrow() + 1
                {
                    self.flow.send_replace(flow);
                }
                self.requests.send_modify(|requests| *requests += 1);
            }
            Direction::ToClient if line.asked => {
                line.asked = false;
                line.round_trips += 1;
            }
            _ => {}
        }
    }
}

/// A line in the table of connections, closed when dropped.
struct OpenLine {
    shared: Arc<Shared>,
    index: usize,
}

impl OpenLine {
    fn new(shared: &Arc<Shared>) -> Self {
        let mut lines = shared.lines();
        lines.push(Line {
            open: true,
            cuts: *shared.cuts.borrow(),
            ..Line::default()
        });
        Self {
            shared: Arc::clone(shared),
            index: lines.len() - 1,
        }
    }
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        self.shared.lines()[self.index].open = false;
    }
}

pub(super) async fn accept(listener: TcpListener, target: (String, u16), shared: Arc<Shared>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let line = OpenLine::new(&shared);
        let mut cuts = shared.cuts.subscribe();
        let (target, shared) = (target.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let is_cut = {
                let carried = Box::pin(forward(&mut client, target, line));
                matches!(select(carried, pin!(cuts.changed())).await, Either::Right(_))
            };
            if is_cut && shared.resets.load(Ordering::SeqCst) {
                // Closed without lingering, a socket sends a reset.
                let _ = client.set_zero_linger();
            }
        });
    }
}

/// Carries one connection until either side closes it.
async fn forward(client: &mut TcpStream, target: (String, u16), line: OpenLine) -> std::io::Result<()> {
    let server = TcpStream::connect((target.0.as_str(), target.1)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let port = server.local_addr()?.port();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.into_split();
    // Declared after the sockets, it is dropped before them: an observer that sees a socket close finds the line closed
    // too.
    let line = line;
    line.shared.lines()[line.index].port = port;
    let asking = pin!(pump(&mut from_client, &mut to_server, Direction::ToServer, &line));
    let answering = pin!(pump(&mut from_server, &mut to_client, Direction::ToClient, &line));
    match select(asking, answering).await {
        Either::Left((result, _)) | Either::Right((result, _)) => result,
    }
}

/// Carries one direction. It continues to read while earlier pieces wait, so that a delay does not reduce the
/// throughput.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    direction: Direction,
    line: &OpenLine,
) -> std::io::Result<()> {
    let shared = &line.shared;
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 && !shared.flow.borrow().lets(direction) {
                // Withheld data will never be requested; an observer that counts the open connections must see this one
                // end.
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            let due = Instant::now() + *shared.delay.lock().unwrap_or_else(PoisonError::into_inner);
            if length == 0 || queue.send((due, buffer[..length].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        let mut flow = shared.flow.subscribe();
        while let Some((due, bytes)) = queued.recv().await {
            sleep_until(due).await;
            // The sender lives as long as `shared`.
            let _ = flow.wait_for(|flow| flow.lets(direction)).await;
            shared.note(line.index, direction);
            // This piece may be the last one before the flow stops.
            let _ = flow.wait_for(|flow| flow.lets(direction)).await;
            if shared.is_cut(line.index) {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            to.write_all(&shared.instead(line.index, direction, bytes)).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}
