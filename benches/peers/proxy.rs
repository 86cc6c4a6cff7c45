//! A proxy between a lane and its server, which counts round trips and can add distance.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ebbtide_bench::Outcome;
use url::Url;

/// A proxy with threads and plain sleep, because the timers of tokio round to milliseconds, which is as much as the
/// distance.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    /// Delay in each direction, in microseconds.
    delay: AtomicU64,
    round_trips: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Starts a proxy to the server of a URL.
    pub(crate) fn start(target: &str) -> Outcome<Self> {
        let mut url: Url = target.parse()?;
        let host = url.host_str().ok_or("the URL of a server names its host")?;
        let default = if url.scheme().starts_with("postgres") {
            5432
        } else {
            3306
        };
        let port = url.port().unwrap_or(default);
        let shared = Arc::new(Shared {
            target: format!("{host}:{port}"),
            delay: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let accepting = Arc::clone(&shared);
        thread::Builder::new().spawn(move || accept(&listener, &accepting))?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(address.port())).map_err(|()| "the port of the URL")?;
        Ok(Self {
            url: url.into(),
            address,
            shared,
        })
    }

    /// Returns the URL of the proxy for the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Delays every message by half of a round trip, from now on.
    pub(crate) fn set_round_trip(&self, round_trip: Duration) {
        let micros = round_trip.as_micros() / 2;
        self.shared.delay.store(micros as u64, Ordering::Relaxed);
    }

    /// Returns the number of round trips so far: a message of the client, then one of the server.
    pub(crate) fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; the other threads end with their connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        // A connection that fails here fails at the client too, which reports it.
        let _ = client.map_err(Into::into).and_then(|client| connect(client, shared));
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) -> Outcome {
    let server = TcpStream::connect(&shared.target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let asked = Arc::new(AtomicBool::new(false));
    let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
    pump(from_client, server, Direction::ToServer, shared, &asked)?;
    pump(from_server, client, Direction::ToClient, shared, &asked)
}

/// Forwards one direction. Reading continues while earlier pieces are delayed, so that a delay is no bottleneck.
fn pump(
    from: TcpStream,
    to: TcpStream,
    direction: Direction,
    shared: &Arc<Shared>,
    asked: &Arc<AtomicBool>,
) -> Outcome {
    let (sender, receiver) = channel();
    let (shared, asked) = (Arc::clone(shared), Arc::clone(asked));
    thread::Builder::new().spawn(move || read(from, direction, &shared, &asked, &sender))?;
    thread::Builder::new().spawn(move || write(to, &receiver))?;
    Ok(())
}

fn read(
    mut from: TcpStream,
    direction: Direction,
    shared: &Shared,
    asked: &AtomicBool,
    sender: &Sender<(Instant, Vec<u8>)>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        match direction {
            Direction::ToServer => asked.store(true, Ordering::SeqCst),
            Direction::ToClient => {
                if asked.swap(false, Ordering::SeqCst) {
                    shared.round_trips.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        let due = Instant::now() + Duration::from_micros(shared.delay.load(Ordering::Relaxed));
        if sender.send((due, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in receiver {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
