//! The last statements of a sandbox, which show what a test did.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::Error;
use crate::telemetry::Outcome;

/// A statement that ran in a sandbox. Its text has placeholders; values are never kept.
#[doc(alias = "Recorded")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedStatement {
    /// The text that was sent, or a remark that begins with `--`.
    pub sql: String,
    /// Duration of the statement. Zero for a remark.
    pub took: Duration,
    /// The error of the server, the reason why it was not sent, or a note that it was cancelled and its outcome is
    /// unknown.
    pub error: Option<String>,
    /// `true` if it ran outside of the sandbox, under `force_rollback(false)`: what it did stays.
    pub outside: bool,
}

impl fmt::Display for RecordedStatement {
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

/// A log of the last statements, up to a number; none by default.
#[derive(Debug, Default)]
pub(crate) struct StatementLog {
    limit: usize,
    entries: Mutex<VecDeque<RecordedStatement>>,
    /// Set once something was sent outside of the sandbox; it outlives the entry that says so.
    left: AtomicBool,
}

/// The means by which an engine writes its statements down.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct LogWriter<'j> {
    statement_log: &'j StatementLog,
    /// `true` for the engine next to the sandbox, on which nothing is rolled back.
    outside: bool,
}

impl StatementLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Mutex::default(),
            left: AtomicBool::new(false),
        }
    }

    /// Returns the writer, if anything is kept.
    pub(in crate::session) fn log_writer(&self, outside: bool) -> Option<LogWriter<'_>> {
        (self.limit > 0).then_some(LogWriter {
            statement_log: self,
            outside,
        })
    }

    #[cfg(feature = "macros")]
    pub(in crate::session) fn clear(&self) {
        self.entries.lock().clear();
    }

    /// Returns whether something was sent outside of the sandbox, which then stays.
    #[cfg(feature = "macros")]
    pub(crate) fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Returns the entries, the oldest first.
    pub(crate) fn entries(&self) -> Vec<RecordedStatement> {
        self.entries.lock().iter().cloned().collect()
    }
}

impl LogWriter<'_> {
    pub(in crate::session) fn entries(self) -> Vec<RecordedStatement> {
        self.statement_log.entries()
    }

    /// Notes that a statement is about to be sent: its effects may stay even if no caller waits for its end.
    pub(in crate::session) fn sends(self) {
        self.statement_log.left.fetch_or(self.outside, Ordering::Relaxed);
    }

    /// Adds a statement that was sent.
    pub(in crate::session) fn add(self, sql: &str, took: Duration, outcome: Outcome<'_>) {
        let fault = match outcome {
            Outcome::Done => None,
            Outcome::Failed(error) => Some(error.message()),
            Outcome::Cancelled => Some("its call was dropped or ran out of time before the answer came"),
        };
        self.write(sql, took, fault);
    }

    /// Adds a statement that was not sent.
    pub(in crate::session) fn refused(self, sql: &str, error: &Error) {
        self.write(sql, Duration::ZERO, Some(error.message()));
    }

    pub(in crate::session) fn note(self, remark: &str) {
        self.write(remark, Duration::ZERO, None);
    }

    fn write(self, sql: &str, took: Duration, fault: Option<&str>) {
        let mut entries = self.statement_log.entries.lock();
        if entries.len() == self.statement_log.limit {
            entries.pop_front();
        }
        entries.push_back(RecordedStatement {
            sql: sql.to_owned(),
            took,
            error: fault.map(str::to_owned),
            outside: self.outside,
        });
    }
}
