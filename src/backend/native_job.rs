//! Jobs of other code on the connection of a driver.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;

use super::QueryResult;
use crate::error::Result;
use crate::sql::{Defines, Statement};

type Work = Box<dyn for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<QueryResult>> + Send>;

/// A job for the driver's own connection, which it has to recognise by its type.
pub(crate) struct NativeJob {
    work: Work,
    pulse: Option<Pulse>,
    open_ended: bool,
    indivisible: bool,
    defines: Defines,
    statement: Option<Arc<Statement>>,
}

impl NativeJob {
    /// Creates a job of one statement, whose effects are known.
    pub(crate) fn statement<F>(work: F) -> Self
    where
        F: for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<QueryResult>> + Send + 'static,
    {
        Self {
            work: Box::new(work),
            pulse: Some(Pulse::default()),
            open_ended: false,
            indivisible: false,
            defines: Defines::Nothing,
            statement: None,
        }
    }

    /// Creates a job whose effects are unknown: it may open transactions and leave them open, and it may take long.
    pub(crate) fn open_ended<F>(work: F) -> Self
    where
        F: for<'c> FnOnce(&'c mut (dyn Any + Send)) -> BoxFuture<'c, Result<QueryResult>> + Send + 'static,
    {
        Self {
            work: Box::new(work),
            pulse: None,
            open_ended: true,
            indivisible: false,
            defines: Defines::Nothing,
            statement: None,
        }
    }

    /// Marks the job as one that changes table definitions.
    pub(crate) fn defining(mut self) -> Self {
        self.defines = Defines::All;
        self
    }

    /// Marks the job as one after whose drop the driver cannot read on.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only PostgreSQL has such jobs")
    )]
    pub(crate) fn indivisible(mut self) -> Self {
        self.indivisible = true;
        self
    }

    pub(crate) fn is_indivisible(&self) -> bool {
        self.indivisible
    }

    /// Returns the changes of definitions that the job declares.
    pub(crate) fn defines(&self) -> Defines {
        self.defines
    }

    /// Sets the pulse, with which the job reports that it waits for the reader of its rows.
    pub(crate) fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = Some(pulse);
        self
    }

    /// Sets the text that the job sends.
    pub(crate) fn sending(mut self, statement: &Arc<Statement>) -> Self {
        if !self.open_ended {
            self.statement = Some(Arc::clone(statement));
        }
        self
    }

    /// Returns the text that the job sends, if it is known.
    pub(crate) fn text(&self) -> Option<&Arc<Statement>> {
        self.statement.as_ref()
    }

    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// Returns the pulse of the job; without one it is unknown whom the job waits for.
    pub(crate) fn pulse(&self) -> Option<Pulse> {
        self.pulse.clone()
    }

    pub(crate) fn run(self, connection: &mut (dyn Any + Send)) -> BoxFuture<'_, Result<QueryResult>> {
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

/// A counter that beats twice for each wait of a job for the reader of its rows: at its start and at its end.
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
