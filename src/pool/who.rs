//! Who asks for a connection: the task or thread, and the place in the source.

use std::fmt;
use std::panic::Location;
use std::thread::ThreadId;

/// The tokio task that is running, or the thread where there is none (`block_on` has no task).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Who {
    pub(crate) fn current() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(std::thread::current().id()), Self::Task)
    }
}

impl fmt::Display for Who {
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
    Who(Who),
}

/// Who asks, and where in the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) who: Who,
    pub(crate) place: &'static Location<'static>,
}

impl Asker {
    pub(crate) fn at(place: &'static Location<'static>) -> Self {
        Self {
            who: Who::current(),
            place,
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.who, self.place)
    }
}
