//! The texts that were sent on a connection, for poolers.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// The most texts that are remembered for one connection.
const MOST_TEXTS: usize = 10_000;

/// The texts that were sent on a connection. With the first execution the driver looks up the types in it that were made
/// in the database. It does so by a query of the simple protocol, which removes a statement without a name.
#[derive(Debug, Default)]
pub(super) struct SentTexts {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl SentTexts {
    /// Returns whether a text is sent for the first time, as far as is remembered.
    pub(super) fn is_new(&mut self, sql: &str) -> bool {
        if self.hashes.len() >= MOST_TEXTS {
            self.hashes.clear();
        }
        self.hashes.insert(self.hasher.hash_one(sql))
    }
}
