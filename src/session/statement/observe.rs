//! Reports on statements that have ended, with their duration: to `tracing`, to `metrics`, on standard error with the
//! setting `echo`, and in the statement log of a test that keeps one. Values appear only with `show_parameters`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use super::checkout::Checkout;
use super::run::BoundStatement;
use crate::backend::{OfferedRow, QueryResult, RowSink};
use crate::error::{Error, Result};
use crate::pool::{Caller, Pool};
use crate::session::engine::Engine;
use crate::session::level::{Ended, Level, LevelKind};
use crate::telemetry::{
    About, Meter, Outcome, TransactionSpan, answered, cancelled, fail, log, said, statements_are_watched, values,
};
use crate::value::Value;

/// A statement under way, if anything observes it. Dropped before its end, it is reported as cancelled.
pub(in crate::session) struct Observation<'a>(Option<Box<Observed<'a>>>);

struct Observed<'a> {
    engine: &'a Engine,
    /// The pool of its connection: that of a replica reports on the replica.
    pool: Arc<Pool>,
    what: What<'a>,
    started: Instant,
    span: Span,
    /// Set if there is a subscriber, which receives the number of rows.
    watched: bool,
    /// Number of rows so far, where they are counted.
    rows: Option<u64>,
    /// Set if it is no mistake to drop it after a row: the reader of a stream may have seen enough.
    streams: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Work(&'a BoundStatement),
    /// The beginning or end of a transaction.
    Boundary(&'static str),
}

impl<'a> Observation<'a> {
    /// Returns an observation of nothing.
    pub(in crate::session) fn none() -> Self {
        Self(None)
    }

    /// Observes a statement that is about to be sent.
    pub(in crate::session) fn of(engine: &'a Engine, check_out: &Checkout, work: &'a BoundStatement) -> Self {
        Self::start(
            engine,
            check_out.pool(engine),
            || check_out.parent_span(),
            What::Work(work),
        )
    }

    /// Observes the beginning of a transaction.
    pub(in crate::session) fn beginning(
        engine: &'a Engine,
        transaction: Option<&TransactionSpan>,
        what: &'static str,
    ) -> Self {
        Self::start(
            engine,
            &engine.pool,
            || transaction.map(|transaction| transaction.span.clone()),
            What::Boundary(what),
        )
    }

    /// Observes the end of a transaction.
    pub(in crate::session) fn ending(engine: &'a Engine, level: &Level, what: &'static str) -> Self {
        Self::start(engine, &engine.pool, || level.parent_span(), What::Boundary(what))
    }

    fn start(engine: &'a Engine, pool: &Arc<Pool>, parent: impl FnOnce() -> Option<Span>, what: What<'a>) -> Self {
        let metered = Meter::MEASURES && pool.telemetry().meter.measures();
        let watched = statements_are_watched();
        let statement_log = engine.statement_log();
        if !(watched || metered || engine.settings.echo || statement_log.is_some()) {
            return Self(None);
        }
        if let Some(statement_log) = statement_log {
            statement_log.sends();
        }
        let make = || what.span(engine, pool);
        let span = match watched.then(parent).flatten() {
            // The parent is entered for this moment only.
            Some(parent) => parent.in_scope(make),
            None => make(),
        };
        Self(Some(Box::new(Observed {
            engine,
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

    /// Notes that the rows are read one by one, as far as their reader likes.
    pub(in crate::session) fn streams(&mut self) {
        if let Some(observed) = &mut self.0 {
            observed.streams = true;
            observed.rows = Some(0);
        }
    }

    /// Returns the observation, and leaves none.
    pub(in crate::session) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// Counts a row of the stream.
    pub(in crate::session) fn row(&mut self) {
        if let Some(rows) = self.0.as_mut().and_then(|observed| observed.rows.as_mut()) {
            *rows += 1;
        }
    }

    /// Returns a sink that counts the rows on their way, or the same one if nothing observes the number.
    pub(in crate::session) fn counts<'s>(
        &'s mut self,
        sink: &'s mut dyn RowSink,
    ) -> Result<Box<dyn RowSink + 's>, &'s mut dyn RowSink> {
        match &mut self.0 {
            Some(observed) if observed.watched => {
                let rows = observed.rows.insert(0);
                Ok(Box::new(Counting { sink, rows }))
            }
            _ => Err(sink),
        }
    }

    /// Returns the span of the statement, if there is one.
    pub(in crate::session) fn span(&self) -> Option<Span> {
        let span = self.0.as_ref().map(|observed| &observed.span);
        span.filter(|span| !span.is_disabled()).cloned()
    }

    /// Ends the observation; `affected` rows were touched, if that means something here.
    pub(in crate::session) fn end(self, affected: Option<u64>, error: Option<&Error>) {
        if let Some(mut observed) = self.0 {
            observed.ended = true;
            observed.report(affected, error.into());
        }
    }
}

impl Observed<'_> {
    fn report(&self, affected: Option<u64>, outcome: Outcome<'_>) {
        let took = self.started.elapsed();
        let (settings, telemetry) = (&self.engine.settings, self.pool.telemetry());
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
        if let Some(statement_log) = self.engine.statement_log() {
            statement_log.add(self.what.text(), took, outcome);
        }
        if settings.echo {
            self.echo(took, outcome);
        }
    }

    fn echo(&self, took: Duration, outcome: Outcome<'_>) {
        let show = self.engine.settings.show_parameters;
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
        self.report(None, if seen_enough { Outcome::Done } else { Outcome::Cancelled });
    }
}

impl<'a> What<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Work(work) => work.bound.statement.text().trim_end(),
            Self::Boundary(what) => what,
        }
    }

    /// Returns the values that are bound, if any are.
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

    /// Adds `BATCH`, the word of the conventions for several operations of one sort in one statement.
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
            // Text that is no statement at all has a remark in its place.
            Self::Work(work) if work.template.summary().text().is_empty() => {
                let remark = self.text().strip_prefix("-- ");
                remark.filter(|remark| remark.len() < 32).unwrap_or("statement").into()
            }
            Self::Work(work) => self.batched(work.template.summary().text()),
            Self::Boundary(what) => what.into(),
        }
    }

    fn span(self, engine: &Engine, pool: &Pool) -> Span {
        let peer = &pool.telemetry().peer;
        if !statements_are_watched() {
            return Span::none();
        }
        let batch = self.batch();
        let (text, caller) = match self {
            Self::Work(work) => (Some(work.template.without_values(&work.bound)), Some(work.caller.place)),
            Self::Boundary(_) => (None, None),
        };
        let shown = engine.settings.show_parameters && batch.is_none();
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

/// Returns the number of rows a statement has touched, if its text is one that touches rows.
pub(in crate::session) fn affected(result: Result<&QueryResult, &Error>, work: &BoundStatement) -> Option<u64> {
    let done = result.ok().filter(|_| work.template.counts_rows())?;
    Some(done.rows_affected)
}

/// A sink that counts the rows on their way to another one.
struct Counting<'s> {
    sink: &'s mut dyn RowSink,
    rows: &'s mut u64,
}

impl RowSink for Counting<'_> {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        *self.rows += 1;
        self.sink.row(row)
    }

    fn wants_one(&self) -> bool {
        self.sink.wants_one()
    }
}

impl Checkout {
    /// Returns the span of the transaction that the statement runs in, if it is to be its parent.
    fn parent_span(&self) -> Option<Span> {
        match self {
            Self::Pooled { .. } => None,
            Self::Level { level, .. } => level.parent_span(),
        }
    }
}

impl Level {
    /// Returns the span of this transaction, if it is to be the parent of what is done in it here.
    fn parent_span(&self) -> Option<Span> {
        self.state.lock().span.as_ref()?.parent()
    }

    /// Returns the span of a transaction about to begin on this level, if anything observes it.
    pub(in crate::session) fn transaction_span(&self, caller: Caller) -> Option<Box<TransactionSpan>> {
        let peer = &self.engine.pool.telemetry().peer;
        let savepoint = matches!(self.kind, LevelKind::Transaction { .. });
        TransactionSpan::open(peer, savepoint, caller.place, || self.parent_span())
    }

    /// Returns the span of this transaction, to run a closure in.
    pub(crate) fn span(&self) -> Span {
        let state = self.state.lock();
        state.span.as_ref().map_or_else(Span::none, |open| open.span.clone())
    }

    /// Closes the span of a transaction that has ended.
    pub(in crate::session) fn close_span(&self) {
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
