//! Idle connections.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::Turn;
use super::runtime_key::RuntimeKey;
use crate::backend::{Position, RawConnection};

/// An idle connection. It is passed on in its box.
pub(super) struct Idle {
    pub(super) raw: Box<dyn RawConnection>,
    pub(super) runtime_key: RuntimeKey,
    /// `true` while the runtime that its socket belongs to runs.
    pub(super) lives: Arc<AtomicBool>,
    /// Time after which it is too old to be used again.
    pub(super) expires: Option<Instant>,
    pub(super) since: Instant,
    /// The position of a replica when it was last asked over this connection.
    pub(super) reached: Option<Box<Position>>,
    /// The turn to write, until the transaction or statement that has it ends. (Here and not with the lease, for which
    /// every future of a statement reserves room.)
    pub(super) turn: Option<Turn>,
    /// Time at which the request under way was sent, with the setting `slow_statement`. (Here for the same reason.)
    pub(super) sent: Option<Instant>,
}

impl Idle {
    pub(super) fn new(
        raw: Box<dyn RawConnection>,
        runtime_key: RuntimeKey,
        lives: Arc<AtomicBool>,
        lifetime: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            raw,
            runtime_key,
            lives,
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            since: now,
            reached: None,
            turn: None,
            sent: None,
        }
    }

    /// Returns it with another form of its connection.
    pub(super) fn change(self, change: impl FnOnce(Box<dyn RawConnection>) -> Box<dyn RawConnection>) -> Self {
        let raw = change(self.raw);
        Self { raw, ..self }
    }

    pub(super) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|when| now > when)
    }
}
