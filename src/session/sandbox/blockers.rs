//! Sessions of the server that keep a sandbox waiting, and their last statements.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Sandbox;
use crate::error::Result;
use crate::pool::Caller;
use crate::session::statement::internal::ask;
use crate::sql::{Statement, TemplateCache, excerpt};
use crate::value::{IntoParams, Row};

/// Time that the server may take to report who blocks whom.
const SIDE_LIMIT: Duration = Duration::from_secs(1);

/// The beginning of statements that only this crate sends.
const OWN: &str = "SAVEPOINT ebbtide_";

/// The last statement of a sandbox's user.
pub(in crate::session) type Latest = Mutex<Option<Arc<Statement>>>;

/// Last statements in the sandboxes of this process, by the names of their sessions. The server itself knows only what
/// was sent last, which may be a savepoint of this crate.
static LATEST: LazyLock<Mutex<HashMap<String, Weak<Latest>>>> = LazyLock::new(Mutex::default);

impl Sandbox {
    /// Lets other sandboxes of this process see the last statement of this one.
    pub(in crate::session) fn announce(&self) {
        if let Some(label) = &self.label {
            LATEST.lock().insert(label.clone(), Arc::downgrade(&self.latest));
        }
    }

    /// Returns the sessions of the server that keep the sandbox waiting.
    pub(in crate::session) async fn blockers(&self, templates: &TemplateCache) -> Option<String> {
        let (pool, label) = (self.plan.side.as_ref()?, self.label.as_deref()?);
        let query = pool.connector().rules().named_sessions()?.blockers;
        let caller = Caller::at(std::panic::Location::caller());
        let question = async {
            let mut lease = pool.acquire(caller).await?;
            let params = (label,).into_params()?;
            ask(&mut lease, templates, query, params).await
        };
        let rows = tokio::time::timeout(SIDE_LIMIT, question).await.ok()?.ok()?;
        let sessions: Vec<String> = rows.iter().filter_map(|row| describe(row).ok()).collect();
        (!sessions.is_empty()).then(|| sessions.join("; "))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(label) = &self.label {
            LATEST.lock().remove(label);
        }
    }
}

/// Describes one session: its name, the age of its transaction, and the last statement of its user.
fn describe(row: &Row) -> Result<String> {
    let (pid, name): (i32, String) = (row.get(0)?, row.get(1)?);
    let (state, age, query): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let latest = LATEST.lock().get(&name).and_then(Weak::upgrade);
    let latest = latest.and_then(|latest| latest.lock().clone());
    let last = match latest {
        Some(statement) => format!(", last statement: {}", excerpt(statement.text())),
        // A session of another process; what its user sent before that is unknown here.
        None if query.contains(OWN) => String::new(),
        None => format!(", last statement: {}", excerpt(&query)),
    };
    let name = if name.is_empty() { "unnamed" } else { &name };
    Ok(format!("session {pid} ({name}, {state} for {age} s{last})"))
}
