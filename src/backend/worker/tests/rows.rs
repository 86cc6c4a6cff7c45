//! I1: any runtime and any thread, rows in order, streams that are dropped.

use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::executor::block_on;

use super::{
    Numbers, Well, closed, drop_half_way, hold, in_time, isolated, number, numbers, numbers_of_missing, own, request,
    run, runtime, series, sqlite, statement,
};
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::backend::worker::*;
use crate::sql::Dialect;
use crate::value::Value;

#[test]
fn i1_any_runtime_and_any_thread_may_use_it() {
    in_time(|| {
        let isolated = sqlite("sqlite::memory:");
        assert!(!isolated.runtime_bound());
        assert_eq!(isolated.dialect(), Dialect::Sqlite);
        assert!(isolated.readers_block_writers());
        let mut raw = runtime().block_on(isolated.connect()).unwrap();
        runtime().block_on(raw.run_script(own("CREATE TABLE t (i)"))).unwrap();
        // One runtime after another, a plain thread, and code that blocks its runtime.
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
            isolated.runtime_thread.handle().unwrap().id()
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
            let rows = block_on(
                raw.stream(request(&statement))
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
        let error = block_on(raw.stream(request(&statement)).next()).unwrap().unwrap_err();
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

#[test]
fn i1_a_million_rows_are_not_read_ahead() {
    in_time(|| {
        let well = Well::new(1_000_000);
        let isolated = isolated(well.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        let statement = statement("rows");
        let mut rows = raw.stream(request(&statement));
        for taken in 1..=10_000 {
            assert!(block_on(rows.next()).unwrap().is_ok());
            let ahead = well.drawn.load(Ordering::Relaxed) - taken;
            assert!(ahead <= rows::BATCH * (rows::AHEAD + 2), "{ahead} rows were read ahead");
        }
        drop(rows);
        block_on(raw.settle()).unwrap();
        assert!(well.drawn.load(Ordering::Relaxed) < 11_000);
        // The connection is still usable.
        let mut sink = Numbers::default();
        block_on(run(&mut *raw, "rows", &mut sink)).unwrap();
    });
}

#[test]
fn i1_a_million_rows_of_a_real_database_stream_through() {
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        let statement = statement(&series(1_000_000));
        let sum = block_on(
            raw.stream(request(&statement))
                .fold(0, async |sum, row| sum + number(&*row.unwrap())),
        );
        assert_eq!(sum, 500_000_500_000);
        let begun = Instant::now();
        let mut rows = raw.stream(request(&statement));
        assert!(block_on(rows.next()).unwrap().is_ok());
        drop(rows);
        assert_eq!(block_on(numbers(&mut *raw, "SELECT 1")), [1]);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    });
}

#[test]
fn i1_a_dropped_stream_leaves_an_idle_connection_or_none() {
    in_time(|| {
        // Repeated, since the call after the drop may coincide with the very end of the other side.
        for (between, expected) in [(true, true), (false, false)].repeat(500) {
            let well = Well {
                survives_between: between,
                ..Well::new(1_000)
            };
            let isolated = isolated(well.clone(), None);
            let mut raw = block_on(isolated.connect()).unwrap();
            let statement = statement("rows");
            let mut rows = raw.stream(request(&statement));
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
        let held = hold(&isolated.runtime_thread);
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
        fake.gate("run", ScriptedStep::Never);
        drop_half_way(run(&mut *raw, "never", &mut Numbers::default()));
        drop(raw);
        // Another connection of the same thread is still usable, and by then the first is closed.
        let mut other = block_on(isolated.connect()).unwrap();
        block_on(other.ping()).unwrap();
        assert_eq!(fake.open(), 1);
        drop(other);
        closed(&fake, &isolated.runtime_thread);
    });
}
