//! The state in its mutex. Whoever lets go of the lock tells the meter what has changed, so that the numbers are those of
//! the state and nobody has to think of them. The meter leads to code of others, which may ask the pool for its status, so
//! it is told after the lock is open.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::state::State;
use crate::telemetry::{Meter, Telemetry};

pub(super) struct Counted {
    state: Mutex<State>,
    telemetry: Arc<Telemetry>,
}

impl Counted {
    pub(super) fn new(state: State, telemetry: Arc<Telemetry>) -> Self {
        Self {
            state: Mutex::new(state),
            telemetry,
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked {
            state: self.state.lock(),
            changes: Changes {
                meter: &self.telemetry.meter,
                moved: (0, 0),
                released: None,
            },
        }
    }

    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
}

pub(super) struct Locked<'c> {
    state: MutexGuard<'c, State>,
    /// Behind the guard, because fields are dropped in their order.
    changes: Changes<'c>,
}

/// What has changed under the lock. It is told when this is dropped.
struct Changes<'c> {
    meter: &'c Meter,
    moved: (isize, isize),
    released: Option<Instant>,
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if Meter::MEASURES && self.changes.meter.measures() {
            self.changes.moved = self.state.moved();
            self.changes.released = self.state.released();
        }
    }
}

impl Drop for Changes<'_> {
    fn drop(&mut self) {
        if Meter::MEASURES {
            let (idle, used) = self.moved;
            self.meter.moved(idle, used);
            if let Some(since) = self.released {
                self.meter.used(since);
            }
        }
    }
}
