//! The duration of measurements.

use std::time::Duration;

/// The time limits of a case.
#[derive(Debug)]
pub(crate) struct Effort {
    quick: bool,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick }
    }

    /// Returns whether the figures are worth a verdict.
    pub(crate) fn verdicts(&self) -> bool {
        !self.quick
    }

    /// Returns the duration of one contender's turn.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 12 })
    }

    /// Returns the total duration of a case.
    pub(crate) fn case(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 3_500 })
    }

    /// Returns the fewest rounds of a case.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 11 }
    }
}
