//! Notes of who has written, and the times at which they are taken.

use std::sync::Arc;
use std::time::Instant;

use super::Replicas;
use crate::error::{Error, ErrorKind};
use crate::pool::{Lease, TaskOrThread};
use crate::session::engine::Engine;
use crate::session::level::{Finish, Level};
use crate::session::scope::chain::Chain;
use crate::session::statement::run::BoundStatement;

/// A note that a caller has written, taken when it is created and when it is dropped.
pub(in crate::session) struct WriteNote {
    replicas: Arc<Replicas>,
    writers: Vec<TaskOrThread>,
}

impl WriteNote {
    fn new(replicas: &Arc<Replicas>, writers: Vec<TaskOrThread>) -> Self {
        let wrote = Self {
            replicas: Arc::clone(replicas),
            writers,
        };
        wrote.note();
        wrote
    }

    fn note(&self) {
        let now = Instant::now();
        for who in &self.writers {
            self.replicas.memory.wrote(*who, now);
        }
    }
}

impl Drop for WriteNote {
    fn drop(&mut self) {
        // A sibling may have asked for the position while the write was under way.
        self.note();
    }
}

impl Engine {
    /// Notes a write outside of transactions, now and at its end. Without replicas nothing is noted.
    pub(in crate::session) fn writing(&self, work: &BoundStatement, chain: &Chain) -> Option<WriteNote> {
        let replicas = self.replicas.as_ref()?;
        (!work.template.effect().reads).then(|| WriteNote::new(replicas, vec![chain.root()]))
    }

    /// Notes that what looked like a read is a write, if that is why a replica has refused it. The primary runs it
    /// next.
    pub(in crate::session) fn writing_after_all(&self, refused: &Error, chain: &Chain) -> Option<WriteNote> {
        let replicas = self.replicas.as_ref()?;
        (refused.kind() == ErrorKind::ReadOnly).then(|| WriteNote::new(replicas, vec![chain.root()]))
    }
}

impl Level {
    /// Notes a write on this level. In a transaction, it counts at the commit.
    pub(in crate::session) fn note_write(
        &self,
        work: &BoundStatement,
        chain: &Chain,
        lease: Option<&mut Lease>,
    ) -> Option<WriteNote> {
        if self.depth == 0 {
            return self.engine.writing(work, chain);
        }
        if self.engine.replicas.is_some()
            && !work.template.effect().reads
            && let Some(lease) = lease
        {
            lease.note_writer(chain.root());
        }
        None
    }

    /// Notes the commit of a transaction, for those that wrote in it and for the caller that commits it.
    pub(in crate::session) fn note_commit(
        &self,
        how: Finish,
        chain: &Chain,
        lease: Option<&mut Lease>,
    ) -> Option<WriteNote> {
        let replicas = self.engine.replicas.as_ref()?;
        if self.depth != 1 {
            return None;
        }
        // Those of a rollback are forgotten, too.
        let mut writers = lease?.take_writers();
        if how != Finish::Commit || writers.is_empty() {
            return None;
        }
        writers.push(chain.root());
        Some(WriteNote::new(replicas, writers))
    }
}
