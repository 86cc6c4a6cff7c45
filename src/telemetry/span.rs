//! The spans and events. No span is held entered across an await.

use std::borrow::Cow;
use std::panic::Location;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Level, Span, debug_span, event, span_enabled, warn};

use super::outcome::error_type;
use super::{Outcome, Peer, said};
use crate::error::Error;
use crate::sql::excerpt;

const STATEMENT: &str = "ebbtide::statement";
const TRANSACTION: &str = "ebbtide::transaction";
const POOL: &str = "ebbtide::pool";
/// The target of the events at the end of each operation.
const LOG: &str = "ebbtide::log";

/// The target of the warnings about slow statements.
const SLOW: &str = "ebbtide::slow";

/// Returns whether anybody listens for transactions.
fn transactions_are_watched() -> bool {
    span_enabled!(target: TRANSACTION, Level::DEBUG) || tracing::event_enabled!(target: LOG, Level::DEBUG)
}

/// Returns whether anybody listens for statements.
pub(crate) fn statements_are_watched() -> bool {
    span_enabled!(target: STATEMENT, Level::DEBUG) || tracing::event_enabled!(target: LOG, Level::DEBUG)
}

/// The attributes of a statement's span at its beginning.
pub(crate) struct About<'a> {
    /// The name of the span.
    pub(crate) summary: Cow<'a, str>,
    pub(crate) operation: Option<Cow<'a, str>>,
    pub(crate) text: Option<&'a str>,
    pub(crate) batch: Option<usize>,
    /// The values, if they were requested.
    pub(crate) values: Option<String>,
    pub(crate) caller: Option<&'static Location<'static>>,
}

impl Peer {
    /// Creates the span of a statement on its way to the server.
    pub(crate) fn statement(&self, about: &About<'_>) -> Span {
        debug_span!(
            target: STATEMENT,
            "statement",
            "otel.name" = &*about.summary,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "db.system.name" = self.system,
            "db.namespace" = self.namespace.as_deref(),
            "db.operation.name" = about.operation.as_deref(),
            "db.operation.batch.size" = about.batch,
            "db.query.summary" = &*about.summary,
            "db.query.text" = about.text,
            "db.response.returned_rows" = Empty,
            "db.response.status_code" = Empty,
            "error.type" = Empty,
            "server.address" = self.address.as_deref(),
            "server.port" = self.port,
            "ebbtide.caller" = about.caller.map(display),
            "ebbtide.parameters" = about.values.as_deref(),
            "ebbtide.rows_affected" = Empty,
        )
    }

    /// Creates the span of a connection that is being opened.
    pub(crate) fn connecting(&self) -> Span {
        debug_span!(
            target: POOL,
            "connect",
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "db.system.name" = self.system,
            "db.namespace" = self.namespace.as_deref(),
            "db.response.status_code" = Empty,
            "error.type" = Empty,
            "server.address" = self.address.as_deref(),
            "server.port" = self.port,
            "db.client.connection.pool.name" = &*self.pool,
        )
    }

    /// Creates the span of a caller that waits until a connection is opened or given back.
    pub(crate) fn acquiring(&self, caller: &'static Location<'static>) -> Span {
        debug_span!(
            target: POOL,
            "acquire",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "db.system.name" = self.system,
            "db.namespace" = self.namespace.as_deref(),
            "error.type" = Empty,
            "db.client.connection.pool.name" = &*self.pool,
            "ebbtide.caller" = display(caller),
        )
    }
}

/// An open transaction or savepoint.
#[derive(Debug)]
pub(crate) struct TransactionSpan {
    pub(crate) span: Span,
    /// The span in which it was begun.
    around: Option<tracing::Id>,
    begun: std::time::Instant,
    savepoint: bool,
}

impl TransactionSpan {
    /// Opens the span of a transaction begun now, inside `around` if there is one; `None` if there is no subscriber.
    pub(crate) fn open(
        peer: &Peer,
        savepoint: bool,
        caller: &'static Location<'static>,
        around: impl FnOnce() -> Option<Span>,
    ) -> Option<Box<Self>> {
        if !transactions_are_watched() {
            return None;
        }
        let open = || Self::begin(peer, savepoint, caller);
        Some(Box::new(match around() {
            Some(around) => around.in_scope(open),
            None => open(),
        }))
    }

    fn begin(peer: &Peer, savepoint: bool, caller: &'static Location<'static>) -> Self {
        let span = debug_span!(
            target: TRANSACTION,
            "transaction",
            "otel.name" = if savepoint { "savepoint" } else { "transaction" },
            "db.system.name" = peer.system,
            "db.namespace" = peer.namespace.as_deref(),
            "server.address" = peer.address.as_deref(),
            "server.port" = peer.port,
            "ebbtide.caller" = display(caller),
            "ebbtide.savepoint" = savepoint,
            "ebbtide.outcome" = Empty,
        );
        Self {
            around: Span::current().id(),
            span,
            begun: std::time::Instant::now(),
            savepoint,
        }
    }

    /// Returns the parent of what the caller does in the transaction. That is the transaction itself, unless the caller
    /// is in another span than the one it was begun in. `tracing` does not report whether that span was opened before
    /// or since.
    pub(crate) fn parent(&self) -> Option<Span> {
        let here = Span::current().id();
        (here.is_none() || here == self.around).then(|| self.span.clone())
    }

    /// Ends the span with its outcome.
    pub(crate) fn end(self, outcome: &'static str) {
        self.span.record("ebbtide.outcome", outcome);
        let what = if self.savepoint { "savepoint" } else { "transaction" };
        self.span
            .in_scope(|| log(&format!("{what} {outcome}"), self.begun.elapsed(), None, Outcome::Done));
    }
}

/// Records in a span that its operation has failed.
pub(crate) fn fail(span: &Span, error: &Error, values_too: bool) {
    if span.is_disabled() {
        return;
    }
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", &*said(error, values_too));
    if let Some(code) = error.finest_code() {
        span.record("db.response.status_code", &*code);
    }
    span.record("error.type", &*error_type(error));
}

/// Records in a span that the end was not awaited.
pub(crate) fn cancelled(span: &Span) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", Outcome::Cancelled.class().as_deref());
}

/// Records in the span of a statement how many rows it returned, and how many it affected.
pub(crate) fn answered(span: &Span, rows: Option<u64>, affected: Option<u64>) {
    if let Some(rows) = rows {
        span.record("db.response.returned_rows", rows);
    }
    if let Some(affected) = affected {
        span.record("ebbtide.rows_affected", affected);
    }
}

/// Emits the event at the end of an operation.
pub(crate) fn log(what: &str, took: Duration, rows: Option<u64>, outcome: Outcome<'_>) {
    let kind = outcome.class();
    event!(
        target: LOG,
        Level::DEBUG,
        duration = took.as_secs_f64(),
        rows,
        "error.type" = kind.as_deref(),
        "{what}"
    );
}

/// Warns of a statement that took longer than `limit`. The text has no values.
pub(crate) fn warn_of_slow(text: &str, took: Duration, limit: Duration, caller: &'static Location<'static>) {
    warn!(
        target: SLOW,
        duration = took.as_secs_f64(),
        "db.query.text" = text,
        "ebbtide.caller" = display(caller),
        "slow statement: {took:.1?} is longer than `slow_statement` ({limit:?}), at {caller}: {}",
        excerpt(text)
    );
}
