//! A test in a separate process, in which no other test uses memory. Linux reports the memory.

use std::process::Command;

use super::Test;

/// Set in the separate process in which memory is measured.
const ALONE: &str = "EBBTIDE_TEST_ALONE";

/// Returns the resident memory of this process, in kilobytes.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs this one test again in a separate process, in which no other test uses memory. Returns whether this is that
/// process.
pub(crate) fn alone(t: &Test) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", t.name()])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    false
}
