//! The report of a failed test, in addition to its own output. It goes to standard error, which the test harness
//! captures for each test.

use std::fmt::Write as _;

/// Prints the statements of the test, where it ran, and what is left of it.
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

/// Returns advice about deadlocks, the only way in which tests in sandboxes disturb each other.
fn advice(recorded: &[String]) -> &'static str {
    let fault = |statement: &String| statement.contains("failed: ") && statement.to_lowercase().contains("deadlock");
    if recorded.iter().any(fault) {
        return "tests that write the same unique keys at once wait for each other, and MySQL aborts one of them: give \
                each its own values, or use the strategy `clone`\n";
    }
    ""
}

/// Prints a problem that does not fail the test.
pub(super) fn warn(name: &str, what: &str) {
    eprintln!("\n{name}: {what}");
}

/// Fails the test with the reason why it cannot run.
#[track_caller]
#[allow(clippy::panic, reason = "this is how a test fails")]
pub(super) fn fail(name: &str, what: &dyn std::fmt::Display) -> ! {
    panic!("{name} cannot run: {what}")
}
