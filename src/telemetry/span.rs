//! The spans and events. None of them is held entered across an await.

use std::borrow::Cow;
use std::panic::Location;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Level, Span, debug_span, event, span_enabled};

use super::{Outcome, Peer, said};
use crate::error::{Error, ErrorKind};

const STATEMENT: &str = "ebbtide::statement";
const TRANSACTION: &str = "ebbtide::transaction";
const POOL: &str = "ebbtide::pool";
/// The events at the end of everything.
const LOG: &str = "ebbtide::log";

/// Whether anybody wants to hear of transactions.
fn transactions_are_watched() -> bool {
    span_enabled!(target: TRANSACTION, Level::DEBUG) || tracing::event_enabled!(target: LOG, Level::DEBUG)
}

/// Whether anybody wants to hear of statements.
pub(crate) fn statements_are_watched() -> bool {
    span_enabled!(target: STATEMENT, Level::DEBUG) || tracing::event_enabled!(target: LOG, Level::DEBUG)
}

/// What a span of a statement tells at its beginning.
pub(crate) struct About<'a> {
    /// The name of the span.
    pub(crate) summary: Cow<'a, str>,
    pub(crate) operation: Option<Cow<'a, str>>,
    pub(crate) text: Option<&'a str>,
    pub(crate) batch: Option<usize>,
    /// The values, if they were asked for.
    pub(crate) values: Option<String>,
    pub(crate) caller: Option<&'static Location<'static>>,
}

impl Peer {
    /// A statement on its way to the server.
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

    /// A connection being opened.
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

    /// Someone who has to wait until a connection is opened or given back.
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

/// A transaction or savepoint that is open.
#[derive(Debug)]
pub(crate) struct TransactionSpan {
    pub(crate) span: Span,
    /// The span in which it was begun.
    around: Option<tracing::Id>,
    begun: std::time::Instant,
    savepoint: bool,
}

impl TransactionSpan {
    /// For a transaction begun now, in that `around` it if there is one; `None` if nobody wants to hear of it.
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

    /// The parent of what is done in the transaction here: the transaction itself, unless the caller is in another span
    /// than the one it was begun in. Whether that was opened before or since, `tracing` does not tell.
    pub(crate) fn parent(&self) -> Option<Span> {
        let here = Span::current().id();
        (here.is_none() || here == self.around).then(|| self.span.clone())
    }

    /// It has ended.
    pub(crate) fn end(self, outcome: &'static str) {
        self.span.record("ebbtide.outcome", outcome);
        let what = if self.savepoint { "savepoint" } else { "transaction" };
        self.span
            .in_scope(|| log(&format!("{what} {outcome}"), self.begun.elapsed(), None, Outcome::Done));
    }
}

/// Notes in a span that what it stands for has failed.
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

/// Notes in a span that nobody waited for the end.
pub(crate) fn cancelled(span: &Span) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", Outcome::Cancelled.class().as_deref());
}

/// Notes in the span of a statement how many rows it brought, and how many it touched.
pub(crate) fn answered(span: &Span, rows: Option<u64>, affected: Option<u64>) {
    if let Some(rows) = rows {
        span.record("db.response.returned_rows", rows);
    }
    if let Some(affected) = affected {
        span.record("ebbtide.rows_affected", affected);
    }
}

/// The class of an error: the server's code, else the kind.
pub(super) fn error_type(error: &Error) -> Cow<'_, str> {
    error.finest_code().unwrap_or_else(|| kind(error.kind()).into())
}

/// The name of a kind in the manner of the conventions: `connection_lost`.
fn kind(kind: ErrorKind) -> String {
    let mut out = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The event at the end of something.
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
