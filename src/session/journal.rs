//! The last statements of a sandbox, for whoever wants to know what a test did.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::Error;

/// A statement that ran in a sandbox. Its text has placeholders; values are never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// What was sent, or a remark that begins with `--`.
    pub sql: String,
    /// How long it took. Zero for a remark.
    pub took: Duration,
    /// What the server found fault with.
    pub error: Option<String>,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)?;
        if !self.took.is_zero() {
            write!(f, " ({:.1?})", self.took)?;
        }
        match &self.error {
            Some(error) => write!(f, " failed: {error}"),
            None => Ok(()),
        }
    }
}

/// Keeps the last statements, up to a number.
#[derive(Debug)]
pub(crate) struct Journal {
    limit: usize,
    entries: Mutex<VecDeque<Recorded>>,
}

impl Journal {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Mutex::default(),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.limit > 0
    }

    pub(super) fn add(&self, sql: &str, took: Duration, error: Option<&Error>) {
        if self.is_kept() {
            let mut entries = self.entries.lock();
            if entries.len() == self.limit {
                entries.pop_front();
            }
            entries.push_back(Recorded {
                sql: sql.to_owned(),
                took,
                error: error.map(|error| error.message().to_owned()),
            });
        }
    }

    #[cfg(feature = "macros")]
    pub(super) fn clear(&self) {
        self.entries.lock().clear();
    }

    pub(super) fn note(&self, remark: &str) {
        self.add(remark, Duration::ZERO, None);
    }

    pub(crate) fn entries(&self) -> Vec<Recorded> {
        self.entries.lock().iter().cloned().collect()
    }
}
