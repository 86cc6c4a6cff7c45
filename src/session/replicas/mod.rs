//! Replicas: which statements go to them, and when.
//!
//! [`Memory`](memory::Memory) knows who wrote, [`Health`](health::Health) which replicas can be used; this module takes the
//! connection that a read runs on.

mod bookmark;
mod health;
mod mark;
mod memory;
mod replica;
mod wrote;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::ask::ask;
use super::limit::in_time;
use super::{Chain, Ground, Target, Work};
use crate::backend::{Position, Reached};
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Asker, Lease, Pool, Who};
use crate::sql::TemplateCache;
use crate::value::{Params, Row};
pub use bookmark::Bookmark;
use bookmark::Place;
use mark::Standing;
use memory::Memory;
pub(crate) use replica::Replica;
pub use replica::ReplicaStatus;
pub(super) use wrote::Wrote;

/// How long a server may take to say how far it is. It takes no locks for that, so one that takes longer is in trouble.
const TELL_LIMIT: Duration = Duration::from_secs(2);

/// Where the reads through a handle go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// To a replica that has what the caller wrote.
    #[default]
    Routed,
    /// To the primary.
    Primary,
    /// To any replica.
    Stale,
}

/// The replicas of a database.
#[derive(Debug)]
pub(crate) struct Replicas {
    list: Box<[Arc<Replica>]>,
    memory: Memory,
    /// Where the search for the least used begins.
    next: AtomicUsize,
}

impl Replicas {
    /// `None` without any.
    pub(crate) fn new(pools: Vec<Arc<Pool>>, settings: &Settings) -> Option<Arc<Self>> {
        let tells = Position::question(pools.first()?.connector().dialect()).is_some();
        let pause = settings.replica_retry;
        Some(Arc::new(Self {
            list: pools.into_iter().map(|pool| Replica::new(pool, pause)).collect(),
            memory: Memory::new(settings.read_your_writes, settings.replica_window, tells),
            next: AtomicUsize::new(0),
        }))
    }

    /// Reaches each of them for the first time. Nobody waits long for one that does not answer.
    pub(crate) async fn check(&self, asker: Asker) -> Result<()> {
        let checks = self.list.iter().map(|replica| replica.check(asker));
        futures::future::try_join_all(checks).await.map(drop)
    }

    pub(crate) async fn close(&self) {
        futures::future::join_all(self.list.iter().map(|replica| replica.pool.close())).await;
    }

    pub(crate) fn status(&self) -> Vec<ReplicaStatus> {
        self.list.iter().map(|replica| replica.status()).collect()
    }

    /// A connection to read on: of a replica that has what the caller wrote, else of the primary.
    pub(super) async fn lease(&self, ground: &Ground, chain: &Chain, reads: Reads, asker: Asker) -> Result<Lease> {
        let who = chain.root();
        let standing = if reads == Reads::Stale {
            Standing::Clear
        } else {
            self.memory.standing(who, Instant::now())
        };
        let lease = match standing {
            Standing::Clear => self.any(asker).await,
            Standing::At(position) => self.caught_up(&position, ground, who, asker).await,
            Standing::Unasked(writes) => return self.ask_primary(writes, ground, who, asker).await,
            Standing::Untold => None,
        };
        match lease {
            Some(lease) => Ok(lease),
            None => ground.pool.acquire(asker).await,
        }
    }

    /// A connection of a replica, of whichever has one.
    async fn any(&self, asker: Asker) -> Option<Lease> {
        for replica in self.usable(asker) {
            if let Some(lease) = replica.lease(asker).await {
                return Some(lease);
            }
        }
        None
    }

    /// Those that can be used, the one with the fewest users first; equals take turns.
    fn usable(&self, asker: Asker) -> Vec<&Arc<Replica>> {
        let now = Instant::now();
        let (before, after) = self
            .list
            .split_at(self.next.fetch_add(1, Ordering::Relaxed) % self.list.len());
        let in_turn = after.iter().chain(before);
        let mut usable: Vec<_> = in_turn.filter(|replica| replica.is_usable(now, asker)).collect();
        usable.sort_by_cached_key(|replica| replica.load());
        usable
    }

    /// A connection of a replica that has come so far.
    async fn caught_up(&self, position: &Position, ground: &Ground, who: Who, asker: Asker) -> Option<Lease> {
        let usable = self.usable(asker);
        let mut clueless = 0;
        for replica in &usable {
            match self.look(replica, position, ground, asker).await {
                Some((Reached::At(_), lease)) => return Some(lease),
                Some((Reached::Unknown, _)) => clueless += 1,
                Some((Reached::NotYet, _)) | None => {}
            }
        }
        if clueless > 0 && clueless == usable.len() {
            self.memory.untold(who, position, Instant::now());
        }
        None
    }

    /// Whether a replica has come so far, and the connection that told; `None` if it has none, or was asked a moment ago.
    async fn look(
        &self,
        replica: &Replica,
        position: &Position,
        ground: &Ground,
        asker: Asker,
    ) -> Option<(Reached, Lease)> {
        if replica.lacks(position, Instant::now()) {
            return None;
        }
        let mut lease = replica.lease(asker).await?;
        // Kept with the connection, because behind one address there may be several servers.
        if let Some(here) = lease.reached().filter(|here| here.covers(position)) {
            return Some((Reached::At(here.clone()), lease));
        }
        if !replica.may_ask(Instant::now()) {
            return None;
        }
        let mut reached = match reached(position, &mut lease, &ground.templates).await {
            Ok(reached) => reached,
            Err(error) => {
                if error.is_fatal() {
                    replica.failed(&error);
                }
                tracing::debug!(%error, "a replica could not say how far it is");
                return None;
            }
        };
        if let Reached::At(here) = &reached {
            lease.set_reached(here.clone());
            if !here.covers(position) {
                reached = Reached::NotYet;
            }
        }
        if reached == Reached::NotYet {
            replica.lags(position);
        }
        Some((reached, lease))
    }

    /// A connection of the primary, which is asked how far it is first, so that the next reads can go elsewhere.
    async fn ask_primary(&self, writes: u64, ground: &Ground, who: Who, asker: Asker) -> Result<Lease> {
        let mut lease = ground.pool.acquire(asker).await?;
        let then = Instant::now();
        let position = match written(&mut lease, &ground.templates, ground).await {
            Ok(position) => position,
            Err(error) => {
                tracing::debug!(%error, "the primary could not say how far it is");
                if error.is_fatal() {
                    return ground.pool.acquire(asker).await;
                }
                if !is_unable(&error) {
                    // The next read asks again.
                    return Ok(lease);
                }
                None
            }
        };
        self.memory.answered(who, writes, position, then);
        Ok(lease)
    }
}

impl Ground {
    /// Where the caller's writes end.
    pub(crate) async fn bookmark(&self, asker: Asker) -> Result<Bookmark> {
        let Some(replicas) = &self.replicas else {
            return Ok(Bookmark::default());
        };
        let (memory, who) = (&replicas.memory, Chain::current().root());
        let mut standing = memory.standing(who, Instant::now());
        if let Standing::Unasked(writes) = standing {
            drop(replicas.ask_primary(writes, self, who, asker).await?);
            standing = memory.standing(who, Instant::now());
        }
        Ok(match standing {
            Standing::Clear => Bookmark::default(),
            Standing::At(position) => Bookmark(Place::At(position)),
            // Of what a sibling has written meanwhile it says no more than that.
            Standing::Untold | Standing::Unasked(_) => {
                Bookmark::until(SystemTime::now() + self.settings.replica_window)
            }
        })
    }

    /// Has the caller's reads see what lies before a bookmark.
    pub(crate) fn read_after(&self, bookmark: &Bookmark) {
        let Some(replicas) = &self.replicas else { return };
        let (who, now) = (Chain::current().root(), Instant::now());
        match &bookmark.0 {
            Place::Anywhere => {}
            Place::At(position) if position.is_of(self.dialect()) => replicas.memory.follows(who, position, now),
            // Of another kind of server: nobody here can tell.
            Place::At(_) => replicas.memory.stays(who, self.settings.replica_window, now),
            Place::Until(when) => replicas.memory.stays(who, Bookmark::left(*when), now),
        }
    }
}

/// How far the primary is, if it can tell.
async fn written(lease: &mut Lease, templates: &TemplateCache, ground: &Ground) -> Result<Option<Position>> {
    let dialect = ground.dialect();
    let Some(question) = Position::question(dialect) else {
        return Ok(None);
    };
    let rows = told(lease, templates, question, Params::default()).await?;
    Ok(Position::read(dialect, &rows))
}

/// Asks a server how far it is. The connection of one that does not answer in time is given up.
async fn told(lease: &mut Lease, templates: &TemplateCache, question: &str, params: Params) -> Result<Vec<Row>> {
    // Boxed, because the future of a bookmark has room for this one.
    let asking = in_time(TELL_LIMIT, ask(lease, templates, question, params));
    if let Some(rows) = Box::pin(asking).await {
        return rows;
    }
    lease.lose();
    let message = format!("the server did not say within {TELL_LIMIT:?} how far it is");
    Err(Error::new(ErrorKind::Timeout, message).fatal())
}

/// Whether a server will never answer the question: it has no such function, or does not let everybody ask.
fn is_unable(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UndefinedObject | ErrorKind::Permission | ErrorKind::Unsupported
    )
}

/// Whether a replica has come so far.
async fn reached(position: &Position, lease: &mut Lease, templates: &TemplateCache) -> Result<Reached> {
    let (question, params) = position.check()?;
    match told(lease, templates, question, params).await {
        Ok(rows) => Ok(position.reached(&rows)),
        Err(error) if is_unable(&error) => Ok(Reached::Unknown),
        Err(error) => Err(error),
    }
}

impl Target {
    /// The same with reads on the primary.
    pub(crate) fn on_primary(&self) -> Self {
        match self {
            Self::Database(ground, _) => Self::Database(Arc::clone(ground), Reads::Primary),
            other => other.clone(),
        }
    }

    /// The replicas, if the statement may go to one, and how it chooses.
    pub(super) fn replicas(&self, work: &Work) -> Option<(&Replicas, Reads)> {
        let Self::Database(ground, reads) = self else {
            return None;
        };
        let replicas = ground.replicas.as_ref()?;
        let fits = *reads != Reads::Primary && work.template.fits_replica(*reads == Reads::Stale);
        fits.then_some((&**replicas, *reads))
    }
}

/// The error that a replica reported, marked where it is its own trouble: it is gone, it does not have what was made
/// a moment ago, what it replays is in the way, or it finds that the statement writes after all.
pub(super) fn blame(error: Error) -> Error {
    if error.outcome_unknown() {
        return error;
    }
    let own_trouble = error.is_fatal()
        || error.is_retryable()
        || matches!(
            error.kind(),
            ErrorKind::Connect
                | ErrorKind::ConnectionLost
                | ErrorKind::ReadOnly
                | ErrorKind::UndefinedObject
                | ErrorKind::Unsupported
        )
        // PostgreSQL: not while it is in recovery.
        || error.sqlstate() == Some("55000");
    if own_trouble {
        // Its message may hold values.
        tracing::debug!(kind = ?error.kind(), code = error.sqlstate(), "a replica could not answer; the primary is asked");
        return error.of_replica();
    }
    error
}
