//! An open stream of rows, which waiters can make buffer its remaining rows.
//!
//! A connection answers one statement at a time. When another statement wants the connection of an open stream, the
//! rest of the rows is read into memory, up to `stream_buffer_rows`. The stream then returns them from there.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_stream::try_stream;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::pipeline::{Again, Sending, Started, Way};
use super::run::{BoundStatement, Target};
use crate::backend::{QueryResult, RawConnection, Request};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Drain, InFlight};
use crate::session::engine::Engine;
use crate::session::limit::WaitLimit;
use crate::session::scope::chain::Chain;
use crate::value::{RawRow, Row};

/// The rows as they come from the driver, together with the connection they come over.
pub(crate) type Source<T> = BoxStream<'static, Result<T>>;

pub(crate) struct StreamCore<T = Row> {
    inner: Mutex<Inner<T>>,
    wakers: Arc<Wakers>,
    /// A waker for all of them; created once, since it is needed for every row.
    waker: Waker,
    work: Arc<BoundStatement>,
    /// Number of rows that it may buffer.
    limit: usize,
    /// Set in a sandbox, whose user may have no runtime.
    sandboxed: Option<Arc<Engine>>,
    /// Set when a row has come.
    begun: AtomicBool,
    /// Set when the reader was dropped.
    abandoned: AtomicBool,
    /// Set when its connection was returned before all rows were.
    returned: AtomicBool,
}

/// The reader of a stream. Dropping it abandons the rest.
pub(crate) struct StreamReader<T: Send + 'static = Row>(pub(crate) Arc<StreamCore<T>>);

impl<T: Send + 'static> Drop for StreamReader<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

struct Inner<T> {
    source: Option<Source<T>>,
    aside: VecDeque<Result<T>>,
    wait_limit: Option<WaitLimit>,
}

impl StreamCore {
    /// Creates a stream of the rows of `work`. Nothing happens before it is polled.
    pub(crate) fn new(target: Target, work: BoundStatement) -> Arc<Self> {
        Self::with(target, work, Rows)
    }
}

impl<T: Send + 'static> StreamCore<T> {
    /// Creates a stream of the rows of `feed`. Nothing happens before it is polled.
    pub(crate) fn with(target: Target, work: BoundStatement, feed: impl Feed<Item = T>) -> Arc<Self> {
        let work = Arc::new(work);
        let wait_limit = target.engine().limit(None).map(WaitLimit::new);
        let limit = target.engine().settings.stream_buffer_rows;
        let sandboxed = target.sandboxed();
        let wakers = Arc::<Wakers>::default();
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            inner: Mutex::new(Inner {
                source: Some(source(target, Arc::clone(&work), Weak::<Self>::clone(this), feed)),
                aside: VecDeque::new(),
                wait_limit,
            }),
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
            begun: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            returned: AtomicBool::new(false),
            work,
            limit,
            sandboxed,
        })
    }

    /// Sets the time limit of each wait for a row; zero means none.
    pub(crate) fn set_time_limit(&self, limit: Duration) {
        let limit = Some(limit).filter(|limit| !limit.is_zero());
        self.inner.lock().wait_limit = limit.map(WaitLimit::new);
    }

    /// Polls the next row, from those buffered or from the connection.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Result<T>>> {
        let mut inner = self.inner.lock();
        if let Some(row) = inner.aside.pop_front() {
            return Poll::Ready(Some(row));
        }
        self.wakers.reader(context.waker());
        self.poll_source(&mut inner)
    }

    /// Polls the source. The caller has registered a waker before.
    fn poll_source(&self, inner: &mut Inner<T>) -> Poll<Option<Result<T>>> {
        let Some(source) = &mut inner.source else {
            return Poll::Ready(None);
        };
        let lent = self.sandboxed.as_ref().and_then(|engine| engine.lent_runtime());
        let _entered = lent.as_ref().map(Handle::enter);
        let mut context = Context::from_waker(&self.waker);
        let mut next = source.poll_next_unpin(&mut context);
        if let Some(limit) = &mut inner.wait_limit {
            if next.is_ready() {
                limit.stop();
            } else if let Poll::Ready(error) = limit.poll(self.work.caller.place, &mut context) {
                next = Poll::Ready(Some(Err(self.work.given_up(error))));
            }
        }
        match next {
            Poll::Ready(Some(Ok(_))) => self.begun.store(true, Ordering::Release),
            Poll::Ready(None | Some(Err(_))) => inner.source = None,
            Poll::Pending => {}
        }
        next
    }

    /// Notes that the reader is gone: the rest of the rows is not needed, and waiters can have the connection.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.wakers.wake_all();
    }

    fn too_long(&self) -> Error {
        let (place, limit) = (self.work.caller.place, self.limit);
        Error::new(
            ErrorKind::ConcurrentUse,
            format!("the connection is in use by the stream opened at {place}, which still has more than {limit} rows"),
        )
        .help("read that stream to its end or drop it first, use another connection, or raise `stream_buffer_rows`")
    }
}

impl<T: Send + 'static> Drain for StreamCore<T> {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    fn poll_drain(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut inner = self.inner.lock();
        self.wakers.waiter(context.waker());
        loop {
            if self.abandoned.load(Ordering::Acquire) {
                inner.source = None;
            }
            if self.returned.load(Ordering::Acquire) {
                return Poll::Ready(Ok(()));
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

    fn returned(&self) {
        self.returned.store(true, Ordering::Release);
    }
}

impl<T> fmt::Debug for StreamCore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCore")
            .field("place", &self.work.caller.place)
            .finish_non_exhaustive()
    }
}

/// The reader of a stream, and the waiters for its connection.
///
/// The reader has a place of its own. It comes once for every row, and `will_wake` may deny that two clones of one
/// waker are the same. A list that it joined each time would grow without end.
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

/// The rows of a statement as they come from the driver.
pub(crate) trait Feed: Send + 'static {
    /// The form in which the driver hands a row over.
    type Raw: Send;
    type Item: Send + 'static;

    /// Sends the statement. It may be sent again if it failed before its first row.
    fn open<'c>(
        &'c mut self,
        raw: &'c mut dyn RawConnection,
        work: &'c BoundStatement,
    ) -> BoxStream<'c, Result<Self::Raw>>;

    fn item(raw: Self::Raw) -> Self::Item;
}

/// The rows of a statement of this library.
struct Rows;

impl Feed for Rows {
    type Raw = Box<dyn RawRow>;
    type Item = Row;

    fn open<'c>(
        &'c mut self,
        raw: &'c mut dyn RawConnection,
        work: &'c BoundStatement,
    ) -> BoxStream<'c, Result<Self::Raw>> {
        raw.stream(Request {
            statement: &work.bound.statement,
            values: &work.bound.values,
        })
    }

    fn item(raw: Self::Raw) -> Row {
        Row::new(raw)
    }
}

/// Creates the stream itself. It takes the connection when it is first polled and keeps it until it ends.
fn source<F: Feed>(target: Target, work: Arc<BoundStatement>, this: Weak<dyn Drain>, mut feed: F) -> Source<F::Item> {
    try_stream! {
        // Of the task that reads first; another one may read on, or make it buffer its rows.
        let chain = Chain::current();
        let mut again: Option<Again> = None;
        let mut written = Vec::new();
        loop {
            let on = again.as_ref().map_or(&target, |again| &again.target);
            let mut started = on.start(&work, &chain, Way::Stream(&this)).await?;
            started.prepare().await?;
            let (mut result, mut begun) = (Ok(QueryResult::default()), false);
            {
                let Sending { raw, in_flight, observation, waiting, writes } = started.sending()?;
                let mut first = waiting.first_row();
                let mut rows = feed.open(raw, &work);
                while let Some(row) = waiting.next(&mut rows).await {
                    match row {
                        // A statement that writes keeps its lock until its last row is read, and its reader may be the
                        // next writer. So all rows are read before the first is returned; SQLite has them all in memory
                        // as well. An error because of their number would come after they were written.
                        Ok(row) if writes => {
                            begun = true;
                            observation.row();
                            written.push(F::item(row));
                        }
                        Ok(row) => {
                            first.came();
                            *in_flight = InFlight::Rows;
                            begun = true;
                            observation.row();
                            yield F::item(row);
                            *in_flight = InFlight::Statement;
                        }
                        Err(error) => {
                            result = Err(error);
                            break;
                        }
                    }
                }
            }
            let ended = started.finish(result).await;
            drop::<Started>(started);
            let Err(error) = ended else { break };
            let next = if begun || again.is_some() { None } else { on.again(&error, &work, &chain) };
            if next.is_none() {
                Err(error)?;
            }
            again = next;
        }
        if let Some(this) = this.upgrade() {
            this.returned();
        }
        for row in written {
            yield row;
        }
    }
    .boxed()
}
