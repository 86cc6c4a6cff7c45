//! The last statements of a sandbox, for whoever wants to know what a test did.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::Error;
use crate::telemetry::Outcome;

/// A statement that ran in a sandbox. Its text has placeholders; values are never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// What was sent, or a remark that begins with `--`.
    pub sql: String,
    /// How long it took. Zero for a remark.
    pub took: Duration,
    /// What the server found fault with, why it was not sent, or that it was cancelled, so that nobody knows how it ended.
    pub error: Option<String>,
    /// Whether it ran outside of the sandbox, under `force_rollback(false)`: what it did stays.
    pub outside: bool,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        if !self.took.is_zero() {
            let outside = if self.outside { ", outside of the sandbox" } else { "" };
            write!(f, " ({:.1?}{outside})", self.took)?;
        }
        match &self.error {
            Some(error) => write!(f, " failed: {error}"),
            None => Ok(()),
        }
    }
}

/// Keeps the last statements, up to a number; none by default.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    limit: usize,
    entries: Mutex<VecDeque<Recorded>>,
    /// Whether something was sent outside of the sandbox; it outlives the entry that says so.
    left: AtomicBool,
}

/// What a ground writes its statements down with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen<'j> {
    journal: &'j Journal,
    /// Of the ground beside the sandbox, on which nothing is rolled back.
    outside: bool,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Mutex::default(),
            left: AtomicBool::new(false),
        }
    }

    /// What to write with, if anything is kept.
    pub(super) fn pen(&self, outside: bool) -> Option<Pen<'_>> {
        (self.limit > 0).then_some(Pen { journal: self, outside })
    }

    #[cfg(feature = "macros")]
    pub(super) fn clear(&self) {
        self.entries.lock().clear();
    }

    /// Whether something was sent outside of the sandbox, which then stays.
    #[cfg(feature = "macros")]
    pub(crate) fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// The oldest first.
    pub(crate) fn entries(&self) -> Vec<Recorded> {
        self.entries.lock().iter().cloned().collect()
    }
}

impl Pen<'_> {
    pub(super) fn entries(self) -> Vec<Recorded> {
        self.journal.entries()
    }

    /// A statement is about to be sent: even if nobody waits for its end, what it does may stay.
    pub(super) fn sends(self) {
        self.journal.left.fetch_or(self.outside, Ordering::Relaxed);
    }

    /// A statement that was sent.
    pub(super) fn add(self, sql: &str, took: Duration, outcome: Outcome<'_>) {
        let fault = match outcome {
            Outcome::Done => None,
            Outcome::Failed(error) => Some(error.message()),
            Outcome::Cancelled => Some("its call was dropped or ran out of time before the answer came"),
        };
        self.write(sql, took, fault);
    }

    /// A statement that was not sent.
    pub(super) fn refused(self, sql: &str, error: &Error) {
        self.write(sql, Duration::ZERO, Some(error.message()));
    }

    pub(super) fn note(self, remark: &str) {
        self.write(remark, Duration::ZERO, None);
    }

    fn write(self, sql: &str, took: Duration, fault: Option<&str>) {
        let mut entries = self.journal.entries.lock();
        if entries.len() == self.journal.limit {
            entries.pop_front();
        }
        entries.push_back(Recorded {
            sql: sql.to_owned(),
            took,
            error: fault.map(str::to_owned),
            outside: self.outside,
        });
    }
}
