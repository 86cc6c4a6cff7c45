//! I2: the thread starts, ends and fails.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::executor::block_on;
use tokio::runtime::{Builder, Runtime};

use super::{Well, closed, in_time, isolated};
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::backend::worker::connector::WorkerConnector;
use crate::backend::worker::*;

#[test]
fn i2_a_dropped_connect_leaves_nothing_behind() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        // The drop comes before, during or after the opening on the thread.
        for _ in 0..50 {
            drop(isolated.connect().now_or_never());
        }
        closed(&fake, &isolated.runtime_thread);
    });
}

#[test]
fn i2_errors_and_broken_connections_come_through() {
    in_time(|| {
        let fake = FakeConnector::default();
        let isolated = isolated(fake.clone(), None);
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("begin", ScriptedStep::Error);
        let error = block_on(raw.begin(None)).unwrap_err();
        assert_eq!((error.kind(), raw.depth()), (ErrorKind::Database, 0));
        fake.gate("commit", ScriptedStep::Broken);
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
        let mut raw = block_on(WorkerConnection::open(&isolated.inner, &isolated.runtime_thread, None)).unwrap();
        let error = block_on(raw.call::<(), _>(|_| Box::pin(async { panic!("as planned") }))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert!(error.is_fatal() && error.message().contains("panic"), "{error}");
        // When the error arrives, the connection is gone on the server, and the thread lives on.
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
        fake.gate("ping", ScriptedStep::Never);
        let runtime_thread = Arc::clone(&isolated.runtime_thread);
        let (error, ()) = block_on(async {
            futures::join!(async { raw.ping().await.unwrap_err() }, async {
                runtime_thread.join().await.unwrap();
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
        // The ping may not have reached its gate; this call meets none.
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
        let isolated = WorkerConnector {
            runtime_thread: RuntimeThread::building("isolated-test", mortal),
            ..isolated(fake.clone(), None)
        };
        let mut raw = block_on(isolated.connect()).unwrap();
        fake.gate("ping", ScriptedStep::Never);
        DIE.store(true, Ordering::SeqCst);
        let error = block_on(raw.ping()).unwrap_err();
        assert!(error.is_fatal() && error.kind() == ErrorKind::ConnectionLost, "{error}");
        // The thread may still be ending; joining shows when it is gone.
        block_on(isolated.runtime_thread.join()).unwrap();
        // The ping may not have reached its gate; this call meets none.
        block_on(block_on(isolated.connect()).unwrap().begin(None)).unwrap();
    });
}

#[test]
fn t6_a_session_on_a_thread_is_reset_there_found_w3() {
    in_time(|| {
        let mut raw = block_on(isolated(Well::new(0), None).connect()).unwrap();
        assert!(block_on(raw.reset_session()).unwrap());
    });
}
