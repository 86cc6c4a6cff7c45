//! The names whose mere reading may write: views, functions and operators with code of the database's users, foreign
//! tables, tables with policies.
//!
//! A sandbox asks for them with a question that it asks anyway, and so do the others of its program only after a
//! definition that may have changed them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::session::engine::Engine;
use crate::session::level::Level;
use crate::session::statement::run::BoundStatement;
use crate::sql::mentions;

/// The names of one database, which its sandboxes share.
#[derive(Debug, Default)]
pub(in crate::session) struct WritingNames {
    /// Number of definitions outside of sandboxes that may have changed them.
    changes: AtomicU64,
    known: Mutex<Option<KnownNames>>,
}

/// The names as they were after a number of changes.
#[derive(Clone, Debug)]
pub(in crate::session) struct KnownNames {
    changes: u64,
    names: Arc<HashSet<String>>,
}

impl WritingNames {
    /// Returns the number of changes, to be taken before the server is asked.
    pub(in crate::session) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Returns the names, if they are known and did not change since.
    pub(in crate::session) fn current(&self) -> Option<KnownNames> {
        let known = self.known.lock().clone();
        known.filter(|known| known.changes == self.changes())
    }

    /// Stores the answer of the server, which was asked after `changes`.
    pub(in crate::session) fn learn(&self, changes: u64, names: Vec<String>) {
        let names = Arc::new(names.into_iter().collect());
        *self.known.lock() = Some(KnownNames { changes, names });
    }
}

impl Engine {
    /// Notes that views, functions and their like may be defined: in a sandbox for this sandbox alone.
    pub(in crate::session) fn note_code(&self) {
        match &self.sandbox {
            Some(sandbox) => sandbox.redefined.store(true, Ordering::Release),
            None => {
                self.deferred.writing.changes.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

impl Level {
    /// Returns whether a statement that looks like a read may write through what it names.
    pub(in crate::session) fn may_write_unseen(&self, work: &BoundStatement) -> bool {
        let Some(sandbox) = self.sandbox() else { return false };
        let writing = sandbox.writing.lock();
        // Where a failed statement undoes only itself, they are not asked for.
        let Some(known) = &*writing else { return false };
        sandbox.redefined.load(Ordering::Acquire)
            || known.changes != self.engine.deferred.writing.changes()
            || (!known.names.is_empty() && mentions(self.engine.dialect(), work.text(), &known.names))
    }
}
