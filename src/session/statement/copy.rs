//! A COPY under way: it keeps its connection, and its handle drives it.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::pipeline::Way;
use super::run::{BoundStatement, Target};
use crate::backend::{NativeJob, Pulse, QueryResult};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Drain, SETTLE_LIMIT};
use crate::session::engine::Engine;
use crate::session::limit::{WaitLimit, in_time};
use crate::session::scope::chain::Chain;

/// A COPY under way. Dropped early, it is ended in the background, and the next statement on its connection waits for that.
pub(crate) struct RunningCopy {
    /// `None` after its end.
    running: Option<BoxFuture<'static, Result<QueryResult>>>,
    open: Arc<OpenCopy>,
    work: Arc<BoundStatement>,
    engine: Arc<Engine>,
    limit: Option<WaitLimit>,
    /// Tells whether its data still comes, where its connection may be needed after it.
    pulse: Option<Pulse>,
}

impl RunningCopy {
    /// Creates a COPY. Nothing happens before it is polled. `may_stay` is `false` if it writes nothing before
    /// [`will_stay`](Self::will_stay) is called.
    pub(crate) fn new(target: Target, work: BoundStatement, job: NativeJob, may_stay: bool) -> Self {
        let engine = Arc::clone(target.engine());
        let stays = engine.sandbox.is_some() || target.in_transaction(&Chain::current());
        let pulse = job.pulse().filter(|_| stays);
        let work = Arc::new(work);
        let open = Arc::new(OpenCopy {
            place: work.caller.place.to_string(),
            may_stay: AtomicBool::new(may_stay),
            sent: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        Self {
            running: Some(run(target, Arc::clone(&work), job, Arc::clone(&open)).boxed()),
            limit: engine.limit(None).map(WaitLimit::of_copy),
            open,
            work,
            engine,
            pulse,
        }
    }

    /// Waits for something that the COPY does, and returns `None` if it ends without an error first.
    pub(crate) async fn until<T>(&mut self, wanted: impl Future<Output = T>) -> Result<Option<T>> {
        let mut wanted = pin!(wanted);
        let wait = Wait(self);
        poll_fn(|context| {
            // First, so that it gets on.
            let ended = wait.0.drive(context);
            if let Poll::Ready(value) = wanted.as_mut().poll(context) {
                // If it has failed, the next call says so.
                return Poll::Ready(match ended {
                    Poll::Ready(Err(error)) => Err(error),
                    _ => Ok(Some(value)),
                });
            }
            let ended = ended.map(|ended| ended.map(|_| None));
            if ended.is_ready() {
                return ended;
            }
            wait.0.poll_limit(context).map(Err)
        })
        .await
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> Result<QueryResult> {
        let wait = Wait(self);
        poll_fn(|context| match wait.0.drive(context) {
            Poll::Pending => wait.0.poll_limit(context).map(Err),
            ended @ Poll::Ready(_) => ended,
        })
        .await
    }

    /// Drives it.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) -> Poll<Result<QueryResult>> {
        let lent = self.engine.lent_runtime();
        let _entered = lent.as_ref().map(Handle::enter);
        let Some(running) = &mut self.running else {
            return Poll::Ready(Err(Error::new(ErrorKind::TransactionEnded, "the COPY has ended")));
        };
        let result = ready!(running.poll_unpin(context));
        self.running = None;
        Poll::Ready(result)
    }

    /// Polls the time limit of a wait, after whose end the COPY ends in the background.
    pub(crate) fn poll_limit(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let lent = self.engine.lent_runtime();
        let _entered = lent.as_ref().map(Handle::enter);
        let Some(limit) = &mut self.limit else {
            return Poll::Pending;
        };
        let late = ready!(limit.poll(self.work.caller.place, context));
        if !self.open.may_stay.load(Ordering::Acquire) {
            self.work.exposed.set(false);
        }
        self.abandon();
        Poll::Ready(self.work.given_up(late))
    }

    /// Notes that the server may write from now on.
    pub(crate) fn will_stay(&self) {
        self.open.may_stay.store(true, Ordering::Release);
    }

    /// Notes that a wait has ended.
    pub(crate) fn stop_clock(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.stop();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.running.is_none()
    }

    /// Lets it end in the background, in a transaction for as long as its data comes, or never begin if it is not sent
    /// yet. Without a runtime it is dropped, and its connection closed.
    fn abandon(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        self.open.abandoned.store(true, Ordering::Release);
        let sent = self.open.sent.load(Ordering::Acquire);
        let runtime = Handle::try_current().ok().or_else(|| self.engine.lent_runtime());
        if let Some(runtime) = runtime.filter(|_| sent) {
            let pulse = self.pulse.take();
            let beats = move || pulse.as_ref().map(Pulse::beats);
            runtime.spawn(async move {
                let mut before = beats();
                while in_time(SETTLE_LIMIT, &mut running).await.is_none() {
                    let now = beats();
                    if now == before {
                        break;
                    }
                    before = now;
                }
            });
        }
        self.open.wake();
    }
}

impl Drop for RunningCopy {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// A wait for a COPY, whose clock stops when the wait ends or is dropped.
struct Wait<'r>(&'r mut RunningCopy);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.stop_clock();
    }
}

impl fmt::Debug for RunningCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCopy")
            .field("place", &self.open.place)
            .finish_non_exhaustive()
    }
}

/// Runs the job, from the checkout of its connection to its return.
async fn run(target: Target, work: Arc<BoundStatement>, job: NativeJob, open: Arc<OpenCopy>) -> Result<QueryResult> {
    let drain: Arc<dyn Drain> = Arc::clone(&open) as Arc<dyn Drain>;
    let drain: Weak<dyn Drain> = Arc::downgrade(&drain);
    let ending = Ending(open);
    let chain = Chain::current();
    let mut started = target.start(&work, &chain, Way::Stream(&drain)).await?;
    started.prepare().await?;
    let answer = {
        let sending = started.sending()?;
        let job = job.sending(&work.bound.statement);
        ending.0.sent.store(true, Ordering::Release);
        sending.waiting.answer(sending.raw.with_native(job))
    };
    let result = answer.await;
    if !ending.0.may_stay.load(Ordering::Acquire) {
        started.leaves_nothing();
    }
    started.finish(result).await
}

/// An open COPY, as waiters for its connection see it.
struct OpenCopy {
    place: String,
    /// Set if its effects may stay although its answer is lost.
    may_stay: AtomicBool,
    /// Set once it is sent.
    sent: AtomicBool,
    /// Set if it is ended in the background.
    abandoned: AtomicBool,
    ended: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl OpenCopy {
    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Drain for OpenCopy {
    fn has_begun(&self) -> bool {
        true
    }

    fn poll_drain(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|known| known.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        drop(waiting);
        if self.ended.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        if self.abandoned.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        let message = format!("the connection is in use by the COPY begun at {}", self.place);
        Poll::Ready(Err(Error::new(ErrorKind::ConcurrentUse, message)
            .help("finish or drop that COPY first, or use another connection")))
    }

    fn returned(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake();
    }
}

/// Notes the end of a COPY, however it comes.
struct Ending(Arc<OpenCopy>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.returned();
    }
}
