//! How much memory the process has.

/// Resident memory in kilobytes, where the system tells it.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The growth of resident memory over the time this lives.
#[derive(Debug)]
pub(crate) struct Growth {
    idle: Option<u64>,
    peak: u64,
}

impl Growth {
    pub(crate) fn from_now() -> Self {
        Self {
            idle: resident(),
            peak: 0,
        }
    }

    /// Looks now and then; looking at every row would cost more than the row.
    pub(crate) fn row(&mut self, number: usize) {
        if number.is_multiple_of(4_096) {
            self.peak = self.peak.max(resident().unwrap_or(0));
        }
    }

    /// Megabytes above the beginning, at the highest.
    pub(crate) fn megabytes(&self) -> Option<f64> {
        self.idle.map(|idle| self.peak.saturating_sub(idle) as f64 / 1024.0)
    }
}
