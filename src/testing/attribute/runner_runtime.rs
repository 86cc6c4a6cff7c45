//! A small runtime of the runner, on which databases are created and dropped. The runtime of a test may be unusable by
//! then, and what runs on it must not matter.

use std::cell::OnceCell;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// Time limit for a test's blocking tasks after its end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(1);

/// The runtime, created on first use. Dropping this ends it with all its tasks.
#[derive(Default)]
pub(super) struct RunnerRuntime(OnceCell<Runtime>);

impl RunnerRuntime {
    /// Builds the runtime.
    pub(super) fn of(builder: &mut Builder) -> Result<Self> {
        build(builder).map(|runtime| Self(runtime.into()))
    }

    /// Runs a future to completion on this thread.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let runtime = if let Some(runtime) = self.0.get() {
            runtime
        } else {
            let runtime = build(&mut Builder::new_current_thread())?;
            self.0.get_or_init(|| runtime)
        };
        Ok(runtime.block_on(future))
    }
}

fn build(builder: &mut Builder) -> Result<Runtime> {
    builder.enable_all().build().map_err(|error| {
        Error::new(
            ErrorKind::Driver,
            format!("cannot create the tokio runtime of the test: {error}"),
        )
        .with_source(error)
    })
}

impl Drop for RunnerRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(SHUTDOWN_LIMIT);
        }
    }
}
