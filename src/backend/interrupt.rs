//! Ending a statement that runs on a driver's own thread, for which no caller waits any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::BoxStream;

use crate::error::Result;

/// A flag that ends the statement under way on one connection. The driver's thread looks at it now and then.
///
/// Once raised, it ends every later statement too, so the connection lowers it as soon as its thread is idle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns a guard that raises the flag when it is dropped.
    pub(crate) fn armed(&self) -> Armed {
        Armed(Some(self.clone()))
    }
}

/// A guard that ends a statement if its call is dropped.
#[derive(Debug)]
pub(crate) struct Armed(Option<Interrupt>);

impl Armed {
    pub(crate) fn interrupt(&self) -> Option<&Interrupt> {
        self.0.as_ref()
    }

    /// Ends the guard: the statement has ended.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.raise();
        }
    }
}

/// The rows of a statement that is ended if the stream is dropped before its end.
pub(crate) struct Interruptible<'a, T> {
    rows: BoxStream<'a, Result<T>>,
    armed: Option<Armed>,
}

impl<'a, T> Interruptible<'a, T> {
    pub(crate) fn new(rows: BoxStream<'a, Result<T>>, armed: Armed) -> Self {
        Self {
            rows,
            armed: Some(armed),
        }
    }
}

impl<T> Stream for Interruptible<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.rows.as_mut().poll_next(context);
        if let Poll::Ready(None | Some(Err(_))) = next
            && let Some(armed) = self.armed.take()
        {
            armed.disarm();
        }
        next
    }
}
