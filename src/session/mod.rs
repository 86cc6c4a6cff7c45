//! One connection in use: its owner, its open transaction levels, and whose turn it is.
//!
//! A [`Level`] is a connection without a transaction, a transaction, a savepoint, or the sandbox. A level keeps the
//! connection slot in a fair lock. Opening the next level takes the lock and keeps it until that level ends. So levels
//! never interleave, and waiters are served in order. Dropping a level releases the lock. The next user sees that the
//! connection is deeper in transactions than it should be, and rolls back first.

mod engine;
mod level;
mod limit;
mod replicas;
mod sandbox;
mod scope;
mod statement;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use engine::Engine;
pub(crate) use level::callbacks::Callback;
pub(crate) use level::{Finish, LevelKind};
pub(crate) use limit::limited;
pub use replicas::{Bookmark, ReplicaStatus};
pub(crate) use replicas::{Reads, Replicas};
pub use sandbox::open_handle::{OpenHandle, OpenHandleKind};
pub use sandbox::statement_log::RecordedStatement;
pub(crate) use sandbox::statement_log::StatementLog;
pub(crate) use sandbox::{SandboxPlan, sandbox_closed};
pub(crate) use scope::chain::{Chain, Owner, Pin};
pub(crate) use scope::guard::Guard;
pub(crate) use scope::handle::LevelHandle;
pub(crate) use scope::unbound::Unbound;
pub(crate) use statement::copy::RunningCopy;
pub(crate) use statement::handoff::Handoff;
pub(crate) use statement::run::{BoundStatement, Target};
pub(crate) use statement::stream::{StreamCore, StreamReader};
