//! Reports on who holds a connection and who waits for it.

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Sandbox;
use super::open_handle::{OpenHandle, OpenHandleKind};
use crate::error::{Error, ErrorKind};
use crate::pool::Caller;
use crate::session::engine::Engine;
use crate::session::level::{Level, LevelKind, LevelState};
use crate::session::statement::run::BoundStatement;
use crate::sql::excerpt;

impl Level {
    /// Returns the error of a caller that has waited too long.
    pub(in crate::session) async fn busy(self: &Arc<Self>, caller: Caller, limit: Duration) -> Error {
        let (what, setting) = match self.kind {
            LevelKind::Sandbox => ("the sandbox's connection", "lease_timeout"),
            _ => ("the connection", "pool_timeout"),
        };
        let holder = self.holder();
        let mut message = format!("{caller} waited longer than {limit:?} for {what}, which is held by {holder}");
        let waiting = self.waiting(caller);
        if !waiting.is_empty() {
            let _ = write!(message, "; also waiting: {}", waiting.join(", "));
        }
        if let Some(sandbox) = &self.engine.sandbox
            && let Some(blockers) = sandbox.blockers(&self.engine.templates).await
        {
            let _ = write!(message, "; on the server it is blocked by {blockers}");
        }
        if let Some(statement_log) = self.engine.statement_log() {
            statement_log.note(&format!("-- {message}"));
        }
        let help = format!(
            "end that operation earlier, or let tasks that belong to it join it with `share`; `{setting}` sets the limit"
        );
        Error::new(ErrorKind::Timeout, message).help(help)
    }

    /// Describes who has the connection of this level, with the statement that runs on it or ran last.
    fn holder(self: &Arc<Self>) -> String {
        let (mut text, top) = {
            let state = self.state.lock();
            let statement = state.operations.front().map(|first| (first.caller, first.since));
            match (
                &state.child,
                state.holder.map(|(caller, since)| (caller, Some(since))).or(statement),
            ) {
                (Some(child), _) => (
                    format!("the transaction begun by {} {} ago", child.opened, age(child.since)),
                    child.level.upgrade(),
                ),
                (None, Some((caller, since))) => {
                    let since = since.map_or_else(String::new, |since| format!(", for {}", age(since)));
                    (format!("a statement of {caller}{since}"), Some(Arc::clone(self)))
                }
                (None, None) => ("a statement".to_owned(), None),
            }
        };
        let mut top = top;
        while let Some(level) = top {
            let state = level.state.lock();
            if let Some(statement) = &state.last {
                let (tense, since) = match state.operations.front().and_then(|operation| operation.since) {
                    Some(since) => ("its statement, running for ", age(since)),
                    None => ("its last statement", String::new()),
                };
                let _ = write!(text, " ({tense}{since}: `{}`)", excerpt(statement.text()));
            }
            let next = state.child.as_ref().and_then(|child| child.level.upgrade());
            drop(state);
            top = next.filter(|next| !Arc::ptr_eq(next, &level));
        }
        text
    }

    /// Returns the others in the queue, the oldest first.
    fn waiting(&self, but: Caller) -> Vec<String> {
        let state = self.state.lock();
        let others = state
            .waiting
            .iter()
            .filter(|(_, caller, _)| caller.who != but.who || caller.place != but.place);
        others
            .take(8)
            .map(|(_, caller, since)| format!("{caller} for {}", age(*since)))
            .collect()
    }
}

impl Engine {
    /// Returns the sandbox, if statements that take long are to be reported.
    pub(in crate::session) fn watcher(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref().filter(|sandbox| sandbox.plan.warns_on_stderr)
    }

    /// Returns what is still open: handles, transactions, and in the sandbox the statements under way.
    pub(crate) fn open_handles(&self) -> Vec<OpenHandle> {
        let mut open: Vec<OpenHandle> = self
            .bindings
            .all()
            .iter()
            .filter_map(|handle| handle.level.still_open())
            .collect();
        if let Some(root) = self.sandbox.as_ref().and_then(Sandbox::opened) {
            open.extend(root.state.lock().under_way());
        }
        open.sort_by(|left, right| left.description.cmp(&right.description));
        open.dedup();
        open
    }

    /// Returns descriptions of what is still open.
    pub(crate) fn still_open(&self) -> Vec<String> {
        self.open_handles().iter().map(OpenHandle::to_string).collect()
    }
}

impl Sandbox {
    /// Runs a statement, and reports it if it takes longer than others would wait for it.
    pub(in crate::session) async fn watch<T>(
        &self,
        running: impl Future<Output = T>,
        work: &BoundStatement,
        engine: &Engine,
    ) -> T {
        let limit = engine.settings.lease_timeout;
        let mut running = std::pin::pin!(running);
        if let Ok(done) = timeout(limit, running.as_mut()).await {
            return done;
        }
        let name = self.plan.name.as_deref().unwrap_or("the sandbox");
        let (place, sql) = (work.caller.place, excerpt(work.bound.statement.text()));
        let report = async {
            let blockers = self.blockers(&engine.templates).await;
            let why = blockers.map_or_else(String::new, |blockers| format!("; it is blocked by {blockers}"));
            self.warn(&format!(
                "in {name}, the statement at {place} has not finished after {limit:?}: `{sql}`{why}"
            ));
        };
        let (done, ()) = futures::join!(running, report);
        done
    }
}

impl Level {
    /// Describes this level, if it is still open.
    fn still_open(&self) -> Option<OpenHandle> {
        let state = self.state.lock();
        if state.ended.is_some() {
            return None;
        }
        let (kind, what) = match self.kind {
            LevelKind::Transaction { .. } => (OpenHandleKind::Transaction, "a transaction begun by"),
            LevelKind::Base | LevelKind::View => (OpenHandleKind::Connection, "a connection taken by"),
            LevelKind::Sandbox => return None,
        };
        let statements = state.statements();
        let last = match (&state.last, statements.first()) {
            (_, Some(statement)) => format!(", with {statement}"),
            (Some(last), None) => format!(", whose last statement was `{}`", excerpt(last.text())),
            (None, None) => String::new(),
        };
        Some(OpenHandle {
            kind,
            place: self.opened.place,
            description: format!("{what} {}{last}", self.opened),
        })
    }
}

impl LevelState {
    fn statements(&self) -> Vec<String> {
        self.under_way().iter().map(OpenHandle::to_string).collect()
    }

    fn under_way(&self) -> Vec<OpenHandle> {
        let describe = |operation: &crate::session::level::operations::Operation| {
            let since = operation.since.map(|since| format!(", for {}", age(since)));
            let (what, caller, since) = (operation.what, operation.caller, since.unwrap_or_default());
            OpenHandle {
                kind: OpenHandleKind::Operation,
                place: caller.place,
                description: format!("{what} of {caller}{since}"),
            }
        };
        self.operations.iter().map(describe).collect()
    }
}

fn age(since: Instant) -> String {
    format!("{:.1?}", since.elapsed())
}
