//! Warnings about slow statements.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::run::BoundStatement;
use crate::pool::Lease;
use crate::session::engine::Engine;
use crate::telemetry::warn_of_slow;

impl Engine {
    /// Notes that a request is about to be sent on a connection, if slow ones are reported.
    pub(in crate::session) fn sends(&self, lease: &mut Lease) {
        if self.settings.slow_statement.is_some() {
            lease.note_sent();
        }
    }

    /// Reports the request that was sent on a connection, if its answer took long.
    pub(in crate::session) fn was_answered(
        &self,
        lease: Option<&mut Lease>,
        what: &str,
        place: &'static Location<'static>,
    ) {
        if let Some((took, limit)) = self.too_long(lease) {
            warn_of_slow(what, took, limit, place);
        }
    }

    /// Does the same for a statement.
    pub(super) fn ran(&self, lease: Option<&mut Lease>, work: &BoundStatement) {
        if let Some((took, limit)) = self.too_long(lease) {
            warn_of_slow(
                work.template.without_values(&work.bound),
                took,
                limit,
                work.caller.place,
            );
        }
    }

    /// Returns the time that an answer took and the limit, if it took longer than that.
    fn too_long(&self, lease: Option<&mut Lease>) -> Option<(Duration, Duration)> {
        let limit = self.settings.slow_statement?;
        let took = lease?.take_sent()?;
        (took >= limit).then_some((took, limit))
    }
}

/// The wait for the first row of a stream. The time after that is that of its reader. Dropped, it reports a long wait.
pub(super) struct FirstRowWait<'w> {
    engine: &'w Engine,
    work: &'w BoundStatement,
    sent: Option<Instant>,
}

impl<'w> FirstRowWait<'w> {
    pub(super) fn new(engine: &'w Engine, work: &'w BoundStatement) -> Self {
        let sent = engine.settings.slow_statement.map(|_| Instant::now());
        Self { engine, work, sent }
    }

    /// Ends the wait: the row has come, or the end.
    pub(super) fn came(&mut self) {
        let (Some(sent), Some(limit)) = (self.sent.take(), self.engine.settings.slow_statement) else {
            return;
        };
        let took = sent.elapsed();
        if took >= limit {
            let text = self.work.template.without_values(&self.work.bound);
            warn_of_slow(text, took, limit, self.work.caller.place);
        }
    }
}

impl Drop for FirstRowWait<'_> {
    fn drop(&mut self) {
        self.came();
    }
}
