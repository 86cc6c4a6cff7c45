//! The runtime in which work of a sandbox runs: the caller's, or that of its connection.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::error::{Error, ErrorKind, LOST, Result};
use crate::session::engine::Engine;
use crate::session::scope::chain::Chain;

impl Engine {
    /// Runs a future. If the caller has no runtime, it runs in the context of the connections' runtime.
    pub(crate) async fn within<F: Future + Send>(&self, future: F) -> F::Output {
        match self.lent_runtime() {
            None => future.await,
            Some(handle) => Box::pin(enter(handle, future)).await,
        }
    }
}

impl Engine {
    /// Returns whether statements run whole on the thread of the connection. Then an answered statement has given the
    /// connection back, even if the thread of its caller is blocked.
    pub(crate) fn is_isolated(&self) -> bool {
        self.sandbox.is_some() && self.settings.full_isolation
    }

    /// Runs a future on the thread of the connection, if statements run there, else here. Dropped early, it is dropped
    /// there as well.
    pub(crate) async fn isolate<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let handle = if self.is_isolated() {
            self.pool.connector().runtime()?
        } else {
            None
        };
        let Some(handle) = handle else {
            return self.within(work).await;
        };
        let work = Chain::current().carry(work).in_current_span().with_current_subscriber();
        let mut running = Running(handle.spawn(work));
        match (&mut running.0).await {
            Ok(result) => result,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(
                    Error::new(ErrorKind::ConnectionLost, "the thread of the connection has ended")
                        .help(LOST)
                        .fatal(),
                ),
            },
        }
    }
}

/// A task that ends when this is dropped.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn enter<F: Future>(handle: Handle, future: F) -> F::Output {
    Entered {
        future: pin!(future),
        handle,
    }
    .await
}

struct Entered<'f, F> {
    future: Pin<&'f mut F>,
    handle: Handle,
}

impl<F: Future> Future for Entered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.handle.enter();
        this.future.as_mut().poll(context)
    }
}
