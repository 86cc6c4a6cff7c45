//! A small runtime of the runner's own, on which databases are made and dropped. The runtime of a test may be broken by
//! then, and what it leaves behind must not matter.

use std::cell::OnceCell;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// How long blocking work of a test may go on after it.
const LINGER: Duration = Duration::from_secs(1);

/// The runtime, made when it is first needed; it is gone, with all its tasks, when this is dropped.
#[derive(Default)]
pub(super) struct Backstage(OnceCell<Runtime>);

impl Backstage {
    /// The runtime that this builder makes.
    pub(super) fn of(builder: &mut Builder) -> Result<Self> {
        build(builder).map(|runtime| Self(runtime.into()))
    }

    /// Runs a future to its end on this thread.
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
        Error::new(ErrorKind::Driver, format!("the test gets no tokio runtime: {error}")).with_source(error)
    })
}

impl Drop for Backstage {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(LINGER);
        }
    }
}
