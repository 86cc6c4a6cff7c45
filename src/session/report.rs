//! Who holds a connection and who waits for it, for people who wonder.

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::node::State;
use super::{Ground, Kind, Node, Sandbox, Work};
use crate::error::{Error, ErrorKind};
use crate::pool::Asker;

/// How much of a statement is shown.
const SHOWN: usize = 160;

impl Node {
    /// The error of a caller who has waited too long.
    pub(super) async fn busy(self: &Arc<Self>, asker: Asker, limit: Duration) -> Error {
        let (what, setting) = match self.kind {
            Kind::Sandbox => ("the sandbox's connection", "lease_timeout"),
            _ => ("the connection", "pool_timeout"),
        };
        let holder = self.holder();
        let mut message = format!("{asker} waited longer than {limit:?} for {what}, which is held by {holder}");
        let waiting = self.waiting(asker);
        if !waiting.is_empty() {
            let _ = write!(message, "; also waiting: {}", waiting.join(", "));
        }
        if let Some(sandbox) = &self.ground.sandbox
            && let Some(blockers) = sandbox.blockers(&self.ground.templates).await
        {
            let _ = write!(message, "; on the server it is kept waiting by {blockers}");
        }
        if let Some(journal) = self.ground.journal() {
            journal.note(&format!("-- {message}"));
        }
        let help = format!(
            "end that one earlier, let tasks that belong to it join it with `share`; `{setting}` sets the limit"
        );
        Error::new(ErrorKind::Timeout, message).help(help)
    }

    /// Who has the connection of this level, with what runs on it or ran last.
    fn holder(self: &Arc<Self>) -> String {
        let (mut text, top) = {
            let state = self.state.lock();
            let statement = state.operations.first().map(|first| (first.asker, first.since));
            match (
                &state.child,
                state.holder.map(|(asker, since)| (asker, Some(since))).or(statement),
            ) {
                (Some(child), _) => (
                    format!("the transaction begun by {} {} ago", child.opened, age(child.since)),
                    child.node.upgrade(),
                ),
                (None, Some((asker, since))) => {
                    let since = since.map_or_else(String::new, |since| format!(", since {}", age(since)));
                    (format!("a statement of {asker}{since}"), Some(Arc::clone(self)))
                }
                (None, None) => ("a statement".to_owned(), None),
            }
        };
        let mut top = top;
        while let Some(node) = top {
            let state = node.state.lock();
            if let Some(statement) = &state.last {
                let (tense, since) = match state.operations.first().and_then(|operation| operation.since) {
                    Some(since) => ("its statement, under way for ", age(since)),
                    None => ("its last statement", String::new()),
                };
                let _ = write!(text, " ({tense}{since}: `{}`)", shown(statement.text()));
            }
            let next = state.child.as_ref().and_then(|child| child.node.upgrade());
            drop(state);
            top = next.filter(|next| !Arc::ptr_eq(next, &node));
        }
        text
    }

    /// The others in the queue, the oldest first.
    fn waiting(&self, but: Asker) -> Vec<String> {
        let state = self.state.lock();
        let others = state
            .waiting
            .iter()
            .filter(|(_, asker, _)| asker.who != but.who || asker.place != but.place);
        others
            .take(8)
            .map(|(_, asker, since)| format!("{asker} for {}", age(*since)))
            .collect()
    }
}

impl Ground {
    /// The sandbox, if someone is to be told of statements that take long.
    pub(super) fn watcher(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref().filter(|sandbox| sandbox.plan.aloud)
    }

    /// What is still open in the sandbox: handles, transactions, statements under way.
    pub(crate) fn still_open(&self) -> Vec<String> {
        let mut open: Vec<String> = self
            .bindings
            .all()
            .iter()
            .filter_map(|anchor| anchor.node.still_open())
            .collect();
        if let Some(root) = self.sandbox.as_ref().and_then(Sandbox::opened) {
            open.extend(root.state.lock().statements());
        }
        open.sort();
        open.dedup();
        open
    }
}

impl Sandbox {
    /// Runs a statement, and tells of it if it takes longer than others would wait for it.
    pub(super) async fn watch<T>(&self, running: impl Future<Output = T>, work: &Work, ground: &Ground) -> T {
        let limit = ground.settings.lease_timeout;
        let mut running = std::pin::pin!(running);
        if let Ok(done) = timeout(limit, running.as_mut()).await {
            return done;
        }
        let name = self.plan.name.as_deref().unwrap_or("sandbox");
        let (place, sql) = (work.asker.place, shown(work.bound.statement.text()));
        let told = async {
            let blockers = self.blockers(&ground.templates).await;
            let why = blockers.map_or_else(String::new, |blockers| format!("; it is kept waiting by {blockers}"));
            self.tell(&format!(
                "in {name} the statement at {place} has run for {limit:?} and is not done: `{sql}`{why}"
            ));
        };
        let (done, ()) = futures::join!(running, told);
        done
    }
}

impl Node {
    /// This level as something that is still open.
    fn still_open(&self) -> Option<String> {
        let state = self.state.lock();
        if state.ended.is_some() {
            return None;
        }
        let what = match self.kind {
            Kind::Transaction { .. } => "a transaction begun by",
            Kind::Base | Kind::View => "a connection taken by",
            Kind::Sandbox => return None,
        };
        let statements = state.statements();
        let last = match (&state.last, statements.first()) {
            (_, Some(statement)) => format!(", with {statement}"),
            (Some(last), None) => format!(", whose last statement was `{}`", shown(last.text())),
            (None, None) => String::new(),
        };
        Some(format!("{what} {}{last}", self.opened))
    }
}

impl State {
    fn statements(&self) -> Vec<String> {
        let told = |operation: &super::operation::Operation| {
            let since = operation.since.map(|since| format!(", since {}", age(since)));
            format!("{} of {}{}", operation.what, operation.asker, since.unwrap_or_default())
        };
        self.operations.iter().map(told).collect()
    }
}

fn age(since: Instant) -> String {
    format!("{:.1?}", since.elapsed())
}

/// The statement, cut to a length that a message can have.
pub(super) fn shown(sql: &str) -> String {
    let sql = sql.trim();
    match sql.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &sql[..end]),
        None => sql.to_owned(),
    }
}
