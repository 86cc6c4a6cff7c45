//! A connection that is checked out. When it is given back or dropped, the next user gets it idle, or not at all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::idle::Idle;
use super::{CLEANUP_LIMIT, CloseHandle, Pool, REST_LIMIT, SETTLE_LIMIT, TaskOrThread};
use crate::backend::{OuterTransaction, RawConnection};
use crate::error::{CLOSED_EARLIER, Error, ErrorKind, Result};
use crate::sql::SessionChange;

/// The call in flight on a connection. A value other than `None` outside of a call means that the call was dropped
/// half-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    None,
    /// A statement, or anything else that may be repeated or left out.
    Statement,
    /// An open stream of rows that has handed one out and currently reads nothing.
    Rows,
    /// `BEGIN`, `COMMIT` or a ping: its outcome is unknown and cannot be read from the wire.
    Boundary,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(crate) struct Lease {
    pub(super) idle: Option<Box<Idle>>,
    pub(super) holder: usize,
    handle: Handle,
    pool: Arc<Pool>,
    in_flight: InFlight,
    /// Set if the caller may have left a transaction open that the driver does not know of.
    pub(super) may_have_transaction: bool,
    /// Set if something was done to the session that no rollback undoes.
    session_tainted: bool,
    /// Set if the connection is in a sandbox.
    sandboxed: bool,
    /// What was done to the session that its next user must not find.
    pub(super) session_change: SessionChange,
    /// Set if the last operation may have ended the transaction, so that the server has to be asked.
    transaction_unverified: bool,
    /// A number of levels, and the text to run when no more than these are open.
    pub(super) undo: Option<(usize, &'static str)>,
    /// Tasks and threads that wrote in the open transaction; noted if there are replicas.
    pub(super) writers: Vec<TaskOrThread>,
    /// Set while the connection is cleaned; dropped half-way, it is discarded.
    cleaning: bool,
    /// Flag that is set once the connection was closed from outside; then it no longer counts.
    closed: Option<Arc<AtomicBool>>,
}

impl Lease {
    pub(super) fn new(idle: Box<Idle>, holder: usize, handle: Handle, pool: &Arc<Pool>) -> Self {
        Self {
            idle: Some(idle),
            holder,
            handle,
            pool: Arc::clone(pool),
            in_flight: InFlight::None,
            may_have_transaction: false,
            session_tainted: false,
            sandboxed: false,
            session_change: SessionChange::None,
            transaction_unverified: false,
            undo: None,
            writers: Vec::new(),
            cleaning: false,
            closed: None,
        }
    }

    /// Returns a handle that closes this connection from outside, as long as this lease has it; `None` if the driver
    /// cannot do that.
    pub(crate) fn close_handle(&mut self) -> Option<CloseHandle> {
        let close = self.idle.as_ref()?.raw.close_handle()?;
        let closed = self.closed.get_or_insert_with(Arc::default);
        Some(CloseHandle {
            close,
            closed: Arc::clone(closed),
            pool: Arc::downgrade(&self.pool),
            holder: self.holder,
        })
    }

    /// Notes that the lease ends by itself; returns whether it was ended from outside before.
    pub(super) fn was_closed(&mut self) -> bool {
        let closed = self.closed.take();
        closed.is_some_and(|closed| closed.swap(true, Ordering::AcqRel))
    }

    /// Returns the runtime of the current holder.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns the lease for a user on this runtime, where cleanup will run.
    pub(super) fn on(mut self, handle: &Handle) -> Self {
        self.handle.clone_from(handle);
        self
    }

    /// Returns the connection, after reading what a dropped call left on it.
    pub(crate) async fn ready(&mut self) -> Result<&mut dyn RawConnection> {
        if !self.runtime_lives() {
            self.discard();
            return Err(lost("the tokio runtime that opened this connection has ended"));
        }
        if self.in_flight != InFlight::None {
            // Boxed, because it is rare and every statement's future reserves room for this one.
            Box::pin(self.settle()).await?;
        }
        self.raw()
    }

    /// Returns the connection as it is.
    pub(crate) fn raw(&mut self) -> Result<&mut dyn RawConnection> {
        match &mut self.idle {
            Some(idle) => Ok(&mut *idle.raw),
            None => Err(lost(CLOSED_EARLIER)),
        }
    }

    /// Returns the connection and its mark, for a call that borrows the connection for long.
    pub(crate) fn split(&mut self) -> Result<(&mut dyn RawConnection, &mut InFlight)> {
        match &mut self.idle {
            Some(idle) => Ok((&mut *idle.raw, &mut self.in_flight)),
            None => Err(lost(CLOSED_EARLIER)),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.idle.as_ref().map_or(0, |idle| idle.raw.depth())
    }

    /// Returns whether [`ready`](Self::ready) has nothing to do.
    pub(crate) fn is_ready(&self) -> bool {
        let settled = self.in_flight == InFlight::None && !self.transaction_unverified;
        settled && self.idle.is_some() && self.runtime_lives()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.idle.is_none()
    }

    /// Marks the call in flight, so that a drop half-way is noticed. Pass `InFlight::None` when it is over.
    pub(crate) fn mark(&mut self, in_flight: InFlight) {
        self.in_flight = in_flight;
    }

    /// Marks that raw SQL may have opened or ended a transaction.
    pub(crate) fn may_have_transaction(&mut self) {
        self.may_have_transaction = true;
    }

    /// Marks that the session was changed in a way no rollback undoes; the connection is closed after this use.
    pub(crate) fn taint_session(&mut self) {
        self.session_tainted = true;
    }

    /// Returns whether a call on it was dropped half-way.
    pub(crate) fn was_cut(&self) -> bool {
        self.in_flight != InFlight::None
    }

    pub(crate) fn is_transaction_unverified(&self) -> bool {
        self.transaction_unverified
    }

    pub(crate) fn set_transaction_unverified(&mut self, transaction_unverified: bool) {
        self.transaction_unverified = transaction_unverified;
    }

    /// Puts the connection into a sandbox, until it is cleaned.
    pub(crate) fn enter_sandbox(&mut self, outer: OuterTransaction) {
        self.sandboxed = true;
        self.change(|raw| raw.sandboxed(outer));
    }

    fn leave_sandbox(&mut self) {
        if std::mem::take(&mut self.sandboxed) {
            self.change(RawConnection::plain);
        }
    }

    fn change(&mut self, change: impl FnOnce(Box<dyn RawConnection>) -> Box<dyn RawConnection>) {
        self.idle = self.idle.take().map(|idle| Box::new(idle.change(change)));
    }

    /// Returns the pool that it belongs to.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Reads what a dropped call left on the wire; discards a connection whose state is unknown.
    async fn settle(&mut self) -> Result<()> {
        // Nobody waits for that answer any more.
        self.take_sent();
        if !self.survives() {
            self.discard();
            return Err(lost(
                "a call on this connection was cancelled before its end, so it was closed",
            ));
        }
        // If this is dropped, the rest has been read in part.
        self.mark(InFlight::Statement);
        let settled = timeout(SETTLE_LIMIT, self.raw()?.settle()).await;
        if let Ok(Ok(())) = settled {
            self.in_flight = InFlight::None;
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

    /// Returns whether the call that was dropped half-way, if there is one, leaves the connection usable.
    pub(crate) fn survives(&self) -> bool {
        match (&self.idle, self.in_flight) {
            (None, _) | (_, InFlight::Boundary) => false,
            (_, InFlight::None) => true,
            (Some(idle), in_flight) => idle.raw.interrupted(in_flight == InFlight::Rows),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<()> {
        self.mark(InFlight::Boundary);
        self.raw()?.ping().await?;
        self.mark(InFlight::None);
        Ok(())
    }

    /// Discards a connection that was found dead. Idle ones may be dead for the same reason.
    pub(crate) fn lose(&mut self) {
        self.pool.state.lock().suspect_since = Some(Instant::now());
        self.discard();
    }

    /// Discards the connection; the server undoes what was open on it.
    pub(crate) fn discard(&mut self) {
        if self.idle.take().is_some() && !self.was_closed() {
            self.pool.forget_holder(self.holder);
        }
    }

    /// Returns the connection without its lease, when the one it was meant for is gone.
    pub(super) fn into_idle(mut self) -> Option<Box<Idle>> {
        self.idle.take()
    }

    /// Rolls back what is open and leaves the connection idle.
    pub(crate) async fn clean(&mut self) -> Result<()> {
        let may_have_transaction = self.may_have_transaction;
        if self.in_flight != InFlight::None
            && let Some(interrupt) = self.raw()?.interrupt()
        {
            // Everything is undone, so nobody needs what still runs.
            interrupt.raise();
        }
        let raw = self.ready().await?;
        let deep = raw.depth() > 0;
        if deep {
            self.mark(InFlight::Statement);
            self.raw()?.rollback_to(0).await?;
            self.mark(InFlight::None);
        }
        if self.session_change != SessionChange::None {
            self.leave_sandbox();
            // Boxed, because it is rare.
            return Box::pin(self.reset_session()).await;
        }
        // The rollback has ended everything, except settings that no rollback restores.
        let rules = self.pool.connector.rules().transactions();
        if may_have_transaction && (!deep || rules.settings_outlive_rollback) {
            self.mark(InFlight::Statement);
            self.raw()?.reset().await?;
            self.mark(InFlight::None);
        }
        self.cleaned_up();
        self.undo(0).await?;
        self.leave_sandbox();
        Ok(())
    }

    /// Notes that nothing is open any more.
    pub(super) fn cleaned_up(&mut self) {
        self.may_have_transaction = false;
        self.transaction_unverified = false;
        self.end_turn();
    }

    fn cleaned(&mut self) {
        self.cleaning = false;
    }

    fn is_clean(&self) -> bool {
        self.in_flight == InFlight::None
            && !self.may_have_transaction
            && !self.session_tainted
            && !self.sandboxed
            && self.session_change == SessionChange::None
            && self.undo.is_none()
            && self.depth() == 0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.idle.is_none() || self.was_closed() {
            return;
        }
        if self.is_clean() {
            if let Some(mut idle) = self.idle.take() {
                // The next one finds the connection there.
                let turn = idle.turn.take();
                self.pool.take_back(idle, self.holder, &self.handle);
                drop(turn);
            }
            return;
        }
        if self.in_flight == InFlight::Statement && self.pool.limits.suspects_idle {
            self.pool.state.lock().suspect_since = Some(Instant::now());
        }
        if self.cleaning || self.session_tainted || !self.survives() {
            self.discard();
            return;
        }
        // A rollback takes one round trip. It is unknown how long a statement still takes, or how many rows of a stream
        // are left. A new connection opens quickly, so a caller waits only briefly for one.
        let limit = if self.in_flight == InFlight::Rows {
            REST_LIMIT
        } else {
            CLEANUP_LIMIT
        };
        if self.in_flight != InFlight::Statement {
            self.pool.state.lock().cleaning(self.holder, self.handle.id());
        }
        if let Some(turn) = self.idle.as_ref().and_then(|idle| idle.turn.as_ref()) {
            turn.ends_by_itself();
        }
        // Cleaned on its own runtime. If that is gone, the future is dropped at once, and the connection with it.
        let mut lease = Self {
            idle: self.idle.take(),
            holder: self.holder,
            handle: self.handle.clone(),
            pool: Arc::clone(&self.pool),
            in_flight: self.in_flight,
            may_have_transaction: self.may_have_transaction,
            session_tainted: false,
            sandboxed: self.sandboxed,
            session_change: self.session_change,
            transaction_unverified: self.transaction_unverified,
            undo: self.undo,
            writers: Vec::new(),
            cleaning: true,
            closed: None,
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
            .field("flight", &self.in_flight)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

fn lost(why: &'static str) -> Error {
    Error::new(ErrorKind::ConnectionLost, why)
        .help("everything open on it was rolled back; run the work again from its beginning")
        .fatal()
        // The caller that receives this error has sent nothing.
        .refusing()
        .retryable()
}
