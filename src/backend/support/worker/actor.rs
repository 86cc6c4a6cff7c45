//! The isolated side: a task that owns the connection and works off what it is sent.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Connector, RawConnection};
use crate::error::{Error, ErrorKind, LOST, Result};

/// Work on the connection. It sends its own answer, and says whether the connection lives on.
pub(super) type Job =
    Box<dyn for<'c> FnOnce(&'c mut dyn RawConnection, &'c Shared) -> BoxFuture<'c, ControlFlow<Ending>> + Send>;

pub(super) enum Command {
    Work(Job),
    /// Say good-bye to the server.
    Close(oneshot::Sender<Result<()>>),
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    /// The server took longer than the limit.
    TimedOut,
    /// A stream was dropped half-way, and the driver cannot read on.
    Cut,
    Panicked,
}

/// What both sides know.
#[derive(Debug)]
pub(super) struct Shared {
    /// The levels open after the last call that ended.
    depth: AtomicUsize,
    ending: OnceLock<Ending>,
    /// How long one wait on the server may take.
    pub(super) limit: Option<Duration>,
}

impl Shared {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            depth: AtomicUsize::new(0),
            ending: OnceLock::new(),
            limit,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    /// Takes down what the caller may ask without waiting; before it gets its answer.
    pub(super) fn note(&self, raw: &dyn RawConnection) {
        self.depth.store(raw.depth(), Ordering::Release);
    }

    /// Waits no longer than the limit. The clock is that of the isolated runtime, so that the caller needs none and may
    /// block his.
    pub(super) async fn limited<T>(&self, wait: impl Future<Output = T>) -> ControlFlow<Ending, T> {
        match self.limit {
            None => ControlFlow::Continue(wait.await),
            Some(limit) => match tokio::time::timeout(limit, wait).await {
                Ok(answer) => ControlFlow::Continue(answer),
                Err(_) => ControlFlow::Break(Ending::TimedOut),
            },
        }
    }

    /// The error for a wait that the connection's end cut short.
    pub(super) fn cut_short(&self) -> Error {
        match (self.ending.get(), self.limit) {
            (Some(Ending::TimedOut), Some(limit)) => timed_out(limit),
            _ => self.ended(),
        }
    }

    /// The error for whoever uses the connection after its end.
    pub(super) fn ended(&self) -> Error {
        let why = match self.ending.get() {
            None => "the thread of full isolation has ended, and this connection with it",
            Some(Ending::Closed) => "the connection was closed",
            Some(Ending::TimedOut) => "the server did not answer within `result_timeout`, so the connection was closed",
            Some(Ending::Cut) => {
                "a stream was dropped half-way, and the driver cannot read on, so the connection was closed"
            }
            Some(Ending::Panicked) => {
                "a panic on the thread of full isolation ended this connection; standard error has its message"
            }
        };
        Error::new(ErrorKind::ConnectionLost, why).help(LOST).fatal()
    }
}

fn timed_out(limit: Duration) -> Error {
    let message =
        format!("the server did not answer within {limit:?} (`result_timeout`), so the connection was closed");
    Error::new(ErrorKind::Timeout, message)
        .help("does the statement wait for a lock that another session holds? If it only takes long, raise `result_timeout`")
        .fatal()
}

/// What the isolated side holds of the line to the caller.
pub(super) struct Ears {
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Ready when the caller's side is gone, whatever is under way.
    pub(super) hung_up: oneshot::Receiver<()>,
    pub(super) opened: oneshot::Sender<Result<()>>,
    /// Dropped last, it tells the caller that all is over.
    pub(super) _living: oneshot::Sender<()>,
}

/// Notes a panic before the line is closed.
struct Epitaph<'a>(&'a Shared);

impl Drop for Epitaph<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.ending.set(Ending::Panicked);
        }
    }
}

/// Opens the connection and serves it until one side ends.
pub(super) async fn live(connector: Arc<dyn Connector>, ears: Ears, shared: Arc<Shared>) {
    // What comes later is dropped earlier: when the caller hears of the end, all else has been said and the connection is
    // closed.
    let Ears {
        _living,
        mut commands,
        mut hung_up,
        opened,
    } = ears;
    let _epitaph = Epitaph(&shared);
    let connected = tokio::select! {
        biased;
        _ = &mut hung_up => return,
        connected = connector.connect() => connected,
    };
    let mut raw = match connected {
        Ok(raw) => raw,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    shared.note(&*raw);
    if opened.send(Ok(())).is_err() {
        return;
    }
    loop {
        // Someone who forgot the connection still has the line; the hang-up alone tells then.
        let command = tokio::select! {
            biased;
            _ = &mut hung_up => return,
            command = commands.recv() => command,
        };
        let Some(command) = command else { return };
        let job = match command {
            Command::Work(job) => job,
            Command::Close(reply) => {
                let _ = shared.ending.set(Ending::Closed);
                tokio::select! {
                    biased;
                    _ = &mut hung_up => {}
                    closed = raw.close() => drop(reply.send(closed)),
                }
                return;
            }
        };
        let then = tokio::select! {
            biased;
            _ = &mut hung_up => return,
            then = job(&mut *raw, &shared) => then,
        };
        if let ControlFlow::Break(ending) = then {
            let _ = shared.ending.set(ending);
            return;
        }
    }
}
