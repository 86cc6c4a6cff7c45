use std::io;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc as line;

use futures::StreamExt;
use futures::executor::block_on;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::backend::fake::{FakeConnector, Gate};
use crate::backend::{Offer, connector};
use crate::config::Config;
use crate::sql::Statement;
use crate::value::fake::Fake;
use crate::value::{Value, ValueRef};

const SOON: Duration = Duration::from_secs(10);

fn isolated(inner: impl Connector + 'static, limit: Option<Duration>) -> Isolated {
    Isolated {
        inner: Arc::new(inner),
        harbour: Harbour::new("isolated-test"),
        limit,
    }
}

fn sqlite(url: &str) -> Isolated {
    Isolated {
        inner: connector(&Config::from_url(url).unwrap()).unwrap(),
        harbour: Harbour::new("isolated-test"),
        limit: Some(SOON),
    }
}

/// Bounds a test in time, whatever hangs.
fn in_time<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = line::channel();
    let thread = std::thread::spawn(move || done.send(test()));
    match result.recv_timeout(SOON * 3) {
        Ok(result) => result,
        Err(line::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(line::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn statement(text: &str) -> Arc<Statement> {
    Arc::new(Statement::new(text, false))
}

/// Keeps the first column of each row; refuses those from `refuse_at` on.
#[derive(Default)]
struct Numbers {
    seen: Vec<i64>,
    refuse_at: Option<usize>,
    wants_one: bool,
}

impl Sink for Numbers {
    fn row(&mut self, row: &mut dyn Offer) -> Result<()> {
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

fn number(row: &dyn RawRow) -> i64 {
    match row.value(0).unwrap() {
        ValueRef::I64(number) => number,
        other => panic!("{other:?}"),
    }
}

async fn run(raw: &mut dyn RawConnection, text: &str, sink: &mut dyn Sink) -> Result<Done> {
    let statement = statement(text);
    let request = Request {
        statement: &statement,
        values: &[],
    };
    raw.run(request, sink).await
}

async fn numbers(raw: &mut dyn RawConnection, text: &str) -> Vec<i64> {
    let mut sink = Numbers::default();
    run(raw, text, &mut sink).await.unwrap();
    sink.seen
}

/// The numbers from 1 to `count`.
fn series(count: usize) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n")
}

/// Polls a call once, as far as sending it off, and drops it.
fn drop_half_way(call: impl Future) {
    assert!(call.now_or_never().is_none(), "the call did not wait");
}

/// Keeps the thread busy until what this gives is dropped.
fn hold(harbour: &Harbour) -> line::Sender<()> {
    let (held, release) = line::channel::<()>();
    harbour.handle().unwrap().spawn(async move { release.recv() });
    held
}

/// Waits until the server has closed its connections.
fn closed(fake: &FakeConnector, harbour: &Harbour) {
    // What a task dropped is gone before the next task runs, and joining outlives them all.
    block_on(harbour.join()).unwrap();
    assert_eq!(fake.open(), 0);
}

#[test]
fn i1_any_runtime_and_any_thread_may_use_it() {
    in_time(|| {
        let isolated = sqlite("sqlite::memory:");
        assert!(!isolated.runtime_bound());
        assert_eq!(isolated.dialect(), Dialect::Sqlite);
        assert!(isolated.readers_block_writers());
        let mut raw = runtime().block_on(isolated.connect()).unwrap();
        runtime().block_on(raw.run_script(own("CREATE TABLE t (i)"))).unwrap();
        // A runtime after another, a plain thread, and code that blocks its runtime.
        runtime().block_on(raw.begin(None)).unwrap();
        assert_eq!(raw.depth(), 1);
        block_on(run(&mut *raw, "INSERT INTO t VALUES (7)", &mut Numbers::default())).unwrap();
        let mut raw = std::thread::spawn(move || {
            block_on(raw.begin(None)).unwrap();
            assert_eq!(raw.depth(), 2);
            raw
        })
        .join()
        .unwrap();
        runtime().block_on(async { assert_eq!(block_on(numbers(&mut *raw, "SELECT i FROM t")), [7]) });
        block_on(raw.rollback_to(0)).unwrap();
        assert_eq!(raw.depth(), 0);
        assert!(block_on(numbers(&mut *raw, "SELECT i FROM t")).is_empty());
        assert_eq!(
            isolated.runtime().unwrap().unwrap().id(),
            isolated.harbour.handle().unwrap().id()
        );
        block_on(raw.ping()).unwrap();
        block_on(raw.close()).unwrap();
    });
}

#[test]
fn i1_several_runtimes_at_once() {
    in_time(|| {
        let isolated = Arc::new(sqlite("sqlite::memory:"));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let isolated = Arc::clone(&isolated);
                std::thread::spawn(move || {
                    runtime().block_on(async {
                        let mut raw = isolated.connect().await.unwrap();
                        for _ in 0..20 {
                            assert_eq!(numbers(&mut *raw, "SELECT 1").await, [1]);
                        }
                    });
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn i1_rows_of_every_number_come_in_order() {
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        for count in [1, 2, 63, 64, 65, 128, 1_000, 20_000] {
            let expected: Vec<i64> = (1..=count).collect();
            let sql = series(count as usize);
            assert_eq!(block_on(numbers(&mut *raw, &sql)), expected);
            let statement = statement(&sql);
            let request = Request {
                statement: &statement,
                values: &[],
            };
            let rows = block_on(
                raw.stream(request)
                    .map(|row| number(&*row.unwrap()))
                    .collect::<Vec<_>>(),
            );
            assert_eq!(rows, expected);
        }
    });
}

#[test]
fn i1_a_refused_row_does_not_stop_the_reading() {
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        for refuse_at in [0, 63, 64, 500] {
            let mut sink = Numbers {
                refuse_at: Some(refuse_at),
                ..Numbers::default()
            };
            let error = block_on(run(&mut *raw, &series(1_000), &mut sink)).unwrap_err();
            assert_eq!((error.kind(), sink.seen.len()), (ErrorKind::Decode, refuse_at));
            assert_eq!(block_on(numbers(&mut *raw, "SELECT 1")), [1]);
        }
    });
}

#[test]
fn i1_errors_of_statements_leave_the_connection_usable() {
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        let error = block_on(numbers_of_missing(&mut *raw));
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        let statement = statement("SELECT * FROM missing");
        let request = Request {
            statement: &statement,
            values: &[],
        };
        let error = block_on(raw.stream(request).next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        let statement = self::statement("SELECT ?1");
        let request = Request {
            statement: &statement,
            values: &[Value::I64(5)],
        };
        let mut sink = Numbers::default();
        block_on(raw.run(request, &mut sink)).unwrap();
        assert_eq!(sink.seen, [5]);
    });
}

async fn numbers_of_missing(raw: &mut dyn RawConnection) -> Error {
    run(raw, "SELECT * FROM missing", &mut Numbers::default())
        .await
        .unwrap_err()
}

#[test]
fn i1_a_million_rows_are_not_read_ahead() {
    in_time(|| {
        let well = Well::new(1_000_000);
        let isolated = isolated(well.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        let statement = statement("rows");
        let request = Request {
            statement: &statement,
            values: &[],
        };
        let mut rows = raw.stream(request);
        for taken in 1..=10_000 {
            assert!(block_on(rows.next()).unwrap().is_ok());
            let ahead = well.drawn.load(Ordering::Relaxed) - taken;
            assert!(ahead <= rows::BATCH * (rows::AHEAD + 2), "{ahead} rows were read ahead");
        }
        drop(rows);
        block_on(raw.settle()).unwrap();
        assert!(well.drawn.load(Ordering::Relaxed) < 11_000);
        // The connection works on.
        let mut sink = Numbers::default();
        block_on(run(&mut *raw, "rows", &mut sink)).unwrap();
    });
}

#[test]
fn i1_a_million_rows_of_a_real_database_stream_through() {
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        let statement = statement(&series(1_000_000));
        let request = Request {
            statement: &statement,
            values: &[],
        };
        let sum = block_on(
            raw.stream(request)
                .fold(0, async |sum, row| sum + number(&*row.unwrap())),
        );
        assert_eq!(sum, 500_000_500_000);
        let begun = Instant::now();
        let request = Request {
            statement: &statement,
            values: &[],
        };
        let mut rows = raw.stream(request);
        assert!(block_on(rows.next()).unwrap().is_ok());
        drop(rows);
        assert_eq!(block_on(numbers(&mut *raw, "SELECT 1")), [1]);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    });
}

#[test]
fn i1_a_dropped_stream_leaves_a_connection_at_rest_or_none() {
    in_time(|| {
        // Often, since the call after the drop may meet the very end of the other side.
        for (between, expected) in [(true, true), (false, false)].repeat(500) {
            let well = Well {
                survives_between: between,
                ..Well::new(1_000)
            };
            let isolated = isolated(well.clone(), None);
            let mut raw = block_on(isolated.connect()).unwrap();
            let statement = statement("rows");
            let request = Request {
                statement: &statement,
                values: &[],
            };
            let mut rows = raw.stream(request);
            assert!(block_on(rows.next()).unwrap().is_ok());
            drop(rows);
            let settled = block_on(raw.settle());
            assert_eq!(settled.is_ok(), expected, "{settled:?}");
            assert_eq!(well.settled.load(Ordering::Relaxed), usize::from(expected));
            assert_eq!(raw.interrupted(false), expected);
            if let Err(error) = settled {
                assert!(error.is_fatal() && error.message().contains("stream"), "{error}");
                assert_eq!(error.kind(), ErrorKind::ConnectionLost);
            }
        }
    });
}

#[test]
fn i1_a_dropped_call_runs_to_its_end_and_settling_waits_for_it() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        block_on(raw.begin(None)).unwrap();
        let held = hold(&isolated.harbour);
        drop_half_way(raw.begin(None));
        drop_half_way(run(&mut *raw, "dropped", &mut Numbers::default()));
        assert_eq!(raw.depth(), 1);
        drop(held);
        assert!(raw.interrupted(false));
        block_on(raw.settle()).unwrap();
        assert_eq!(raw.depth(), 2);
        let log: Vec<String> = fake.server.lock().log.iter().map(|(.., text)| text.clone()).collect();
        assert_eq!(log, ["begin", "begin", "dropped"]);
    });
}

#[test]
fn i1_dropping_the_connection_ends_a_statement_under_way() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("run", Gate::Never);
        drop_half_way(run(&mut *raw, "never", &mut Numbers::default()));
        drop(raw);
        // Another connection of the same thread works on, and by then the first is closed.
        let mut other = block_on(isolated.connect()).unwrap();
        block_on(other.ping()).unwrap();
        assert_eq!(fake.open(), 1);
        drop(other);
        closed(&fake, &isolated.harbour);
    });
}

#[test]
fn i2_a_dropped_connect_leaves_nothing_behind() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        // At one time or another it is dropped before, while, and after it is opened over there.
        for _ in 0..50 {
            drop(isolated.connect().now_or_never());
        }
        closed(&fake, &isolated.harbour);
    });
}

#[test]
fn i2_errors_and_broken_connections_come_through() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("begin", Gate::Error);
        let error = block_on(raw.begin(None)).unwrap_err();
        assert_eq!((error.kind(), raw.depth()), (ErrorKind::Database, 0));
        fake.gate("commit", Gate::Broken);
        block_on(raw.begin(None)).unwrap();
        let error = block_on(raw.commit(None)).unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::ConnectionLost);
        block_on(raw.close()).unwrap();
        assert_eq!(fake.open(), 0);
    });
}

#[test]
fn i2_a_panic_over_there_is_an_error_at_once() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(WorkerConnection::open(&isolated)).unwrap();
        let error = block_on(raw.call::<(), _>(|_| Box::pin(async { panic!("as planned") }))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert!(error.is_fatal() && error.message().contains("panic"), "{error}");
        // It is gone on the server by the time the error is there, and the thread lives on.
        assert_eq!(fake.open(), 0);
        assert!(!raw.interrupted(true));
        let again = block_on(raw.ping()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::ConnectionLost);
        block_on(block_on(isolated.connect()).unwrap().ping()).unwrap();
    });
}

#[test]
fn i2_a_joined_thread_takes_its_connections_along() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("ping", Gate::Never);
        let harbour = Arc::clone(&isolated.harbour);
        let (error, ()) = block_on(async {
            futures::join!(async { raw.ping().await.unwrap_err() }, async {
                harbour.join().await.unwrap();
            })
        });
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert!(
            error.is_fatal() && error.message().contains("thread of full isolation has ended"),
            "{error}"
        );
        assert_eq!(fake.open(), 0);
        let later = block_on(raw.begin(None)).unwrap_err();
        assert_eq!(later.kind(), ErrorKind::ConnectionLost);
        assert!(block_on(raw.close()).is_err());
        // Whether or not the ping got as far as its gate, this call meets none.
        block_on(block_on(isolated.connect()).unwrap().begin(None)).unwrap();
    });
}

#[test]
fn i2_a_dead_thread_is_an_error_at_once_and_the_next_connection_starts_another() {
    static DIE: AtomicBool = AtomicBool::new(false);
    fn mortal() -> io::Result<Runtime> {
        Builder::new_current_thread()
            .enable_all()
            .on_thread_park(|| assert!(!DIE.swap(false, Ordering::SeqCst), "as planned"))
            .build()
    }
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = Isolated {
            harbour: Harbour::building("isolated-test", mortal),
            ..isolated(fake.clone(), None)
        };
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("ping", Gate::Never);
        DIE.store(true, Ordering::SeqCst);
        let error = block_on(raw.ping()).unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::ConnectionLost, "{error}");
        // The thread may still be on its way out; joining says when it is gone.
        block_on(isolated.harbour.join()).unwrap();
        // Whether or not the ping got as far as its gate, this call meets none.
        block_on(block_on(isolated.connect()).unwrap().begin(None)).unwrap();
    });
}

#[test]
fn i3_a_lock_that_the_caller_holds_stops_nothing() {
    static LOCK: Lock<()> = Lock::new(());
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        let held = LOCK.lock().unwrap();
        runtime().block_on(async {
            // Even the caller's runtime stands still.
            assert_eq!(block_on(numbers(&mut *raw, &series(500))).len(), 500);
        });
        drop(held);
    });
}

#[test]
fn i4_a_server_that_never_answers_is_an_error_after_the_limit() {
    in_time(|| {
        for (call, on_runtime) in [("ping", false), ("ping", true), ("run", false), ("begin", true)] {
            let fake = FakeConnector::default();
            let isolated = isolated(fake.clone(), Some(Duration::from_millis(50)));
            let mut raw = block_on(isolated.connect()).unwrap();
            fake.gate(call, Gate::Never);
            let waiting = async {
                match call {
                    "run" => run(&mut *raw, "never", &mut Numbers::default()).await.map(drop),
                    "begin" => raw.begin(None).await,
                    _ => raw.ping().await,
                }
            };
            let result = if on_runtime {
                runtime().block_on(waiting)
            } else {
                block_on(waiting)
            };
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            let text = error.to_string();
            assert!(
                error.is_fatal() && text.contains("50ms") && text.contains("result_timeout"),
                "{text}"
            );
            assert_eq!(fake.open(), 0);
            assert_eq!(block_on(raw.ping()).unwrap_err().kind(), ErrorKind::ConnectionLost);
        }
    });
}

#[test]
fn i4_the_limit_holds_while_the_caller_blocks_his_own_runtime() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), Some(Duration::from_millis(50)));
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("ping", Gate::Never);
        let error = runtime().block_on(async { block_on(raw.ping()) }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    });
}

#[test]
fn i4_the_limit_ends_a_dropped_call_too() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), Some(Duration::from_millis(50)));
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("run", Gate::Never);
        drop_half_way(run(&mut *raw, "never", &mut Numbers::default()));
        let error = block_on(raw.settle()).unwrap_err();
        assert!(error.is_fatal(), "{error}");
        assert_eq!(fake.open(), 0);
    });
}

#[test]
fn i4_a_blocked_thread_is_an_error_where_there_is_a_clock() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake, Some(Duration::from_millis(50)));
        let mut raw = block_on(WorkerConnection::open(&isolated)).unwrap();
        let (release, released) = line::channel::<()>();
        let call = raw.call::<(), _>(move |_| {
            Box::pin(async move {
                let _ = released.recv();
                Ok(())
            })
        });
        let error = runtime().block_on(call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.is_fatal() && error.message().contains("100ms"), "{error}");
        drop(release);
    });
}

#[test]
fn i4_a_slow_reader_is_no_lock_up() {
    in_time(|| {
        let well = Well::new(2_000);
        let isolated = isolated(well, Some(Duration::from_millis(50)));
        let mut raw = block_on(isolated.connect()).unwrap();
        let statement = statement("rows");
        let request = Request {
            statement: &statement,
            values: &[],
        };
        runtime().block_on(async {
            let mut rows = raw.stream(request);
            assert!(rows.next().await.unwrap().is_ok());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(rows.map(Result::unwrap).count().await, 1_999);
        });
    });
}

fn own(text: &'static str) -> SqlStr {
    sqlx::SqlSafeStr::into_sql_str(text)
}

/// A database of nothing but rows, which counts those that were drawn.
#[derive(Clone, Debug)]
struct Well {
    rows: usize,
    drawn: Arc<AtomicUsize>,
    settled: Arc<AtomicUsize>,
    survives_between: bool,
}

impl Well {
    fn new(rows: usize) -> Self {
        Self {
            rows,
            drawn: Arc::default(),
            settled: Arc::default(),
            survives_between: true,
        }
    }

    fn row(&self) -> Box<dyn RawRow> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed) as i64;
        Box::new(Fake::new([("i", Value::I64(number))]))
    }
}

impl Connector for Well {
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

fn nothing<T: Default + Send + 'static>() -> BoxFuture<'static, Result<T>> {
    Box::pin(std::future::ready(Ok(T::default())))
}

impl RawConnection for Well {
    fn run<'a>(&'a mut self, _request: Request<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move {
            for _ in 0..1_000 {
                sink.row(&mut Arrived(Some(self.row())))?;
                tokio::task::yield_now().await;
            }
            Ok(Done::default())
        })
    }

    fn stream<'a>(&'a mut self, _request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(futures::stream::iter(0..self.rows).map(|_| Ok(self.row())))
    }

    fn run_script(&mut self, _sql: SqlStr) -> BoxFuture<'_, Result<Done>> {
        nothing()
    }

    fn begin(&mut self, _sql: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
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

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        nothing()
    }
}

/// What the thread adds to BEGIN, three statements and ROLLBACK. Measured by hand: `--ignored --nocapture`, release.
#[test]
#[ignore = "a measurement"]
fn the_way_there_and_back() {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", file.path().join("way.db").display());
    let inner = connector(&Config::from_url(url.as_str()).unwrap()).unwrap();
    let isolated = sqlite(&url);
    runtime().block_on(async {
        let mut direct = inner.connect().await.unwrap();
        let mut there = isolated.connect().await.unwrap();
        let (mut plain, mut far) = (Vec::new(), Vec::new());
        for _ in 0..2_000 {
            plain.push(transaction(&mut *direct).await);
            far.push(transaction(&mut *there).await);
        }
        plain.sort_unstable();
        far.sort_unstable();
        println!("direct {:?}, isolated {:?}", plain[1_000], far[1_000]);
    });
}

async fn transaction(raw: &mut dyn RawConnection) -> Duration {
    let begun = Instant::now();
    raw.begin(None).await.unwrap();
    for _ in 0..3 {
        numbers(raw, "SELECT 1").await;
    }
    raw.rollback_to(0).await.unwrap();
    begun.elapsed()
}
