//! Telemetry: spans and events of `tracing`, metrics of `metrics`, with OpenTelemetry's names. No I/O.
//!
//! Nothing is created as long as there is no subscriber; that check reads one static for each statement.

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
pub(crate) use span::{About, TransactionSpan, answered, cancelled, fail, log, statements_are_watched, warn_of_slow};

/// The telemetry of a pool and its statements.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) peer: Peer,
    pub(crate) meter: Meter,
}

impl Telemetry {
    /// Creates the telemetry for the pool of the application.
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let peer = Peer::of(config);
        Arc::new(Self {
            meter: Meter::of(&peer, config.settings()),
            peer,
        })
    }

    /// Creates the telemetry for additional pools, which are not counted.
    pub(crate) fn unmetered(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            peer: Peer::of(config),
            meter: Meter::none(),
        })
    }
}
