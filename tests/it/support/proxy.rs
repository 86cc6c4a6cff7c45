//! A TCP proxy in front of a server, which counts round trips and can delay, withhold or cut messages.
//!
//! It runs on a thread of its own, so a test may block its runtime, or use several.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::future::select;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use url::Url;

use super::relay::{Flow, Shared, accept};
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
            resets: AtomicBool::new(false),
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
        self.end(false);
    }

    /// Resets the connections that are open now: the client's next read or write is an error, whatever was sent before.
    pub(crate) fn reset_connections(&self) {
        self.end(true);
    }

    fn end(&self, with_resets: bool) {
        self.shared.resets.store(with_resets, Ordering::SeqCst);
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

fn listen() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port for the proxy");
    listener.set_nonblocking(true).expect("a socket that does not block");
    let address = listener.local_addr().expect("the proxy's address");
    (listener, address)
}
