//! The state in its mutex. Whoever lets go of the lock tells the meter what has changed, so that the numbers are those of
//! the state and nobody has to think of them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

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
            meter: &self.telemetry.meter,
        }
    }

    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
}

pub(super) struct Locked<'c> {
    state: MutexGuard<'c, State>,
    meter: &'c Meter,
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
        if Meter::MEASURES && self.meter.measures() {
            let (idle, used) = self.state.moved();
            self.meter.moved(idle, used);
            if let Some(since) = self.state.released() {
                self.meter.used(since);
            }
        }
    }
}
