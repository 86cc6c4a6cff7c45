//! One replica: its connections, and whether it can be used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::health::{Health, Use};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Asker, Lease, Pool, PoolStatus};

/// A replica that lags is asked no more often than this how far it is; the reads in between go to the primary.
const ASK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Replica {
    pub(super) pool: Arc<Pool>,
    health: Health,
    asked: Mutex<Option<Instant>>,
}

/// A replica, as [`Database::replicas`](crate::Database::replicas) tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Its URL, without the password.
    pub url: String,
    /// Whether reads are sent to it. One that could not be reached is tried again after a while.
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

    /// A connection, unless none can be had; then it is left alone for a while.
    pub(super) async fn lease(&self, asker: Asker) -> Option<Lease> {
        match self.reach(asker).await {
            Ok(lease) => Some(lease),
            Err(error) => {
                tracing::debug!(%error, replica = self.pool.connector().place(), "a read goes elsewhere");
                None
            }
        }
    }

    async fn reach(&self, asker: Asker) -> Result<Lease> {
        let reached = self.pool.acquire(asker).await;
        let place = || self.pool.connector().place();
        match &reached {
            Ok(_) if self.health.works() => {
                tracing::info!(replica = place(), "the replica is used again");
            }
            Err(error) if error.kind() != ErrorKind::NotConnected && self.health.failed(Instant::now()) => {
                tracing::warn!(%error, replica = place(), "the replica cannot be used; reads go elsewhere until it can");
            }
            _ => {}
        }
        reached
    }

    /// Reaches it for the first time. One that is down is none's mistake; one that lets nobody in is.
    pub(super) async fn check(&self, asker: Asker) -> Result<()> {
        match self.reach(asker).await {
            Err(error) if is_mistake(&error) => {
                Err(error.said_of(&format!("the replica {}", self.pool.connector().place())))
            }
            _ => Ok(()),
        }
    }

    /// Whether it can be used now. Nobody waits for one that was down: it is tried beside the work.
    pub(super) fn is_usable(self: &Arc<Self>, now: Instant, asker: Asker) -> bool {
        match self.health.usable(now) {
            Use::Yes => true,
            Use::No => false,
            Use::Try => {
                let trying = Trying(Arc::clone(self));
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move { trying.0.lease(asker).await });
                }
                false
            }
        }
    }

    /// How many want its connections.
    pub(super) fn load(&self) -> usize {
        let status = self.pool.status();
        status.in_use + status.waiting
    }

    /// Whether it may be asked how far it is.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        let mut asked = self.asked.lock();
        let may = asked.is_none_or(|asked| now.duration_since(asked) >= ASK_EVERY);
        if may {
            *asked = Some(now);
        }
        may
    }

    pub(super) fn status(&self) -> ReplicaStatus {
        ReplicaStatus {
            url: self.pool.connector().place(),
            is_up: self.health.is_up(),
            pool: self.pool.status(),
        }
    }
}

/// An attempt to reach a replica that was down. Dropped without a result, with its runtime, it counts as failed.
struct Trying(Arc<Replica>);

impl Drop for Trying {
    fn drop(&mut self) {
        self.0.health.given_up(Instant::now());
    }
}

/// Whether the configuration is to blame, so that waiting does not help.
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
