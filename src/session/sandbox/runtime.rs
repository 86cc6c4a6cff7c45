//! Work that needs the clock of a runtime, for a caller that has none.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use crate::session::engine::Engine;

impl Engine {
    /// Runs a future. If the caller has no runtime, it runs in the context of the connections' runtime.
    pub(crate) async fn within<F: Future + Send>(&self, future: F) -> F::Output {
        match self.lent_runtime() {
            None => future.await,
            Some(handle) => Box::pin(enter(handle, future)).await,
        }
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
