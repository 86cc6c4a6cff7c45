//! A connection in someone's hands. Given back or dropped, it goes to the next user at rest, or not at all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sqlx::SqlSafeStr;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::idle::Idle;
use super::{CLEANUP_LIMIT, Pool, REST_LIMIT, SETTLE_LIMIT, Severer, Who};
use crate::backend::RawConnection;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// What is under way on a connection. A value other than `None` outside of a call means that the call was dropped
/// half-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    None,
    /// A statement, or anything else that may be repeated or left out.
    Statement,
    /// An open stream of rows that has handed one out and reads nothing at the moment.
    Rows,
    /// `BEGIN`, `COMMIT` or a ping: what became of it nobody can know, or read from the wire.
    Boundary,
}

/// The savepoint of the sandbox that a failing statement is rolled back to, so that it undoes itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shield {
    /// There is none.
    Absent,
    /// Nothing was written since it was set.
    Set,
    /// What was written since is to be kept: it has to be set anew.
    Behind,
    /// A statement was under way, and nobody knows how it ended.
    Doubtful,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(crate) struct Lease {
    pub(super) idle: Option<Box<Idle>>,
    holder: usize,
    handle: Handle,
    pool: Arc<Pool>,
    flight: Flight,
    /// The caller may have left a transaction open behind the driver's back.
    unsure: bool,
    /// Something was done to the session that no rollback undoes.
    soiled: bool,
    shield: Shield,
    /// Whether the transaction is still open has to be looked at: what ran last may have ended it.
    doubt: bool,
    /// What to run when no more than so many levels are open.
    undo: Option<(usize, &'static str)>,
    /// Who wrote in the transaction that is open; noted where there are replicas.
    pub(super) writers: Vec<Who>,
    /// It is being cleaned; dropped half-way, it is thrown away.
    cleaning: bool,
    /// Set once the connection was closed from outside; then it does not count any more.
    severed: Option<Arc<AtomicBool>>,
}

impl Lease {
    pub(super) fn new(idle: Box<Idle>, holder: usize, handle: Handle, pool: &Arc<Pool>) -> Self {
        Self {
            idle: Some(idle),
            holder,
            handle,
            pool: Arc::clone(pool),
            flight: Flight::None,
            unsure: false,
            soiled: false,
            shield: Shield::Absent,
            doubt: false,
            undo: None,
            writers: Vec::new(),
            cleaning: false,
            severed: None,
        }
    }

    /// What closes this connection from outside, as long as this lease has it; where the driver can do that.
    pub(crate) fn severer(&mut self) -> Option<Severer> {
        let sever = self.idle.as_ref()?.raw.severer()?;
        let severed = self.severed.get_or_insert_with(Arc::default);
        Some(Severer {
            sever,
            severed: Arc::clone(severed),
            pool: Arc::downgrade(&self.pool),
            holder: self.holder,
        })
    }

    /// Notes that the lease ends by itself; tells whether it was ended from outside before.
    fn was_severed(&mut self) -> bool {
        let severed = self.severed.take();
        severed.is_some_and(|severed| severed.swap(true, Ordering::AcqRel))
    }

    /// The runtime of whoever has it.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The lease for someone on this runtime: what is left to clean is cleaned there.
    pub(super) fn on(mut self, handle: &Handle) -> Self {
        self.handle.clone_from(handle);
        self
    }

    /// The connection, after whatever a dropped call left on it has been read.
    pub(crate) async fn ready(&mut self) -> Result<&mut dyn RawConnection> {
        if !self.runtime_lives() {
            self.discard();
            return Err(lost("the tokio runtime that opened this connection has ended"));
        }
        if self.flight != Flight::None {
            // Boxed because it is rare, and every statement's future has room for this one.
            Box::pin(self.settle()).await?;
        }
        self.raw()
    }

    /// The connection as it is.
    pub(crate) fn raw(&mut self) -> Result<&mut dyn RawConnection> {
        match &mut self.idle {
            Some(idle) => Ok(&mut *idle.raw),
            None => Err(lost("the connection was given up")),
        }
    }

    /// The connection and its mark, for a call that borrows the connection for long.
    pub(crate) fn split(&mut self) -> Result<(&mut dyn RawConnection, &mut Flight)> {
        match &mut self.idle {
            Some(idle) => Ok((&mut *idle.raw, &mut self.flight)),
            None => Err(lost("the connection was given up")),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.idle.as_ref().map_or(0, |idle| idle.raw.depth())
    }

    /// Whether [`ready`](Self::ready) has nothing to do.
    pub(crate) fn is_ready(&self) -> bool {
        let settled = self.flight == Flight::None && self.shield != Shield::Doubtful && !self.doubt;
        settled && self.idle.is_some() && self.runtime_lives()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.idle.is_none()
    }

    /// Marks what is under way, so that a drop half-way is noticed. Pass `Flight::None` when it is over.
    pub(crate) fn mark(&mut self, flight: Flight) {
        self.flight = flight;
    }

    /// Marks that raw SQL may have opened or ended a transaction.
    pub(crate) fn unsure(&mut self) {
        self.unsure = true;
    }

    /// Marks that the session was changed in a way no rollback undoes; the connection is closed after this use.
    pub(crate) fn soil(&mut self) {
        self.soiled = true;
    }

    /// Whether a call on it was dropped half-way.
    pub(crate) fn was_cut(&self) -> bool {
        self.flight != Flight::None
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt
    }

    pub(crate) fn doubt(&mut self, doubt: bool) {
        self.doubt = doubt;
    }

    pub(crate) fn shield(&self) -> Shield {
        self.shield
    }

    pub(crate) fn set_shield(&mut self, shield: Shield) {
        self.shield = shield;
    }

    /// The pool that it is of.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Has `sql` run once no more than `depth` levels are open, to restore a setting of the session.
    pub(crate) fn undo_at(&mut self, depth: usize, sql: &'static str) {
        // The outermost is what must be restored in the end.
        if self.undo.is_none_or(|(at, _)| depth < at) {
            self.undo = Some((depth, sql));
        }
    }

    /// Restores what was set for the levels above `depth`.
    pub(crate) async fn undo(&mut self, depth: usize) -> Result<()> {
        if let Some((_, sql)) = self.undo.filter(|(at, _)| *at >= depth) {
            self.mark(Flight::Statement);
            self.raw()?.run_script(SqlSafeStr::into_sql_str(sql)).await?;
            self.mark(Flight::None);
            self.undo = None;
        }
        Ok(())
    }

    /// Reads what a dropped call left on the wire; a connection of which nothing can be known is thrown away.
    async fn settle(&mut self) -> Result<()> {
        if !self.survives() {
            self.discard();
            return Err(lost(
                "a call on this connection was cancelled half-way, so it was closed",
            ));
        }
        // Dropped here, the rest has been read in part.
        self.mark(Flight::Statement);
        let settled = timeout(SETTLE_LIMIT, self.raw()?.settle()).await;
        if let Ok(Ok(())) = settled {
            self.flight = Flight::None;
            return Ok(());
        }
        self.discard();
        Err(lost(
            "a statement that was cancelled or timed out on this connection did not end, so it was closed",
        ))
    }

    fn runtime_lives(&self) -> bool {
        self.idle.as_ref().is_none_or(|idle| idle.lives.load(Ordering::Acquire))
    }

    fn survives(&self) -> bool {
        match (&self.idle, self.flight) {
            (None, _) | (_, Flight::Boundary) => false,
            (_, Flight::None) => true,
            (Some(idle), flight) => idle.raw.interrupted(flight == Flight::Rows),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<()> {
        self.mark(Flight::Boundary);
        self.raw()?.ping().await?;
        self.mark(Flight::None);
        Ok(())
    }

    /// Throws a connection away that was found dead. Whatever killed it may have killed those that rest too.
    pub(crate) fn lose(&mut self) {
        self.pool.state.lock().doubted = Some(Instant::now());
        self.discard();
    }

    /// Throws the connection away; the server undoes what was open on it.
    pub(crate) fn discard(&mut self) {
        if self.idle.take().is_some() && !self.was_severed() {
            self.pool.forget_holder(self.holder);
        }
    }

    /// The connection without its lease, when the one it was meant for is gone.
    pub(super) fn into_idle(mut self) -> Option<Box<Idle>> {
        self.idle.take()
    }

    /// Rolls back what is open and leaves the connection at rest.
    pub(crate) async fn clean(&mut self) -> Result<()> {
        let unsure = self.unsure;
        let raw = self.ready().await?;
        let deep = raw.depth() > 0;
        if deep {
            self.mark(Flight::Statement);
            self.raw()?.rollback_to(0).await?;
            self.mark(Flight::None);
        }
        // Elsewhere the rollback has ended all there is; MySQL's session has settings besides.
        if unsure && (!deep || self.pool.connector().dialect() == Dialect::MySql) {
            self.mark(Flight::Statement);
            self.raw()?.reset().await?;
            self.mark(Flight::None);
        }
        self.unsure = false;
        self.shield = Shield::Absent;
        self.doubt = false;
        self.end_turn();
        self.undo(0).await
    }

    fn cleaned(&mut self) {
        self.cleaning = false;
    }

    fn at_rest(&self) -> bool {
        self.flight == Flight::None && !self.unsure && !self.soiled && self.undo.is_none() && self.depth() == 0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.idle.is_none() || self.was_severed() {
            return;
        }
        if self.at_rest() {
            self.end_turn();
            if let Some(idle) = self.idle.take() {
                self.pool.take_back(idle, self.holder, &self.handle);
            }
            return;
        }
        if self.flight == Flight::Statement && self.pool.limits.doubts {
            self.pool.state.lock().doubted = Some(Instant::now());
        }
        if self.cleaning || self.soiled || !self.survives() {
            self.discard();
            return;
        }
        // A rollback takes a round trip; how long a statement still takes, or how many rows of a stream are left, nobody
        // knows. A new connection is soon made, so nobody waits long for such a one.
        let limit = if self.flight == Flight::Rows {
            REST_LIMIT
        } else {
            CLEANUP_LIMIT
        };
        if self.flight != Flight::Statement {
            self.pool.state.lock().cleaning(self.holder, self.handle.id());
        }
        if let Some(turn) = self.idle.as_ref().and_then(|idle| idle.turn.as_ref()) {
            turn.ends_by_itself();
        }
        // Cleaned on its own runtime. If that is gone, the future is dropped at once, and with it the connection.
        let mut lease = Self {
            idle: self.idle.take(),
            holder: self.holder,
            handle: self.handle.clone(),
            pool: Arc::clone(&self.pool),
            flight: self.flight,
            unsure: self.unsure,
            soiled: false,
            shield: self.shield,
            doubt: self.doubt,
            undo: self.undo,
            writers: Vec::new(),
            cleaning: true,
            severed: None,
        };
        self.handle.spawn(async move {
            if matches!(timeout(limit, lease.clean()).await, Ok(Ok(()))) {
                lease.cleaned();
            }
        });
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("flight", &self.flight)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

fn lost(why: &'static str) -> Error {
    Error::new(ErrorKind::ConnectionLost, why)
        .help("whatever was open on it was rolled back; run the work again from its beginning")
        .fatal()
        // By whoever hears this, nothing was sent.
        .refusing()
        .retryable()
}
