//! The owner of a connection: the enclosing scope, else the task, else the thread.
//!
//! A task is not enough in Rust: the arms of `join!` run in one task. So `run` and `share` open a scope, which is a
//! task-local value and follows one future only.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handle::LevelHandle;
pub(crate) use crate::pool::Owner;
use crate::pool::TaskOrThread;

/// An entry that a scope carries for one database.
#[derive(Debug)]
pub(crate) enum Pin {
    /// The connection or transaction that `share` shares. The reference is weak: sharing keeps nothing open.
    Shared {
        engine: u64,
        handle: std::sync::Weak<LevelHandle>,
    },
    /// A transaction that has ended, whose callbacks run here: they are no longer in it.
    Past(std::sync::Weak<LevelHandle>),
    /// The override of `force_rollback` for one database.
    ForceRollback { database: u64, on: bool },
    /// A database set for an alias of a registry, which knows its type.
    Set {
        registry: u64,
        what: Arc<dyn Any + Send + Sync>,
    },
}

/// The scope of one future of `run`, `share` or an override.
#[derive(Debug)]
pub(crate) struct Scope {
    id: u64,
    parent: Option<Arc<Scope>>,
    root: TaskOrThread,
    pins: Vec<Pin>,
    /// `true` if its future may run in another task than it was created in.
    shared: bool,
}

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

/// The owners that apply here, the innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    scope: Option<Arc<Scope>>,
    root: TaskOrThread,
}

impl Chain {
    pub(crate) fn current() -> Self {
        match SCOPE.try_with(Arc::clone) {
            Ok(scope) => Self {
                root: scope.root,
                scope: Some(scope),
            },
            Err(_) => Self {
                scope: None,
                root: TaskOrThread::current(),
            },
        }
    }

    /// Runs a future in another task with the owners that apply here.
    pub(crate) fn carry<F: Future + Send>(self, work: F) -> impl Future<Output = F::Output> + Send
    where
        F::Output: Send,
    {
        let work = TaskOrThread::current().on_behalf(work);
        async move {
            match self.scope {
                Some(scope) => SCOPE.scope(scope, work).await,
                None => work.await,
            }
        }
    }

    /// Returns the task or thread that all owners go back to. What is shared belongs to the one that shares.
    pub(crate) fn root(&self) -> TaskOrThread {
        self.root
    }

    /// Returns the owner that guards created here are bound to.
    pub(crate) fn innermost(&self) -> Owner {
        self.scope
            .as_ref()
            .map_or(Owner::Who(self.root), |scope| Owner::Scope(scope.id))
    }

    pub(crate) fn contains(&self, owner: Owner) -> bool {
        self.owners().any(|(known, _)| known == Some(owner))
    }

    /// Returns each owner with the pins of its scope. Where a shared future was spawned, the owners of the spawning
    /// task are no longer its own: only the pins came along.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (Option<Owner>, &[Pin])> {
        let mut next = Some(self.scope.as_deref());
        let mut elsewhere = false;
        std::iter::from_fn(move || {
            let Some(scope) = next? else {
                next = None;
                return (!elsewhere).then_some((Some(Owner::Who(self.root)), [].as_slice()));
            };
            next = Some(scope.parent.as_deref());
            let owner = (!elsewhere).then_some(Owner::Scope(scope.id));
            elsewhere = elsewhere || (scope.shared && TaskOrThread::current() != scope.root);
            Some((owner, scope.pins.as_slice()))
        })
    }

    /// Returns whether this level is shared with the caller, who then has it together with its holder.
    pub(in crate::session) fn shares(&self, with: &Arc<LevelHandle>) -> bool {
        let shared = |pin: &Pin| matches!(pin, Pin::Shared { handle, .. } if handle.as_ptr() == Arc::as_ptr(with));
        self.owners().any(|(_, pins)| pins.iter().any(shared))
    }

    /// Returns every owner, including those of the spawning task.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = (Owner, &[Pin])> {
        let scopes = std::iter::successors(self.scope.as_deref(), |scope| scope.parent.as_deref());
        scopes
            .map(|scope| (Owner::Scope(scope.id), scope.pins.as_slice()))
            .chain(std::iter::once((Owner::Who(self.root), [].as_slice())))
    }

    /// Creates a scope for a future that may be spawned.
    pub(crate) fn share(&self, pins: Vec<Pin>) -> Arc<Scope> {
        self.scope_inside(pins, true)
    }

    /// Creates a scope inside this chain.
    pub(crate) fn enter(&self, pins: Vec<Pin>) -> Arc<Scope> {
        self.scope_inside(pins, false)
    }

    fn scope_inside(&self, pins: Vec<Pin>, shared: bool) -> Arc<Scope> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Scope {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            parent: self.scope.clone(),
            root: self.root,
            pins,
            shared,
        })
    }
}

impl Scope {
    pub(crate) fn owner(&self) -> Owner {
        Owner::Scope(self.id)
    }

    /// Runs a future inside the scope.
    pub(crate) fn run<F: Future>(self: Arc<Self>, future: F) -> impl Future<Output = F::Output> {
        SCOPE.scope(self, future)
    }
}
