//! A scripted driver, to stop a call at every await point and to let steps fail. For tests only.

use std::collections::VecDeque;
use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use sqlx::SqlStr;

use super::{Connector, Done, NativeJob, RawConnection, Request, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::value::fake::Fake;
use crate::value::{RawRow, Value};

/// What happens to the next step of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The server answers with an error and has done nothing.
    Error,
    /// The connection breaks after the server has done it.
    Broken,
    /// The server rolls the whole transaction back and says so, as with a deadlock.
    Deadlock,
    /// The server rolls the whole transaction back, with an error that does not say so.
    Ended,
    /// The server speaks of a deadlock, and the transaction is still open: a trigger can say so with SIGNAL.
    Signal,
    /// The server never answers.
    Never,
}

/// What the server knows.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// For each connection ever opened: how many levels are open on the server, or `None` after it was closed.
    pub(crate) depths: Vec<Option<usize>>,
    /// Each statement with the connection and the depth it ran at.
    pub(crate) log: Vec<(usize, usize, String)>,
    /// The calls that were given the answer of another.
    pub(crate) mixed: Vec<String>,
    gates: VecDeque<(&'static str, Gate)>,
}

/// How many rows a stream has.
pub(crate) const ROWS: i64 = 3;

/// A server in memory whose connections take two await points for each call: one before it acts, one before it
/// answers, and one before each row. What is not read of an answer is read by the next call, which notices.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeConnector {
    pub(crate) server: Arc<Mutex<Server>>,
    /// Whether a call dropped half-way leaves the connection usable.
    pub(crate) survives: bool,
}

impl FakeConnector {
    /// Has the next call of this name meet a gate.
    pub(crate) fn gate(&self, call: &'static str, gate: Gate) {
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
    /// What the client believes.
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

/// An await point.
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
    /// The server answers; the number is that of the question.
    fn answer(&mut self) -> u64 {
        self.asked += 1;
        self.wire.push_back(self.asked);
        self.asked
    }

    /// Reads the next answer, which should be that to a question.
    fn read(&mut self, question: u64, text: &str) {
        if self.wire.pop_front() != Some(question) {
            self.connector.server.lock().mixed.push(text.to_owned());
        }
    }

    /// A query that yields the numbers from 1 to [`ROWS`].
    pub(crate) fn rows(&mut self, text: String) -> BoxStream<'_, Result<Box<dyn RawRow>>> {
        try_stream! {
            pause().await;
            let questions: Vec<_> = (0..=ROWS).map(|_| self.answer()).collect();
            for (number, question) in (1..).zip(questions) {
                pause().await;
                self.read(question, &text);
                // The last of them is the end.
                if number <= ROWS {
                    yield Box::new(Fake::new([("number", Value::from(number))])) as Box<dyn RawRow>;
                }
            }
        }
        .boxed()
    }

    /// One call: the server moves to `depth` if it is given.
    async fn call(&mut self, name: &'static str, text: &str, depth: Option<usize>) -> Result<()> {
        pause().await;
        let gate = {
            let mut server = self.connector.server.lock();
            let found = server.gates.iter().position(|(gated, _)| *gated == name);
            let gate = found.and_then(|at| server.gates.remove(at)).map(|(_, gate)| gate);
            let now = server.depths[self.id].unwrap_or_default();
            match gate {
                Some(Gate::Error | Gate::Signal) => {}
                Some(Gate::Deadlock | Gate::Ended) => server.depths[self.id] = Some(0),
                _ if now < self.depth && depth.is_some_and(|depth| depth > 0) => {
                    // Outside of a transaction a savepoint is gone as soon as it is set, and none can be released.
                    if name != "begin" {
                        return Err(Error::new(ErrorKind::UndefinedObject, "no such savepoint").with_code("42000"));
                    }
                }
                _ => {
                    server.log.push((self.id, now, text.to_owned()));
                    if let Some(depth) = depth {
                        server.depths[self.id] = Some(depth);
                    }
                }
            }
            gate
        };
        let question = self.answer();
        pause().await;
        if !matches!(gate, Some(Gate::Broken | Gate::Never)) {
            self.read(question, text);
        }
        match gate {
            None => {
                self.depth = depth.unwrap_or(self.depth);
                Ok(())
            }
            Some(Gate::Error) => Err(Error::new(ErrorKind::Database, "scripted").with_code("XX000")),
            Some(Gate::Deadlock | Gate::Signal) => Err(Error::new(ErrorKind::Deadlock, "scripted")
                .with_code("40001")
                .ending_transaction()),
            Some(Gate::Ended) => Err(Error::new(ErrorKind::Database, "scripted").with_code("HY000")),
            Some(Gate::Broken) => Err(Error::new(ErrorKind::ConnectionLost, "scripted").fatal()),
            Some(Gate::Never) => std::future::pending().await,
        }
    }
}

impl RawConnection for FakeConnection {
    fn run<'a>(&'a mut self, request: Request<'a>, _sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move {
            self.call("run", request.statement.text(), None).await?;
            Ok(Done {
                rows_affected: 1,
                last_insert_id: None,
            })
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        self.rows(request.statement.text().to_owned())
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<Done>> {
        job.run(self)
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Done>> {
        Box::pin(async move {
            self.call("script", sql.as_str(), None).await?;
            Ok(Done::default())
        })
    }

    fn begin(&mut self, _sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        let depth = self.depth + 1;
        Box::pin(async move { self.call("begin", "begin", Some(depth)).await })
    }

    fn commit(&mut self, _first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        let depth = self.depth - 1;
        Box::pin(async move { self.call("commit", "commit", Some(depth)).await })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.call("rollback", "rollback", Some(depth)).await })
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.call("reset", "reset", Some(0)).await })
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

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Ok(()) })
    }
}
