//! The outer transaction that never commits: what is known of it, and how it begins.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use parking_lot::Mutex;
use sqlx::{SqlSafeStr, SqlStr};

use super::ask::ask;
use super::blockers::Latest;
use super::journal::Journal;
use super::shield::{SET, Violation};
use super::{BeginOptions, Callback, Ground, Node};
use crate::backend::support::sqlx::own_sql;
use crate::config::{IsolationLevel, IsolationPolicy};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{Flight, Lease, Pool, Shield};
use crate::sql::{Dialect, TemplateCache};
use crate::value::Params;

/// What is known of the constraints of a database: whether some are only checked at a commit. Shared by its sandboxes.
#[derive(Debug, Default)]
pub(crate) struct Deferred(AtomicU8);

impl Deferred {
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;

    pub(super) fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            known => Some(known == Self::PRESENT),
        }
    }

    pub(super) fn set(&self, present: bool) {
        self.0
            .store(if present { Self::PRESENT } else { Self::ABSENT }, Ordering::Relaxed);
    }
}

/// What a sandbox is made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The name that the server shows for its session, of which a number is made part.
    pub(crate) name: Option<String>,
    /// Whether its connection works on a copy of its own, which is to be brought up to date.
    pub(crate) private: bool,
    /// Where the server can be looked at from the side.
    pub(crate) side: Option<Arc<Pool>>,
    /// Where the last statements are kept; it outlives the sandbox.
    pub(crate) journal: Arc<Journal>,
    pub(crate) policy: Option<IsolationPolicy>,
    /// Whether it is made for a test, whose author reads standard error.
    pub(crate) aloud: bool,
}

/// The level that everything in the sandbox stands on.
#[derive(Debug, Default)]
pub(crate) enum Root {
    /// Not used yet.
    #[default]
    Fresh,
    Open(Arc<Node>),
    /// Ended with the connection to the database; it does not begin again.
    Closed,
}

/// What a ground knows if it is a sandbox.
pub(crate) struct Sandbox {
    pub(super) root: Mutex<Root>,
    pub(crate) plan: Plan,
    /// The name of its session on the server, which no other sandbox has.
    pub(super) label: Option<String>,
    /// The rows of a SQLite database that referred to missing ones before the sandbox began, or before it had keys that
    /// are checked late.
    pub(super) violated: Mutex<Option<HashSet<Violation>>>,
    /// What its user sent last.
    pub(super) latest: Arc<Latest>,
    /// Callbacks that a test wants to see instead of having them run.
    pub(super) captured: Mutex<Option<Vec<Callback>>>,
}

impl Sandbox {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            root: Mutex::default(),
            label: plan.name.as_deref().map(label),
            violated: Mutex::default(),
            latest: Arc::default(),
            captured: Mutex::default(),
            plan,
        }
    }

    /// What may be said of a sandbox while it is used: to the log, and to the author of a test.
    pub(crate) fn tell(&self, what: &str) {
        tracing::warn!("{what}");
        if self.plan.aloud {
            // Written to standard error itself, because a test that hangs never shows what the test runner captured.
            let _ = writeln!(std::io::stderr(), "ebbtide: {what}");
        }
    }
}

/// PostgreSQL shows 63 bytes of a name; the number must be among them.
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

impl Ground {
    /// The error for what comes after the end of the outer transaction.
    pub(super) fn closed(&self) -> Error {
        if self.sandbox.as_ref().is_some_and(|sandbox| sandbox.plan.aloud) {
            return sandbox_closed();
        }
        Error::new(
            ErrorKind::NotConnected,
            "the database was disconnected, and what was done under force rollback is undone",
        )
        .help("connect it again before using it, and let tasks and guards that use it end before it is disconnected")
    }
}

/// The error for a handle on a sandbox that has ended.
pub(crate) fn sandbox_closed() -> Error {
    Error::new(
        ErrorKind::NotConnected,
        "the sandbox has ended: it was disconnected, or its last handle was dropped, and what was done in it is undone",
    )
    .help("let tasks, guards and connections that use a sandbox end before it does; `database.sandbox()` makes another")
}

impl Sandbox {
    /// The outer level, if it was used.
    pub(super) fn opened(&self) -> Option<Arc<Node>> {
        match &*self.root.lock() {
            Root::Open(root) => Some(Arc::clone(root)),
            Root::Fresh | Root::Closed => None,
        }
    }
}

impl Node {
    pub(super) fn sandbox(&self) -> Option<&Sandbox> {
        self.ground.sandbox.as_ref()
    }

    pub(super) fn is_private(&self) -> bool {
        self.sandbox().is_some_and(|sandbox| sandbox.plan.private)
    }

    /// Begins the outer transaction, with the isolation level that its first use asks for.
    pub(super) async fn begin_outer(&self, lease: &mut Lease, isolation: Option<IsolationLevel>) -> Result<()> {
        let Some(sandbox) = self.sandbox() else { return Ok(()) };
        let dialect = self.ground.dialect();
        let isolation = isolation.or(self.ground.settings.isolation_level);
        if sandbox.plan.private {
            lease.mark(Flight::Statement);
            if let Err(error) = lease.raw()?.renew().await {
                if error.is_fatal() {
                    lease.discard();
                }
                return Err(error);
            }
            lease.mark(Flight::None);
        }
        // SQLite is asked each time: it costs no round trip, and someone else may have made one meanwhile.
        if dialect == Dialect::Sqlite || self.ground.deferred.get().is_none() {
            let found = find_deferred(lease, &self.ground.templates, dialect).await?;
            // What one sandbox made itself, another does not see.
            if found || self.ground.deferred.get().is_none() {
                self.ground.deferred.set(found);
            }
        }
        lease.mark(Flight::Boundary);
        lease
            .raw()?
            .begin(outer_begin(dialect, isolation, sandbox.label.as_deref())?)
            .await?;
        lease.mark(Flight::None);
        if dialect == Dialect::Postgres {
            sandbox.announce();
            lease.set_shield(Shield::Set);
        }
        *sandbox.violated.lock() = None;
        if dialect == Dialect::Sqlite && self.defers() {
            self.note_violations(lease).await?;
        }
        let mut state = self.state.lock();
        state.isolation = isolation;
        state.severer = lease.severer();
        drop(state);
        Ok(())
    }
}

/// How the outer transaction begins. On SQLite it takes the write lock at once, because a transaction that turns into
/// a writer later does not wait for its turn.
fn outer_begin(dialect: Dialect, isolation: Option<IsolationLevel>, label: Option<&str>) -> Result<Option<SqlStr>> {
    let begin = BeginOptions {
        isolation,
        ..BeginOptions::default()
    }
    .begin(dialect)?;
    Ok(match dialect {
        Dialect::Sqlite => Some("BEGIN IMMEDIATE".into_sql_str()),
        Dialect::MySql => begin,
        Dialect::Postgres => {
            let begin = begin.as_ref().map_or("BEGIN", SqlStr::as_str);
            let name = label.map_or_else(String::new, |label| {
                format!("SET LOCAL application_name TO {}; ", dialect.quote_text(label))
            });
            Some(own_sql(format!("{begin}; {name}{SET}")))
        }
    })
}

/// Whether a database has constraints that are checked only at the commit.
async fn find_deferred(lease: &mut Lease, templates: &TemplateCache, dialect: Dialect) -> Result<bool> {
    let sql = match dialect {
        Dialect::Postgres => "SELECT count(*) FROM pg_catalog.pg_constraint WHERE condeferred",
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%DEFERRED%'",
        Dialect::MySql => return Ok(false),
    };
    let rows = ask(lease, templates, sql, Params::default()).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.get::<i64>(0))? > 0)
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
