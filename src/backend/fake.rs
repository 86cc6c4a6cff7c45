//! A scripted driver that stops a call at every await point and lets steps fail. For tests only.

use std::collections::VecDeque;
use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use sqlx::SqlStr;

use super::{
    Begin, Connector, NativeJob, OuterTransaction, QueryResult, RawConnection, Request, RowSink, SandboxedConnection,
    ServerRules,
};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Dialect, SeenServer};
use crate::value::fake::Fake;
use crate::value::{RawRow, Value};

/// The scripted outcome of the next step of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScriptedStep {
    /// The server answers with an error and has done nothing.
    Error,
    /// The connection breaks after the server has executed the step.
    Broken,
    /// The server rolls the whole transaction back and reports it, as with a deadlock.
    Deadlock,
    /// The server rolls the whole transaction back, with an error that does not report it.
    Ended,
    /// The server reports a deadlock, but the transaction is still open: a trigger can report one with SIGNAL.
    Signal,
    /// The server never answers.
    Never,
}

/// The state of the server.
#[derive(Debug, Default)]
pub(crate) struct ScriptedServer {
    /// Number of levels open on the server, for each connection ever opened; `None` after it was closed.
    pub(crate) depths: Vec<Option<usize>>,
    /// Each statement, with its connection and the depth at which it ran.
    pub(crate) log: Vec<(usize, usize, String)>,
    /// The calls that received the answer of another call.
    pub(crate) mixed: Vec<String>,
    gates: VecDeque<(&'static str, ScriptedStep)>,
}

/// Number of rows of a stream.
pub(crate) const ROWS: i64 = 3;

/// A server in memory. Each call takes two await points, one before it acts and one before it answers, and one more
/// before each row. If part of an answer is not read, the next call reads it and notices.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeConnector {
    pub(crate) server: Arc<Mutex<ScriptedServer>>,
    /// `true` if a call dropped half-way leaves the connection usable.
    pub(crate) survives: bool,
    /// The rules of a server that only a test knows. The log of the server then shows their texts.
    pub(crate) own_rules: Option<&'static dyn ServerRules>,
    pub(crate) seen: SeenServer,
}

impl FakeConnector {
    /// Scripts the outcome of the next call of this name.
    pub(crate) fn gate(&self, call: &'static str, gate: ScriptedStep) {
        self.server.lock().gates.push_back((call, gate));
    }

    pub(crate) fn open(&self) -> usize {
        self.server.lock().depths.iter().flatten().count()
    }
}

impl Connector for FakeConnector {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn rules(&self) -> &'static dyn ServerRules {
        self.own_rules.unwrap_or_else(|| self.dialect().rules())
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        true
    }

    fn place(&self) -> String {
        "the scripted server".to_owned()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            pause().await;
            let id = {
                let mut server = self.server.lock();
                server.depths.push(Some(0));
                server.depths.len() - 1
            };
            let connection = FakeConnection {
                connector: self.clone(),
                id,
                depth: 0,
                wire: VecDeque::new(),
                asked: 0,
            };
            pause().await;
            Ok(Box::new(connection) as Box<dyn RawConnection>)
        })
    }
}

pub(crate) struct FakeConnection {
    connector: FakeConnector,
    id: usize,
    /// Number of open levels, as the client sees it.
    depth: usize,
    /// The answers that are not read yet, each by the number of its question.
    wire: VecDeque<u64>,
    asked: u64,
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.connector.server.lock().depths[self.id] = None;
    }
}

/// Waits once: an await point.
async fn pause() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if waited {
            return std::task::Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl FakeConnection {
    /// Adds an answer of the server, and returns the number of its question.
    fn answer(&mut self) -> u64 {
        self.asked += 1;
        self.wire.push_back(self.asked);
        self.asked
    }

    /// Reads the next answer, which should be the one to `question`.
    fn read(&mut self, question: u64, text: &str) {
        if self.wire.pop_front() != Some(question) {
            self.connector.server.lock().mixed.push(text.to_owned());
        }
    }

    /// Runs a query that yields the numbers from 1 to [`ROWS`].
    pub(crate) fn rows(&mut self, text: String) -> BoxStream<'_, Result<Box<dyn RawRow>>> {
        try_stream! {
            pause().await;
            let questions: Vec<_> = (0..=ROWS).map(|_| self.answer()).collect();
            for (number, question) in (1..).zip(questions) {
                pause().await;
                self.read(question, &text);
                // The last answer is the end.
                if number <= ROWS {
                    yield Box::new(Fake::new([("number", Value::from(number))])) as Box<dyn RawRow>;
                }
            }
        }
        .boxed()
    }

    /// Runs one call, which moves the server to `depth` if it is given.
    async fn call(&mut self, name: &'static str, text: &str, depth: Option<usize>) -> Result<()> {
        pause().await;
        let gate = {
            let mut server = self.connector.server.lock();
            let found = server.gates.iter().position(|(gated, _)| *gated == name);
            let gate = found.and_then(|at| server.gates.remove(at)).map(|(_, gate)| gate);
            let now = server.depths[self.id].unwrap_or_default();
            match gate {
                Some(ScriptedStep::Error | ScriptedStep::Signal) => {}
                Some(ScriptedStep::Deadlock | ScriptedStep::Ended) => server.depths[self.id] = Some(0),
                _ if now < self.depth && depth.is_some_and(|depth| depth > 0) => {
                    // Outside of a transaction a savepoint is gone as soon as it is set, and none can be released.
                    if name != "begin" {
                        return Err(Error::new(ErrorKind::UndefinedObject, "no such savepoint").with_code("42000"));
                    }
                }
                _ => {
                    if !text.is_empty() {
                        server.log.push((self.id, now, text.to_owned()));
                    }
                    if let Some(depth) = depth {
                        server.depths[self.id] = Some(depth);
                    }
                }
            }
            gate
        };
        let question = self.answer();
        pause().await;
        if !matches!(gate, Some(ScriptedStep::Broken | ScriptedStep::Never)) {
            self.read(question, text);
        }
        match gate {
            None => {
                self.depth = depth.unwrap_or(self.depth);
                Ok(())
            }
            Some(ScriptedStep::Error) => Err(Error::new(ErrorKind::Database, "scripted").with_code("XX000")),
            Some(ScriptedStep::Deadlock | ScriptedStep::Signal) => Err(Error::new(ErrorKind::Deadlock, "scripted")
                .with_code("40001")
                .ending_transaction()),
            Some(ScriptedStep::Ended) => Err(Error::new(ErrorKind::Database, "scripted").with_code("HY000")),
            Some(ScriptedStep::Broken) => Err(Error::new(ErrorKind::ConnectionLost, "scripted").fatal()),
            Some(ScriptedStep::Never) => std::future::pending().await,
        }
    }
}

impl RawConnection for FakeConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, _sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            self.call("run", request.statement.text(), None).await?;
            Ok(QueryResult {
                rows_affected: 1,
                last_insert_id: None,
            })
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        self.rows(request.statement.text().to_owned())
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        job.run(self)
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            self.call("script", sql.as_str(), None).await?;
            Ok(QueryResult::default())
        })
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        let text = match (self.connector.own_rules, self.depth) {
            (None, _) => "begin".to_owned(),
            (Some(rules), 0) => {
                let plain = rules.transactions().begin;
                let sql = begin.and_then(|begin| begin.into_text(plain));
                sql.as_ref().map_or(plain, SqlStr::as_str).to_owned()
            }
            (Some(rules), depth) => (rules.levels().savepoint)(depth),
        };
        let depth = self.depth + 1;
        Box::pin(async move { self.call("begin", &text, Some(depth)).await })
    }

    fn commit(&mut self, _first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        let depth = self.depth - 1;
        let text = match self.connector.own_rules {
            None => "commit".to_owned(),
            Some(rules) if depth == 0 => rules.levels().commit.to_owned(),
            Some(rules) => (rules.levels().release)(depth),
        };
        Box::pin(async move { self.call("commit", &text, Some(depth)).await })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        let text = match self.connector.own_rules {
            None => "rollback".to_owned(),
            Some(rules) if depth == 0 => rules.levels().rollback.to_owned(),
            Some(rules) => (rules.levels().back)(depth),
        };
        Box::pin(async move { self.call("rollback", &text, Some(depth)).await })
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.call("reset", "reset", Some(0)).await })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(false) })
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        let open = self.connector.server.lock().depths[self.id].unwrap_or_default() > 0;
        Box::pin(async move { Ok(open) })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            pause().await;
            self.wire.clear();
            self.call("settle", "settle", None).await
        })
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.call("ping", "ping", None).await })
    }

    fn interrupted(&self, _answered: bool) -> bool {
        self.connector.survives
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Ok(()) })
    }
}
