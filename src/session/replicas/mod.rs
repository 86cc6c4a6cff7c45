//! Replicas: which statements go to them, and when.
//!
//! [`Memory`](memory::Memory) knows who wrote, and [`Health`](health::Health) which replicas can be used. This module
//! takes the connection that a read runs on.

mod bookmark;
mod health;
mod mark;
mod memory;
mod replica;
mod wrote;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::engine::Engine;
use super::limit::in_time;
use crate::backend::{Position, Reached};
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Caller, Lease, Pool, TaskOrThread};
use crate::session::scope::chain::Chain;
use crate::session::statement::internal::ask;
use crate::session::statement::run::{BoundStatement, Target};
use crate::sql::TemplateCache;
use crate::value::{Params, Row};
pub use bookmark::Bookmark;
use bookmark::BookmarkPosition;
use mark::Requirement;
use memory::Memory;
pub(crate) use replica::Replica;
pub use replica::ReplicaStatus;
pub(super) use wrote::WriteNote;

/// Time limit for a server to report its position. It takes no locks for that, so a slower one has a problem.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The destination of the reads through a handle.
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
    /// The index at which the search for the least used one begins.
    next: AtomicUsize,
}

impl Replicas {
    /// Creates the replicas; `None` if there are none.
    pub(crate) fn new(pools: Vec<Arc<Pool>>, settings: &Settings) -> Option<Arc<Self>> {
        let reports_positions = pools.first()?.connector().rules().positions().is_some();
        let pause = settings.replica_retry;
        Some(Arc::new(Self {
            list: pools.into_iter().map(|pool| Replica::new(pool, pause)).collect(),
            memory: Memory::new(settings.read_your_writes, settings.replica_window, reports_positions),
            next: AtomicUsize::new(0),
        }))
    }

    /// Connects to each of them for the first time, with a short limit for one that does not answer.
    pub(crate) async fn check(&self, caller: Caller) -> Result<()> {
        let checks = self.list.iter().map(|replica| replica.check(caller));
        futures::future::try_join_all(checks).await.map(drop)
    }

    /// Returns the pools of the replicas.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.list.iter().map(|replica| &replica.pool)
    }

    pub(crate) async fn close(&self) {
        futures::future::join_all(self.list.iter().map(|replica| replica.pool.close())).await;
    }

    pub(crate) fn status(&self) -> Vec<ReplicaStatus> {
        self.list.iter().map(|replica| replica.status()).collect()
    }

    /// Returns a connection to read on: of a replica that has what the caller wrote, else of the primary.
    pub(super) async fn lease(&self, engine: &Engine, chain: &Chain, reads: Reads, caller: Caller) -> Result<Lease> {
        let who = chain.root();
        let requirement = if reads == Reads::Stale {
            Requirement::Clear
        } else {
            self.memory.requirement(who, Instant::now())
        };
        let lease = match requirement {
            Requirement::Clear => self.any(caller).await,
            Requirement::At(position) => self.caught_up(&position, engine, who, caller).await,
            Requirement::Unasked(writes) => return self.ask_primary(writes, engine, who, caller).await,
            Requirement::Primary => None,
        };
        match lease {
            Some(lease) => Ok(lease),
            None => engine.pool.acquire(caller).await,
        }
    }

    /// Returns a connection of any replica that has one.
    async fn any(&self, caller: Caller) -> Option<Lease> {
        for replica in self.usable(caller) {
            if let Some(lease) = replica.lease(caller).await {
                return Some(lease);
            }
        }
        None
    }

    /// Returns those that can be used, the one with the fewest users first; equals take turns.
    fn usable(&self, caller: Caller) -> Vec<&Arc<Replica>> {
        let now = Instant::now();
        let (before, after) = self
            .list
            .split_at(self.next.fetch_add(1, Ordering::Relaxed) % self.list.len());
        let in_turn = after.iter().chain(before);
        let mut usable: Vec<_> = in_turn.filter(|replica| replica.is_usable(now, caller)).collect();
        usable.sort_by_cached_key(|replica| replica.load());
        usable
    }

    /// Returns a connection of a replica that has reached `position`.
    async fn caught_up(
        &self,
        position: &Position,
        engine: &Engine,
        who: TaskOrThread,
        caller: Caller,
    ) -> Option<Lease> {
        let usable = self.usable(caller);
        let mut unknown = 0;
        for replica in &usable {
            match self.look(replica, position, engine, caller).await {
                Some((Reached::At(_), lease)) => return Some(lease),
                Some((Reached::Unknown, _)) => unknown += 1,
                Some((Reached::NotYet, _)) | None => {}
            }
        }
        if unknown > 0 && unknown == usable.len() {
            self.memory.unreported(who, position, Instant::now());
        }
        None
    }

    /// Returns whether a replica has reached `position`, and the connection that reported it. Returns `None` if it has
    /// no connection, or was asked a moment ago.
    async fn look(
        &self,
        replica: &Replica,
        position: &Position,
        engine: &Engine,
        caller: Caller,
    ) -> Option<(Reached, Lease)> {
        if replica.lacks(position, Instant::now()) {
            return None;
        }
        let mut lease = replica.lease(caller).await?;
        // Kept with the connection, because one address may lead to several servers.
        if let Some(here) = lease.reached().filter(|here| here.covers(position)) {
            return Some((Reached::At(here.clone()), lease));
        }
        if !replica.may_ask(Instant::now()) {
            return None;
        }
        let mut reached = match reached(position, &mut lease, &engine.templates).await {
            Ok(reached) => reached,
            Err(error) => {
                if error.is_fatal() {
                    replica.failed(&error);
                }
                tracing::debug!(%error, "a replica could not report its replication position");
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

    /// Returns a connection of the primary, after asking it for its position, so that the next reads can go elsewhere.
    async fn ask_primary(&self, writes: u64, engine: &Engine, who: TaskOrThread, caller: Caller) -> Result<Lease> {
        let mut lease = engine.pool.acquire(caller).await?;
        let then = Instant::now();
        let position = match written(&mut lease, &engine.templates, engine).await {
            Ok(position) => position,
            Err(error) => {
                tracing::debug!(%error, "the primary could not report its replication position");
                if error.is_fatal() {
                    return engine.pool.acquire(caller).await;
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

impl Engine {
    /// Returns a bookmark of the end of the caller's writes.
    pub(crate) async fn bookmark(&self, caller: Caller) -> Result<Bookmark> {
        let Some(replicas) = &self.replicas else {
            return Ok(Bookmark::default());
        };
        let (memory, who) = (&replicas.memory, Chain::current().root());
        let mut requirement = memory.requirement(who, Instant::now());
        if let Requirement::Unasked(writes) = requirement {
            drop(replicas.ask_primary(writes, self, who, caller).await?);
            requirement = memory.requirement(who, Instant::now());
        }
        Ok(match requirement {
            Requirement::Clear => Bookmark::default(),
            Requirement::At(position) => Bookmark(BookmarkPosition::At(position)),
            // A position would not cover what a sibling has written meanwhile.
            Requirement::Primary | Requirement::Unasked(_) => {
                Bookmark::until(SystemTime::now() + self.settings.replica_window)
            }
        })
    }

    /// Makes the caller's reads see what lies before a bookmark.
    pub(crate) fn read_after(&self, bookmark: &Bookmark) {
        let Some(replicas) = &self.replicas else { return };
        let (who, now) = (Chain::current().root(), Instant::now());
        match &bookmark.0 {
            BookmarkPosition::Anywhere => {}
            BookmarkPosition::At(position) if self.rules().positions().is_some_and(|rules| (rules.has)(position)) => {
                replicas.memory.follows(who, position, now);
            }
            // Of another kind of server: it cannot be compared here.
            BookmarkPosition::At(_) => replicas.memory.stays(who, self.settings.replica_window, now),
            BookmarkPosition::Until(when) => replicas.memory.stays(who, Bookmark::left(*when), now),
        }
    }
}

/// Returns the position of the primary, if it can report one.
async fn written(lease: &mut Lease, templates: &TemplateCache, engine: &Engine) -> Result<Option<Position>> {
    let Some(rules) = engine.rules().positions() else {
        return Ok(None);
    };
    let rows = ask_in_time(lease, templates, rules.question, Params::default()).await?;
    Ok((rules.read)(&rows))
}

/// Asks a server for its position. The connection of a server that does not answer in time is given up.
async fn ask_in_time(lease: &mut Lease, templates: &TemplateCache, question: &str, params: Params) -> Result<Vec<Row>> {
    // Boxed, because the future of a bookmark has room for this one.
    let asking = in_time(ANSWER_LIMIT, ask(lease, templates, question, params));
    if let Some(rows) = Box::pin(asking).await {
        return rows;
    }
    lease.lose();
    let message = format!("the server did not report its replication position within {ANSWER_LIMIT:?}");
    Err(Error::new(ErrorKind::Timeout, message).fatal())
}

/// Returns whether a server will never answer the question: it lacks the function, or restricts its use.
fn is_unable(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UndefinedObject | ErrorKind::Permission | ErrorKind::Unsupported
    )
}

/// Returns whether a replica has reached `position`.
async fn reached(position: &Position, lease: &mut Lease, templates: &TemplateCache) -> Result<Reached> {
    let (question, params) = position.check()?;
    match ask_in_time(lease, templates, question, params).await {
        Ok(rows) => Ok(position.reached(&rows)),
        Err(error) if is_unable(&error) => Ok(Reached::Unknown),
        Err(error) => Err(error),
    }
}

impl Target {
    /// Returns the same target with reads on the primary.
    pub(crate) fn on_primary(&self) -> Self {
        match self {
            Self::Database(engine, _) => Self::Database(Arc::clone(engine), Reads::Primary),
            other => other.clone(),
        }
    }

    /// Returns the replicas, if the statement may go to one, and the way to choose among them.
    pub(super) fn replicas(&self, work: &BoundStatement) -> Option<(&Replicas, Reads)> {
        let Self::Database(engine, reads) = self else {
            return None;
        };
        let replicas = engine.replicas.as_ref()?;
        let fits = *reads != Reads::Primary && work.template.fits_replica(*reads == Reads::Stale);
        fits.then_some((&**replicas, *reads))
    }
}

/// Returns the error that a replica reported, marked if the replica is its cause. The replica may be gone, or lack what
/// was created a moment ago. What it replays may be in the way, or it finds that the statement writes after all.
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
        // PostgreSQL: not possible during recovery.
        || error.sqlstate() == Some("55000");
    if own_trouble {
        // Its message may hold values.
        tracing::debug!(kind = ?error.kind(), code = error.sqlstate(), "a replica could not answer; the read runs on the primary");
        return error.of_replica();
    }
    error
}
