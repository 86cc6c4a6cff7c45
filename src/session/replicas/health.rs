//! The health of a replica: whether it can be used, and when one that could not is tried again. No I/O, and no clock
//! except the times it receives.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Maximum number of times that the pause doubles.
const DOUBLINGS: u32 = 6;

#[derive(Debug)]
pub(super) struct Health {
    /// The pause after the first failure.
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Up,
    Down {
        until: Instant,
        failures: u32,
        /// Set while a caller tries it.
        trying: bool,
    },
}

/// The permitted use of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Yes,
    No,
    /// It was left alone for long enough. The caller that receives this tries it and reports the result.
    Try,
}

impl Health {
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            state: Mutex::new(State::Up),
        }
    }

    pub(super) fn usable(&self, now: Instant) -> Use {
        match &mut *self.state.lock() {
            State::Up => Use::Yes,
            State::Down { until, trying, .. } if now >= *until && !*trying => {
                *trying = true;
                Use::Try
            }
            State::Down { .. } => Use::No,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.lock(), State::Up)
    }

    /// Notes that it could not be used. Returns whether that is news.
    pub(super) fn failed(&self, now: Instant) -> bool {
        self.state.lock().fail(now, self.pause)
    }

    /// Notes that the caller that tried it gave up without a result.
    pub(super) fn given_up(&self, now: Instant) {
        let mut state = self.state.lock();
        if matches!(*state, State::Down { trying: true, .. }) {
            state.fail(now, self.pause);
        }
    }

    /// Notes that it could be used. Returns whether that is news.
    pub(super) fn works(&self) -> bool {
        !matches!(std::mem::replace(&mut *self.state.lock(), State::Up), State::Up)
    }
}

impl State {
    fn fail(&mut self, now: Instant, pause: Duration) -> bool {
        let failures = match *self {
            Self::Up => 0,
            // Other callers had begun to use it before that was known.
            Self::Down { trying: false, .. } => return false,
            Self::Down { failures, .. } => failures,
        };
        *self = Self::Down {
            until: now + pause.saturating_mul(1 << failures.min(DOUBLINGS)),
            failures: failures + 1,
            trying: false,
        };
        failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    #[test]
    fn r6_a_replica_that_failed_is_tried_by_one_after_a_pause() {
        let (health, now) = (Health::new(PAUSE), Instant::now());
        assert_eq!(health.usable(now), Use::Yes);
        assert!(health.failed(now));
        assert!(!health.failed(now), "it is known by then");
        assert_eq!(health.usable(now), Use::No);
        assert_eq!(health.usable(now + PAUSE), Use::Try);
        assert_eq!(health.usable(now + PAUSE), Use::No, "one tries it");
        assert!(health.works());
        assert!(!health.works());
        assert_eq!(health.usable(now), Use::Yes);
    }

    #[test]
    fn r6_the_pause_doubles_up_to_a_limit() {
        let (health, mut now) = (Health::new(PAUSE), Instant::now());
        health.given_up(now);
        assert!(health.is_up(), "nobody tried");
        health.failed(now);
        for doublings in [0, 1, 2, 3, 4, 5, 6, 6, 6] {
            let pause = PAUSE * (1 << doublings);
            assert_eq!(health.usable(now + pause / 2), Use::No, "{pause:?}");
            now += pause;
            assert_eq!(health.usable(now), Use::Try, "{pause:?}");
            if doublings % 2 == 0 {
                assert!(!health.failed(now), "that it is down is no news");
            } else {
                health.given_up(now);
            }
        }
    }
}
