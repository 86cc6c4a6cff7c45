//! The isolated side: a task that owns the connection and executes the commands it receives.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Connector, Interrupt, RawConnection};
use crate::error::{Error, ErrorKind, LOST, Result};
use crate::sql::Statement;

/// A job for the connection. It sends its own answer, and returns whether the connection lives on.
pub(super) type Job =
    Box<dyn for<'c> FnOnce(&'c mut dyn RawConnection, &'c Shared) -> BoxFuture<'c, ControlFlow<ConnectionEnd>> + Send>;

/// A function that replaces the connection.
pub(super) type Change = Box<dyn FnOnce(Box<dyn RawConnection>) -> Box<dyn RawConnection> + Send>;

pub(super) enum Command {
    Work(Job),
    /// A request to replace the connection by another form of it: in a sandbox, or without one.
    Change(Change),
    /// A request to notify the server and close the connection.
    Close(oneshot::Sender<Result<()>>),
}

/// The reason why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    Closed,
    /// The server exceeded the time limit.
    TimedOut,
    /// A stream was dropped half-way, and the driver cannot read on.
    Cut,
    Panicked,
}

/// The state that both sides share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Number of levels open after the last call that ended.
    depth: AtomicUsize,
    ending: OnceLock<ConnectionEnd>,
    /// The flag of the connection, if it has one.
    pub(super) interrupt: OnceLock<Interrupt>,
    /// Time limit of one wait for the server.
    pub(super) limit: Option<Duration>,
}

impl Shared {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            depth: AtomicUsize::new(0),
            ending: OnceLock::new(),
            interrupt: OnceLock::new(),
            limit,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    /// Stores what the caller may read without waiting; called before the caller gets its answer.
    pub(super) fn note(&self, raw: &dyn RawConnection) {
        self.depth.store(raw.depth(), Ordering::Release);
    }

    /// Waits no longer than the limit. The clock is that of the isolated runtime, so the caller needs none and may
    /// block its own runtime.
    pub(super) async fn limited<T>(&self, wait: impl Future<Output = T>) -> ControlFlow<ConnectionEnd, T> {
        match self.limit {
            None => ControlFlow::Continue(wait.await),
            Some(limit) => match tokio::time::timeout(limit, wait).await {
                Ok(answer) => ControlFlow::Continue(answer),
                Err(_) => ControlFlow::Break(ConnectionEnd::TimedOut),
            },
        }
    }

    /// Ends the statement of a caller that does not wait for it any more, if it only asks. Never returns.
    pub(super) async fn interrupt_without(
        &self,
        caller: impl Future<Output = ()>,
        statement: Option<&Statement>,
    ) -> Infallible {
        if let Some(interrupt) = self.interrupt.get().filter(|_| statement.is_some_and(Statement::asks)) {
            caller.await;
            interrupt.raise();
        }
        std::future::pending().await
    }

    /// Returns the error for a wait that the connection's end cut short.
    pub(super) fn cut_short(&self) -> Error {
        match (self.ending.get(), self.limit) {
            (Some(ConnectionEnd::TimedOut), Some(limit)) => timed_out(limit),
            _ => self.ended(),
        }
    }

    /// Returns the error for a use of the connection after its end.
    pub(super) fn ended(&self) -> Error {
        let why = match self.ending.get() {
            None => "the thread of full isolation has ended, and this connection with it",
            Some(ConnectionEnd::Closed) => "the connection was closed",
            Some(ConnectionEnd::TimedOut) => {
                "the server did not answer within `result_timeout`, so the connection was closed"
            }
            Some(ConnectionEnd::Cut) => {
                "a stream was dropped before its end, and the driver cannot read the rest, so the connection was closed"
            }
            Some(ConnectionEnd::Panicked) => {
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
        .help("does the statement wait for a lock that another session holds? If it just takes long, raise `result_timeout`")
        .fatal()
}

/// The ends of the channels to the caller that the isolated side holds.
pub(super) struct Inbox {
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Ready when the caller's side is gone, even during a job.
    pub(super) hung_up: oneshot::Receiver<()>,
    pub(super) opened: oneshot::Sender<Result<()>>,
    /// Dropped last, which notifies the caller that everything has ended.
    pub(super) _living: oneshot::Sender<()>,
}

/// A guard that notes a panic before the channels are closed.
struct OnExit<'a>(&'a Shared);

impl Drop for OnExit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.ending.set(ConnectionEnd::Panicked);
        }
    }
}

/// Opens the connection and serves it until one side ends.
pub(super) async fn live(connector: Arc<dyn Connector>, inbox: Inbox, shared: Arc<Shared>) {
    // A later binding is dropped earlier: when the caller is notified of the end, everything else was sent and the
    // connection is closed.
    let Inbox {
        _living,
        mut commands,
        mut hung_up,
        opened,
    } = inbox;
    let _on_exit = OnExit(&shared);
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
    if let Some(interrupt) = raw.interrupt() {
        let _ = shared.interrupt.set(interrupt.clone());
    }
    if opened.send(Ok(())).is_err() {
        return;
    }
    loop {
        // A caller that forgot the connection still has its channel; then only the hang-up ends this task.
        let command = tokio::select! {
            biased;
            _ = &mut hung_up => return,
            command = commands.recv() => command,
        };
        let Some(command) = command else { return };
        let job = match command {
            Command::Work(job) => job,
            Command::Change(change) => {
                raw = change(raw);
                continue;
            }
            Command::Close(reply) => {
                let _ = shared.ending.set(ConnectionEnd::Closed);
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
