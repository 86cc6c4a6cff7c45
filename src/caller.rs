//! The caller that requests a connection: the task or thread, and the place in the source.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;

/// The running tokio task, or the thread where there is none (`block_on` has no task).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TaskOrThread {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

tokio::task_local! {
    /// The caller for whom a task of this library works.
    static ON_BEHALF_OF: TaskOrThread;
}

/// Set when a task first worked for a caller, so that other programs do not pay for looking.
static EVER_ON_BEHALF: AtomicBool = AtomicBool::new(false);

impl TaskOrThread {
    pub(crate) fn current() -> Self {
        if EVER_ON_BEHALF.load(Ordering::Relaxed)
            && let Ok(caller) = ON_BEHALF_OF.try_with(|caller| *caller)
        {
            return caller;
        }
        tokio::task::try_id().map_or_else(|| Self::Thread(std::thread::current().id()), Self::Task)
    }

    /// Runs a future in another task as if this caller ran it.
    pub(crate) fn on_behalf<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        EVER_ON_BEHALF.store(true, Ordering::Relaxed);
        ON_BEHALF_OF.scope(self, work)
    }
}

impl fmt::Display for TaskOrThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => write!(f, "task {id}"),
            Self::Thread(id) => {
                let current = std::thread::current();
                match current.name().filter(|_| current.id() == *id) {
                    Some(name) => write!(f, "thread \"{name}\""),
                    None => write!(f, "thread {id:?}"),
                }
            }
        }
    }
}

/// The key under which a connection is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Scope(u64),
    Who(TaskOrThread),
}

/// A task or thread, and its place in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) who: TaskOrThread,
    pub(crate) place: &'static Location<'static>,
}

impl Caller {
    pub(crate) fn at(place: &'static Location<'static>) -> Self {
        Self {
            who: TaskOrThread::current(),
            place,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.who, self.place)
    }
}
