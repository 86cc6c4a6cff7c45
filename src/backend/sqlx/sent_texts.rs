//! The texts that were sent on a connection, for poolers.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// The most texts that are remembered for one connection.
const MOST_TEXTS: usize = 10_000;

/// The texts that were executed on a connection. With the first execution the driver looks up the types in it that were
/// made in the database. It does so by a query of the simple protocol, which removes a statement without a name.
#[derive(Debug, Default)]
pub(super) struct SentTexts {
    hashes: HashSet<u64>,
    hasher: RandomState,
    /// The text that is being executed.
    current: Option<u64>,
}

impl SentTexts {
    /// Notes a text that is sent. Returns whether it was not executed before, as far as is remembered.
    pub(super) fn is_new(&mut self, sql: &str) -> bool {
        let hash = self.hasher.hash_one(sql);
        self.current = Some(hash);
        !self.hashes.contains(&hash)
    }

    /// Notes whether the server has executed the text that was sent last. A text without this note stays new.
    pub(super) fn ended(&mut self, executed: bool) {
        let Some(hash) = self.current.take() else { return };
        if !executed {
            self.hashes.remove(&hash);
            return;
        }
        if self.hashes.len() >= MOST_TEXTS {
            self.hashes.clear();
        }
        self.hashes.insert(hash);
    }

    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.current = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q1_a_text_is_new_until_it_was_executed_found_e2() {
        let mut sent = SentTexts::default();
        assert!(sent.is_new("a"));
        // It was cut off.
        assert!(sent.is_new("a"));
        sent.ended(false);
        assert!(sent.is_new("a"));
        sent.ended(true);
        assert!(!sent.is_new("a") && sent.is_new("b"));
        sent.ended(true);
        assert!(!sent.is_new("b"));
        sent.ended(false);
        assert!(sent.is_new("b") && !sent.is_new("a"));
        sent.clear();
        assert!(sent.is_new("a"));
    }
}
