//! Time limits of calls.

use std::panic::Location;
use std::time::Duration;

use tokio::runtime::Handle;

use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Returns the limit of a call: the given one, of which zero means none, else that of the settings.
    pub(crate) fn limit(&self, given: Option<Duration>) -> Option<Duration> {
        match given {
            Some(limit) => Some(limit).filter(|limit| !limit.is_zero()),
            None => self.settings.statement_timeout,
        }
    }
}

/// Runs work of this crate's own, and returns `None` if it takes longer. Without a runtime there is no clock, and so no
/// limit.
pub(super) async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if Handle::try_current().is_err() {
        return Some(work.await);
    }
    tokio::time::timeout(limit, work).await.ok()
}

/// Runs work that was begun at `place`, and cancels it when its time has run out.
pub(crate) async fn limited<T>(
    limit: Duration,
    place: &'static Location<'static>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    if Handle::try_current().is_err() {
        let message = format!("the operation begun at {place} has a time limit, which needs a tokio runtime");
        return Err(Error::new(ErrorKind::Connect, message)
            .help("run it in `#[tokio::main]`, `#[tokio::test]`, a task, or `Handle::block_on`"));
    }
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("the operation begun at {place} took longer than {limit:?}"),
        )
        .help("none of it was committed; raise `.timeout(…)` or `statement_timeout`, or make the statement faster")),
    }
}
