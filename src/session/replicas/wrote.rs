//! Who has written, and when that is noted.

use std::sync::Arc;
use std::time::Instant;

use super::Replicas;
use crate::error::{Error, ErrorKind};
use crate::pool::{Lease, Who};
use crate::session::{Chain, Finish, Ground, Node, Work};

/// Notes, when it is made and when it is dropped, that somebody has written.
pub(in crate::session) struct Wrote {
    replicas: Arc<Replicas>,
    writers: Vec<Who>,
}

impl Wrote {
    fn new(replicas: &Arc<Replicas>, writers: Vec<Who>) -> Self {
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

impl Drop for Wrote {
    fn drop(&mut self) {
        // A sibling may have asked for the position while the write was under way.
        self.note();
    }
}

impl Ground {
    /// Notes a write outside of transactions, now and at its end. Without replicas nobody wants to know.
    pub(in crate::session) fn writing(&self, work: &Work, chain: &Chain) -> Option<Wrote> {
        let replicas = self.replicas.as_ref()?;
        (!work.template.effect().reads).then(|| Wrote::new(replicas, vec![chain.root()]))
    }

    /// Notes that what looked like a read is a write, if that is why a replica has refused it; the primary runs it next.
    pub(in crate::session) fn writing_after_all(&self, refused: &Error, chain: &Chain) -> Option<Wrote> {
        let replicas = self.replicas.as_ref()?;
        (refused.kind() == ErrorKind::ReadOnly).then(|| Wrote::new(replicas, vec![chain.root()]))
    }
}

impl Node {
    /// Notes a write on this level: where that is a transaction, it counts at the commit.
    pub(in crate::session) fn note_write(
        &self,
        work: &Work,
        chain: &Chain,
        lease: Option<&mut Lease>,
    ) -> Option<Wrote> {
        if self.depth == 0 {
            return self.ground.writing(work, chain);
        }
        if self.ground.replicas.is_some()
            && !work.template.effect().reads
            && let Some(lease) = lease
        {
            lease.note_writer(chain.root());
        }
        None
    }

    /// Notes the commit of a transaction, for those who wrote in it and for whoever commits it.
    pub(in crate::session) fn note_commit(
        &self,
        how: Finish,
        chain: &Chain,
        lease: Option<&mut Lease>,
    ) -> Option<Wrote> {
        let replicas = self.ground.replicas.as_ref()?;
        if self.depth != 1 {
            return None;
        }
        // Also those of a rollback are forgotten.
        let mut writers = lease?.take_writers();
        if how != Finish::Commit || writers.is_empty() {
            return None;
        }
        writers.push(chain.root());
        Some(Wrote::new(replicas, writers))
    }
}
