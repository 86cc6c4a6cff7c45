//! Locks between processes, for tests.

use std::fs::File;
use std::time::Duration;

use super::admin::AdminSession;
use crate::error::{Error, ErrorKind};

/// Time limit for waiting for other processes.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_mins(2);

/// The name of a lock.
#[derive(Debug)]
pub(crate) struct LockName<'a> {
    pub(crate) purpose: &'a str,
    /// A number that stands for the purpose and the database.
    pub(crate) number: u128,
}

/// A lock that ends with the process at the latest.
pub(crate) enum DatabaseLock {
    /// A lock of this session.
    Session(Box<dyn AdminSession>),
    /// A lock on a file that serves only as a lock.
    File(#[allow(dead_code, reason = "held until it is dropped")] File),
    /// No lock: other processes cannot see a database in memory.
    None,
}

/// Returns the error for a lock that another process does not release.
pub(crate) fn held_too_long() -> Error {
    Error::new(
        ErrorKind::LockTimeout,
        format!("another process has held the lock for {LOCK_LIMIT:?}"),
    )
    .help("is another run of the tests stopped in a debugger? end that run to release its locks")
}
