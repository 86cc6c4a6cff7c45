//! What a failed test says beside its own words. It goes to the standard error the test harness keeps for each test.

use std::fmt::Write as _;

/// Prints what the test did, where, and what is left of it.
pub(super) fn failed(name: &str, place: &str, recorded: &[String], left: &str) {
    let mut text = format!("\n{name} failed in {place}\n");
    if !recorded.is_empty() {
        text += "the SQL it ran:\n";
    }
    for (number, statement) in recorded.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:>4}  {}", number + 1, statement.replace('\n', "\n      "));
    }
    eprintln!("{text}{left}");
}

/// Prints what should not be, although the test did not fail by it.
pub(super) fn warn(name: &str, what: &str) {
    eprintln!("\n{name}: {what}");
}

/// Fails the test with what keeps it from running.
#[track_caller]
#[allow(clippy::panic, reason = "this is how a test fails")]
pub(super) fn fail(name: &str, what: &dyn std::fmt::Display) -> ! {
    panic!("{name} cannot run: {what}")
}
