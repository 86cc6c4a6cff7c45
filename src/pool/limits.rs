//! What a pool may do, and how it is doing.

use std::time::Duration;

/// How long saying good-bye, or cleaning a connection, may take before it is thrown away.
pub(crate) const CLEANUP_LIMIT: Duration = Duration::from_secs(2);

/// How long reading the rest of a dropped stream may take, when its connection goes back to the pool.
pub(crate) const REST_LIMIT: Duration = Duration::from_millis(100);

/// How long the rest of a cancelled statement's answer may take to read, or the rollback of a dropped level, while someone waits for
/// its connection.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// The sizes and times a pool keeps to.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections that are kept.
    pub(crate) size: usize,
    /// Connections beyond those, closed as soon as they are given back.
    pub(crate) overflow: usize,
    pub(crate) acquire: Duration,
    pub(crate) connect: Duration,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) check_after: Duration,
    /// Whether a call that was cut off casts doubt on the connections at rest: the pool is a replica's, which may have stopped
    /// answering, and others can stand in for it.
    pub(crate) doubts: bool,
    /// Whether openings, closings and waiting are shown on standard error.
    pub(crate) echo: bool,
}

/// The pool in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections that are open or being opened.
    pub size: usize,
    /// Open connections that nobody uses.
    pub idle: usize,
    /// Connections in use, being opened or being cleaned.
    pub in_use: usize,
    /// Callers waiting for a connection.
    pub waiting: usize,
    /// The most connections there can be: `pool_size` and `max_overflow` together.
    pub limit: usize,
}
