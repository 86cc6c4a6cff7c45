//! The outer transaction that never commits: its state, and its beginning.

pub(super) mod at_commit;
pub(super) mod blockers;
pub(super) mod open_handle;
pub(super) mod report;
pub(super) mod runtime;
pub(super) mod statement_log;
pub(super) mod statement_savepoint;
pub(super) mod virtual_commit;
pub(super) mod writing_names;

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use parking_lot::Mutex;
use sqlx::SqlStr;

use super::engine::Engine;
use super::level::Level;
use crate::backend::rules::{BeginOptions, CommitCheck, Mode, StatementSavepoints};
use crate::backend::sqlx::own_sql;
use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{InFlight, Lease, Pool, StatementSavepoint};
use crate::session::level::callbacks::Callback;
use crate::session::statement::internal::ask;
use crate::sql::TemplateCache;
use crate::value::Params;
use blockers::Latest;
use statement_log::StatementLog;
use statement_savepoint::Violation;
use writing_names::{KnownNames, WritingNames};

/// Knowledge about a database that its sandboxes share: whether some of its constraints are only checked at a commit,
/// and which names write when they are read.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    constraints: AtomicU8,
    pub(super) writing: WritingNames,
}

impl Deferred {
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;

    pub(super) fn get(&self) -> Option<bool> {
        match self.constraints.load(Ordering::Relaxed) {
            0 => None,
            known => Some(known == Self::PRESENT),
        }
    }

    pub(super) fn set(&self, present: bool) {
        self.constraints
            .store(if present { Self::PRESENT } else { Self::ABSENT }, Ordering::Relaxed);
    }
}

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
    /// Rows of a SQLite database that referred to missing ones before the sandbox began, or before it had deferred
    /// keys.
    pub(super) violated: Mutex<Option<HashSet<Violation>>>,
    /// The oids of the temporary tables that each commit empties (PostgreSQL).
    pub(super) emptied: Mutex<Vec<i64>>,
    /// Set if constraints that are created from now on are not checked as they are defined (PostgreSQL).
    pub(super) constraints_set: AtomicBool,
    /// The names that write when they are read, where that has to be known.
    pub(super) writing: Mutex<Option<KnownNames>>,
    /// Set if such names may have been defined here.
    pub(super) redefined: AtomicBool,
    /// The last statement of its user.
    pub(super) latest: Arc<Latest>,
    /// Callbacks that a test captures instead of having them run.
    pub(super) captured: Mutex<Option<Vec<Callback>>>,
}

impl Sandbox {
    pub(crate) fn new(plan: SandboxPlan) -> Self {
        Self {
            root: Mutex::default(),
            label: plan.name.as_deref().map(label),
            violated: Mutex::default(),
            emptied: Mutex::default(),
            constraints_set: AtomicBool::new(false),
            writing: Mutex::default(),
            redefined: AtomicBool::new(false),
            latest: Arc::default(),
            captured: Mutex::default(),
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

    /// Begins the outer transaction, with the isolation level that its first use requests.
    pub(super) async fn begin_outer(&self, lease: &mut Lease, isolation: Option<IsolationLevel>) -> Result<()> {
        let Some(sandbox) = self.sandbox() else { return Ok(()) };
        let isolation = isolation.or(self.engine.settings.isolation_level);
        if sandbox.plan.private {
            lease.mark(InFlight::Statement);
            if let Err(error) = lease.raw()?.renew().await {
                if error.is_fatal() {
                    lease.discard();
                }
                return Err(error);
            }
            lease.mark(InFlight::None);
        }
        let transactions = self.engine.transactions;
        self.look_at_definitions(lease).await?;
        let begin = outer_begin(&self.engine, isolation, sandbox.label.as_deref())?;
        lease.mark(InFlight::Boundary);
        lease.raw()?.begin(begin).await?;
        lease.mark(InFlight::None);
        if self.engine.rules.named_sessions().is_some() {
            sandbox.announce();
        }
        if transactions.statement_savepoints == StatementSavepoints::Always {
            lease.set_statement_savepoint(StatementSavepoint::Set);
        }
        *sandbox.violated.lock() = None;
        if transactions.commit_check.lists() && self.defers() {
            self.note_violations(lease).await?;
        }
        let mut state = self.state.lock();
        state.isolation = isolation;
        state.close_handle = lease.close_handle();
        drop(state);
        Ok(())
    }
}

impl Level {
    /// Asks for what the sandbox has to know of the database's definitions, if that is not known.
    async fn look_at_definitions(&self, lease: &mut Lease) -> Result<()> {
        let (known, transactions) = (&self.engine.deferred, self.engine.transactions);
        let names_matter = transactions.statement_savepoints == StatementSavepoints::Always;
        let changed = names_matter && known.writing.current().is_none();
        // Asked each time where that costs no round trip, because another user may have created one meanwhile.
        if transactions.commit_check.lists() || known.get().is_none() || changed {
            let counted = known.writing.changes();
            let (found, names) = find_definitions(lease, &self.engine.templates, transactions.commit_check).await?;
            // A constraint that one sandbox created is not visible to another.
            if found || known.get().is_none() {
                known.set(found);
            }
            if let Some(names) = names {
                known.writing.learn(counted, names);
            }
        }
        if let Some(sandbox) = self.sandbox() {
            *sandbox.writing.lock() = known.writing.current();
            sandbox.redefined.store(false, Ordering::Release);
        }
        Ok(())
    }
}

/// Returns the statement that begins the outer transaction. It takes the write lock at once, where a transaction that
/// turns into a writer later does not wait for its turn. Where every statement needs a savepoint, it sets the first one.
fn outer_begin(engine: &Engine, isolation: Option<IsolationLevel>, label: Option<&str>) -> Result<Option<SqlStr>> {
    let transactions = engine.transactions;
    let begin = engine.rules.begin(BeginOptions {
        isolation,
        mode: Some(Mode::Immediate),
        ..BeginOptions::default()
    })?;
    let sessions = engine.rules.named_sessions();
    let name = sessions.zip(label).map(|(sessions, label)| (sessions.name)(label));
    let lift = sessions.map(|sessions| sessions.lift_limits.to_owned());
    let savepoint = (transactions.statement_savepoints == StatementSavepoints::Always)
        .then(|| transactions.statement_savepoint.set.to_owned());
    if sessions.is_none() && savepoint.is_none() {
        return Ok(begin);
    }
    let begin = begin.as_ref().map_or(transactions.begin, SqlStr::as_str).to_owned();
    let texts: Vec<String> = [Some(begin), name, lift, savepoint].into_iter().flatten().collect();
    Ok(Some(own_sql(texts.join("; "))))
}

/// Returns whether a database has constraints that are checked only at the commit, and the names that write when they
/// are read, where they matter.
async fn find_definitions(
    lease: &mut Lease,
    templates: &TemplateCache,
    check: CommitCheck,
) -> Result<(bool, Option<Vec<String>>)> {
    let Some(sql) = check.find() else {
        return Ok((false, None));
    };
    let rows = ask(lease, templates, sql, Params::default()).await?;
    let Some(row) = rows.first() else {
        return Ok((false, None));
    };
    let names = if row.len() > 1 { Some(row.get(1)?) } else { None };
    Ok((row.get::<i64>(0)? > 0, names))
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
