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
    eprintln!("{text}{}{left}", advice(recorded));
}

/// What to do against the one thing that tests in sandboxes do to each other.
fn advice(recorded: &[String]) -> &'static str {
    let fault = |statement: &String| statement.contains("failed: ") && statement.to_lowercase().contains("deadlock");
    if recorded.iter().any(fault) {
        return "tests that write the same unique keys at once wait for each other, and MySQL ends one of them: \
                give each its own values, or the strategy `clone`\n";
    }
    ""
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
