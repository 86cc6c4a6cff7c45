//! A subscriber of `tracing` for one future.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::deaf::have_everyone_asked;

/// A span, with everything that was recorded in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    id: u64,
    parent: Option<u64>,
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) fields: BTreeMap<&'static str, String>,
    pub(crate) closed: bool,
}

impl Seen {
    /// Returns a field as text, `-` if it was not recorded.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("-", String::as_str)
    }
}

/// The recorded spans, in the order in which they were opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher(Arc<Mutex<(Vec<Seen>, Vec<Seen>)>>);

impl Watcher {
    /// Runs a future and records the spans and events in it.
    pub(crate) async fn watch<T>(&self, future: impl Future<Output = T>) -> T {
        have_everyone_asked();
        let subscriber = tracing_subscriber::registry().with(self.clone());
        future.with_subscriber(subscriber).await
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Seen>, &mut Vec<Seen>) -> T) -> T {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (spans, events) = &mut *seen;
        look(spans, events)
    }

    /// Returns the spans of one name.
    pub(crate) fn spans(&self, name: &str) -> Vec<Seen> {
        self.with(|spans, _| spans.iter().filter(|span| span.name == name).cloned().collect())
    }

    /// Returns the names of the statements, in their order.
    pub(crate) fn statements(&self) -> Vec<String> {
        let spans = self.spans("statement");
        spans.iter().map(|span| span.field("otel.name").to_owned()).collect()
    }

    /// Returns the statement whose name begins with `name`; there is one.
    pub(crate) fn statement(&self, name: &str) -> Seen {
        let mut found = self.spans("statement");
        found.retain(|span| span.field("otel.name").starts_with(name));
        assert_eq!(found.len(), 1, "{name} in {:?}", self.statements());
        found.remove(0)
    }

    /// Returns the span around another.
    pub(crate) fn parent(&self, of: &Seen) -> Option<Seen> {
        let parent = of.parent?;
        self.with(|spans, _| spans.iter().find(|span| span.id == parent).cloned())
    }

    /// Returns the events of one target.
    pub(crate) fn events(&self, target: &str) -> Vec<Seen> {
        self.with(|_, events| events.iter().filter(|event| event.target == target).cloned().collect())
    }

    /// Returns whether the spans of this name have ended. SQLite's thread may hold the span of a statement for a moment
    /// longer; if that is the last handle, the end of the enclosing span is not reported.
    pub(crate) fn ended(&self, name: &str) -> bool {
        self.spans(name).iter().all(|span| span.closed)
    }

    /// Returns everything that was recorded.
    pub(crate) fn everything(&self) -> String {
        self.with(|spans, events| format!("{spans:?} {events:?}"))
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = self.0.entry(field.name()).or_default();
        text.clear();
        write!(text, "{value:?}").unwrap();
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Watcher {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            id: id.into_u64(),
            parent: context.span(id).and_then(|span| Some(span.parent()?.id().into_u64())),
            name: attributes.metadata().name(),
            target: attributes.metadata().target(),
            ..Seen::default()
        };
        attributes.record(&mut Fields(&mut seen.fields));
        self.with(|spans, _| spans.push(seen));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.with(|spans, _| {
            // Ids are reused; the last one is the one that is open.
            if let Some(span) = spans.iter_mut().rfind(|span| span.id == id.into_u64()) {
                values.record(&mut Fields(&mut span.fields));
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut seen = Seen {
            parent: context.event_span(event).map(|span| span.id().into_u64()),
            name: event.metadata().name(),
            target: event.metadata().target(),
            ..Seen::default()
        };
        event.record(&mut Fields(&mut seen.fields));
        self.with(|_, events| events.push(seen));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.with(|spans, _| {
            if let Some(span) = spans.iter_mut().rfind(|span| span.id == id.into_u64()) {
                span.closed = true;
            }
        });
    }
}
