//! An open stream of rows, which waiters can make buffer its remaining rows.
//!
//! A connection answers one statement at a time. When another statement wants the connection of an open stream, the
//! rest of the rows is read into memory, up to `stream_buffer_rows`. The stream then returns them from there.

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

use super::checkout::Checkout;
use super::observe::Observation;
use super::run::{BoundStatement, Target};
use crate::backend::Request;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Drain, InFlight};
use crate::session::engine::Engine;
use crate::session::level::Level;
use crate::session::scope::chain::Chain;
use crate::value::Row;

/// The rows as they come from the driver, together with the connection they come over.
pub(crate) type Source<T> = BoxStream<'static, Result<T>>;

pub(crate) struct StreamCore<T = Row> {
    inner: Mutex<Inner<T>>,
    wakers: Arc<Wakers>,
    /// A waker for all of them; created once, since it is needed for every row.
    waker: Waker,
    place: &'static Location<'static>,
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

struct Inner<T> {
    source: Option<Source<T>>,
    aside: VecDeque<Result<T>>,
}

impl StreamCore {
    /// Creates a stream of the rows of `work`. Nothing happens before it is polled.
    pub(crate) fn new(target: Target, work: BoundStatement) -> Arc<Self> {
        Self::with(target, work, source)
    }
}

impl<T: Send + 'static> StreamCore<T> {
    pub(in crate::session) fn with(
        target: Target,
        work: BoundStatement,
        source: impl FnOnce(Target, BoundStatement, Weak<dyn Drain>) -> Source<T>,
    ) -> Arc<Self> {
        let place = work.caller.place;
        let limit = target.engine().settings.stream_buffer_rows;
        let sandboxed = target.sandboxed();
        let wakers = Arc::<Wakers>::default();
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            inner: Mutex::new(Inner {
                source: Some(source(target, work, Weak::<Self>::clone(this))),
                aside: VecDeque::new(),
            }),
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
            begun: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            returned: AtomicBool::new(false),
            place,
            limit,
            sandboxed,
        })
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
        let next = source.poll_next_unpin(&mut Context::from_waker(&self.waker));
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
        let (place, limit) = (self.place, self.limit);
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
            .field("place", &self.place)
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

/// Creates the stream itself. It takes the connection when it is first polled and keeps it until it ends.
fn source(target: Target, work: BoundStatement, this: Weak<dyn Drain>) -> Source<Row> {
    try_stream! {
        let chain = Chain::current();
        let mut target = target;
        let mut _wrote = None;
        let mut written = Vec::new();
        loop {
            let mut check_out = if target.wants_turn(&work) {
                Box::pin(target.check_out_in_turn(&work, &chain, Level::STREAM)).await?
            } else {
                target.check_out(&work, &chain, Level::STREAM).await?
            };
            check_out.opened(target.engine(), Weak::clone(&this));
            if let Some(preamble) = check_out.preamble(&work) {
                check_out.before(preamble, &work).await?;
            }
            let mut observation = Observation::of(target.engine(), &check_out, &work).streams();
            let (mut failure, mut yielded) = (None, false);
            // A statement that writes keeps its lock until its last row is read, and its reader may be the next writer.
            // So all rows are read before the first is returned; SQLite has them all in memory as well. An error
            // because of their number would come after they were written.
            let writes = check_out.has_own_turn();
            let readers = target.engine().streams.as_ref().filter(|_| writes);
            let exposed = check_out.exposes(target.engine(), &work);
            let known = check_out.presume_unknown(exposed);
            {
                let lease = check_out.lease()?;
                lease.mark(InFlight::Statement);
                let (raw, in_flight) = lease.split()?;
                let mut rows = raw.stream(Request { statement: &work.bound.statement, values: &work.bound.values });
                loop {
                    let next = match readers {
                        Some(streams) => Box::pin(streams.beside(rows.next(), Some(&this))).await,
                        None => rows.next().await,
                    };
                    let Some(row) = next else { break };
                    match row {
                        Ok(row) if writes => {
                            observation.row();
                            written.push(Row::new(row));
                        }
                        Ok(row) => {
                            *in_flight = InFlight::Rows;
                            yielded = true;
                            observation.row();
                            yield Row::new(row);
                            *in_flight = InFlight::Statement;
                        }
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            }
            check_out.answered(known);
            let failure = failure.map(|error| check_out.judged(error, &work, exposed));
            observation.end(None, failure.as_ref());
            check_out.settled(target.engine(), failure.as_ref(), &work);
            let mut ended = failure.map_or(Ok(()), Err);
            if check_out.wants_care(ended.is_err(), &work) {
                ended = check_out.after(ended, &work).await;
            }
            let ended = ended.map_err(|error| check_out.blamed(error, target.engine()));
            drop::<Checkout>(check_out);
            match ended {
                Err(error) if error.is_of_replica() && !yielded => {
                    _wrote = target.engine().writing_after_all(&error, &chain);
                    target = target.on_primary();
                }
                ended => break ended?,
            }
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
