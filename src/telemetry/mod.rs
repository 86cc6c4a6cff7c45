//! What is told to those who watch: spans and events of `tracing`, numbers of `metrics`, in OpenTelemetry's names. No I/O.
//!
//! Nothing is made as long as nobody listens; that is one look at a static for each statement.

#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "unmetered.rs"]
mod meter;
#[cfg(feature = "metrics")]
mod operation;
mod outcome;
mod peer;
mod shown;
mod span;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::Config;

pub(crate) use meter::Meter;
pub(crate) use outcome::Outcome;
pub(crate) use peer::Peer;
pub(crate) use shown::{said, values};
pub(crate) use span::{About, TransactionSpan, answered, cancelled, fail, log, statements_are_watched};

/// What a pool and its statements tell of themselves.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) peer: Peer,
    pub(crate) meter: Meter,
}

impl Telemetry {
    /// For the pool of the application.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let peer = Peer::of(config);
        Arc::new(Self {
            meter: Meter::of(&peer, config.settings()),
            peer,
        })
    }

    /// For pools beside it, which are not counted.
    pub(crate) fn unmetered(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            peer: Peer::of(config),
            meter: Meter::none(),
        })
    }
}
