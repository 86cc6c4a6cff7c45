//! How long to measure.

use std::time::Duration;

/// How much time a case is given.
#[derive(Debug)]
pub(crate) struct Effort {
    quick: bool,
    /// Only what has one of these words in its name; without any, everything.
    words: Vec<String>,
}

impl Effort {
    /// `cargo bench` passes `--bench`; `cargo test` does not, and then only a few calls are tried.
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let given = |name: &str| arguments.iter().any(|argument| argument == name);
        Self {
            quick: given("--quick") || given("--test") || !given("--bench"),
            words: arguments
                .iter()
                .filter(|argument| !argument.starts_with('-'))
                .cloned()
                .collect(),
        }
    }

    /// Whether a case is to run: `cargo bench -- point rows` chooses.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| case.contains(word))
    }

    /// Whether the figures are worth a verdict.
    pub(crate) fn verdicts(&self) -> bool {
        !self.quick
    }

    /// How long one contender runs before the next has its turn.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 12 })
    }

    /// How long nobody runs before the next turn.
    pub(crate) fn rest(&self) -> Duration {
        self.turn() / 12
    }

    /// How long a case lasts in all.
    pub(crate) fn case(&self) -> Duration {
        Duration::from_millis(if self.quick { 0 } else { 3_500 })
    }

    /// The fewest rounds of a case.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 11 }
    }

    /// How many rows are streamed: the records of the table, so many times.
    pub(crate) fn stream_factor(&self) -> i64 {
        if self.quick { 1 } else { 100 }
    }
}
