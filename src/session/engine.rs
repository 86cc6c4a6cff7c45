//! State shared by the connections of one database: the pool, the parsed statements, the bindings.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::level::{ConnectionSlot, Level, LevelKind};
use super::replicas::Replicas;
use super::sandbox::{Sandbox, SandboxPlan, SandboxRoot};
use crate::backend::rules::TransactionRules;
use crate::backend::{Deferred, ServerRules, Writers};
use crate::config::Settings;
use crate::error::Result;
use crate::pool::{Caller, Drain, OpenStreams, Pool, WriterGate};
use crate::session::sandbox::statement_log::{LogWriter, RecordedStatement, StatementLog};
use crate::session::scope::bindings::Bindings;
use crate::session::scope::chain::Chain;
use crate::session::scope::handle::LevelHandle;
use crate::session::scope::unbound::Unbound;
use crate::sql::{Dialect, TemplateCache};

pub(crate) struct Engine {
    pub(crate) id: u64,
    pub(crate) pool: Arc<Pool>,
    /// The part of the rules that is asked often. It is the same for all products of a dialect.
    pub(super) transactions: &'static TransactionRules,
    pub(crate) settings: Arc<Settings>,
    pub(crate) templates: Arc<TemplateCache>,
    pub(crate) bindings: Bindings,
    /// The open streams, where they keep others from writing.
    pub(super) streams: Option<Arc<OpenStreams>>,
    /// Set if everything runs inside an outer transaction that is never committed.
    pub(crate) sandbox: Option<Sandbox>,
    /// Log of the last statements, if a test outside of any sandbox requested it.
    record: OnceLock<Arc<StatementLog>>,
    /// Statement log of the sandbox that `force_rollback(false)` leaves for this engine.
    beside: OnceLock<Arc<StatementLog>>,
    /// `true` if writers have to take turns.
    pub(super) has_one_writer: bool,
    /// Notifies writers that wait for the turn and have a connection that the holder of the turn wants.
    pub(super) wanted: Notify,
    /// The gate of the writers, once it is known.
    pub(super) gate: OnceLock<Option<Arc<WriterGate>>>,
    /// Replicas for statements that only read, outside of bound connections and transactions.
    pub(super) replicas: Option<Arc<Replicas>>,
    /// Facts known about the constraints, for the sandboxes next to this engine.
    pub(super) deferred: Arc<Deferred>,
}

impl Engine {
    pub(crate) fn new(
        pool: Arc<Pool>,
        settings: Arc<Settings>,
        templates: Arc<TemplateCache>,
        deferred: Arc<Deferred>,
        sandbox: Option<SandboxPlan>,
        replicas: Option<Arc<Replicas>>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let transactions = pool.connector().rules().transactions();
        let writers = pool.connector().writers();
        let has_one_writer = writers != Writers::Many;
        let gate = OnceLock::new();
        if let Writers::Of(one) = writers {
            gate.get_or_init(|| Some(WriterGate::of(one)));
        }
        let known = gate.get().and_then(Option::as_ref);
        let streams = known.filter(|_| pool.connector().readers_block_writers());
        Arc::new(Self {
            streams: streams.map(|gate| Arc::clone(&gate.streams)),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            pool,
            transactions,
            settings,
            templates,
            bindings: Bindings::default(),
            sandbox: sandbox.map(Sandbox::new),
            record: OnceLock::new(),
            beside: OnceLock::new(),
            has_one_writer,
            wanted: Notify::new(),
            gate,
            replicas,
            deferred,
        })
    }

    /// Keeps the last `count` statements from now on and forgets earlier ones, as a sandbox can from its beginning.
    #[cfg(feature = "macros")]
    pub(crate) fn record(&self, count: usize) -> Arc<StatementLog> {
        let statement_log = self.record.get_or_init(|| Arc::new(StatementLog::new(count)));
        statement_log.clear();
        Arc::clone(statement_log)
    }

    /// Also records what is sent here in the statement log of `sandboxed`, as something outside of it.
    pub(crate) fn lies_beside(&self, sandboxed: &Self) {
        if let Some(sandbox) = &sandboxed.sandbox {
            self.beside.get_or_init(|| Arc::clone(&sandbox.plan.statement_log));
        }
    }

    /// Returns the writer of the statement log, if statements are kept.
    pub(super) fn statement_log(&self) -> Option<LogWriter<'_>> {
        let of_sandbox = self.sandbox.as_ref().map(|sandbox| &sandbox.plan.statement_log);
        let own = of_sandbox.or_else(|| self.record.get());
        own.and_then(|statement_log| statement_log.log_writer(false))
            .or_else(|| self.beside.get()?.log_writer(true))
    }

    /// Returns the statements that were kept, the oldest first.
    pub(crate) fn recorded(&self) -> Vec<RecordedStatement> {
        self.statement_log().map_or_else(Vec::new, LogWriter::entries)
    }

    /// Notes that views, functions and their like may be defined. In a sandbox, its connection notes it for itself.
    pub(super) fn note_code(&self) {
        if self.sandbox.is_none() {
            self.deferred.code_defined();
        }
    }

    /// Returns the runtime of the connections, for a caller without one. In full isolation a caller needs none.
    pub(crate) fn lent_runtime(&self) -> Option<Handle> {
        if self.sandbox.is_none() || Handle::try_current().is_ok() {
            return None;
        }
        self.pool.connector().runtime().ok().flatten()
    }

    /// Returns the rules of the server to which the last connection was opened.
    pub(crate) fn rules(&self) -> &'static dyn ServerRules {
        self.pool.connector().rules()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.pool.connector().dialect()
    }

    /// Returns the level that the sandbox runs on, and creates it at first use.
    pub(crate) fn sandbox_root(self: &Arc<Self>, caller: Caller) -> Option<Arc<Level>> {
        let mut sandbox = self.sandbox.as_ref()?.root.lock();
        let new = || Level::new(self, LevelKind::Sandbox, 1, caller, None, ConnectionSlot::Vacant);
        match &*sandbox {
            SandboxRoot::Open(root) => Some(Arc::clone(root)),
            SandboxRoot::Fresh => {
                let root = new();
                *sandbox = SandboxRoot::Open(Arc::clone(&root));
                Some(root)
            }
            // Not stored: it serves only the call that came too late.
            SandboxRoot::Closed => {
                let root = new();
                root.disconnected();
                Some(root)
            }
        }
    }

    /// Returns the level of the sandbox, if it was used.
    pub(super) fn sandbox(&self) -> Option<Arc<Level>> {
        self.sandbox.as_ref().and_then(Sandbox::opened)
    }

    /// Creates a connection, or a view of the sandbox. Nothing is acquired yet.
    pub(crate) fn connection(self: &Arc<Self>, caller: Caller) -> Arc<LevelHandle> {
        LevelHandle::new(self.fresh(caller))
    }

    /// Does the same for a transaction that is about to begin on it.
    pub(super) fn opening(self: &Arc<Self>, caller: Caller) -> Arc<LevelHandle> {
        LevelHandle::opening(self.fresh(caller))
    }

    fn fresh(self: &Arc<Self>, caller: Caller) -> Arc<Level> {
        match self.sandbox_root(caller) {
            Some(root) => Level::new(
                self,
                LevelKind::View,
                root.depth,
                caller,
                Some(root),
                ConnectionSlot::Gone,
            ),
            None => Level::new(self, LevelKind::Base, 0, caller, None, ConnectionSlot::Vacant),
        }
    }

    /// Returns the handle that the caller is bound to.
    pub(crate) fn bound(&self, chain: &Chain) -> Result<Option<Arc<LevelHandle>>, Unbound> {
        self.bindings.find(self.id, chain)
    }

    /// Registers an open stream, which may keep others from writing.
    pub(super) fn stream_opened(&self, stream: &Weak<dyn Drain>) {
        if let Some(streams) = &self.streams {
            streams.add(stream);
        }
    }

    /// Returns whether open streams keep others from writing.
    pub(super) fn streams_block(&self) -> bool {
        self.streams.is_some()
    }

    /// Ends the sandbox: its transaction is rolled back, its connection given back. With `now`, without waiting for who
    /// has the connection.
    pub(crate) async fn end_sandbox(&self, now: bool) {
        let Some(root) = self.take_sandbox() else { return };
        self.warn_of_leaks();
        if now {
            root.disconnected();
            self.close_levels();
        }
        if !Arc::clone(&root).close(now).await {
            self.close_levels();
        }
    }

    /// Releases the sandbox without waiting. Its transaction is rolled back when its last user is gone.
    pub(crate) fn drop_sandbox(&self) {
        if let Some(root) = self.take_sandbox() {
            self.warn_of_leaks();
            // A handle that still exists must not keep the connection from being given back.
            root.disconnected();
            root.drop_slot();
        }
    }

    /// Reports what is still open at the end of the sandbox.
    fn warn_of_leaks(&self) {
        let open = self.still_open();
        if let (Some(sandbox), false) = (&self.sandbox, open.is_empty()) {
            let name = sandbox.plan.name.as_deref().unwrap_or("the sandbox");
            sandbox.warn(&format!("still open at the end of {name}: {}", open.join("; ")));
        }
    }

    fn take_sandbox(&self) -> Option<Arc<Level>> {
        let sandbox = self.sandbox.as_ref()?;
        sandbox.listeners.end();
        match std::mem::replace(&mut *sandbox.root.lock(), SandboxRoot::Closed) {
            SandboxRoot::Open(root) => Some(root),
            SandboxRoot::Fresh | SandboxRoot::Closed => None,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("id", &self.id)
            .field("sandbox", &self.sandbox.is_some())
            .finish_non_exhaustive()
    }
}
