//! A TCP proxy in front of a server, which counts round trips and can delay, withhold or cut messages.
//!
//! It runs on a thread of its own, so a test may block its runtime, or use several.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{Swap, backend_pids_of_ports, block_on_here};

/// A proxy on a free port of 127.0.0.1. Dropping it closes everything.
///
/// A round trip is bytes of the client followed by bytes of the server. It is counted just before the first byte of the
/// answer is passed on, and so before the client can know of it. How TCP splits the messages does not matter, and data
/// that the server sends unprompted does not count.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    target: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    delay: Mutex<Duration>,
    flow: watch::Sender<Flow>,
    /// A new number cuts the connections that were opened before.
    cuts: watch::Sender<u64>,
    requests: watch::Sender<usize>,
    /// From the request of that number on, this flow applies.
    turn: Mutex<Option<(usize, Flow)>>,
    swap: Mutex<Option<Swap>>,
}

/// One connection through the proxy, as the counters see it.
#[derive(Clone, Debug, Default)]
struct Line {
    open: bool,
    /// `true` if the client sent the last bytes.
    asked: bool,
    round_trips: usize,
    /// The answer that the client gets in place of the next one.
    answer: Option<Vec<u8>>,
    /// The client port that the server sees.
    port: u16,
    /// Number of cuts before it was opened; a later cut ends it.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
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

impl Proxy {
    /// Starts a proxy to the server of a URL, which must name a host that is reached by TCP.
    pub(crate) fn start(target_url: &str) -> Self {
        let mut url = Url::parse(target_url).expect("the proxy wants a URL");
        assert!(
            !url.query_pairs()
                .any(|(key, _)| matches!(&*key, "host" | "hostaddr" | "port" | "socket")),
            "the proxy wants the host and the port before the `/`"
        );
        let host = url
            .host_str()
            .expect("the proxy wants a host")
            .trim_matches(['[', ']'])
            .to_owned();
        let port = url.port().unwrap_or(if url.scheme().starts_with("postgres") {
            5432
        } else {
            3306
        });
        let shared = Arc::new(Shared {
            lines: Mutex::default(),
            delay: Mutex::default(),
            flow: watch::Sender::new(Flow::Free),
            cuts: watch::Sender::new(0),
            requests: watch::Sender::new(0),
            turn: Mutex::default(),
            swap: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let (listener, address) = listen();
        let for_thread = Arc::clone(&shared);
        let serve = move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the proxy");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("the proxy's listener");
                let accepting = accept(listener, (host, port), for_thread);
                select(pin!(accepting), stopped).await;
            });
        };
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(serve)
            .expect("a thread for the proxy");
        url.set_host(Some("127.0.0.1")).expect("the host can be replaced");
        url.set_port(Some(address.port())).expect("the port can be replaced");
        Self {
            url: url.into(),
            target: target_url.to_owned(),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the URL of the server, with the proxy's address.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// The same without encryption, for who reads along what is sent: see [`swap`](Self::swap).
    pub(crate) fn open_url(&self) -> String {
        let sign = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{sign}ssl=false", self.url)
    }

    /// The round trips of all connections since the start or the last [`reset`](Self::reset).
    pub(crate) fn round_trips(&self) -> usize {
        self.shared.lines().iter().map(|line| line.round_trips).sum()
    }

    /// Returns the round trips of each connection, in the order in which they were opened.
    pub(crate) fn round_trips_by_connection(&self) -> Vec<usize> {
        self.shared.lines().iter().map(|line| line.round_trips).collect()
    }

    /// Returns how often a client began to send after the server had sent, answered or not. A farewell message counts.
    pub(crate) fn requests(&self) -> usize {
        *self.shared.requests.borrow()
    }

    /// Waits until [`requests`](Self::requests) has reached `count`: the request is on its way to the server.
    pub(crate) async fn until_requests(&self, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        requests
            .wait_for(|now| *now >= count)
            .await
            .expect("the proxy is there");
    }

    /// Sets the counters of round trips and requests to zero.
    pub(crate) fn reset(&self) {
        let mut lines = self.shared.lines();
        lines.iter_mut().for_each(|line| line.round_trips = 0);
        self.shared.requests.send_replace(0);
    }

    /// Returns how many connections were opened through the proxy in its life.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lines().len()
    }

    /// Returns how many of them are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.lines().iter().filter(|line| line.open).count()
    }

    /// Returns the server's ids of the open connections.
    pub(crate) fn backend_pids(&self) -> Vec<i64> {
        let ports: Vec<_> = self
            .shared
            .lines()
            .iter()
            .filter(|line| line.open)
            .map(|line| line.port)
            .collect();
        block_on_here(async { backend_pids_of_ports(&self.target, &ports).await })
            .expect("the server tells its clients")
    }

    /// From now on accepts connections but passes nothing on, like a server that never answers.
    pub(crate) fn pause(&self) {
        self.shared.flow.send_replace(Flow::Stopped);
    }

    /// From now on passes requests to the server, but no answer back.
    pub(crate) fn hold_answers(&self) {
        self.shared.flow.send_replace(Flow::OnlyToServer);
    }

    /// Sets the counters to zero. The request of that number, from 1, still reaches the server; its answer and all
    /// later ones do not come back.
    pub(crate) fn hold_answers_from(&self, request: usize) {
        self.turn_at(request, Flow::OnlyToServer);
    }

    /// Does the same, but that request does not reach the server either.
    pub(crate) fn pause_from(&self, request: usize) {
        self.turn_at(request, Flow::Stopped);
    }

    fn turn_at(&self, request: usize, flow: Flow) {
        self.reset();
        *self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some((request, flow));
    }

    /// Passes everything through again, the withheld data first.
    pub(crate) fn resume(&self) {
        *self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.flow.send_replace(Flow::Free);
    }

    /// Closes the connections that are open now.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on the next text that a swap is for is sent as that says, if it is not encrypted.
    pub(crate) fn swap(&self, swap: Swap) {
        *self.shared.swap() = Some(swap);
    }

    /// Returns whether the text that the last swap is for has come; if not, the swap is removed.
    pub(crate) fn swapped(&self) -> bool {
        self.shared.swap().take().is_none()
    }

    /// Delays every message by this time, in each direction.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a connection is one of those that were cut, even if it has not ended yet.
    fn is_cut(&self, line: usize) -> bool {
        self.lines()[line].cuts != *self.cuts.borrow()
    }

    fn swap(&self) -> MutexGuard<'_, Option<Swap>> {
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

fn listen() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port for the proxy");
    listener.set_nonblocking(true).expect("a socket that does not block");
    let address = listener.local_addr().expect("the proxy's address");
    (listener, address)
}

async fn accept(listener: TcpListener, target: (String, u16), shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let line = OpenLine::new(&shared);
        let mut cuts = shared.cuts.subscribe();
        let target = target.clone();
        tokio::spawn(async move {
            select(Box::pin(forward(client, target, line)), pin!(cuts.changed())).await;
        });
    }
}

/// Carries one connection until either side closes it.
async fn forward(client: TcpStream, target: (String, u16), line: OpenLine) -> std::io::Result<()> {
    let server = TcpStream::connect((target.0.as_str(), target.1)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let port = server.local_addr()?.port();
    let (mut from_client, mut to_client) = client.into_split();
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
