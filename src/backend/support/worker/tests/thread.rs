//! I2: the thread starts, ends and fails.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::executor::block_on;
use tokio::runtime::{Builder, Runtime};

use super::{closed, in_time, isolated};
use crate::backend::fake::{FakeConnector, Gate};
use crate::backend::support::worker::*;

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
