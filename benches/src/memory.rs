//! The memory of the process.

/// Returns the resident memory in kilobytes, if the system reports it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The growth of resident memory over the lifetime of this value.
#[derive(Debug)]
pub struct Growth {
    idle: Option<u64>,
    peak: u64,
}

impl Growth {
    /// Starts from the memory in use now.
    pub fn from_now() -> Self {
        Self {
            idle: resident(),
            peak: 0,
        }
    }

    /// Measures at one row of some thousands; measuring at every row would cost more than the row.
    pub fn row(&mut self, number: usize) {
        if number.is_multiple_of(4_096) {
            self.peak = self.peak.max(resident().unwrap_or(0));
        }
    }

    /// Returns the maximum growth in kilobytes.
    pub fn kilobytes(&self) -> u64 {
        self.idle.map_or(0, |idle| self.peak.saturating_sub(idle))
    }
}
