//! The pool: a limited number of connections over all runtimes, of which the one used last is taken first.
//!
//! [`PoolState`](state::PoolState) decides, in one mutex and without I/O; this module opens, checks and closes the
//! connections. Connections are separated by the tokio runtime whose reactor their sockets belong to.

mod close;
mod close_handle;
mod counted;
mod drain;
mod gate;
mod idle;
mod lease;
mod limits;
mod noted;
mod open_streams;
mod queue;
mod runtime_key;
mod session;
mod state;
mod watch;

use std::sync::{Arc, Weak};
use std::time::Instant;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::Instrument;

use crate::backend::{Connector, RawConnection};
use crate::error::{Error, ErrorKind, Result};
use crate::telemetry::{Telemetry, fail, log};

pub(crate) use crate::caller::{Caller, Owner, TaskOrThread};
use close::close_in_background;
pub(crate) use close_handle::CloseHandle;
use counted::MeteredState;
pub(crate) use drain::{Drain, drain};
pub(crate) use gate::{Claim, Place, Turn, TurnKind, TurnRequest, Writer, WriterGate};
use idle::Idle;
pub(crate) use lease::{InFlight, Lease};
pub use limits::PoolStatus;
pub(crate) use limits::{CLEANUP_LIMIT, Limits, REST_LIMIT, SETTLE_LIMIT};
pub(crate) use open_streams::OpenStreams;
use queue::{Grant, Permit, Ticket};
use runtime_key::RuntimeKey;
use state::{PoolState, Take};

/// A function that runs once on each new connection, before its first use.
pub(crate) type Prepare =
    Arc<dyn Fn(Box<dyn RawConnection>) -> BoxFuture<'static, Result<Box<dyn RawConnection>>> + Send + Sync>;

pub(crate) struct Pool {
    connector: Arc<dyn Connector>,
    limits: Limits,
    prepare: Option<Prepare>,
    /// Admits one writer at a time that waits for a connection.
    pub(crate) next_writer: Semaphore,
    state: MeteredState,
    /// Notifies those who wait for the end of a closed pool that a connection was given back.
    given_back: Notify,
    /// Whether the pool was closed.
    ended: Sender<bool>,
    this: Weak<Pool>,
}

/// The next step to get a connection if no connection is idle that was used a moment ago.
enum Step {
    Open(Permit),
    Wait(Ticket),
    /// A connection that was idle for long: check whether it still answers.
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
            state: MeteredState::new(PoolState::new(limits.size, limits.overflow), telemetry),
            connector,
            limits,
            prepare,
            next_writer: Semaphore::new(1),
            given_back: Notify::new(),
            ended: Sender::new(false),
            this: Weak::clone(this),
        })
    }

    pub(crate) fn connector(&self) -> &Arc<dyn Connector> {
        &self.connector
    }

    /// Returns the telemetry of the pool.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        self.state.telemetry()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.state.lock().status()
    }

    /// Returns a receiver that has `true` once the pool is closed; its sender is gone with the pool.
    pub(crate) fn ended(&self) -> Receiver<bool> {
        self.ended.subscribe()
    }

    /// Returns whether an idle connection is available.
    pub(crate) fn has_idle(&self) -> bool {
        self.state.lock().idle() > 0
    }

    /// Acquires a connection: an idle one, a new one, or the next that is returned.
    ///
    /// Dropping the future gives up the place in the queue, or the connection if it was just handed over.
    pub(crate) async fn acquire(self: &Arc<Self>, caller: Caller) -> Result<Lease> {
        let handle = self.runtime(caller)?;
        let since = self.telemetry().meter.clock();
        let lease = match self.take(handle, caller) {
            Ok(lease) => lease,
            // Boxed, because the future of every statement reserves room for this one.
            Err((step, handle)) => Box::pin(self.acquire_watched(step, handle, caller)).await?,
        };
        self.telemetry().meter.waited(since);
        Ok(lease)
    }

    /// Returns a connection as [`acquire`](Self::acquire) does, without waiting for others: `None` if all connections
    /// are in use.
    pub(crate) async fn acquire_free(self: &Arc<Self>, caller: Caller) -> Result<Option<Lease>> {
        let mut handle = self.runtime(caller)?;
        let since = self.telemetry().meter.clock();
        let lease = loop {
            let step = match self.take(handle, caller) {
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
                step => break Box::pin(self.acquire_watched(step, handle, caller)).await?,
            }
        };
        self.telemetry().meter.waited(since);
        Ok(Some(lease))
    }

    /// Returns the runtime of the connections if they have one, or else that of the caller.
    fn runtime(&self, caller: Caller) -> Result<Handle> {
        match self.connector.runtime()? {
            Some(own) => Ok(own),
            None => Handle::try_current().map_err(|_| no_runtime(caller)),
        }
    }

    /// Does the same as [`acquire_by`](Self::acquire_by), with a span and an event.
    async fn acquire_watched(self: &Arc<Self>, step: Step, handle: Handle, caller: Caller) -> Result<Lease> {
        let started = Instant::now();
        let span = self.telemetry().peer.acquiring(caller.place);
        let acquired = self
            .acquire_by(step, handle, caller)
            .instrument(span.clone())
            .await
            .inspect_err(|error| fail(&span, error, false));
        span.in_scope(|| log("acquire", started.elapsed(), None, acquired.as_ref().err().into()));
        acquired
    }

    /// Returns an idle connection that was used a moment ago, or the next step to get one.
    #[allow(clippy::result_large_err, reason = "both are large, and the lease is the common one")]
    fn take(self: &Arc<Self>, mut handle: Handle, caller: Caller) -> Result<Lease, (Step, Handle)> {
        let runtime_key = self.runtime_key(&handle);
        loop {
            let now = Instant::now();
            let take = self
                .state
                .lock()
                .take(runtime_key, handle.id(), caller, now, &self.this);
            let (idle, holder, doubtful) = match take {
                Take::Idle { idle, holder, doubtful } => (idle, holder, doubtful),
                Take::Permit { evicted } => {
                    drop(evicted);
                    return Err((Step::Open(Permit::new(self)), handle));
                }
                Take::Wait(ticket) => return Err((Step::Wait(ticket), handle)),
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

    async fn acquire_by(self: &Arc<Self>, mut step: Step, mut handle: Handle, caller: Caller) -> Result<Lease> {
        let runtime_key = self.runtime_key(&handle);
        loop {
            match step {
                Step::Closed => return Err(closed()),
                Step::Open(permit) => return self.open(permit, runtime_key, &handle, caller).await,
                Step::Wait(ticket) => {
                    return match self.wait(ticket, caller).await {
                        // It was in use a moment ago.
                        Ok(Some(Grant::Lease(lease))) => Ok(lease.on(&handle)),
                        Ok(Some(Grant::Permit(permit))) => self.open(permit, runtime_key, &handle, caller).await,
                        Ok(None) => Err(closed()),
                        Err(_) => Err(self.starved(caller)),
                    };
                }
                Step::Check(mut lease) => {
                    if self.answers(&mut lease).await {
                        return Ok(lease);
                    }
                }
            }
            (step, handle) = match self.take(handle, caller) {
                Ok(lease) => return Ok(lease),
                Err(missed) => missed,
            };
        }
    }

    /// Waits in the queue.
    async fn wait(&self, mut ticket: Ticket, caller: Caller) -> Result<Option<Grant>, Elapsed> {
        self.say(|| format!("{caller} waits for a connection"));
        let _pending = self.telemetry().meter.pending();
        timeout(self.limits.acquire, ticket.granted()).await
    }

    /// Prints an event on standard error, with the setting `echo_pool`.
    fn say(&self, what: impl FnOnce() -> String) {
        if self.limits.echo {
            eprintln!("ebbtide: {}: {:?}", what(), self.status());
        }
    }

    /// Returns the key of the idle list for a connection opened here.
    fn runtime_key(&self, handle: &Handle) -> RuntimeKey {
        if self.connector.runtime_bound() {
            RuntimeKey::Runtime(handle.id())
        } else {
            RuntimeKey::Any
        }
    }

    /// Opens a connection with a permit, which returns to the pool if that fails.
    async fn open(
        self: &Arc<Self>,
        permit: Permit,
        runtime_key: RuntimeKey,
        handle: &Handle,
        caller: Caller,
    ) -> Result<Lease> {
        self.watch(runtime_key, handle);
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
        let holder = state.add_holder(caller, Instant::now());
        let lives = state.life(runtime_key);
        drop(state);
        permit.used();
        self.say(|| format!("a connection was opened for {caller}"));
        let idle = Box::new(Idle::new(raw, runtime_key, lives, self.limits.lifetime));
        Ok(Lease::new(idle, holder, handle.clone(), self))
    }

    /// Returns whether a connection answers a ping; discards it if not.
    async fn answers(&self, lease: &mut Lease) -> bool {
        let answered = timeout(self.limits.connect, lease.ping()).await;
        let lives = matches!(answered, Ok(Ok(())));
        if !lives {
            lease.discard();
        }
        lives
    }

    /// Takes back a clean connection: for the first in the queue, for the idle list, or to be closed.
    fn take_back(self: &Arc<Self>, idle: Box<Idle>, holder: usize, handle: &Handle) {
        let now = Instant::now();
        let expired = idle.expired(now);
        let lease = |idle, holder| Lease::new(idle, holder, handle.clone(), self);
        let surplus = self.state.lock().put(idle, holder, expired, now, lease);
        if let Some(idle) = surplus {
            self.say(|| "a connection is closed".to_owned());
            close_in_background(idle.raw, handle);
            self.vacate();
        }
    }

    /// Gives the place of a closed connection to the first in the queue, or counts it as free.
    fn vacate(&self) {
        let this = self.this.upgrade();
        let mut state = self.state.lock();
        state.vacate(|| this.as_ref().map(Permit::new));
        let given_back = state.is_closed();
        drop(state);
        if given_back {
            self.given_back.notify_waiters();
        }
    }

    /// Stops counting a holder whose connection was discarded.
    fn forget_holder(&self, holder: usize) {
        self.state.lock().release(holder);
        self.vacate();
    }

    pub(crate) fn starved(&self, caller: Caller) -> Error {
        self.telemetry().meter.timed_out();
        let state = self.state.lock();
        let status = state.status();
        let holders = state.holders();
        drop(state);
        let limit = self.limits.acquire;
        Error::new(
            ErrorKind::Timeout,
            format!(
                "no connection became free within {limit:?}: all {} are in use and {} wait; requested by {caller}; {holders}",
                status.limit,
                status.waiting + 1
            ),
        )
        .help("release connections earlier, raise `pool_size`, or raise `pool_timeout`; a transaction holds its connection until it ends")
    }

    fn silent(&self) -> Error {
        let (limit, place) = (self.limits.connect, self.connector.place());
        Error::new(
            ErrorKind::Timeout,
            format!("connecting to {place} took longer than {limit:?}: the server accepted the connection and did not answer, or packets are lost"),
        )
        .help("check the host and port, firewalls, and whether that port really speaks the database's protocol; `connect_timeout` sets the limit")
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::NotConnected, "the database was disconnected").help("call `connect` again before using it")
}

fn no_runtime(caller: Caller) -> Error {
    Error::new(
        ErrorKind::Connect,
        format!("a connection was requested outside of a tokio runtime, by {caller}"),
    )
    .help("call it from `#[tokio::main]`, `#[tokio::test]` or a task; blocking code can use `Handle::block_on`")
}
