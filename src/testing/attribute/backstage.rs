//! A small runtime of the runner's own, on which databases are made and dropped. The runtime of a test may be broken by
//! then, and what it leaves behind must not matter.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// How long blocking work of a test may go on after it.
const LINGER: Duration = Duration::from_secs(1);

/// The runtime that is gone, with all its tasks, when this is dropped.
pub(super) struct Backstage(Option<Runtime>);

impl Backstage {
    pub(super) fn new() -> Result<Self> {
        Self::of(Builder::new_current_thread())
    }

    pub(super) fn of(mut builder: Builder) -> Result<Self> {
        let runtime = builder.enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Driver, format!("the test gets no tokio runtime: {error}")).with_source(error)
        })?;
        Ok(Self(Some(runtime)))
    }

    /// Runs a future to its end on this thread.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let runtime = self.0.as_ref();
        let runtime = runtime.ok_or_else(|| Error::new(ErrorKind::Driver, "the runtime was shut down"))?;
        Ok(runtime.block_on(future))
    }
}

impl Drop for Backstage {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(LINGER);
        }
    }
}
