//! I3, I4: locks of the caller, and the limit of each wait.

use std::sync::Mutex as Lock;
use std::sync::mpsc as line;

use futures::StreamExt;
use futures::executor::block_on;

use super::{
    Numbers, Well, drop_half_way, in_time, isolated, numbers, request, run, runtime, series, sqlite, statement,
    transaction,
};
use crate::backend::connector;
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::backend::worker::*;
use crate::config::Config;

#[test]
fn i3_a_lock_that_the_caller_holds_stops_nothing() {
    static LOCK: Lock<()> = Lock::new(());
    in_time(|| {
        let mut raw = block_on(sqlite("sqlite::memory:").connect()).unwrap();
        let held = LOCK.lock().unwrap();
        runtime().block_on(async {
            // Even the caller's runtime is blocked.
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
            fake.gate(call, ScriptedStep::Never);
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
        fake.gate("ping", ScriptedStep::Never);
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
        fake.gate("run", ScriptedStep::Never);
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
        let limit = Some(Duration::from_millis(50));
        let isolated = isolated(fake, limit);
        let open = WorkerConnection::open(&isolated.inner, &isolated.runtime_thread, limit);
        let mut raw = block_on(open).unwrap();
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
        runtime().block_on(async {
            let mut rows = raw.stream(request(&statement));
            assert!(rows.next().await.unwrap().is_ok());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(rows.map(Result::unwrap).count().await, 1_999);
        });
    });
}

/// Measures what the thread adds to BEGIN, three statements and ROLLBACK. By hand: `--ignored --nocapture`, release.
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
