//! What the connections of one database share: the pool, the parsed statements, the bindings.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sqlx::{SqlSafeStr, SqlStr};

use super::{Anchor, Bindings, Chain, Kind, Node, StreamCore, Wire};
use crate::config::Settings;
use crate::error::Result;
use crate::pool::{Asker, Pool};
use crate::sql::{Dialect, TemplateCache};

pub(crate) struct Ground {
    pub(crate) id: u64,
    pub(crate) pool: Arc<Pool>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) templates: Arc<TemplateCache>,
    pub(crate) bindings: Bindings,
    /// The open streams, where they keep others from writing.
    streams: Option<Mutex<Vec<Weak<StreamCore>>>>,
    /// Whether everything runs inside an outer transaction that is never committed.
    pub(crate) sandbox: Option<Mutex<Sandbox>>,
}

/// The level that everything in the sandbox stands on.
#[derive(Debug, Default)]
pub(crate) enum Sandbox {
    /// Not used yet.
    #[default]
    Fresh,
    Open(Arc<Node>),
    /// Ended with the connection to the database; it does not begin again.
    Closed,
}

impl Ground {
    pub(crate) fn new(
        pool: Arc<Pool>,
        settings: Arc<Settings>,
        templates: Arc<TemplateCache>,
        sandbox: bool,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let streams = pool.connector().readers_block_writers().then(Mutex::default);
        Arc::new(Self {
            streams,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            pool,
            settings,
            templates,
            bindings: Bindings::default(),
            sandbox: sandbox.then(Mutex::default),
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.pool.connector().dialect()
    }

    /// The level on which the sandbox's work is done, made at first use.
    pub(crate) fn sandbox_root(self: &Arc<Self>, asker: Asker) -> Option<Arc<Node>> {
        let mut sandbox = self.sandbox.as_ref()?.lock();
        let new = || Node::new(self, Kind::Sandbox, 1, asker, None, Wire::Vacant);
        match &*sandbox {
            Sandbox::Open(root) => Some(Arc::clone(root)),
            Sandbox::Fresh => {
                let root = new();
                *sandbox = Sandbox::Open(Arc::clone(&root));
                Some(root)
            }
            // Kept by nobody, for the call that came too late.
            Sandbox::Closed => {
                let root = new();
                root.disconnected();
                Some(root)
            }
        }
    }

    /// How the outer transaction begins. On SQLite it takes the write lock at once, because a transaction that turns
    /// into a writer later does not wait for its turn.
    pub(crate) fn sandbox_begin(&self) -> Option<SqlStr> {
        (self.dialect() == Dialect::Sqlite).then(|| "BEGIN IMMEDIATE".into_sql_str())
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
    pub(crate) fn bound(&self, chain: &Chain) -> Result<Option<Arc<Anchor>>> {
        self.bindings.find(self.id, chain)
    }

    /// A stream was opened, which may keep others from writing.
    pub(super) fn stream_opened(&self, stream: &Weak<StreamCore>) {
        if let Some(streams) = &self.streams {
            let mut streams = streams.lock();
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Weak::clone(stream));
        }
    }

    /// Has the open streams put their rows aside before something is written.
    pub(super) async fn before_writing(&self) -> Result<()> {
        let Some(streams) = &self.streams else { return Ok(()) };
        let open: Vec<_> = streams.lock().iter().filter_map(Weak::upgrade).collect();
        for stream in open {
            StreamCore::drain(&stream).await?;
        }
        Ok(())
    }

    /// Ends the sandbox: its transaction is rolled back, its connection given back.
    pub(crate) async fn end_sandbox(&self) {
        if let Some(root) = self.take_sandbox() {
            root.close().await;
        }
    }

    /// Lets go of the sandbox without waiting; its transaction is rolled back when its last user is gone.
    pub(crate) fn drop_sandbox(&self) {
        drop(self.take_sandbox());
    }

    fn take_sandbox(&self) -> Option<Arc<Node>> {
        match std::mem::replace(&mut *self.sandbox.as_ref()?.lock(), Sandbox::Closed) {
            Sandbox::Open(root) => Some(root),
            Sandbox::Fresh | Sandbox::Closed => None,
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
