//! The output of statements of the bridge as a stream: a job reads it off the wire and puts it into a handoff.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream};

use super::handoff::{Handoff, Reading};
use super::run::{BoundStatement, Target};
use super::stream::{Feed, StreamCore};
use crate::backend::{NativeJob, QueryResult, RawConnection};
use crate::error::{Error, Result};

impl<T: Send + 'static> StreamCore<T> {
    /// Creates a stream of the items that a job of `job` puts into the handoff. Nothing happens before it is polled.
    pub(crate) fn of_native<J>(target: Target, work: BoundStatement, job: J) -> Arc<Self>
    where
        J: FnMut(Arc<Handoff<T>>) -> NativeJob + Send + 'static,
    {
        Self::with(target, work, Bridged(job, PhantomData))
    }
}

/// The items that jobs put into handoffs.
struct Bridged<T, J>(J, PhantomData<fn() -> T>);

impl<T, J> Feed for Bridged<T, J>
where
    T: Send + 'static,
    J: FnMut(Arc<Handoff<T>>) -> NativeJob + Send + 'static,
{
    type Raw = T;
    type Item = T;

    fn open<'c>(&'c mut self, raw: &'c mut dyn RawConnection, work: &'c BoundStatement) -> BoxStream<'c, Result<T>> {
        let handoff = Arc::new(Handoff::new());
        if raw.is_apart() {
            handoff.widen();
        }
        let job = (self.0)(Arc::clone(&handoff)).sending(&work.bound.statement);
        Box::pin(Items {
            running: Some(raw.with_native(job)),
            failed: None,
            reading: Reading(handoff),
        })
    }

    fn item(raw: T) -> T {
        raw
    }
}

/// The items of one job.
struct Items<'c, T> {
    /// `None` after its end.
    running: Option<BoxFuture<'c, Result<QueryResult>>>,
    /// The error of the job, which comes after the items before it.
    failed: Option<Error>,
    /// Dropped after the job, which learns from it that nobody reads any more.
    reading: Reading<T>,
}

impl<T> Stream for Items<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if let Some(item) = self.reading.take() {
            return Poll::Ready(Some(Ok(item)));
        }
        if let Some(running) = &mut self.running {
            match running.poll_unpin(context) {
                Poll::Ready(result) => {
                    self.failed = result.err();
                    self.running = None;
                }
                Poll::Pending => {
                    return self
                        .reading
                        .take_or_wait(context)
                        .map_or(Poll::Pending, |item| Poll::Ready(Some(Ok(item))));
                }
            }
        }
        // Items that were handed over while the job ended.
        let item = self.reading.take().map(Ok);
        Poll::Ready(item.or_else(|| self.failed.take().map(Err)))
    }
}
