//! A connection at rest.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::Turn;
use super::state::Home;
use crate::backend::{Position, RawConnection};

/// A connection at rest. It is passed from hand to hand in its box.
pub(super) struct Idle {
    pub(super) raw: Box<dyn RawConnection>,
    pub(super) home: Home,
    /// Whether the runtime its socket belongs to still runs.
    pub(super) lives: Arc<AtomicBool>,
    /// When it is too old to be used again.
    pub(super) expires: Option<Instant>,
    pub(super) since: Instant,
    /// Of a replica: how far it was when it was last asked over this connection.
    pub(super) reached: Option<Box<Position>>,
    /// The turn to write, for as long as a transaction or a statement that has it is not at its end. (Here and not with the
    /// lease, which every future of a statement has room for.)
    pub(super) turn: Option<Turn>,
}

impl Idle {
    pub(super) fn new(
        raw: Box<dyn RawConnection>,
        home: Home,
        lives: Arc<AtomicBool>,
        lifetime: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            raw,
            home,
            lives,
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            since: now,
            reached: None,
            turn: None,
        }
    }

    pub(super) fn expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|when| now > when)
    }
}
