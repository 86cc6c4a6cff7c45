//! A level of a connection, and the handle that keeps it.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};

use super::callback::Registered;
use super::operation::Operation;
use super::stream::Drain;
use super::{Chain, Ground, Owner};
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Asker, Lease, Severer, Turn};
use crate::sql::Statement;
use crate::telemetry::TransactionSpan;

/// What kind of level it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A connection, without a transaction.
    Base,
    /// The outer transaction of force rollback, which never commits.
    Sandbox,
    /// A task's view of the sandbox: it borrows the sandbox's connection for each statement.
    View,
    /// A transaction or a savepoint; of the closure form or a guard.
    Transaction { closure: bool },
}

/// The way to the connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Not acquired yet.
    Vacant,
    Lease(Lease),
    /// The level above holds its parent's lock as long as it lives.
    Parent(OwnedMutexGuard<Wire>),
    /// The level has ended.
    Gone,
}

impl Wire {
    pub(crate) fn lease(&mut self) -> Option<&mut Lease> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Parent(parent) => parent.lease(),
            Self::Vacant | Self::Gone => None,
        }
    }
}

/// How a level came to its end.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    Committed(&'static Location<'static>),
    RolledBack(&'static Location<'static>),
    /// A commit or rollback was cancelled half-way.
    Interrupted(&'static Location<'static>),
    Dropped,
    /// The server, or something sent to it, ended the transaction.
    ByServer(String),
    /// The sandbox was disconnected, or its last handle dropped.
    Closed,
}

/// How to end a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Commit,
    Rollback,
}

/// The level that is open above another one.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) node: Weak<Node>,
    pub(super) opened: Asker,
    pub(super) since: Instant,
    pub(super) owner: Owner,
    pub(super) closure: bool,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct State {
    pub(super) parent: Option<Arc<Node>>,
    pub(super) ended: Option<Ended>,
    pub(super) child: Option<Child>,
    /// The first error that made PostgreSQL abort the transaction.
    pub(super) failed: Option<String>,
    pub(super) operations: Vec<Operation>,
    pub(super) next_operation: u64,
    /// The turns to write of operations under way outside of transactions; that of a transaction begun as text.
    pub(super) turns: Vec<(u64, Turn)>,
    pub(super) stream: Option<Weak<dyn Drain>>,
    pub(super) rollback_only: bool,
    /// Writing is refused here, where the server would not (a read-only transaction in a sandbox on MySQL).
    pub(super) read_only: bool,
    /// The statement under way, or the last one; known in a sandbox only.
    pub(super) last: Option<Arc<Statement>>,
    /// Who got the connection last, and when; known in a sandbox only.
    pub(super) holder: Option<(Asker, Instant)>,
    /// Those who wait for the connection.
    pub(super) waiting: Vec<(u64, Asker, Instant)>,
    /// In the order in which they were given.
    pub(super) callbacks: Vec<Registered>,
    /// The server gave the transaction up, and running it again may help.
    pub(super) retryable: bool,
    /// Something in the transaction may have been kept, and nobody knows.
    pub(super) unknown: bool,
    /// Its end has a time limit: a connection that does not answer it is closed.
    pub(super) hurried: bool,
    /// The server has rolled the transaction back by itself.
    pub(super) undone: bool,
    /// What those see of this transaction who watch.
    pub(super) span: Option<Box<TransactionSpan>>,
    /// SET CONSTRAINTS was used, which ends with the transaction.
    pub(super) constraints_set: bool,
    /// The settings that end with the transaction, as they were before.
    pub(super) settings: Vec<(String, Option<String>)>,
    /// Of the sandbox: what closes its connection where nobody gives it back.
    pub(super) severer: Option<Severer>,
    /// Of the sandbox: the isolation level its outer transaction was begun with.
    pub(super) isolation: Option<IsolationLevel>,
}

pub(crate) struct Node {
    pub(crate) ground: Arc<Ground>,
    pub(crate) kind: Kind,
    /// How many transaction levels are open on the connection while this level is on top.
    pub(crate) depth: usize,
    pub(crate) opened: Asker,
    pub(super) wire: Arc<AsyncMutex<Wire>>,
    pub(super) state: Mutex<State>,
    /// Tells those who wait for the connection that a stream has it now.
    pub(super) stream_opened: Notify,
}

impl Node {
    pub(crate) fn new(
        ground: &Arc<Ground>,
        kind: Kind,
        depth: usize,
        opened: Asker,
        parent: Option<Arc<Self>>,
        wire: Wire,
    ) -> Arc<Self> {
        Arc::new(Self {
            ground: Arc::clone(ground),
            kind,
            depth,
            opened,
            wire: Arc::new(AsyncMutex::new(wire)),
            state: Mutex::new(State {
                parent,
                ..State::default()
            }),
            stream_opened: Notify::new(),
        })
    }

    /// The level whose lock guards the connection for statements of this one.
    pub(super) fn wired(self: &Arc<Self>) -> Arc<Self> {
        match self.kind {
            Kind::View => self.state.lock().parent.clone().unwrap_or_else(|| Arc::clone(self)),
            _ => Arc::clone(self),
        }
    }

    /// The connection below all transactions.
    pub(crate) fn base(self: &Arc<Self>) -> Arc<Self> {
        let mut node = Arc::clone(self);
        while matches!(node.kind, Kind::Transaction { .. }) {
            let Some(parent) = node.state.lock().parent.clone() else {
                break;
            };
            node = parent;
        }
        node
    }

    /// The level this one was begun on.
    pub(super) fn below(&self) -> Option<Arc<Self>> {
        self.state.lock().parent.clone()
    }

    /// Whether the application takes this level for an outermost transaction, though it is inside the sandbox.
    pub(super) fn is_virtual(&self) -> bool {
        matches!(self.kind, Kind::Transaction { .. }) && self.ground.sandbox.is_some() && self.depth == 2
    }

    /// Whether this level is a closure's transaction, or inside one.
    pub(crate) fn in_closure(self: &Arc<Self>) -> bool {
        let mut node = Arc::clone(self);
        loop {
            if node.kind == (Kind::Transaction { closure: true }) {
                return true;
            }
            let Some(parent) = node.state.lock().parent.clone() else {
                return false;
            };
            node = parent;
        }
    }

    /// The level that a plain use of this connection means: the innermost open one, but not inside a closure
    /// transaction that the caller is not in.
    pub(crate) fn top(self: &Arc<Self>, chain: &Chain) -> Arc<Self> {
        let mut node = Arc::clone(self);
        loop {
            let child = match &node.state.lock().child {
                Some(child) if !child.closure || chain.contains(child.owner) => child.node.upgrade(),
                _ => None,
            };
            let Some(child) = child else { return node };
            node = child;
        }
    }

    /// The level that a call through the database means, where this one is bound.
    pub(super) fn meant(self: &Arc<Self>, chain: &Chain) -> Arc<Self> {
        match self.kind {
            Kind::Transaction { .. } => Arc::clone(self),
            _ => self.top(chain),
        }
    }

    /// An error if this level, or one below it, has ended.
    pub(crate) fn usable(self: &Arc<Self>) -> Result<()> {
        let mut node = Arc::clone(self);
        loop {
            let state = node.state.lock();
            if let Some(ended) = &state.ended {
                return Err(node.ended_error(ended, Arc::ptr_eq(&node, self)));
            }
            let Some(parent) = state.parent.clone() else {
                return Ok(());
            };
            drop(state);
            node = parent;
        }
    }

    fn ended_error(&self, ended: &Ended, own: bool) -> Error {
        if let (Kind::Sandbox, Ended::ByServer(why)) = (self.kind, ended) {
            return Error::new(ErrorKind::SandboxBroken, format!("the force-rollback transaction is gone: {why}"))
                .help("disconnect and connect again to start a new one; keep what ends a transaction out of the code under test");
        }
        let whose = if own { "the transaction" } else { "an outer transaction" };
        let opened = self.opened.place;
        let (how, help) = match ended {
            Ended::Closed => return self.ground.closed(),
            Ended::Committed(at) => (format!("was committed at {at}"), "begin a new one"),
            Ended::RolledBack(at) => (format!("was rolled back at {at}"), "begin a new one"),
            Ended::Interrupted(at) => (
                format!("was being committed at {at} when that was cancelled, or its answer was lost"),
                "it may have been committed, nobody knows: look whether what it wrote is there, then begin a new one",
            ),
            Ended::Dropped => (
                "was dropped, which rolled it back".to_owned(),
                "keep the guard alive as long as its work goes on",
            ),
            Ended::ByServer(why) => (
                format!("was ended by the server: {why}"),
                "run the whole transaction again",
            ),
        };
        Error::new(ErrorKind::TransactionEnded, format!("{whose} begun at {opened} {how}")).help(help)
    }

    /// An error if a level above is open. For guards, of which only the innermost may be used.
    pub(crate) fn innermost(&self, asker: Asker) -> Result<()> {
        let state = self.state.lock();
        match state.child.as_ref().filter(|child| child.node.strong_count() > 0) {
            None => Ok(()),
            Some(child) => Err(Error::new(
                ErrorKind::ConcurrentUse,
                format!(
                    "the transaction begun at {} was used at {}, while the transaction begun inside it at {} is open",
                    self.opened.place, asker.place, child.opened.place
                ),
            )
            .help("use the inner one, or end it first; joined futures should each use `transaction().run(…)`")),
        }
    }

    /// Notes that the server gave up this level, or something in it, for the sake of others.
    pub(super) fn note_retryable(&self) {
        self.state.lock().retryable = true;
        let mut below = self.below();
        while let Some(node) = below {
            node.state.lock().retryable = true;
            below = node.below();
        }
    }

    /// Whether it may help to run this transaction again: not if it was inside another one, which is lost with it.
    pub(crate) fn wants_retry(&self) -> bool {
        let outermost = self.depth == 1 || self.is_virtual();
        let stands = self.ground.sandbox().is_none_or(|root| root.usable().is_ok());
        let state = self.state.lock();
        // One that was committed, or may have been, must not be done twice.
        let undone = matches!(
            state.ended,
            Some(Ended::RolledBack(_) | Ended::Dropped | Ended::ByServer(_))
        );
        outermost && stands && undone && state.retryable && !state.unknown
    }

    /// Notes that the server, or something sent to it, has ended the whole transaction.
    pub(super) fn end_by_server(self: &Arc<Self>, why: &str) {
        let mut node = Arc::clone(self);
        loop {
            let mut state = node.state.lock();
            if matches!(node.kind, Kind::Transaction { .. } | Kind::Sandbox) && state.ended.is_none() {
                state.ended = Some(Ended::ByServer(why.to_owned()));
            }
            let Some(parent) = state.parent.clone() else { return };
            drop(state);
            node = parent;
        }
    }
}

impl Node {
    /// Those below learn who uses this level now.
    pub(super) fn moved_to(self: &Arc<Self>, owner: Owner) {
        self.ground.turn_moved(self.opened, owner);
        let mut below = self.state.lock().parent.clone();
        while let Some(node) = below {
            let mut state = node.state.lock();
            if let Some(child) = &mut state.child
                && std::ptr::eq(child.node.as_ptr(), Arc::as_ptr(self))
            {
                child.owner = owner;
            }
            let view = if node.kind == Kind::View {
                state.parent.clone()
            } else {
                None
            };
            drop(state);
            below = view;
        }
    }

    /// Nothing can be done on this level any more.
    pub(super) fn disconnected(&self) {
        self.state.lock().ended = Some(Ended::Closed);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("kind", &self.kind)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// How this level ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.state.lock().ended.clone()
    }
}
