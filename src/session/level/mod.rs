//! A level of a connection: its kind, its state, and its place among the other levels.

pub(super) mod begin;
pub(super) mod begin_options;
pub(super) mod callbacks;
mod child;
mod close;
pub(super) mod leave;
mod messages;
pub(super) mod operations;
pub(super) mod probe;
mod read_only;
pub(super) mod siblings;
pub(super) mod text_transaction;
pub(super) mod turn;
mod unfinished;
pub(super) mod verdict;
pub(super) mod write_turn;

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};

use super::engine::Engine;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Caller, CloseHandle, Drain, Lease, TaskOrThread, Turn};
use crate::session::sandbox::listeners::Message;
use crate::session::scope::chain::{Chain, Owner};
use crate::sql::Statement;
use crate::telemetry::TransactionSpan;
use callbacks::Registered;
use operations::Operation;
use text_transaction::Text;

/// The kind of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LevelKind {
    /// A connection, without a transaction.
    Base,
    /// The outer transaction of force rollback, which never commits.
    Sandbox,
    /// A task's view of the sandbox: it borrows the sandbox's connection for each statement.
    View,
    /// A transaction or a savepoint, of the closure form or of a guard.
    Transaction { closure: bool },
}

/// The access of a level to its connection.
#[derive(Debug)]
pub(crate) enum ConnectionSlot {
    /// Not acquired yet.
    Vacant,
    Lease(Lease),
    /// The lock of the parent, which this level holds as long as it lives.
    Parent(OwnedMutexGuard<ConnectionSlot>),
    /// The level has ended.
    Gone,
}

impl ConnectionSlot {
    pub(crate) fn lease(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Parent(parent) => parent.lease(),
            Self::Vacant | Self::Gone => None,
        }
    }
}

/// The way in which a level ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Committed(&'static Location<'static>),
    RolledBack(&'static Location<'static>),
    /// A commit was cancelled half-way, or its answer was lost.
    Interrupted(&'static Location<'static>),
    Dropped,
    /// The server, or something sent to it, ended the transaction.
    ByServer(String),
    /// The sandbox was disconnected, or its last handle was dropped.
    Closed,
}

/// The way to end a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Commit,
    Rollback,
}

/// The level that is open above another one.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) level: Weak<Level>,
    pub(super) opened: Caller,
    pub(super) since: Instant,
    pub(super) owner: Owner,
    /// The task or thread that begun it, or used it last.
    pub(super) who: TaskOrThread,
    pub(super) closure: bool,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct LevelState {
    pub(super) parent: Option<Arc<Level>>,
    pub(super) ended: Option<Ended>,
    pub(super) child: Option<Child>,
    /// The first error that made PostgreSQL abort the transaction.
    pub(super) failed: Option<String>,
    pub(super) operations: VecDeque<Operation>,
    pub(super) next_operation: u64,
    /// The turns to write of operations under way outside of transactions.
    pub(super) turns: Vec<(u64, Turn)>,
    /// A transaction that was begun as SQL text.
    pub(super) text: Option<Text>,
    /// Number of handles. Without one, the level is only referred to for a moment more, as by another writer that asks
    /// whose turn it is.
    pub(in crate::session) handles: usize,
    pub(super) stream: Option<Weak<dyn Drain>>,
    /// Number of waiters for the connection that have the turn to write.
    pub(super) wanted: usize,
    pub(super) rollback_only: bool,
    /// Set where this library refuses writing and the server would not (a read-only transaction in a sandbox on MySQL).
    pub(super) read_only: bool,
    /// The statement under way, or the last one; known in a sandbox only.
    pub(super) last: Option<Arc<Statement>>,
    /// The caller that got the connection last, and when; known in a sandbox only.
    pub(super) holder: Option<(Caller, Instant)>,
    /// Waiters for the connection.
    pub(super) waiting: VecDeque<(u64, Caller, Instant)>,
    /// Callbacks in the order in which they were registered.
    pub(super) callbacks: Vec<Registered>,
    /// Notifications of a sandbox that wait for the commit.
    pub(in crate::session) messages: Vec<Message>,
    /// Set if the server gave the transaction up, and running it again may help.
    pub(super) retryable: bool,
    /// Set if something in the transaction may have been kept; it is unknown whether it was.
    pub(super) unknown: bool,
    /// Set if its end has a time limit: a connection that does not answer it is closed.
    pub(super) hurried: bool,
    /// Set if the server has rolled the transaction back by itself.
    pub(super) undone: bool,
    /// The span of this transaction, for subscribers.
    pub(super) span: Option<Box<TransactionSpan>>,
    /// Of the sandbox: closes its connection if it is never returned.
    pub(super) close_handle: Option<CloseHandle>,
    /// Of the sandbox: the isolation level its outer transaction was begun with.
    pub(super) isolation: Option<IsolationLevel>,
}

pub(crate) struct Level {
    pub(crate) engine: Arc<Engine>,
    pub(crate) kind: LevelKind,
    /// Number of transaction levels open on the connection while this level is on top.
    pub(crate) depth: usize,
    pub(crate) opened: Caller,
    pub(super) slot: Arc<AsyncMutex<ConnectionSlot>>,
    pub(super) state: Mutex<LevelState>,
    /// Notifies waiters for the connection that a stream has it now.
    pub(super) stream_opened: Notify,
}

impl Level {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        kind: LevelKind,
        depth: usize,
        opened: Caller,
        parent: Option<Arc<Self>>,
        slot: ConnectionSlot,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(engine),
            kind,
            depth,
            opened,
            slot: Arc::new(AsyncMutex::new(slot)),
            state: Mutex::new(LevelState {
                parent,
                ..LevelState::default()
            }),
            stream_opened: Notify::new(),
        })
    }

    /// Returns the level whose lock guards the connection for statements of this one.
    pub(super) fn slot_level(self: &Arc<Self>) -> Arc<Self> {
        match self.kind {
            LevelKind::View => self.state.lock().parent.clone().unwrap_or_else(|| Arc::clone(self)),
            _ => Arc::clone(self),
        }
    }

    /// Returns the connection below all transactions.
    pub(crate) fn base(self: &Arc<Self>) -> Arc<Self> {
        let mut level = Arc::clone(self);
        while matches!(level.kind, LevelKind::Transaction { .. }) {
            let Some(parent) = level.state.lock().parent.clone() else {
                break;
            };
            level = parent;
        }
        level
    }

    /// The outermost transaction that this level is in, or is itself.
    pub(super) fn outermost(self: &Arc<Self>) -> Arc<Self> {
        let mut level = Arc::clone(self);
        while level.depth > 1 {
            let Some(parent) = level.below() else { break };
            level = parent;
        }
        level
    }

    /// The level this one was begun on.
    pub(super) fn below(&self) -> Option<Arc<Self>> {
        self.state.lock().parent.clone()
    }

    /// Returns whether the application takes this level for an outermost transaction, though it is inside the sandbox.
    pub(super) fn is_virtual(&self) -> bool {
        matches!(self.kind, LevelKind::Transaction { .. }) && self.engine.sandbox.is_some() && self.depth == 2
    }

    /// Returns whether this level is a closure's transaction, or inside one.
    pub(crate) fn in_closure(self: &Arc<Self>) -> bool {
        let mut level = Arc::clone(self);
        loop {
            if level.kind == (LevelKind::Transaction { closure: true }) {
                return true;
            }
            let Some(parent) = level.state.lock().parent.clone() else {
                return false;
            };
            level = parent;
        }
    }

    /// Returns the level that a plain use of this connection means: the innermost open one. A closure transaction that
    /// the caller is not in does not count.
    pub(crate) fn top(self: &Arc<Self>, chain: &Chain) -> Arc<Self> {
        let mut level = Arc::clone(self);
        loop {
            let child = match &level.state.lock().child {
                Some(child) if !child.closure || chain.contains(child.owner) => child.level.upgrade(),
                _ => None,
            };
            let Some(child) = child else { return level };
            level = child;
        }
    }

    /// Returns the level that a call through the database means, where this one is bound.
    pub(super) fn meant(self: &Arc<Self>, chain: &Chain) -> Arc<Self> {
        match self.kind {
            LevelKind::Transaction { .. } => Arc::clone(self),
            _ => self.top(chain),
        }
    }

    /// Returns an error if this level, or one below it, has ended.
    pub(crate) fn usable(self: &Arc<Self>) -> Result<()> {
        let mut level = Arc::clone(self);
        loop {
            let state = level.state.lock();
            if let Some(ended) = &state.ended {
                return Err(level.ended_error(ended, Arc::ptr_eq(&level, self)));
            }
            let Some(parent) = state.parent.clone() else {
                return Ok(());
            };
            drop(state);
            level = parent;
        }
    }

    fn ended_error(&self, ended: &Ended, own: bool) -> Error {
        if let (LevelKind::Sandbox, Ended::ByServer(why)) = (self.kind, ended) {
            return Error::new(ErrorKind::SandboxBroken, format!("the outer transaction of the sandbox was lost: {why}"))
                .help("disconnect and connect again to start a new one; avoid statements that end a transaction in the code under test");
        }
        let whose = if own { "the transaction" } else { "an outer transaction" };
        let opened = self.opened.place;
        let (how, help) = match ended {
            Ended::Closed => return self.engine.closed(),
            Ended::Committed(at) => (format!("was committed at {at}"), "begin a new one"),
            Ended::RolledBack(at) => (format!("was rolled back at {at}"), "begin a new one"),
            Ended::Interrupted(at) => (
                format!("was being committed at {at} when the commit was cancelled or its answer was lost"),
                "it may have been committed: check whether its changes are there, then begin a new one",
            ),
            Ended::Dropped => (
                "was dropped, which rolled it back".to_owned(),
                "keep the guard alive until its work is done",
            ),
            Ended::ByServer(why) => (format!("is no longer open: {why}"), "run the whole transaction again"),
        };
        Error::new(ErrorKind::TransactionEnded, format!("{whose} begun at {opened} {how}")).help(help)
    }

    /// Returns an error if a level above is open. For guards, of which only the innermost may be used.
    pub(crate) fn innermost(&self, caller: Caller) -> Result<()> {
        let state = self.state.lock();
        match state.child.as_ref().filter(|child| child.level.strong_count() > 0) {
            None => Ok(()),
            Some(child) => Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "the transaction begun at {} was used at {}, while the transaction begun inside it at {} is open",
                    self.opened.place, caller.place, child.opened.place
                ),
            )
            .help("use the inner transaction, or end it first; joined futures should each use `transaction().run(…)`")),
        }
    }

    /// Notes that the server gave up this level, or something in it, in favour of others.
    pub(super) fn note_retryable(&self) {
        self.state.lock().retryable = true;
        let mut below = self.below();
        while let Some(level) = below {
            level.state.lock().retryable = true;
            below = level.below();
        }
    }

    /// Returns whether it may help to run this transaction again. It does not help inside another one, which is lost
    /// with it.
    pub(crate) fn wants_retry(&self) -> bool {
        let outermost = self.depth == 1 || self.is_virtual();
        let stands = self.engine.sandbox().is_none_or(|root| root.usable().is_ok());
        let state = self.state.lock();
        // A transaction that was committed, or may have been, must not run twice.
        let undone = matches!(
            state.ended,
            Some(Ended::RolledBack(_) | Ended::Dropped | Ended::ByServer(_))
        );
        outermost && stands && undone && state.retryable && !state.unknown
    }

    /// Notes that the server, or something sent to it, has ended the whole transaction.
    pub(super) fn end_by_server(self: &Arc<Self>, why: &str) {
        let mut level = Arc::clone(self);
        loop {
            let mut state = level.state.lock();
            if matches!(level.kind, LevelKind::Transaction { .. } | LevelKind::Sandbox) && state.ended.is_none() {
                state.ended = Some(Ended::ByServer(why.to_owned()));
            }
            let Some(parent) = state.parent.clone() else { return };
            drop(state);
            level = parent;
        }
    }
}

impl Level {
    /// Records the new owner of this level on the levels below it.
    pub(super) fn moved_to(self: &Arc<Self>, owner: Owner) {
        let mut below = self.state.lock().parent.clone();
        while let Some(level) = below {
            let mut state = level.state.lock();
            if let Some(child) = &mut state.child
                && std::ptr::eq(child.level.as_ptr(), Arc::as_ptr(self))
            {
                child.owner = owner;
                child.who = TaskOrThread::current();
            }
            let view = if level.kind == LevelKind::View {
                state.parent.clone()
            } else {
                None
            };
            drop(state);
            below = view;
        }
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level")
            .field("kind", &self.kind)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
