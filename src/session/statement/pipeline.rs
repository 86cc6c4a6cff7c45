//! The steps that all ways to run a statement have in common: verbs, streams, streams of the bridge, lent connections.
//!
//! [`Target::start`] checks out the connection, and [`Started::prepare`] makes it ready; the caller sends; then
//! [`Started::finish`] judges the answer, reports it, and settles the connection. Between the two the ways differ only in what is sent and
//! in who receives the rows.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tracing::{Instrument, Span};

use super::checkout::Checkout;
use super::observe::{Observation, affected};
use super::run::{BoundStatement, Target};
use super::slow::FirstRowWait;
use crate::backend::sqlx::is_stale_plan;
use crate::backend::{QueryResult, RawConnection};
use crate::error::{Error, Result};
use crate::pool::{Drain, InFlight, OpenStreams};
use crate::session::engine::Engine;
use crate::session::level::{Level, LevelKind};
use crate::session::replicas::WriteNote;
use crate::session::sandbox::Sandbox;
use crate::session::scope::chain::Chain;

/// A way to run a statement.
#[derive(Clone, Copy)]
pub(super) enum Way<'w> {
    /// Its rows go to a sink.
    Verb,
    /// Its rows are read one by one, from this stream.
    Stream(&'w Weak<dyn Drain>),
    /// Other code does anything with the connection.
    Lent,
}

impl Way<'_> {
    fn what(self) -> &'static str {
        match self {
            Self::Verb => "a statement",
            Self::Stream(_) => Level::STREAM,
            Self::Lent => "the driver's own connection",
        }
    }
}

/// A statement that has its connection.
pub(super) struct Started<'w> {
    engine: &'w Arc<Engine>,
    work: &'w BoundStatement,
    way: Way<'w>,
    check_out: Checkout,
    observation: Observation<'w>,
    /// `true` if its effects may stay although the answer is lost.
    exposed: bool,
    /// `true` if the answer makes the outcome of its transaction known.
    known: bool,
}

/// The parts of a started statement that its sender needs at the same time.
pub(super) struct Sending<'s, 'w> {
    pub(super) raw: &'s mut dyn RawConnection,
    pub(super) in_flight: &'s mut InFlight,
    pub(super) observation: &'s mut Observation<'w>,
    pub(super) waiting: Waiting<'w>,
    /// `true` if the statement has the turn to write for itself, and no transaction has it.
    pub(super) writes: bool,
}

/// The work that is done while an answer is awaited.
pub(super) struct Waiting<'w> {
    work: &'w BoundStatement,
    engine: &'w Engine,
    span: Option<Span>,
    sandbox: Option<&'w Sandbox>,
    readers: Option<&'w OpenStreams>,
    own: Option<&'w Weak<dyn Drain>>,
}

/// Another attempt to run a statement that failed.
pub(super) struct Again {
    pub(super) target: Target,
    _wrote: Option<WriteNote>,
}

impl Target {
    /// Checks out the connection for a statement. The next step is [`Started::prepare`].
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` would store its arguments twice"
    )]
    pub(super) fn start<'w>(
        &'w self,
        work: &'w BoundStatement,
        chain: &Chain,
        way: Way<'w>,
    ) -> impl Future<Output = Result<Started<'w>>> + Send {
        async move {
            let check_out = if self.wants_turn(work) {
                // Boxed, or the future of every statement would contain this one.
                Box::pin(self.check_out_in_turn(work, chain, way.what())).await?
            } else {
                self.check_out(work, chain, way.what()).await?
            };
            Ok(Started {
                engine: self.engine(),
                work,
                way,
                check_out,
                observation: Observation::none(),
                exposed: false,
                known: false,
            })
        }
    }

    /// Returns whether a statement may have to be run again; see [`again`](Self::again).
    pub(crate) fn may_repeat(&self) -> bool {
        self.engine().sandbox.is_some() || self.engine().replicas.is_some()
    }

    /// Returns another attempt for a statement that failed before it returned anything, if one can help: on the primary
    /// if a replica is the cause; in a sandbox after its tables were changed. (Outside of a sandbox the driver prepares
    /// again by itself. In one, a savepoint had to be restored first.)
    pub(super) fn again(&self, error: &Error, work: &BoundStatement, chain: &Chain) -> Option<Again> {
        if error.is_of_replica() {
            return Some(Again {
                _wrote: self.engine().writing_after_all(error, chain),
                target: self.on_primary(),
            });
        }
        if !is_stale_plan(error) || self.engine().sandbox.is_none() {
            return None;
        }
        let level = self.level(chain, work.caller).ok()?;
        let outside = !level.is_some_and(|level| matches!(level.kind, LevelKind::Transaction { .. }));
        outside.then(|| Again {
            target: self.clone(),
            _wrote: None,
        })
    }
}

impl<'w> Started<'w> {
    /// Does what has to be done before the statement is sent.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        let (engine, work, check_out) = (self.engine, self.work, &mut self.check_out);
        if let Way::Stream(stream) = self.way {
            check_out.opened(engine, Weak::clone(stream));
        }
        if let Way::Lent = self.way {
            Box::pin(check_out.before_lending(work)).await?;
        } else if check_out.wants_probe(work) {
            Box::pin(check_out.probe(work)).await?;
        }
        self.observation = Observation::of(engine, check_out, work);
        self.exposed = match self.way {
            // It may even commit the transaction that it is lent.
            Way::Lent => engine.sandbox.is_none(),
            Way::Verb | Way::Stream(_) => check_out.exposes(engine, work),
        };
        if let Way::Stream(_) = self.way {
            self.observation.streams();
        }
        // A driver's own thread undoes a BEGIN whose caller is gone. Over a socket it is unknown where dropped code stood.
        let survives = !matches!(self.way, Way::Lent)
            || engine.transactions.finishes_dropped_calls
            || check_out.lease()?.raw()?.is_apart();
        let lease = check_out.lease()?;
        lease.mark(if survives {
            InFlight::Statement
        } else {
            InFlight::Boundary
        });
        if let Way::Verb = self.way {
            engine.sends(lease);
        }
        self.known = check_out.presume_unknown(self.exposed);
        work.exposed.set(self.exposed);
        Ok(())
    }

    /// Returns what is needed to send the statement.
    pub(super) fn sending(&mut self) -> Result<Sending<'_, 'w>> {
        let own = match self.way {
            Way::Stream(own) => Some(own),
            Way::Verb | Way::Lent => None,
        };
        let writes = self.check_out.has_own_turn();
        let readers = self.check_out.waits_for_streams(self.engine, self.work);
        let waiting = Waiting {
            work: self.work,
            engine: self.engine,
            span: self.observation.span(),
            sandbox: self.engine.watcher(),
            // A stream that only reads waits for no other one.
            readers: readers.filter(|_| own.is_none() || writes),
            own,
        };
        let (raw, in_flight) = self.check_out.lease()?.split()?;
        Ok(Sending {
            raw,
            in_flight,
            observation: &mut self.observation,
            waiting,
            writes,
        })
    }

    /// Notes that nothing of the statement can stay yet, whatever becomes of its answer.
    pub(super) fn leaves_nothing(&mut self) {
        self.exposed = false;
        self.work.exposed.set(false);
    }

    /// Ends the statement: judges its answer, reports it, and settles the connection.
    pub(super) async fn finish(&mut self, result: Result<QueryResult>) -> Result<QueryResult> {
        let work = self.work;
        self.note_slow();
        // What it ran may have committed, which the checks after it find out.
        let checked_later = matches!(self.way, Way::Lent) || work.template.effect().opaque;
        if !checked_later {
            self.outcome_is_known();
        }
        let check_out = &mut self.check_out;
        let result = result.map_err(|error| check_out.judged(error, work, self.exposed));
        let affected = match self.way {
            Way::Verb => affected(result.as_ref(), work),
            Way::Stream(_) | Way::Lent => None,
        };
        self.observation.take().end(affected, result.as_ref().err());
        check_out.settled(self.engine, result.as_ref().err(), work);
        let result = if let Way::Lent = self.way {
            Box::pin(check_out.after_lending(result, work)).await
        } else if check_out.wants_care(result.is_err(), work) {
            Box::pin(check_out.after(result, work)).await
        } else {
            result
        };
        if checked_later && !result.as_ref().is_err_and(Error::outcome_unknown) {
            self.outcome_is_known();
        }
        if let Way::Stream(own) = self.way {
            self.check_out.closed(own);
        }
        result.map_err(|error| work.explained(self.check_out.blamed(error, self.engine)))
    }

    /// Reports the statement if it was slow. Streams do so themselves; code on a lent connection is no statement.
    fn note_slow(&mut self) {
        if self.engine.settings.slow_statement.is_some()
            && let Way::Verb = self.way
        {
            self.engine.ran(self.check_out.lease().ok(), self.work);
        }
    }

    fn outcome_is_known(&self) {
        self.work.exposed.set(false);
        self.check_out.answered(self.known);
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // Cut off before its end.
        self.note_slow();
    }
}

impl<'w> Waiting<'w> {
    /// Returns a clock for the wait until a stream has its first row.
    pub(super) fn first_row(&self) -> FirstRowWait<'w> {
        FirstRowWait::new(self.engine, self.work)
    }

    /// Returns `true` if nothing else is done meanwhile.
    fn is_simple(&self) -> bool {
        self.span.is_none() && self.sandbox.is_none() && self.readers.is_none()
    }

    /// Waits for the answer.
    pub(super) fn answer<'f, T: Send + 'f>(self, running: BoxFuture<'f, T>) -> BoxFuture<'f, T>
    where
        'w: 'f,
    {
        if self.is_simple() {
            running
        } else {
            Box::pin(async move { self.attend(running).await })
        }
    }

    /// Waits for the next row.
    pub(super) async fn next<T: Send>(&self, rows: &mut BoxStream<'_, T>) -> Option<T> {
        if self.is_simple() {
            return rows.next().await;
        }
        let mut next = rows.next();
        // A row that is there needs no more than that.
        match poll_fn(|context| Poll::Ready(self.in_span(|| next.poll_unpin(context)))).await {
            Poll::Ready(row) => row,
            Poll::Pending => Box::pin(self.attend(next)).await,
        }
    }

    fn in_span<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.span {
            Some(span) => span.in_scope(work),
            None => work(),
        }
    }

    /// Runs a part of the statement in its span. Meanwhile, open streams that the statement may have to wait for buffer
    /// their rows, and a sandbox reports a statement that takes long.
    async fn attend<F: Future + Send>(&self, running: F) -> F::Output {
        let running = running.instrument(self.span.clone().unwrap_or_else(Span::none));
        match (self.sandbox, self.readers) {
            (Some(sandbox), _) => sandbox.watch(running, self.work, self.engine).await,
            (None, Some(streams)) => streams.beside(running, self.own).await,
            (None, None) => running.await,
        }
    }
}
