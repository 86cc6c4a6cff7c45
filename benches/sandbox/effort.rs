//! How long to measure.

use std::time::Duration;

/// How much time a case is given.
#[derive(Debug)]
pub(crate) struct Effort {
    quick: bool,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick }
    }

    /// Whether the figures are worth a verdict.
    pub(crate) fn verdicts(&self) -> bool {
        !self.quick
    }

    /// How long one contender runs before the next has its turn.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 12 })
    }

    /// How long a case lasts in all.
    pub(crate) fn case(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 3_500 })
    }

    /// The fewest rounds of a case.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 11 }
    }
}
