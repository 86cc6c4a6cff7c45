//! W2: the metrics of the pool and of statements.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ebbtide::{Config, Database, ErrorKind, PoolStatus, params};
use metrics::{Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::pool::{hold, polled, until};
use crate::support::{Test, cases};

/// A recorder for one future.
struct Counter {
    recorder: DebuggingRecorder,
    pool: String,
    /// The gauges so far: reading the recorder resets them to zero.
    gauges: Mutex<BTreeMap<String, f64>>,
}

/// The counts by name and labels.
type Counts = BTreeMap<String, DebugValue>;

impl Counter {
    fn new(t: &Test) -> Self {
        let (recorder, pool) = (DebuggingRecorder::new(), format!("pool {}", t.id()));
        Self {
            recorder,
            pool,
            gauges: Mutex::default(),
        }
    }

    fn config(&self, t: &Test) -> Config {
        Config::from_url(t.url().as_str())
            .unwrap()
            .pool_name(self.pool.as_str())
    }

    async fn count<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        std::future::poll_fn(|context| metrics::with_local_recorder(&self.recorder, || future.as_mut().poll(context)))
            .await
    }

    /// Returns the counts for the pool. Histograms are reset.
    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for (key, _, _, value) in self.recorder.snapshotter().snapshot().into_vec() {
            let key = key.key();
            let labels: BTreeMap<_, _> = key.labels().map(|label| (label.key(), label.value())).collect();
            assert_eq!(labels["db.client.connection.pool.name"], self.pool, "{key}");
            assert!(
                labels.contains_key("db.system.name") && labels.contains_key("db.namespace"),
                "{key}"
            );
            let mut name = key.name().to_owned();
            for label in ["db.client.connection.state", "db.operation.name", "error.type"] {
                if let Some(value) = labels.get(label) {
                    name = format!("{name} {value}");
                }
            }
            let value = match value {
                DebugValue::Gauge(since) => {
                    let mut gauges = self.gauges.lock().unwrap();
                    let sum = gauges.entry(name.clone()).or_default();
                    *sum += since.0;
                    DebugValue::Gauge((*sum).into())
                }
                value => value,
            };
            counts.insert(name, value);
        }
        counts
    }

    /// Returns the gauges of idle, used and pending, and the values that the pool itself reports.
    fn state(&self, status: PoolStatus) -> ([f64; 3], [f64; 3]) {
        let counts = self.counts();
        let names = ["count idle", "count used", "pending_requests"];
        let own = [status.idle, status.in_use, status.waiting].map(|number| number as f64);
        (names.map(|name| gauge(&counts, name)), own)
    }
}

fn gauge(counts: &Counts, name: &str) -> f64 {
    match &counts[&format!("db.client.connection.{name}")] {
        DebugValue::Gauge(value) => value.0,
        other => panic!("{name}: {other:?}"),
    }
}

fn histogram(counts: &Counts, name: &str) -> Vec<f64> {
    match counts.get(&format!("db.client.{name}")) {
        Some(DebugValue::Histogram(values)) => values.iter().map(|value| value.0).collect(),
        None => Vec::new(),
        other => panic!("{name}: {other:?}"),
    }
}

/// A recorder that queries the status of the database whenever it receives a value.
#[derive(Clone, Default)]
struct StatusReader(Arc<(OnceLock<Database>, AtomicUsize)>);

impl StatusReader {
    fn ask(&self) {
        if let Some(database) = self.0.0.get()
            && database.status().is_ok()
        {
            self.0.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl GaugeFn for StatusReader {
    fn increment(&self, _value: f64) {
        self.ask();
    }

    fn decrement(&self, _value: f64) {
        self.ask();
    }

    fn set(&self, _value: f64) {
        self.ask();
    }
}

impl HistogramFn for StatusReader {
    fn record(&self, _value: f64) {
        self.ask();
    }
}

impl Recorder for StatusReader {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _description: SharedString) {}

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> metrics::Counter {
        metrics::Counter::noop()
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.clone()))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.clone()))
    }
}

cases! {
    async fn w2_a_recorder_may_ask_for_the_status_of_the_pool(t: Test) {
        let reader = StatusReader::default();
        let config = Config::from_url(t.url().as_str()).unwrap();
        let work = async {
            let database = Database::connect(config).await.unwrap();
            assert!(reader.0.0.set(database.clone()).is_ok());
            // Checked out and returned.
            database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await.unwrap();
            database
        };
        let mut work = pin!(work);
        let polls = |context: &mut std::task::Context<'_>| {
            metrics::with_local_recorder(&reader, || work.as_mut().poll(context))
        };
        let database = std::future::poll_fn(polls).await;
        let asked = reader.0.1.load(Ordering::Relaxed);
        assert!(asked >= 4, "idle and used, forth and back: {asked}");
        database.disconnect().await.unwrap();
    }

    #[only(postgres, mysql)]
    async fn w2_a_cancelled_statement_is_counted(t: Test) {
        let counter = Counter::new(&t);
        let database = counter.count(Database::connect(counter.config(&t))).await.unwrap();
        let sleep = if t.backend().is_postgres() { "select pg_sleep(30)" } else { "select sleep(30)" };
        let asked = database.execute(sleep, ()).timeout(Duration::from_millis(100));
        let error = counter.count(async { asked.await }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(histogram(&counter.counts(), "operation.duration SELECT cancelled").len(), 1);
    }

    async fn w2_the_gauges_are_what_the_pool_says_of_itself(t: Test) {
        let counter = Counter::new(&t);
        let config = counter.config(&t).pool_size(2).max_overflow(1);
        let database = counter.count(Database::connect(config)).await.unwrap();
        let status = || database.status().unwrap();
        let same = |what: &str, expected: [f64; 3]| {
            let (reported, own) = counter.state(status());
            assert_eq!(reported, expected, "{what}");
            assert_eq!(reported, own, "{what}");
        };
        same("connected", [1.0, 0.0, 0.0]);
        let counts = counter.counts();
        assert_eq!((gauge(&counts, "idle.max"), gauge(&counts, "max")), (2.0, 3.0));

        let mut held = vec![hold(&database).await, hold(&database).await, hold(&database).await];
        same("all are in use", [0.0, 3.0, 0.0]);
        let mut waiting = Box::pin(async { database.execute(t.sql("select 1 {from}"), ()).await });
        assert!(futures::poll!(&mut waiting).is_pending());
        let given_up = polled(async { database.execute(t.sql("select 1 {from}"), ()).await }, 1).await;
        assert!(given_up.is_none());
        same("one waits, and one has given up", [0.0, 3.0, 1.0]);
        held.pop().unwrap().release().await;
        waiting.await.unwrap();
        // The waiter had the place beyond the size of the pool, or another's; one is closed.
        until("what is too many is closed", || status().size == 2 || status().idle == 1).await;
        let (reported, own) = counter.state(status());
        assert_eq!(reported, own);
        for held in held {
            held.release().await;
        }
        until("all are back", || status().idle == 2).await;
        same("all are back", [2.0, 0.0, 0.0]);
        let counts = counter.counts();
        assert_eq!(histogram(&counts, "connection.wait_time").len(), 0, "they were taken by those above");

        counter.count(database.disconnect()).await.unwrap();
        drop(database);
        let counts = counter.counts();
        for name in ["count idle", "count used", "pending_requests", "idle.max", "max"] {
            assert_eq!(gauge(&counts, name), 0.0, "{name} after the end");
        }
    }

    async fn w2_times_and_time_outs_are_counted(t: Test) {
        let counter = Counter::new(&t);
        let config = counter.config(&t).pool_size(1).pool_timeout(Duration::from_millis(50));
        let database = counter.count(Database::connect(config)).await.unwrap();
        let counts = counter.counts();
        for name in ["create_time", "wait_time", "use_time"] {
            assert_eq!(histogram(&counts, &format!("connection.{name}")).len(), 1, "{name} of connecting");
        }
        for _ in 0..3 {
            counter.count(async { database.fetch_value::<i64>(t.sql("select 1 {from}"), ()).await }).await.unwrap();
        }
        let counts = counter.counts();
        assert_eq!(histogram(&counts, "connection.create_time"), [] as [f64; 0]);
        assert_eq!(histogram(&counts, "connection.wait_time").len(), 3);
        assert_eq!(histogram(&counts, "connection.use_time").len(), 3);

        let held = hold(&database).await;
        let error = counter.count(async { database.execute(t.sql("select 1 {from}"), ()).await }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let counts = counter.counts();
        assert_eq!(counts["db.client.connection.timeouts"], DebugValue::Counter(1));
        assert_eq!(gauge(&counts, "pending_requests"), 0.0);
        assert_eq!(histogram(&counts, "connection.wait_time").len(), 1, "only of the one that holds it");
        held.release().await;
        let used = histogram(&counter.counts(), "connection.use_time");
        assert!(used.len() == 1 && used[0] >= 0.05, "longer than the other waited: {used:?}");
    }

    async fn w2_the_durations_of_statements_are_counted_by_operation(t: Test) {
        let counter = Counter::new(&t);
        let database = counter.count(Database::connect(counter.config(&t))).await.unwrap();
        let work = async {
            let create = t.sql("create table {notes} (id {int} not null primary key)");
            database.execute(create, ()).await.unwrap();
            for (id, verb) in [(1, "insert"), (2, "INSERT")] {
                let insert = t.sql(&format!("{verb} into {{notes}} (id) values (:id)"));
                database.execute(insert, params! { id }).await.unwrap();
            }
            database.execute("this is no SQL", ()).await.unwrap_err();
            database.execute("this is none either", ()).await.unwrap_err();
            let insert = t.sql("insert into {notes} (id) values (:id)");
            database.execute(insert, params! { id: 2 }).await.unwrap_err();
            let transaction = database.transaction().await.unwrap();
            transaction.fetch_all(t.sql("select id from {notes}"), ()).await.unwrap();
            transaction.commit().await.unwrap();
        };
        counter.count(work).await;
        let counts = counter.counts();
        for operation in ["CREATE TABLE", "SELECT", "BEGIN", "COMMIT"] {
            assert_eq!(histogram(&counts, &format!("operation.duration {operation}")).len(), 1, "{operation}: {counts:?}");
        }
        assert_eq!(histogram(&counts, "operation.duration INSERT").len(), 2, "however it is written");
        let failed: Vec<_> = counts.keys().filter(|name| name.contains("duration INSERT ")).collect();
        assert_eq!(failed.len(), 1, "by the class of the error: {failed:?}");
        let others: Vec<_> = counts.keys().filter(|name| name.contains("duration OTHER ")).collect();
        assert_eq!(others.len(), 1, "whatever it is, it is no series of its own: {others:?}");
        for (name, _) in counts.iter().filter(|(name, _)| name.contains("duration")) {
            let name = name.trim_start_matches("db.client.");
            assert!(histogram(&counts, name).iter().all(|seconds| (0.0..60.0).contains(seconds)), "{name}");
        }
    }
}
