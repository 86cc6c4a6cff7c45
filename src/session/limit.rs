//! Time limits of calls.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep};

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
        return Err(no_clock(place));
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

/// Returns the error of work with a time limit that runs outside of a runtime.
fn no_clock(place: &'static Location<'static>) -> Error {
    let message = format!("the operation begun at {place} has a time limit, which needs a tokio runtime");
    Error::new(ErrorKind::Connect, message)
        .help("run it in `#[tokio::main]`, `#[tokio::test]`, a task, or `Handle::block_on`")
}

/// What is waited for under a time limit.
#[derive(Clone, Copy)]
enum Wait {
    Row,
    Copy,
}

/// The time limit of each wait for a row of a stream, or for the server in a COPY.
pub(super) struct WaitLimit {
    limit: Duration,
    wait: Wait,
    /// Created at the first wait in a runtime, and used again for the next ones there.
    sleep: Option<(runtime::Id, Pin<Box<Sleep>>)>,
    waits: bool,
}

impl Wait {
    fn expired(self, place: &Location<'_>, limit: Duration) -> Error {
        let (message, help) = match self {
            Self::Row => (
                format!("the stream opened at {place} waited longer than {limit:?} for its next row"),
                "raise `.timeout(…)` or `statement_timeout`, which limit each wait for a row, or make the statement faster",
            ),
            Self::Copy => (
                format!("the COPY begun at {place} waited longer than {limit:?} for the server"),
                "raise `statement_timeout`, which limits each wait for the server; if a trigger of the table raises notices, \
                 silence them with `SET client_min_messages TO error`",
            ),
        };
        Error::new(ErrorKind::Timeout, message).help(help)
    }
}

/// A limit that never expires. The clock cannot count much further.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 30);

impl WaitLimit {
    pub(super) fn new(limit: Duration) -> Self {
        Self::of(limit, Wait::Row)
    }

    pub(super) fn of_copy(limit: Duration) -> Self {
        Self::of(limit, Wait::Copy)
    }

    fn of(limit: Duration, wait: Wait) -> Self {
        Self {
            limit: limit.min(FOREVER),
            wait,
            sleep: None,
            waits: false,
        }
    }

    /// Polls the clock of the present wait, and starts it first if it does not run. The error ends the stream that was
    /// opened at `place`.
    pub(super) fn poll(&mut self, place: &'static Location<'static>, context: &mut Context<'_>) -> Poll<Error> {
        let Ok(runtime) = Handle::try_current() else {
            return Poll::Ready(no_clock(place));
        };
        let sleep = match &mut self.sleep {
            Some((known, sleep)) if *known == runtime.id() => {
                if !self.waits {
                    sleep.as_mut().reset(Instant::now() + self.limit);
                }
                sleep
            }
            // The stream is read in another runtime now, and the clock of the first may have stopped.
            other => &mut other.insert((runtime.id(), Box::pin(tokio::time::sleep(self.limit)))).1,
        };
        self.waits = true;
        sleep
            .as_mut()
            .poll(context)
            .map(|()| self.wait.expired(place, self.limit))
    }

    /// Stops the clock, because the wait has ended.
    pub(super) fn stop(&mut self) {
        self.waits = false;
    }
}
