//! The pool: at most so many connections over all runtimes, the one used last is taken first.
//!
//! [`State`](state::State) decides, in one mutex and without I/O; this module opens, checks and closes what it
//! decided about. Connections are kept apart by the tokio runtime whose reactor their sockets belong to.

mod counted;
mod gate;
mod idle;
mod lease;
mod limits;
mod noted;
mod severer;
mod state;
mod watch;
mod who;

use std::sync::{Arc, Weak};
use std::time::Instant;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::RecvError;
use tokio::task::AbortHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::Instrument;

use crate::backend::{Connector, RawConnection};
use crate::error::{Error, ErrorKind, Result};
use crate::telemetry::{Telemetry, fail, log};

use counted::Counted;
pub(crate) use gate::{Bid, Gate, Stay, Turn};
use idle::Idle;
pub(crate) use lease::{Flight, Lease, Shield};
pub use limits::PoolStatus;
pub(crate) use limits::{CLEANUP_LIMIT, Limits, REST_LIMIT, SETTLE_LIMIT};
pub(crate) use severer::Severer;
use state::{Grant, Home, Permit, State, Take};
pub(crate) use who::{Asker, Owner, Who};

/// Runs once on each new connection, before anyone gets it.
pub(crate) type Prepare =
    Arc<dyn Fn(Box<dyn RawConnection>) -> BoxFuture<'static, Result<Box<dyn RawConnection>>> + Send + Sync>;

pub(crate) struct Pool {
    connector: Arc<dyn Connector>,
    limits: Limits,
    prepare: Option<Prepare>,
    state: Counted,
    this: Weak<Pool>,
}

/// What has to be done to get a connection when none is there that was used a moment ago.
enum Step {
    Open(Permit),
    Wait(Receiver<Grant>),
    /// See whether this one, which rested for long, still answers.
    Check(Lease),
    Closed,
}

impl Pool {
    pub(crate) fn new(
        connector: Arc<dyn Connector>,
        limits: Limits,
        prepare: Option<Prepare>,
        telemetry: Arc<Telemetry>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            state: Counted::new(State::new(limits.size, limits.overflow), telemetry),
            connector,
            limits,
            prepare,
            this: Weak::clone(this),
        })
    }

    pub(crate) fn connector(&self) -> &Arc<dyn Connector> {
        &self.connector
    }

    /// What is told of it to those who watch.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        self.state.telemetry()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.state.lock().status()
    }

    /// A connection at rest: an idle one, a new one, or the next that is given back.
    ///
    /// Dropping the future gives up the place in the queue, or the connection if it was just handed over.
    pub(crate) async fn acquire(self: &Arc<Self>, asker: Asker) -> Result<Lease> {
        let handle = self.runtime(asker)?;
        let since = self.telemetry().meter.clock();
        let lease = match self.take(handle, asker) {
            Ok(lease) => lease,
            // Boxed, because the future of every statement has room for this one.
            Err((step, handle)) => Box::pin(self.acquire_watched(step, handle, asker)).await?,
        };
        self.telemetry().meter.waited(since);
        Ok(lease)
    }

    /// The same without waiting for others: `None` if all connections are in use.
    pub(crate) async fn acquire_free(self: &Arc<Self>, asker: Asker) -> Result<Option<Lease>> {
        let mut handle = self.runtime(asker)?;
        let since = self.telemetry().meter.clock();
        let lease = loop {
            let step = match self.take(handle, asker) {
                Ok(lease) => break lease,
                Err((step, on)) => {
                    handle = on;
                    step
                }
            };
            match step {
                Step::Wait(_) => return Ok(None),
                Step::Check(mut lease) => {
                    if self.answers(&mut lease).await {
                        break lease;
                    }
                }
                step => break Box::pin(self.acquire_watched(step, handle, asker)).await?,
            }
        };
        self.telemetry().meter.waited(since);
        Ok(Some(lease))
    }

    /// The runtime that whoever asks is on.
    fn runtime(&self, asker: Asker) -> Result<Handle> {
        match self.connector.runtime()? {
            Some(own) => Ok(own),
            None => Handle::try_current().map_err(|_| no_runtime(asker)),
        }
    }

    /// The same as [`acquire_by`](Self::acquire_by), for all to see.
    async fn acquire_watched(self: &Arc<Self>, step: Step, handle: Handle, asker: Asker) -> Result<Lease> {
        let started = Instant::now();
        let span = self.telemetry().peer.acquiring(asker.place);
        let acquired = self
            .acquire_by(step, handle, asker)
            .instrument(span.clone())
            .await
            .inspect_err(|error| fail(&span, error, false));
        span.in_scope(|| log("acquire", started.elapsed(), None, acquired.as_ref().err().into()));
        acquired
    }

    /// An idle connection that was used a moment ago, or what has to be done to get one.
    #[allow(clippy::result_large_err, reason = "both are large, and the lease is the common one")]
    fn take(self: &Arc<Self>, mut handle: Handle, asker: Asker) -> Result<Lease, (Step, Handle)> {
        let home = self.home(&handle);
        loop {
            let now = Instant::now();
            let take = self.state.lock().take(home, handle.id(), asker, now);
            let (idle, holder, doubtful) = match take {
                Take::Idle { idle, holder, doubtful } => (idle, holder, doubtful),
                Take::Permit { evicted } => {
                    drop(evicted);
                    return Err((Step::Open(Permit::new(self)), handle));
                }
                Take::Wait(turn) => return Err((Step::Wait(turn), handle)),
                Take::Closed => return Err((Step::Closed, handle)),
            };
            let expired = idle.expired(now);
            let rested = now.duration_since(idle.since) > self.limits.check_after;
            let mut lease = Lease::new(idle, holder, handle, self);
            if !(expired || rested || doubtful) {
                return Ok(lease);
            }
            handle = lease.handle().clone();
            if expired {
                lease.discard();
            } else {
                return Err((Step::Check(lease), handle));
            }
        }
    }

    async fn acquire_by(self: &Arc<Self>, mut step: Step, mut handle: Handle, asker: Asker) -> Result<Lease> {
        let home = self.home(&handle);
        loop {
            match step {
                Step::Closed => return Err(closed()),
                Step::Open(permit) => return self.open(permit, home, &handle, asker).await,
                Step::Wait(turn) => {
                    return match self.wait(turn, asker).await {
                        // It was in use a moment ago.
                        Ok(Ok(Grant::Lease(lease))) => Ok(lease.on(&handle)),
                        Ok(Ok(Grant::Permit(permit))) => self.open(permit, home, &handle, asker).await,
                        Ok(Err(_)) => Err(closed()),
                        Err(_) => Err(self.starved(asker)),
                    };
                }
                Step::Check(mut lease) => {
                    if self.answers(&mut lease).await {
                        return Ok(lease);
                    }
                }
            }
            (step, handle) = match self.take(handle, asker) {
                Ok(lease) => return Ok(lease),
                Err(missed) => missed,
            };
        }
    }

    /// Waits in the queue.
    async fn wait(&self, turn: Receiver<Grant>, asker: Asker) -> Result<Result<Grant, RecvError>, Elapsed> {
        self.say(|| format!("{asker} waits for a connection"));
        let _pending = self.telemetry().meter.pending();
        timeout(self.limits.acquire, turn).await
    }

    /// The setting `echo_pool`: what happens, on standard error.
    fn say(&self, what: impl FnOnce() -> String) {
        if self.limits.echo {
            eprintln!("ebbtide: {}: {:?}", what(), self.status());
        }
    }

    /// The idle list a connection opened here will go to.
    fn home(&self, handle: &Handle) -> Home {
        if self.connector.runtime_bound() {
            Home::Runtime(handle.id())
        } else {
            Home::Any
        }
    }

    /// Opens a connection on the strength of a permit, which falls back to the pool if that fails.
    async fn open(self: &Arc<Self>, permit: Permit, home: Home, handle: &Handle, asker: Asker) -> Result<Lease> {
        self.watch(home, handle);
        let step = async {
            let raw = self.connector.connect().await?;
            match &self.prepare {
                Some(prepare) => prepare(raw).await,
                None => Ok(raw),
            }
        };
        let span = self.telemetry().peer.connecting();
        let started = Instant::now();
        let raw = match timeout(self.limits.connect, step.instrument(span.clone())).await {
            Ok(raw) => raw,
            Err(_) => Err(self.silent()),
        };
        span.in_scope(|| log("connect", started.elapsed(), None, raw.as_ref().err().into()));
        let raw = raw.inspect_err(|error| fail(&span, error, false))?;
        self.telemetry().meter.created(Some(started));
        let mut state = self.state.lock();
        let holder = state.hold(asker, Instant::now());
        let lives = state.life(home);
        drop(state);
        permit.used();
        self.say(|| format!("a connection was opened for {asker}"));
        let idle = Box::new(Idle::new(raw, home, lives, self.limits.lifetime));
        Ok(Lease::new(idle, holder, handle.clone(), self))
    }

    /// Whether a connection gives a sign of life; if not, it is thrown away.
    async fn answers(&self, lease: &mut Lease) -> bool {
        let answered = timeout(self.limits.connect, lease.ping()).await;
        let lives = matches!(answered, Ok(Ok(())));
        if !lives {
            lease.discard();
        }
        lives
    }

    /// Takes back a connection at rest: for the first in the queue, for the idle list, or to be closed.
    fn take_back(self: &Arc<Self>, idle: Box<Idle>, holder: usize, handle: &Handle) {
        let now = Instant::now();
        let expired = idle.expired(now);
        let lease = |idle, holder| Lease::new(idle, holder, handle.clone(), self);
        let surplus = self.state.lock().put(idle, holder, expired, now, lease);
        if let Some(idle) = surplus {
            self.say(|| "a connection is closed".to_owned());
            farewell(idle.raw, handle);
            self.vacate();
        }
    }

    /// Gives the place of a closed connection to the first in the queue, or counts it as free.
    fn vacate(&self) {
        let this = self.this.upgrade();
        self.state.lock().vacate(|| this.as_ref().map(Permit::new));
    }

    /// No longer counts a holder whose connection was thrown away.
    fn forget_holder(&self, holder: usize) {
        self.state.lock().release(holder);
        self.vacate();
    }

    /// Closes the idle connections and refuses everyone who waits; those in use are closed when given back.
    pub(crate) async fn close(&self) {
        let here = Handle::try_current().ok().map(|handle| self.home(&handle));
        let (idle, watches) = self.state.lock().close();
        watches.iter().for_each(AbortHandle::abort);
        let mut farewells = Vec::new();
        for idle in idle {
            // A socket of another runtime cannot be used from here; it is dropped, which closes it.
            if idle.home == Home::Any || Some(idle.home) == here {
                farewells.push(timeout(CLEANUP_LIMIT, idle.raw.close()));
            }
        }
        futures::future::join_all(farewells).await;
    }

    fn starved(&self, asker: Asker) -> Error {
        self.telemetry().meter.timed_out();
        let state = self.state.lock();
        let status = state.status();
        let holders = state.holders();
        drop(state);
        let limit = self.limits.acquire;
        Error::new(
            ErrorKind::Timeout,
            format!(
                "no connection became free within {limit:?}: all {} are in use and {} wait; asked for by {asker}; {holders}",
                status.limit,
                status.waiting + 1
            ),
        )
        .help("let go of connections earlier, raise `pool_size`, or raise `pool_timeout`; a transaction holds its connection until it ends")
    }

    fn silent(&self) -> Error {
        let (limit, place) = (self.limits.connect, self.connector.place());
        Error::new(
            ErrorKind::Timeout,
            format!("connecting to {place} took longer than {limit:?}: the server accepted and did not answer, or packets are lost"),
        )
        .help("check the host and port, firewalls, and whether that port really speaks the database's protocol; `connect_timeout` sets the limit")
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let (idle, watches) = self.state.lock().close();
        watches.iter().for_each(AbortHandle::abort);
        drop(idle);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Says good-bye on the connection's own runtime; if that is gone, the socket is just closed.
fn farewell(raw: Box<dyn RawConnection>, handle: &Handle) {
    handle.spawn(async move {
        // Nobody is left to whom a failed good-bye would matter.
        let _ = timeout(CLEANUP_LIMIT, raw.close()).await;
    });
}

fn closed() -> Error {
    Error::new(ErrorKind::NotConnected, "the database was disconnected").help("call `connect` again before using it")
}

fn no_runtime(asker: Asker) -> Error {
    Error::new(
        ErrorKind::Connect,
        format!("a connection was asked for outside of a tokio runtime, by {asker}"),
    )
    .help("call it from `#[tokio::main]`, `#[tokio::test]` or a task; blocking code can use `Handle::block_on`")
}
