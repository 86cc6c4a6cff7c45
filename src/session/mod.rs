//! One connection in use: who owns it, which transaction levels are open, whose turn it is.
//!
//! A [`Node`] is a level: a connection without a transaction, a transaction, a savepoint, or the sandbox. A level keeps
//! the wire in a fair lock. Opening the next level takes the lock and keeps it until that level ends, so that levels
//! never interleave and waiters are served in order. A level that is dropped lets go of the lock; whoever gets it next
//! sees that the connection is deeper in transactions than it should be, and rolls back first.

mod admit;
mod anchor;
mod ask;
mod begin;
mod begin_options;
mod bindings;
mod blockers;
mod callback;
mod entered;
mod ground;
mod guard;
mod handoff;
mod hold;
mod journal;
mod leaving;
mod limit;
mod lock;
mod native;
mod node;
mod observation;
mod operation;
mod outcome;
mod owner;
mod replicas;
mod report;
mod sandbox;
mod shield;
mod stream;
mod strict;
#[cfg(test)]
mod tests;
mod turn;
mod unbound;
mod verdict;
mod work;

pub(crate) use anchor::Anchor;
pub(crate) use begin_options::{BeginOptions, Mode};
pub(crate) use bindings::Bindings;
pub(crate) use callback::Callback;
pub(crate) use ground::Ground;
pub(crate) use guard::Guard;
pub(crate) use handoff::Handoff;
pub(crate) use journal::Journal;
pub use journal::Recorded;
pub(crate) use limit::limited;
pub(crate) use node::{Ended, Finish, Kind, Node, Wire};
pub(crate) use owner::{Chain, Owner, Pin};
pub use replicas::{Bookmark, ReplicaStatus};
pub(crate) use replicas::{Reads, Replicas};
pub(crate) use sandbox::{Deferred, Plan, Sandbox, sandbox_closed};
pub(crate) use stream::StreamCore;
pub(crate) use unbound::Unbound;
pub(crate) use work::{Target, Work};
