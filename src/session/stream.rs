//! An open stream of rows, which others can make put its remaining rows aside.
//!
//! A connection answers one statement at a time. When another statement wants the connection of an open stream, the
//! rest of the rows is read into memory, up to `stream_buffer_rows`; the stream then hands them out from there.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::hold::Hold;
use super::observation::Observation;
use super::{Chain, Ground, Node, Target, Work};
use crate::backend::Request;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Flight;
use crate::value::Row;

/// The rows as they come from the driver, together with the connection they come over.
pub(crate) type Source<T> = BoxStream<'static, Result<T>>;

/// An open stream, as those see it who want its connection.
pub(super) trait Drain: Send + Sync {
    /// Reads the rest of the rows into memory, so that the connection becomes free.
    fn poll_drain(&self, context: &Context<'_>) -> Poll<Result<()>>;
}

/// Has a stream put its rows aside.
pub(super) async fn drain(stream: &dyn Drain) -> Result<()> {
    std::future::poll_fn(|context| stream.poll_drain(context)).await
}

pub(crate) struct StreamCore<T = Row> {
    inner: Mutex<Inner<T>>,
    wakers: Arc<Wakers>,
    /// Wakes all of them; made once, since it is needed for every row.
    waker: Waker,
    place: &'static Location<'static>,
    limit: usize,
    /// Set in a sandbox, whose user may have no runtime.
    sandboxed: Option<Arc<Ground>>,
    /// Whether the reader was dropped.
    abandoned: AtomicBool,
}

struct Inner<T> {
    source: Option<Source<T>>,
    aside: VecDeque<Result<T>>,
}

impl StreamCore {
    /// A stream of the rows of `work`; nothing happens before it is polled.
    pub(crate) fn new(target: Target, work: Work) -> Arc<Self> {
        Self::with(target, work, source)
    }
}

impl<T: Send + 'static> StreamCore<T> {
    pub(super) fn with(
        target: Target,
        work: Work,
        source: impl FnOnce(Target, Work, Weak<dyn Drain>) -> Source<T>,
    ) -> Arc<Self> {
        let place = work.asker.place;
        let limit = target.ground().settings.stream_buffer_rows;
        let sandboxed = target.sandboxed();
        let wakers = Arc::<Wakers>::default();
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            inner: Mutex::new(Inner {
                source: Some(source(target, work, Weak::<Self>::clone(this))),
                aside: VecDeque::new(),
            }),
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
            abandoned: AtomicBool::new(false),
            place,
            limit,
            sandboxed,
        })
    }

    /// The next row, from those put aside or from the connection.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Result<T>>> {
        let mut inner = self.inner.lock();
        if let Some(row) = inner.aside.pop_front() {
            return Poll::Ready(Some(row));
        }
        self.wakers.reader(context.waker());
        self.poll_source(&mut inner)
    }

    /// Whoever calls this has left a waker before.
    fn poll_source(&self, inner: &mut Inner<T>) -> Poll<Option<Result<T>>> {
        let Some(source) = &mut inner.source else {
            return Poll::Ready(None);
        };
        let lent = self.sandboxed.as_ref().and_then(|ground| ground.lent_runtime());
        let _entered = lent.as_ref().map(Handle::enter);
        let next = source.poll_next_unpin(&mut Context::from_waker(&self.waker));
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            inner.source = None;
        }
        next
    }

    /// Its reader is gone: nobody wants the rest of the rows, and those who wait for the connection can have it.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.wakers.wake_all();
    }

    fn too_long(&self) -> Error {
        let (place, limit) = (self.place, self.limit);
        Error::new(
            ErrorKind::ConcurrentUse,
            format!("the connection is in use by the stream opened at {place}, which still has more than {limit} rows"),
        )
        .help("read that stream to its end or drop it first, use another connection, or raise `stream_buffer_rows`")
    }
}

impl<T: Send + 'static> Drain for StreamCore<T> {
    fn poll_drain(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut inner = self.inner.lock();
        self.wakers.waiter(context.waker());
        loop {
            if self.abandoned.load(Ordering::Acquire) {
                inner.source = None;
            }
            if inner.source.is_some() && inner.aside.len() > self.limit {
                return Poll::Ready(Err(self.too_long()));
            }
            match self.poll_source(&mut inner) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    self.wakers.wake_all();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Some(row)) => inner.aside.push_back(row),
            }
        }
    }
}

impl<T> fmt::Debug for StreamCore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCore")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The reader of a stream, and those who wait for its connection.
///
/// The reader has a place of its own: it comes once for every row, and `will_wake` may deny that two clones of one waker
/// are the same, so a list that it joined each time would grow without end.
#[derive(Debug, Default)]
struct Wakers(Mutex<(Option<Waker>, Vec<Waker>)>);

impl Wakers {
    fn reader(&self, waker: &Waker) {
        match &mut self.0.lock().0 {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn waiter(&self, waker: &Waker) {
        let waiting = &mut self.0.lock().1;
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        let (reader, waiting) = std::mem::take(&mut *self.0.lock());
        reader.into_iter().chain(waiting).for_each(Waker::wake);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

/// The stream itself: it takes the connection when it is first polled and keeps it to its end.
fn source(target: Target, work: Work, this: Weak<dyn Drain>) -> Source<Row> {
    try_stream! {
        let chain = Chain::current();
        let mut target = target;
        let mut _wrote = None;
        loop {
            let mut hold = if target.wants_turn(&work) {
                Box::pin(target.hold_in_turn(&work, &chain, Node::STREAM)).await?
            } else {
                target.hold(&work, &chain, Node::STREAM).await?
            };
            hold.opened(target.ground(), Weak::clone(&this));
            if let Some(precautions) = hold.precautions(&work) {
                hold.before(precautions, &work).await?;
            }
            let mut observation = Observation::of(target.ground(), &hold, &work).streams();
            let (mut failure, mut yielded) = (None, false);
            // What writes has written when its first row is there, and its reader may be one who writes next.
            let mut turn = hold.take_turn();
            let exposed = hold.exposes(target.ground(), &work);
            let known = hold.presume_unknown(exposed);
            {
                let lease = hold.lease()?;
                lease.mark(Flight::Statement);
                let (raw, flight) = lease.split()?;
                let mut rows = raw.stream(Request { statement: &work.bound.statement, values: &work.bound.values });
                while let Some(row) = rows.next().await {
                    match row {
                        Ok(row) => {
                            *flight = Flight::Rows;
                            yielded = true;
                            turn = None;
                            observation.row();
                            yield Row::new(row);
                            *flight = Flight::Statement;
                        }
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            }
            hold.answered(known);
            let failure = failure.map(|error| hold.judged(error, &work, exposed));
            drop(turn);
            observation.end(None, failure.as_ref());
            hold.settled(target.ground(), failure.as_ref(), &work);
            let mut ended = failure.map_or(Ok(()), Err);
            if hold.wants_care(ended.is_err(), &work) {
                ended = hold.after(ended, &work).await;
            }
            let ended = ended.map_err(|error| hold.blamed(error, target.ground()));
            drop::<Hold>(hold);
            match ended {
                Err(error) if error.is_of_replica() && !yielded => {
                    _wrote = target.ground().writing_after_all(&error, &chain);
                    target = target.on_primary();
                }
                ended => break ended?,
            }
        }
    }
    .boxed()
}
