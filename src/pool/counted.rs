//! The state in its mutex. Releasing the lock reports the changes to the meter, so that the numbers always match the
//! state and no other code has to report them. The meter calls foreign code, which may query the pool's status, so the
//! report comes after the lock is released.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::state::PoolState;
use crate::telemetry::{Meter, Telemetry};

pub(super) struct MeteredState {
    state: Mutex<PoolState>,
    telemetry: Arc<Telemetry>,
}

impl MeteredState {
    pub(super) fn new(state: PoolState, telemetry: Arc<Telemetry>) -> Self {
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
    state: MutexGuard<'c, PoolState>,
    /// After the guard, because fields are dropped in their order.
    changes: Changes<'c>,
}

/// The changes under the lock, which are reported when this is dropped.
struct Changes<'c> {
    meter: &'c Meter,
    moved: (isize, isize),
    released: Option<Instant>,
}

impl Deref for Locked<'_> {
    type Target = PoolState;

    fn deref(&self) -> &PoolState {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut PoolState {
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
