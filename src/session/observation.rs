//! What is told of a statement when it has ended, with the time it took: to `tracing`, to `metrics`, on standard error with
//! the setting `echo`, and in the journal of a test that keeps one. Values only with `show_parameters`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::{Instrument, Span};

use super::hold::Hold;
use super::{Ended, Ground, Kind, Node, Work};
use crate::backend::{Done, Offer, Sink};
use crate::error::{Error, Result};
use crate::pool::{Asker, Pool};
use crate::telemetry::{
    About, Meter, Outcome, TransactionSpan, answered, cancelled, fail, log, said, statements_are_watched, values,
};
use crate::value::Value;

/// A statement under way, if anyone wants to hear of it. Dropped before its end, it is told as cancelled.
pub(super) struct Observation<'a>(Option<Box<Observed<'a>>>);

struct Observed<'a> {
    ground: &'a Ground,
    /// The one its connection is of: that of a replica tells of the replica.
    pool: Arc<Pool>,
    what: What<'a>,
    started: Instant,
    span: Span,
    /// Whether there is a subscriber, who is told how many rows came.
    watched: bool,
    /// How many rows have come, where they are counted.
    rows: Option<u64>,
    /// Whether it is no mistake to drop it after a row: the reader of a stream may have seen enough.
    streams: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Work(&'a Work),
    /// The beginning or end of a transaction.
    Boundary(&'static str),
}

impl<'a> Observation<'a> {
    /// A statement that is about to be sent.
    pub(super) fn of(ground: &'a Ground, hold: &Hold, work: &'a Work) -> Self {
        Self::start(ground, hold.pool(ground), || hold.parent_span(), What::Work(work))
    }

    /// The beginning of a transaction.
    pub(super) fn beginning(ground: &'a Ground, transaction: Option<&TransactionSpan>, what: &'static str) -> Self {
        Self::start(
            ground,
            &ground.pool,
            || transaction.map(|transaction| transaction.span.clone()),
            What::Boundary(what),
        )
    }

    /// The end of a transaction.
    pub(super) fn ending(ground: &'a Ground, node: &Node, what: &'static str) -> Self {
        Self::start(ground, &ground.pool, || node.parent_span(), What::Boundary(what))
    }

    fn start(ground: &'a Ground, pool: &Arc<Pool>, parent: impl FnOnce() -> Option<Span>, what: What<'a>) -> Self {
        let metered = Meter::MEASURES && pool.telemetry().meter.measures();
        let watched = statements_are_watched();
        let journal = ground.journal();
        if !(watched || metered || ground.settings.echo || journal.is_some()) {
            return Self(None);
        }
        if let Some(journal) = journal {
            journal.sends();
        }
        let make = || what.span(ground, pool);
        let span = match watched.then(parent).flatten() {
            // The parent is entered for this moment only.
            Some(parent) => parent.in_scope(make),
            None => make(),
        };
        Self(Some(Box::new(Observed {
            ground,
            pool: Arc::clone(pool),
            what,
            started: Instant::now(),
            span,
            watched,
            rows: None,
            streams: false,
            ended: false,
        })))
    }

    /// The rows are read one by one, as far as their reader likes.
    pub(super) fn streams(mut self) -> Self {
        if let Some(observed) = &mut self.0 {
            observed.streams = true;
            observed.rows = Some(0);
        }
        self
    }

    /// A row of the stream has come.
    pub(super) fn row(&mut self) {
        if let Some(rows) = self.0.as_mut().and_then(|observed| observed.rows.as_mut()) {
            *rows += 1;
        }
    }

    /// A sink that counts the rows on their way; the same one if nobody wants to hear how many.
    pub(super) fn counts<'s>(&'s mut self, sink: &'s mut dyn Sink) -> Result<Box<dyn Sink + 's>, &'s mut dyn Sink> {
        match &mut self.0 {
            Some(observed) if observed.watched => {
                let rows = observed.rows.insert(0);
                Ok(Box::new(Counting { sink, rows }))
            }
            _ => Err(sink),
        }
    }

    /// The span of the statement, if there is one.
    pub(super) fn span(&self) -> Option<Span> {
        let span = self.0.as_ref().map(|observed| &observed.span);
        span.filter(|span| !span.is_disabled()).cloned()
    }

    /// It has ended; `affected` rows were touched, if that means something here.
    pub(super) fn end(self, affected: Option<u64>, error: Option<&Error>) {
        if let Some(mut observed) = self.0 {
            observed.ended = true;
            observed.tell(affected, error.into());
        }
    }
}

impl Observed<'_> {
    fn tell(&self, affected: Option<u64>, outcome: Outcome<'_>) {
        let took = self.started.elapsed();
        let (settings, telemetry) = (&self.ground.settings, self.pool.telemetry());
        let rows = self.rows.filter(|_| outcome.is_done());
        answered(&self.span, rows, affected.filter(|_| outcome.is_done()));
        match outcome {
            Outcome::Done => {}
            Outcome::Failed(error) => fail(&self.span, error, settings.show_parameters),
            Outcome::Cancelled => cancelled(&self.span),
        }
        if statements_are_watched() {
            self.span
                .in_scope(|| log(&self.what.name(), took, affected.or(rows), outcome));
        }
        if Meter::MEASURES {
            telemetry
                .meter
                .operation(self.what.operation().as_deref(), took, outcome);
        }
        if let Some(journal) = self.ground.journal() {
            journal.add(self.what.text(), took, outcome);
        }
        if settings.echo {
            self.echo(took, outcome);
        }
    }

    fn echo(&self, took: Duration, outcome: Outcome<'_>) {
        let show = self.ground.settings.show_parameters;
        let what = self.what.text();
        let with = match self.what.bound() {
            Some(bound) if show => format!(" {}", values(bound)),
            _ => String::new(),
        };
        match outcome {
            Outcome::Done => eprintln!("ebbtide: {what}{with} ({took:.1?})"),
            Outcome::Cancelled => eprintln!("ebbtide: {what}{with} ({took:.1?}) was cancelled"),
            Outcome::Failed(error) => {
                // A text without values shows its literals anyway.
                let error = said(error, show || self.what.bound().is_none());
                eprintln!("ebbtide: {what}{with} ({took:.1?}) failed: {error}");
            }
        }
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let seen_enough = self.streams && self.rows > Some(0);
        self.tell(None, if seen_enough { Outcome::Done } else { Outcome::Cancelled });
    }
}

impl<'a> What<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Work(work) => work.bound.statement.text().trim_end(),
            Self::Boundary(what) => what,
        }
    }

    /// The values that are bound, if any are.
    fn bound(self) -> Option<&'a [Value]> {
        match self {
            Self::Work(work) => Some(&*work.bound.values).filter(|bound| !bound.is_empty()),
            Self::Boundary(_) => None,
        }
    }

    fn batch(self) -> Option<usize> {
        match self {
            Self::Work(work) => work.template.batch_size(&work.bound),
            Self::Boundary(_) => None,
        }
    }

    /// In the words of the conventions, several operations of one sort in one statement are a batch.
    fn batched(self, what: &'a str) -> Cow<'a, str> {
        match self.batch() {
            Some(_) => format!("BATCH {what}").into(),
            None => what.into(),
        }
    }

    fn operation(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Work(work) => work.template.summary().operation().map(|what| self.batched(what)),
            Self::Boundary(what) => Some(what.into()),
        }
    }

    fn name(self) -> Cow<'a, str> {
        match self {
            // What is no statement at all has a remark in its place.
            Self::Work(work) if work.template.summary().text().is_empty() => {
                let remark = self.text().strip_prefix("-- ");
                remark.filter(|remark| remark.len() < 32).unwrap_or("statement").into()
            }
            Self::Work(work) => self.batched(work.template.summary().text()),
            Self::Boundary(what) => what.into(),
        }
    }

    fn span(self, ground: &Ground, pool: &Pool) -> Span {
        let peer = &pool.telemetry().peer;
        if !statements_are_watched() {
            return Span::none();
        }
        let batch = self.batch();
        let (text, caller) = match self {
            Self::Work(work) => (Some(work.template.without_values(&work.bound)), Some(work.asker.place)),
            Self::Boundary(_) => (None, None),
        };
        let shown = ground.settings.show_parameters && batch.is_none();
        peer.statement(&About {
            summary: self.name(),
            operation: self.operation(),
            text: text.filter(|text| !text.is_empty()),
            batch,
            values: self.bound().filter(|_| shown).map(values),
            caller,
        })
    }
}

/// What is said meanwhile, by the driver or the server, belongs to the statement.
pub(super) fn within<'f, T: 'f>(span: Option<Span>, running: BoxFuture<'f, T>) -> BoxFuture<'f, T> {
    match span {
        Some(span) => running.instrument(span).boxed(),
        None => running,
    }
}

/// How many rows a statement has touched, if its text is one that touches rows.
pub(super) fn affected(result: Result<&Done, &Error>, work: &Work) -> Option<u64> {
    let done = result.ok().filter(|_| work.template.counts_rows())?;
    Some(done.rows_affected)
}

/// Counts the rows on their way to the one who wants them.
struct Counting<'s> {
    sink: &'s mut dyn Sink,
    rows: &'s mut u64,
}

impl Sink for Counting<'_> {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
        *self.rows += 1;
        self.sink.row(row)
    }

    fn wants_one(&self) -> bool {
        self.sink.wants_one()
    }
}

impl Hold {
    /// The span of the transaction that the statement runs in, if it is to be its parent.
    fn parent_span(&self) -> Option<Span> {
        match self {
            Self::Pooled { .. } => None,
            Self::Level { node, .. } => node.parent_span(),
        }
    }
}

impl Node {
    /// The span of this transaction, if it is to be the parent of what is done in it here.
    fn parent_span(&self) -> Option<Span> {
        self.state.lock().span.as_ref()?.parent()
    }

    /// The span of a transaction about to begin on this level, if anyone wants to hear of it.
    pub(super) fn transaction_span(&self, asker: Asker) -> Option<Box<TransactionSpan>> {
        let peer = &self.ground.pool.telemetry().peer;
        let savepoint = matches!(self.kind, Kind::Transaction { .. });
        TransactionSpan::open(peer, savepoint, asker.place, || self.parent_span())
    }

    /// The span of this transaction, to run a closure in.
    pub(crate) fn span(&self) -> Span {
        let state = self.state.lock();
        state.span.as_ref().map_or_else(Span::none, |open| open.span.clone())
    }

    /// The transaction has ended, and its span with it.
    pub(super) fn close_span(&self) {
        let (span, outcome) = {
            let mut state = self.state.lock();
            let outcome = match state.ended {
                Some(Ended::Committed(_)) => "committed",
                Some(Ended::RolledBack(_) | Ended::Closed) => "rolled back",
                Some(Ended::Interrupted(_)) => "interrupted",
                Some(Ended::ByServer(_)) => "ended by the server",
                Some(Ended::Dropped) | None => "dropped",
            };
            (state.span.take(), outcome)
        };
        if let Some(span) = span {
            span.end(outcome);
        }
    }
}
