//! The outer transaction that never commits: its state, and its beginning.

pub(super) mod blockers;
pub(super) mod isolation;
pub(super) mod listeners;
pub(super) mod open_handle;
pub(super) mod report;
pub(super) mod runtime;
pub(super) mod statement_log;

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::engine::Engine;
use super::level::Level;
use crate::backend::rules::{BeginOptions, Mode, unsupported};
use crate::backend::{Begin, OuterTransaction};
use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{InFlight, Lease, Pool};
use crate::session::level::callbacks::Callback;
use blockers::Latest;
use listeners::Listeners;
use statement_log::StatementLog;

/// The parameters of a sandbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct SandboxPlan {
    /// The name that the server shows for its session; a number is appended.
    pub(crate) name: Option<String>,
    /// `true` if its connection works on a copy of its own, which has to be brought up to date.
    pub(crate) private: bool,
    /// The pool for a look at the server from outside the sandbox.
    pub(crate) side: Option<Arc<Pool>>,
    /// The log of the last statements; it outlives the sandbox.
    pub(crate) statement_log: Arc<StatementLog>,
    pub(crate) policy: Option<IsolationPolicy>,
    /// `true` if it was created for a test, whose author reads standard error.
    pub(crate) warns_on_stderr: bool,
}

/// The level below everything else in the sandbox.
#[derive(Debug, Default)]
pub(crate) enum SandboxRoot {
    /// Not used yet.
    #[default]
    Fresh,
    Open(Arc<Level>),
    /// Ended with the connection to the database; it does not begin again.
    Closed,
}

/// The state of an engine that is a sandbox.
pub(crate) struct Sandbox {
    pub(super) root: Mutex<SandboxRoot>,
    pub(crate) plan: SandboxPlan,
    /// The name of its session on the server, which no other sandbox has.
    pub(super) label: Option<String>,
    /// The last statement of its user.
    pub(super) latest: Arc<Latest>,
    /// Callbacks that a test captures instead of having them run.
    pub(super) captured: Mutex<Option<Vec<Callback>>>,
    pub(crate) listeners: Listeners,
}

impl Sandbox {
    pub(crate) fn new(plan: SandboxPlan) -> Self {
        Self {
            root: Mutex::default(),
            label: plan.name.as_deref().map(label),
            latest: Arc::default(),
            captured: Mutex::default(),
            listeners: Listeners::default(),
            plan,
        }
    }

    /// Reports something about a sandbox in use: to the log, and to the author of a test.
    pub(crate) fn warn(&self, what: &str) {
        tracing::warn!("{what}");
        if self.plan.warns_on_stderr {
            // Written to standard error directly, because a test that hangs never shows what the test runner captured.
            let _ = writeln!(std::io::stderr(), "ebbtide: {what}");
        }
    }
}

/// Returns the name of a session. PostgreSQL shows 63 bytes of a name; the number must be among them.
fn label(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = format!("#{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let end = name.len() - (name.len() + number.len()).saturating_sub(63);
    // The end of a path says more than its beginning.
    let from = (name.len() - end..=name.len()).find(|at| name.is_char_boundary(*at));
    // Only ASCII is shown as it is.
    let shown: String = name[from.unwrap_or(0)..]
        .chars()
        .map(|c| match c {
            ' ' | '!'..='~' => c,
            _ => '?',
        })
        .collect();
    shown + &number
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Returns the error for calls after the end of the outer transaction.
    pub(super) fn closed(&self) -> Error {
        if self
            .sandbox
            .as_ref()
            .is_some_and(|sandbox| sandbox.plan.warns_on_stderr)
        {
            return sandbox_closed();
        }
        if self.sandbox.is_none() {
            return Error::new(
                ErrorKind::NotConnected,
                "the database was disconnected at once, which closed this connection and rolled back what was open on it",
            )
            .help("end tasks and guards before `disconnect_now`, or use `disconnect`, which waits for them");
        }
        Error::new(
            ErrorKind::NotConnected,
            "the database was disconnected, and everything done under force rollback was rolled back",
        )
        .help("connect it again before using it, and end the tasks and guards that use it before disconnecting it")
    }
}

/// Returns the error for a handle on a sandbox that has ended.
pub(crate) fn sandbox_closed() -> Error {
    Error::new(
        ErrorKind::NotConnected,
        "the sandbox has ended: it was disconnected, or its last handle was dropped, and everything done in it was rolled back",
    )
    .help("end the tasks, guards and connections that use a sandbox before it ends; `database.sandbox()` opens another")
}

impl Sandbox {
    /// Returns the outer level, if it was used.
    pub(super) fn opened(&self) -> Option<Arc<Level>> {
        match &*self.root.lock() {
            SandboxRoot::Open(root) => Some(Arc::clone(root)),
            SandboxRoot::Fresh | SandboxRoot::Closed => None,
        }
    }
}

impl Level {
    pub(super) fn sandbox(&self) -> Option<&Sandbox> {
        self.engine.sandbox.as_ref()
    }

    pub(super) fn is_private(&self) -> bool {
        self.sandbox().is_some_and(|sandbox| sandbox.plan.private)
    }

    /// Begins the outer transaction, with the isolation level that its first use requests. It takes the write lock at
    /// once, where a transaction that turns into a writer later does not wait for its turn.
    pub(super) async fn begin_outer(&self, lease: &mut Lease, isolation: Option<IsolationLevel>) -> Result<()> {
        let Some(sandbox) = self.sandbox() else { return Ok(()) };
        let engine = &self.engine;
        if !engine.transactions.savepoints {
            return Err(unsupported(
                engine.rules().name(),
                "savepoints, which a sandbox needs",
                "give each test a database of its own, in memory or in a temporary file",
            ));
        }
        let isolation = isolation.or(engine.settings.isolation_level);
        let options = BeginOptions {
            isolation,
            mode: Some(Mode::Immediate),
            ..BeginOptions::default()
        };
        let begin = Begin::with(engine.rules(), options)?;
        lease.enter_sandbox(OuterTransaction {
            dialect: engine.dialect(),
            rules: engine.rules(),
            templates: Arc::clone(&engine.templates),
            deferred: Arc::clone(&engine.deferred),
            label: sandbox.label.clone(),
            foreign_keys: engine.settings.foreign_keys,
        });
        lease.mark(InFlight::Statement);
        let renewed = lease.raw()?.renew().await;
        lease.mark(InFlight::None);
        if renewed.as_ref().is_err_and(Error::is_fatal) {
            lease.lose();
        }
        renewed?;
        lease.mark(InFlight::Boundary);
        lease.raw()?.begin(Some(begin)).await?;
        lease.mark(InFlight::None);
        if engine.rules().named_sessions().is_some() {
            sandbox.announce();
        }
        let mut state = self.state.lock();
        state.isolation = isolation;
        state.close_handle = lease.close_handle();
        drop(state);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_is_short_unique_and_keeps_the_end_of_the_name() {
        let long = format!("{}::creates_a_note", "module::".repeat(20));
        let (first, second) = (label(&long), label(&long));
        assert_ne!(first, second);
        assert!(first.len() <= 63 && first.contains("creates_a_note#"), "{first}");
        assert!(label("größe").starts_with("gr??e#") || label("größe").contains('?'));
    }
}
