//! What a process says on its standard error: lines for the log, and the last ones for the message when it ends.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::target::redacted;

/// Number of lines that are kept.
const KEPT: usize = 20;
/// The longest line that is kept whole, in bytes.
const LONGEST: usize = 2_000;

/// The last lines of a process.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    secrets: Vec<String>,
    ended: bool,
}

impl LastLines {
    /// Notes what no line may show.
    pub(super) fn hide(&self, secrets: &[String]) {
        let known = &mut self.state.lock().secrets;
        for secret in secrets {
            if !known.contains(secret) {
                known.push(secret.clone());
            }
        }
    }

    /// Reads until the end.
    pub(super) fn read(&self, mut pipe: impl Read) {
        let (mut bytes, mut line) = ([0; 4096], Vec::new());
        loop {
            let count = match pipe.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            for byte in &bytes[..count] {
                if *byte == b'\n' || line.len() >= LONGEST {
                    self.add(&mut line);
                }
                if *byte != b'\n' {
                    line.push(*byte);
                }
            }
        }
        self.add(&mut line);
        self.state.lock().ended = true;
        self.ended.notify_all();
    }

    fn add(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            return;
        }
        let text = {
            let mut state = self.state.lock();
            let text = redacted(&state.secrets, &text);
            if state.lines.len() == KEPT {
                state.lines.pop_front();
            }
            state.lines.push_back(text.clone());
            text
        };
        tracing::debug!(target: "ebbtide::sidecar", "{text}");
    }

    /// Returns the last lines, each on a line of its own, after a short wait for the end.
    pub(super) fn last(&self, wait: Duration) -> String {
        let mut state = self.state.lock();
        if !state.ended {
            self.ended.wait_for(&mut state, wait);
        }
        state.lines.iter().fold(String::new(), |all, line| all + "\n  " + line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_the_last_lines_are_kept_without_secrets() {
        let lines = LastLines::default();
        lines.hide(&["hunter2".to_owned()]);
        let mut text: Vec<u8> = (0..30).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        text.extend(b"the password is hunter2");
        lines.read(&*text);
        let last = lines.last(Duration::ZERO);
        assert_eq!(last.lines().count(), KEPT + 1);
        assert!(last.ends_with("line 29\n  the password is ***"), "{last}");
        let long = LastLines::default();
        long.read(&*vec![b'x'; 3 * LONGEST]);
        assert!(long.last(Duration::ZERO).lines().all(|line| line.len() <= LONGEST + 2));
    }
}
