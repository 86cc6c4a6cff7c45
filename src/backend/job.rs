//! Work that someone else does on the connection of a driver.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;

use super::Done;
use crate::error::Result;
use crate::sql::{Defines, Statement};

type Work = Box<dyn for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<Done>> + Send>;

/// Work on the driver's own connection, which it has to recognise by its type.
pub(crate) struct NativeJob {
    work: Work,
    pulse: Option<Pulse>,
    open_ended: bool,
    defines: Defines,
    statement: Option<Arc<Statement>>,
}

impl NativeJob {
    /// One statement, of which it is known what it does.
    pub(crate) fn statement<F>(work: F) -> Self
    where
        F: for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<Done>> + Send + 'static,
    {
        Self {
            work: Box::new(work),
            pulse: Some(Pulse::default()),
            open_ended: false,
            defines: Defines::Nothing,
            statement: None,
        }
    }

    /// Work of which nothing is known: it may open transactions and leave them open, and take its time.
    pub(crate) fn open_ended<F>(work: F) -> Self
    where
        F: for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<Done>> + Send + 'static,
    {
        Self {
            work: Box::new(work),
            pulse: None,
            open_ended: true,
            defines: Defines::Nothing,
            statement: None,
        }
    }

    /// Says that it changes definitions of tables.
    pub(crate) fn defining(mut self) -> Self {
        self.defines = Defines::All;
        self
    }

    /// What it says that it changes.
    pub(crate) fn defines(&self) -> Defines {
        self.defines
    }

    /// Tells with `pulse` when it waits for the reader of its rows.
    pub(crate) fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = Some(pulse);
        self
    }

    /// Says which text it sends.
    pub(crate) fn sending(mut self, statement: &Arc<Statement>) -> Self {
        if !self.open_ended {
            self.statement = Some(Arc::clone(statement));
        }
        self
    }

    /// The text that it sends, if it is known.
    pub(crate) fn text(&self) -> Option<&Arc<Statement>> {
        self.statement.as_ref()
    }

    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// What tells how it gets on; without one nobody can tell whom it waits for.
    pub(crate) fn pulse(&self) -> Option<Pulse> {
        self.pulse.clone()
    }

    pub(crate) fn run(self, connection: &mut (dyn Any + Send)) -> BoxFuture<'_, Result<Done>> {
        (self.work)(connection)
    }
}

impl fmt::Debug for NativeJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeJob")
            .field("open_ended", &self.open_ended)
            .finish_non_exhaustive()
    }
}

/// Beats twice for each wait of a job for the reader of its rows: when it begins and when it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicUsize>);

impl Pulse {
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn beats(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn waits_for_reader(&self) -> bool {
        self.beats() % 2 == 1
    }
}
