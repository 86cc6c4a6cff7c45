//! A cache of the templates of SQL texts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::control::CopyDirection;
use super::server::{SeenServer, Server};
use super::{Dialect, SqlMode, Template};
use crate::error::Result;

/// The longest text that is kept, in bytes. A longer one is a script that rarely runs twice.
const LONGEST: usize = 64 * 1024;

/// Templates by their text, up to a maximum number.
#[derive(Debug)]
pub(crate) struct TemplateCache {
    dialect: Dialect,
    mode: SqlMode,
    seen: SeenServer,
    capacity: usize,
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_text: HashMap<Box<str>, Entry, RandomState>,
    /// The server for which they were parsed.
    server: Option<Server>,
    /// Number of texts ever inserted.
    stamp: u64,
}

#[derive(Debug)]
struct Entry {
    template: Arc<Template>,
    stamp: u64,
    /// Set if the entry was used since the last eviction.
    used: AtomicBool,
}

impl TemplateCache {
    /// Creates an empty cache for at most `capacity` texts, and at least one.
    pub(crate) fn new(dialect: Dialect, capacity: usize) -> Self {
        Self {
            dialect,
            mode: SqlMode::default(),
            seen: SeenServer::default(),
            capacity: capacity.max(1),
            entries: RwLock::default(),
        }
    }

    /// Sets the mode in which sessions of MySQL read the texts.
    pub(crate) fn in_mode(mut self, mode: SqlMode) -> Self {
        self.mode = mode;
        self
    }

    /// Parses the texts as the server seen last reads them.
    pub(crate) fn on(mut self, seen: SeenServer) -> Self {
        self.seen = seen;
        self
    }

    /// Returns the template of a text for a driver, whose placeholders need not be this crate's.
    pub(crate) fn foreign(&self, sql: &str) -> Result<Arc<Template>> {
        self.get(sql)
            .or_else(|_| Template::without_placeholders(self.dialect, self.mode.on(self.seen.get()), sql).map(Arc::new))
    }

    /// Returns the template of a COPY between the server and the client.
    pub(crate) fn copying(&self, sql: &str, direction: CopyDirection) -> Result<Arc<Template>> {
        Template::copying(self.dialect, sql, direction).map(Arc::new)
    }

    /// Returns the template of a text, from the cache or parsed now.
    pub(crate) fn get(&self, sql: &str) -> Result<Arc<Template>> {
        let server = self.seen.get();
        let entries = self.entries.read();
        if let Some(entry) = entries.by_text.get(sql).filter(|_| entries.server == server) {
            // The load comes first, so that not every call writes to a hot entry.
            if !entry.used.load(Ordering::Relaxed) {
                entry.used.store(true, Ordering::Relaxed);
            }
            return Ok(Arc::clone(&entry.template));
        }
        drop(entries);
        let template = Arc::new(Template::parse_in(self.dialect, self.mode.on(server), sql)?);
        if sql.len() > LONGEST {
            return Ok(template);
        }
        let mut entries = self.entries.write();
        if entries.server != server {
            entries.by_text.clear();
            entries.server = server;
        }
        if let Some(entry) = entries.by_text.get(sql) {
            // Another call was faster; its template has the notes of the backend.
            return Ok(Arc::clone(&entry.template));
        }
        if entries.by_text.len() >= self.capacity {
            entries.make_room(self.capacity / 2);
        }
        entries.stamp += 1;
        let entry = Entry {
            template: Arc::clone(&template),
            stamp: entries.stamp,
            used: AtomicBool::new(false),
        };
        entries.by_text.insert(sql.into(), entry);
        Ok(template)
    }
}

impl Entries {
    /// Evicts entries. Keeps those that were used since the last eviction, but no more than `keep`, the newest first.
    fn make_room(&mut self, keep: usize) {
        let mut stamps: Vec<_> = self
            .by_text
            .values()
            .filter(|entry| entry.used.load(Ordering::Relaxed))
            .map(|entry| entry.stamp)
            .collect();
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        stamps.truncate(keep);
        let oldest = stamps.last().copied().unwrap_or(u64::MAX);
        self.by_text
            .retain(|_, entry| entry.stamp >= oldest && entry.used.swap(false, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once() {
        let cache = TemplateCache::new(Dialect::Sqlite, 4);
        let first = cache.get("SELECT :a").unwrap();
        assert!(Arc::ptr_eq(&first, &cache.get("SELECT :a").unwrap()));
        assert!(cache.get("SELECT :a, ?").is_err());
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let cache = TemplateCache::new(Dialect::Sqlite, 8);
        let hot = cache.get("SELECT 'hot'").unwrap();
        for number in 0..1000 {
            cache.get(&format!("SELECT {number}")).unwrap();
            assert!(Arc::ptr_eq(&hot, &cache.get("SELECT 'hot'").unwrap()), "at {number}");
            assert!(cache.entries.read().by_text.len() <= 8);
        }
    }

    #[test]
    fn a_capacity_of_nothing_still_works() {
        let cache = TemplateCache::new(Dialect::MySql, 0);
        for number in 0..10 {
            cache.get(&format!("SELECT {number}")).unwrap();
        }
        assert_eq!(cache.entries.read().by_text.len(), 1);
    }

    #[test]
    fn a_very_long_text_is_not_kept() {
        let cache = TemplateCache::new(Dialect::Postgres, 8);
        cache.get(&format!("SELECT 1 {}", " ".repeat(LONGEST))).unwrap();
        assert!(cache.entries.read().by_text.is_empty());
    }
}
