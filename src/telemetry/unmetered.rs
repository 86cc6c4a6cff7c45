//! A substitute for the metrics without the feature `metrics`: nothing is counted, and no time is taken.

use std::time::{Duration, Instant};

use super::{Outcome, Peer};
use crate::config::Settings;

#[derive(Debug)]
pub(crate) struct Meter;

/// A caller that waits.
pub(crate) struct Pending;

#[expect(clippy::unused_self, reason = "it has the face of the one that counts")]
impl Meter {
    pub(crate) const MEASURES: bool = false;

    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn of(_peer: &Peer, _settings: &Settings) -> Self {
        Self
    }

    pub(crate) fn measures(&self) -> bool {
        false
    }

    pub(crate) fn clock(&self) -> Option<Instant> {
        None
    }

    pub(crate) fn moved(&self, _idle: isize, _used: isize) {}

    pub(crate) fn used(&self, _since: Instant) {}

    pub(crate) fn waited(&self, _since: Option<Instant>) {}

    pub(crate) fn created(&self, _since: Option<Instant>) {}

    pub(crate) fn timed_out(&self) {}

    pub(crate) fn pending(&self) -> Pending {
        Pending
    }

    pub(crate) fn operation(&self, _name: Option<&str>, _took: Duration, _outcome: Outcome<'_>) {}
}
