//! The names whose mere reading may write: views, functions and operators with code of the database's users, foreign
//! tables, tables with policies.
//!
//! A sandbox asks for them with a question that it asks anyway, and so do the others of its program only after a
//! definition that may have changed them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::SandboxedConnection;
use crate::sql::{Statement, mentions};

/// The names of one database, which its sandboxes share.
#[derive(Debug, Default)]
pub(super) struct WritingNames {
    /// Number of definitions outside of sandboxes that may have changed them.
    changes: AtomicU64,
    known: Mutex<Option<KnownNames>>,
}

/// The names as they were after a number of changes.
#[derive(Clone, Debug)]
pub(super) struct KnownNames {
    changes: u64,
    names: Arc<HashSet<String>>,
}

impl WritingNames {
    /// Returns the number of changes, to be taken before the server is asked.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Notes a change.
    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns the names, if they are known and did not change since.
    pub(super) fn current(&self) -> Option<KnownNames> {
        let known = self.known.lock().clone();
        known.filter(|known| known.changes == self.changes())
    }

    /// Stores the answer of the server, which was asked after `changes`.
    pub(super) fn learn(&self, changes: u64, names: Vec<String>) {
        let names = Arc::new(names.into_iter().collect());
        *self.known.lock() = Some(KnownNames { changes, names });
    }
}

impl SandboxedConnection {
    /// Returns whether a statement that looks like a read may write through what it names.
    pub(super) fn may_write_unseen(&self, statement: &Statement) -> bool {
        // Where a failed statement undoes only itself, they are not asked for.
        let Some(known) = &self.writing else { return false };
        self.redefined
            || known.changes != self.outer.deferred.writing.changes()
            || (!known.names.is_empty() && mentions(self.outer.dialect, statement.text().trim(), &known.names))
    }
}
