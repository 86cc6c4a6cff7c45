//! Connections on their own thread.

mod limits;
mod rows;
mod thread;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as line;

use futures::StreamExt;
use futures::executor::block_on;
use tokio::runtime::{Builder, Runtime};

use super::connector::{OnThread, WorkerConnector};
use super::*;
use crate::backend::OfferedRow;
use crate::backend::fake::FakeConnector;
use crate::config::Config;
use crate::sql::{Dialect, SeenServer, Statement};
use crate::value::fake::Fake;
use crate::value::{Value, ValueRef};

pub(super) const SOON: Duration = Duration::from_secs(10);

pub(super) fn isolated(inner: impl Connector + 'static, limit: Option<Duration>) -> WorkerConnector {
    worker(Arc::new(inner), limit)
}

pub(super) fn sqlite(url: &str) -> WorkerConnector {
    worker(
        crate::backend::connector(&Config::from_url(url).unwrap()).unwrap(),
        Some(SOON),
    )
}

fn worker(inner: Arc<dyn Connector>, limit: Option<Duration>) -> WorkerConnector {
    WorkerConnector {
        inner,
        runtime_thread: RuntimeThread::new("isolated-test"),
        on_thread: OnThread::Everything { limit },
    }
}

/// Limits the time of a test, in case something hangs.
pub(super) fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = line::channel();
    let thread = std::thread::spawn(move || done.send(test()));
    match result.recv_timeout(SOON * 3) {
        Ok(result) => result,
        Err(line::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(line::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(super) fn statement(text: &str) -> Arc<Statement> {
    Arc::new(Statement::new(text, false))
}

/// Returns the request for a statement without parameters.
pub(super) fn request(statement: &Arc<Statement>) -> Request<'_> {
    Request { statement, values: &[] }
}

/// A sink that keeps the first column of each row, and refuses the rows from `refuse_at` on.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) seen: Vec<i64>,
    pub(super) refuse_at: Option<usize>,
    pub(super) wants_one: bool,
}

impl RowSink for Numbers {
    fn row(&mut self, row: &mut dyn OfferedRow) -> Result<()> {
        if self.refuse_at == Some(self.seen.len()) {
            return Err(Error::new(ErrorKind::Decode, "not this one"));
        }
        self.seen.push(number(row.look().unwrap()));
        Ok(())
    }

    fn wants_one(&self) -> bool {
        self.wants_one
    }
}

pub(super) fn number(row: &dyn RawRow) -> i64 {
    match row.value(0).unwrap() {
        ValueRef::I64(number) => number,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn run(raw: &mut dyn RawConnection, text: &str, sink: &mut dyn RowSink) -> Result<QueryResult> {
    let statement = statement(text);
    raw.run(request(&statement), sink).await
}

pub(super) async fn numbers(raw: &mut dyn RawConnection, text: &str) -> Vec<i64> {
    let mut sink = Numbers::default();
    run(raw, text, &mut sink).await.unwrap();
    sink.seen
}

/// Returns a query for the numbers from 1 to `count`.
pub(super) fn series(count: usize) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n")
}

/// Polls a call once, which sends it, and drops it.
pub(super) fn drop_half_way(call: impl Future) {
    assert!(call.now_or_never().is_none(), "the call did not wait");
}

/// Keeps the thread busy until the returned sender is dropped.
pub(super) fn hold(runtime_thread: &RuntimeThread) -> line::Sender<()> {
    let (held, release) = line::channel::<()>();
    runtime_thread.handle().unwrap().spawn(async move { release.recv() });
    held
}

/// Waits until the server has closed its connections.
pub(super) fn closed(fake: &FakeConnector, runtime_thread: &RuntimeThread) {
    // Everything that a task dropped is gone before the next task runs, and joining waits for all of it.
    block_on(runtime_thread.join()).unwrap();
    assert_eq!(fake.open(), 0);
}

pub(super) async fn numbers_of_missing(raw: &mut dyn RawConnection) -> Error {
    run(raw, "SELECT * FROM missing", &mut Numbers::default())
        .await
        .unwrap_err()
}

pub(super) fn own(text: &'static str) -> SqlStr {
    sqlx::SqlSafeStr::into_sql_str(text)
}

/// A database with nothing but rows, which counts the rows that were read.
#[derive(Clone, Debug)]
pub(super) struct Well {
    pub(super) rows: usize,
    pub(super) drawn: Arc<AtomicUsize>,
    pub(super) settled: Arc<AtomicUsize>,
    pub(super) survives_between: bool,
    pub(super) seen: SeenServer,
}

impl Well {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows,
            drawn: Arc::default(),
            settled: Arc::default(),
            survives_between: true,
            seen: SeenServer::default(),
        }
    }

    pub(super) fn row(&self) -> Box<dyn RawRow> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed) as i64;
        Box::new(Fake::new([("i", Value::I64(number))]))
    }
}

impl Connector for Well {
    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn runtime_bound(&self) -> bool {
        true
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        let raw: Box<dyn RawConnection> = Box::new(self.clone());
        Box::pin(std::future::ready(Ok(raw)))
    }

    fn place(&self) -> String {
        "the well".to_owned()
    }
}

pub(super) fn nothing<T: Default + Send + 'static>() -> BoxFuture<'static, Result<T>> {
    Box::pin(std::future::ready(Ok(T::default())))
}

impl RawConnection for Well {
    fn run<'a>(&'a mut self, _request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            for _ in 0..1_000 {
                sink.row(&mut ReceivedRow(Some(self.row())))?;
                tokio::task::yield_now().await;
            }
            Ok(QueryResult::default())
        })
    }

    fn stream<'a>(&'a mut self, _request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(futures::stream::iter(0..self.rows).map(|_| Ok(self.row())))
    }

    fn run_script(&mut self, _sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        nothing()
    }

    fn begin(&mut self, _begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        nothing()
    }

    fn commit(&mut self, _first: Option<sqlx::SqlStr>) -> BoxFuture<'_, Result<()>> {
        nothing()
    }

    fn rollback_to(&mut self, _depth: usize) -> BoxFuture<'_, Result<()>> {
        nothing()
    }

    fn depth(&self) -> usize {
        0
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        nothing()
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(true) })
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        nothing()
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        self.settled.fetch_add(1, Ordering::Relaxed);
        nothing()
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        nothing()
    }

    fn interrupted(&self, between_rows: bool) -> bool {
        between_rows && self.survives_between
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        crate::backend::SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        nothing()
    }
}

pub(super) async fn transaction(raw: &mut dyn RawConnection) -> Duration {
    let begun = Instant::now();
    raw.begin(None).await.unwrap();
    for _ in 0..3 {
        numbers(raw, "SELECT 1").await;
    }
    raw.rollback_to(0).await.unwrap();
    begun.elapsed()
}
