//! One replica: its connections, and whether it can be used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::health::{Health, Use};
use crate::backend::Position;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Caller, Lease, Pool, PoolStatus};

/// Minimum time between two questions for the position of a replica that lags; the reads in between go to the primary.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Time that connecting a database waits for each of its replicas.
const FIRST_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Replica {
    pub(super) pool: Arc<Pool>,
    health: Health,
    asked: Mutex<Option<Asked>>,
}

/// The latest question for its position.
#[derive(Debug)]
struct Asked {
    when: Instant,
    /// The position that it had not reached.
    lacks: Option<Position>,
}

/// A replica, as [`Database::replicas`](crate::Database::replicas) reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Its URL, without the password.
    pub url: String,
    /// `true` if reads are sent to it. One that could not be reached is tried again after a while.
    pub is_up: bool,
    /// The pool of its connections.
    pub pool: PoolStatus,
}

impl Replica {
    pub(super) fn new(pool: Arc<Pool>, pause: Duration) -> Arc<Self> {
        Arc::new(Self {
            pool,
            health: Health::new(pause),
            asked: Mutex::default(),
        })
    }

    /// Returns a connection, unless all are in use, or it cannot be reached; then it is left alone for a while.
    pub(super) async fn lease(&self, caller: Caller) -> Option<Lease> {
        match self.reach(caller).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::debug!(%error, replica = self.pool.connector().place(), "no connection to the replica for a read; the read runs on another server");
                None
            }
        }
    }

    /// Returns a free connection, or a new one.
    async fn reach(&self, caller: Caller) -> Result<Option<Lease>> {
        let cut = Cut(self);
        let reached = self.pool.acquire_free(caller).await;
        std::mem::forget(cut);
        match &reached {
            Ok(Some(_)) if self.health.works() => {
                tracing::info!(replica = self.pool.connector().place(), "the replica is used again");
            }
            Err(error) if error.kind() != ErrorKind::NotConnected => self.failed(error),
            _ => {}
        }
        reached
    }

    /// It is left alone for a while.
    pub(super) fn failed(&self, error: &Error) {
        if self.health.failed(Instant::now()) {
            let replica = self.pool.connector().place();
            tracing::warn!(%error, replica, "the replica cannot be used; reads run on other servers until it can");
        }
    }

    /// Connects for the first time. A replica that is down is no mistake, but one that refuses access is.
    pub(super) async fn check(&self, caller: Caller) -> Result<()> {
        match timeout(FIRST_LIMIT, self.reach(caller)).await {
            Ok(Err(error)) if is_mistake(&error) => {
                Err(error.context(format_args!("the replica {}", self.pool.connector().place())))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether it can be used now. A replica that was down is tried in the background, without a waiting
    /// caller.
    pub(super) fn is_usable(self: &Arc<Self>, now: Instant, caller: Caller) -> bool {
        match self.health.usable(now) {
            Use::Yes => true,
            Use::No => false,
            Use::Try => {
                let trying = Trying(Arc::clone(self));
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move { trying.0.lease(caller).await });
                }
                false
            }
        }
    }

    /// Returns the number of callers that use or want its connections.
    pub(super) fn load(&self) -> usize {
        let status = self.pool.status();
        status.in_use + status.waiting
    }

    /// Returns whether it may be asked for its position; then it counts as asked.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        let mut asked = self.asked.lock();
        let may = asked.as_ref().is_none_or(|asked| !asked.is_fresh(now));
        if may {
            *asked = Some(Asked { when: now, lacks: None });
        }
        may
    }

    /// Notes that it was asked, and has not reached `position`.
    pub(super) fn lags(&self, position: &Position) {
        if let Some(asked) = &mut *self.asked.lock() {
            asked.lacks = Some(position.clone());
        }
    }

    /// Returns whether it had not reached `position` a moment ago.
    pub(super) fn lacks(&self, position: &Position, now: Instant) -> bool {
        let asked = self.asked.lock();
        let fresh = asked.as_ref().filter(|asked| asked.is_fresh(now));
        fresh.is_some_and(|asked| asked.lacks.as_ref().is_some_and(|lacks| position.covers(lacks)))
    }

    pub(super) fn status(&self) -> ReplicaStatus {
        ReplicaStatus {
            url: self.pool.connector().place(),
            is_up: self.health.is_up(),
            pool: self.pool.status(),
        }
    }
}

impl Asked {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.when) < ASK_EVERY
    }
}

/// A caller on the way to a replica. If it is cut off before it arrives, perhaps by a time limit, the replica counts as
/// down. Otherwise each caller would wait for one that does not answer.
struct Cut<'r>(&'r Replica);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.0.failed(&Error::new(
            ErrorKind::Timeout,
            "its caller did not wait for it any longer",
        ));
    }
}

/// An attempt to reach a replica that was down. Dropped without a result, with its runtime, it counts as failed.
struct Trying(Arc<Replica>);

impl Drop for Trying {
    fn drop(&mut self) {
        self.0.health.given_up(Instant::now());
    }
}

/// Returns whether the configuration is to blame, so that waiting does not help.
fn is_mistake(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Config
            | ErrorKind::Url
            | ErrorKind::Authentication
            | ErrorKind::DatabaseNotFound
            | ErrorKind::Permission
            | ErrorKind::Hook
    )
}
