//! Whose connection it is: the enclosing scope, else the task, else the thread.
//!
//! A task is not enough in Rust: the arms of `join!` run in one task. So `run` and `share` open a scope, which is a
//! task-local value and follows one future only.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Anchor;
pub(crate) use crate::pool::Owner;
use crate::pool::Who;

/// What a scope brings along for one database.
#[derive(Debug)]
pub(crate) enum Pin {
    /// The connection or transaction that `share` shares. It is held weakly: sharing keeps nothing open.
    Shared {
        ground: u64,
        anchor: std::sync::Weak<Anchor>,
    },
    /// A transaction that has ended, whose callbacks run here: they are not in it any more.
    Past(std::sync::Weak<Anchor>),
    /// The override of `force_rollback` for one database.
    ForceRollback { database: u64, on: bool },
    /// A database set for an alias of a registry, which knows its type.
    Set {
        registry: u64,
        what: Arc<dyn Any + Send + Sync>,
    },
}

/// One future of `run`, `share` or a scoped override.
#[derive(Debug)]
pub(crate) struct Scope {
    id: u64,
    parent: Option<Arc<Scope>>,
    root: Who,
    pins: Vec<Pin>,
    /// Whether its future may run in another task than it was made in.
    shared: bool,
}

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

/// The owners that apply here, the innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    scope: Option<Arc<Scope>>,
    root: Who,
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
                root: Who::current(),
            },
        }
    }

    /// The task, or thread, that all of them go back to. What is shared belongs to the one who shares.
    pub(crate) fn root(&self) -> Who {
        self.root
    }

    /// The owner that guards made here are bound to.
    pub(crate) fn innermost(&self) -> Owner {
        self.scope
            .as_ref()
            .map_or(Owner::Who(self.root), |scope| Owner::Scope(scope.id))
    }

    pub(crate) fn contains(&self, owner: Owner) -> bool {
        self.owners().any(|(known, _)| known == Some(owner))
    }

    /// Each owner with what its scope pins. Where a shared future was spawned, the owners of the spawning task are not
    /// its own any more: only what is pinned came along.
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
            elsewhere = elsewhere || (scope.shared && Who::current() != scope.root);
            Some((owner, scope.pins.as_slice()))
        })
    }

    /// Whether this level is shared with the caller, who so has it together with its holder.
    pub(super) fn shares(&self, with: &Arc<Anchor>) -> bool {
        let shared = |pin: &Pin| matches!(pin, Pin::Shared { anchor, .. } if anchor.as_ptr() == Arc::as_ptr(with));
        self.owners().any(|(_, pins)| pins.iter().any(shared))
    }

    /// Every owner there is, those of the spawning task included.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = (Owner, &[Pin])> {
        let scopes = std::iter::successors(self.scope.as_deref(), |scope| scope.parent.as_deref());
        scopes
            .map(|scope| (Owner::Scope(scope.id), scope.pins.as_slice()))
            .chain(std::iter::once((Owner::Who(self.root), [].as_slice())))
    }

    /// A scope for a future that may be spawned.
    pub(crate) fn share(&self, pins: Vec<Pin>) -> Arc<Scope> {
        self.scope_inside(pins, true)
    }

    /// A scope inside this chain.
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
