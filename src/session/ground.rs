//! What the connections of one database share: the pool, the parsed statements, the bindings.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::journal::{Journal, Pen, Recorded};
use super::sandbox::{Deferred, Plan, Root, Sandbox};
use super::stream::{Drain, drain};
use super::{Anchor, Bindings, Chain, Kind, Node, Replicas, Unbound, Wire};
use crate::backend::Writers;
use crate::config::Settings;
use crate::error::Result;
use crate::pool::{Asker, Gate, Pool};
use crate::sql::{Dialect, TemplateCache};

pub(crate) struct Ground {
    pub(crate) id: u64,
    pub(crate) pool: Arc<Pool>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) templates: Arc<TemplateCache>,
    pub(crate) bindings: Bindings,
    /// The open streams, where they keep others from writing.
    streams: Option<Mutex<Vec<Weak<dyn Drain>>>>,
    /// Whether everything runs inside an outer transaction that is never committed.
    pub(crate) sandbox: Option<Sandbox>,
    /// The last statements, where a test outside of any sandbox wants them.
    record: OnceLock<Arc<Journal>>,
    /// The journal of the sandbox that this ground is left for under `force_rollback(false)`.
    beside: OnceLock<Arc<Journal>>,
    /// Whether those who write have to take turns.
    pub(super) has_one_writer: bool,
    /// Where they wait for them, once that is known.
    pub(super) gate: OnceLock<Option<Arc<Gate>>>,
    /// Where statements that only read are sent to, outside of everything.
    pub(super) replicas: Option<Arc<Replicas>>,
    /// What is known of the constraints, for the sandboxes beside this ground.
    pub(super) deferred: Arc<Deferred>,
}

impl Ground {
    pub(crate) fn new(
        pool: Arc<Pool>,
        settings: Arc<Settings>,
        templates: Arc<TemplateCache>,
        deferred: Arc<Deferred>,
        sandbox: Option<Plan>,
        replicas: Option<Arc<Replicas>>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let streams = pool.connector().readers_block_writers().then(Mutex::default);
        let has_one_writer = pool.connector().writers() != Writers::Many;
        Arc::new(Self {
            streams,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            pool,
            settings,
            templates,
            bindings: Bindings::default(),
            sandbox: sandbox.map(Sandbox::new),
            record: OnceLock::new(),
            beside: OnceLock::new(),
            has_one_writer,
            gate: OnceLock::new(),
            replicas,
            deferred,
        })
    }

    /// Keeps the last `count` statements from now on, and forgets earlier ones; as a sandbox can from its beginning.
    #[cfg(feature = "macros")]
    pub(crate) fn record(&self, count: usize) -> Arc<Journal> {
        let journal = self.record.get_or_init(|| Arc::new(Journal::new(count)));
        journal.clear();
        Arc::clone(journal)
    }

    /// What is sent here goes into the journal of a sandbox too, as something outside of it.
    pub(crate) fn lies_beside(&self, sandboxed: &Self) {
        if let Some(sandbox) = &sandboxed.sandbox {
            self.beside.get_or_init(|| Arc::clone(&sandbox.plan.journal));
        }
    }

    /// What statements are written down with, if they are kept.
    pub(super) fn journal(&self) -> Option<Pen<'_>> {
        let of_sandbox = self.sandbox.as_ref().map(|sandbox| &sandbox.plan.journal);
        let own = of_sandbox.or_else(|| self.record.get());
        own.and_then(|journal| journal.pen(false))
            .or_else(|| self.beside.get()?.pen(true))
    }

    /// The statements that were kept, the oldest first.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.journal().map_or_else(Vec::new, Pen::entries)
    }

    /// The runtime of the connections, for a caller without one: in full isolation there need be none.
    pub(crate) fn lent_runtime(&self) -> Option<Handle> {
        if self.sandbox.is_none() || Handle::try_current().is_ok() {
            return None;
        }
        self.pool.connector().runtime().ok().flatten()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.pool.connector().dialect()
    }

    /// The level on which the sandbox's work is done, made at first use.
    pub(crate) fn sandbox_root(self: &Arc<Self>, asker: Asker) -> Option<Arc<Node>> {
        let mut sandbox = self.sandbox.as_ref()?.root.lock();
        let new = || Node::new(self, Kind::Sandbox, 1, asker, None, Wire::Vacant);
        match &*sandbox {
            Root::Open(root) => Some(Arc::clone(root)),
            Root::Fresh => {
                let root = new();
                *sandbox = Root::Open(Arc::clone(&root));
                Some(root)
            }
            // Kept by nobody, for the call that came too late.
            Root::Closed => {
                let root = new();
                root.disconnected();
                Some(root)
            }
        }
    }

    /// The level of the sandbox, if it was used.
    pub(super) fn sandbox(&self) -> Option<Arc<Node>> {
        self.sandbox.as_ref().and_then(Sandbox::opened)
    }

    /// A new connection, or a new view of the sandbox; nothing is acquired yet.
    pub(crate) fn connection(self: &Arc<Self>, asker: Asker) -> Arc<Anchor> {
        Anchor::new(self.fresh(asker))
    }

    /// The same, for a transaction that is about to begin on it.
    pub(super) fn opening(self: &Arc<Self>, asker: Asker) -> Arc<Anchor> {
        Anchor::opening(self.fresh(asker))
    }

    fn fresh(self: &Arc<Self>, asker: Asker) -> Arc<Node> {
        match self.sandbox_root(asker) {
            Some(root) => Node::new(self, Kind::View, root.depth, asker, Some(root), Wire::Gone),
            None => Node::new(self, Kind::Base, 0, asker, None, Wire::Vacant),
        }
    }

    /// What the caller is bound to.
    pub(crate) fn bound(&self, chain: &Chain) -> Result<Option<Arc<Anchor>>, Unbound> {
        self.bindings.find(self.id, chain)
    }

    /// A stream was opened, which may keep others from writing.
    pub(super) fn stream_opened(&self, stream: &Weak<dyn Drain>) {
        if let Some(streams) = &self.streams {
            let mut streams = streams.lock();
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Weak::clone(stream));
        }
    }

    /// Whether open streams keep others from writing.
    pub(super) fn streams_block(&self) -> bool {
        self.streams.is_some()
    }

    /// Has the open streams put their rows aside before something is written.
    pub(super) async fn before_writing(&self) -> Result<()> {
        let Some(streams) = &self.streams else { return Ok(()) };
        let open: Vec<_> = streams.lock().iter().filter_map(Weak::upgrade).collect();
        for stream in open {
            drain(&*stream).await?;
        }
        Ok(())
    }

    /// Ends the sandbox: its transaction is rolled back, its connection given back.
    pub(crate) async fn end_sandbox(&self) {
        if let Some(root) = self.take_sandbox() {
            self.tell_leaks();
            root.close().await;
        }
    }

    /// Lets go of the sandbox without waiting; its transaction is rolled back when its last user is gone.
    pub(crate) fn drop_sandbox(&self) {
        if let Some(root) = self.take_sandbox() {
            self.tell_leaks();
            // Whoever still has a handle must not keep the connection from being given back.
            root.disconnected();
            root.drop_wire();
        }
    }

    /// Tells what is still open at the end of the sandbox.
    fn tell_leaks(&self) {
        let open = self.still_open();
        if let (Some(sandbox), false) = (&self.sandbox, open.is_empty()) {
            let name = sandbox.plan.name.as_deref().unwrap_or("the sandbox");
            sandbox.tell(&format!(
                "at the end of {name} there was still open: {}",
                open.join("; ")
            ));
        }
    }

    fn take_sandbox(&self) -> Option<Arc<Node>> {
        match std::mem::replace(&mut *self.sandbox.as_ref()?.root.lock(), Root::Closed) {
            Root::Open(root) => Some(root),
            Root::Fresh | Root::Closed => None,
        }
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground")
            .field("id", &self.id)
            .field("sandbox", &self.sandbox.is_some())
            .finish_non_exhaustive()
    }
}
