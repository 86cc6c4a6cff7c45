//! The limits and the status of a pool.

use std::time::Duration;

/// Time limit for closing or cleaning a connection, after which it is discarded.
pub(crate) const CLEANUP_LIMIT: Duration = Duration::from_secs(2);

/// Time limit for reading the rest of a dropped stream, when its connection goes back to the pool.
pub(crate) const REST_LIMIT: Duration = Duration::from_millis(100);

/// Time limit for reading the rest of a cancelled statement's answer, or for the rollback of a dropped level, while a
/// caller waits for the connection.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// The sizes and times of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Number of connections that are kept.
    pub(crate) size: usize,
    /// Number of connections beyond those, closed as soon as they are given back.
    pub(crate) overflow: usize,
    pub(crate) acquire: Duration,
    pub(crate) connect: Duration,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) check_after: Duration,
    /// `true` if a cancelled call makes the idle connections suspect: the pool is a replica's, which may have stopped
    /// answering, and others can replace it.
    pub(crate) suspects_idle: bool,
    /// `true` if changes of a session are left for its next user.
    pub(crate) keep_session: bool,
    /// `true` if openings, closings and waits are printed on standard error.
    pub(crate) echo: bool,
}

/// The status of a pool in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Number of connections that are open or being opened.
    pub size: usize,
    /// Number of open connections that are not in use.
    pub idle: usize,
    /// Number of connections in use, being opened or being cleaned.
    pub in_use: usize,
    /// Number of callers waiting for a connection.
    pub waiting: usize,
    /// The largest possible number of connections: `pool_size` and `max_overflow` together.
    pub limit: usize,
}
