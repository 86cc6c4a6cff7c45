//! What the sandboxes of a database know of its definitions.

use std::sync::atomic::{AtomicU8, Ordering};

use super::writing_names::WritingNames;

/// Knowledge about a database that its sandboxes share: whether some of its constraints are only checked at a commit,
/// and which names write when they are read.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    constraints: AtomicU8,
    pub(super) writing: WritingNames,
}

impl Deferred {
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;

    /// Returns whether there are such constraints, if that is known.
    pub(crate) fn get(&self) -> Option<bool> {
        match self.constraints.load(Ordering::Relaxed) {
            0 => None,
            known => Some(known == Self::PRESENT),
        }
    }

    pub(crate) fn set(&self, present: bool) {
        self.constraints
            .store(if present { Self::PRESENT } else { Self::ABSENT }, Ordering::Relaxed);
    }

    /// Notes that views, functions and their like may have been defined outside of sandboxes.
    pub(crate) fn code_defined(&self) {
        self.writing.change();
    }
}
