//! Transactions that the server has ended.

use std::panic::Location;
use std::sync::Arc;

use super::{assert_clean, begin, engine, run};
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::error::ErrorKind;
use crate::session::level::Finish;
use crate::session::replicas::Reads;
use crate::session::statement::run::Target;

/// Asserts that nothing was written where no transaction is open, after one was believed to be.
fn assert_nothing_committed(connector: &FakeConnector, what: &str) {
    let server = connector.server.lock();
    let outside = server
        .log
        .iter()
        .filter(|(_, depth, text)| *depth == 0 && text.starts_with("insert"));
    assert_eq!(outside.count(), 0, "{what}: {:?}", server.log);
}

#[tokio::test]
async fn x4_a_transaction_that_the_server_ended_is_never_written_in_found_c1() {
    let insert = "insert into t values (1)";
    for (gate, kind) in [
        (ScriptedStep::Deadlock, ErrorKind::Deadlock),
        (ScriptedStep::Ended, ErrorKind::Database),
        (ScriptedStep::Signal, ErrorKind::Deadlock),
    ] {
        for step in ["begin", "run", "commit", "rollback"] {
            for sandbox in [false, true] {
                let what = format!("{gate:?} at the inner {step}, sandbox: {sandbox}");
                let connector = FakeConnector::default();
                let engine = engine(&connector, sandbox);
                let target = Target::Database(Arc::clone(&engine), Reads::Routed);
                let outer = begin(&target).await.unwrap();
                run(&target, insert).await.unwrap();
                if step == "begin" {
                    connector.gate(step, gate);
                }
                let result = match begin(&target).await {
                    Err(error) => Err(error),
                    Ok(inner) => {
                        connector.gate(step, gate);
                        match step {
                            "run" => run(&target, insert).await,
                            "commit" => inner.finish(Finish::Commit, Location::caller(), None).await,
                            _ => inner.finish(Finish::Rollback, Location::caller(), None).await,
                        }
                    }
                };
                match result {
                    // A rollback succeeds, because the work is rolled back already.
                    Ok(()) => assert_eq!(step, "rollback", "{what}"),
                    Err(error) => assert_eq!(error.kind(), kind, "{what}: the first error is returned: {error:?}"),
                }
                let ended = [ErrorKind::TransactionEnded, ErrorKind::SandboxBroken];
                let outer_target = Target::Guard(outer.handle());
                for later in [run(&target, insert).await, run(&outer_target, insert).await] {
                    let kind = later.map_err(|error| error.kind());
                    assert!(kind.is_err_and(|kind| ended.contains(&kind)), "{what}: {kind:?}");
                }
                let expected = if gate == ScriptedStep::Ended { None } else { Some(true) };
                let noted = outer.handle().level.wants_retry();
                assert!(!noted || !sandbox, "{what}: a broken sandbox cannot be repeated in");
                outer
                    .finish(Finish::Commit, Location::caller(), None)
                    .await
                    .expect_err(&what);
                if let Err(error) = outer.finish(Finish::Rollback, Location::caller(), None).await {
                    assert!(step == "rollback" && gate == ScriptedStep::Ended, "{what}: {error:?}");
                }
                assert!(
                    sandbox || expected.is_none_or(|expected| expected == noted),
                    "{what}: retryable"
                );
                drop(outer);
                if sandbox {
                    let error = run(&target, insert).await.expect_err(&what);
                    assert_eq!(error.kind(), ErrorKind::SandboxBroken, "{what}");
                    engine.end_sandbox(false).await;
                }
                assert_nothing_committed(&connector, &what);
                assert_clean(&connector, &engine, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn x4_rolling_back_what_the_server_has_rolled_back_is_done_found_c4() {
    for gate in [ScriptedStep::Deadlock, ScriptedStep::Ended] {
        let connector = FakeConnector::default();
        let engine = engine(&connector, false);
        let target = Target::Database(Arc::clone(&engine), Reads::Routed);
        let guard = begin(&target).await.unwrap();
        connector.gate("run", gate);
        run(&target, "insert into t values (1)").await.unwrap_err();
        guard.finish(Finish::Rollback, Location::caller(), None).await.unwrap();
        let twice = guard.finish(Finish::Rollback, Location::caller(), None).await;
        assert_eq!(twice.unwrap_err().kind(), ErrorKind::TransactionEnded, "{gate:?}");
        // The outermost ROLLBACK may receive the error as well.
        let guard = begin(&target).await.unwrap();
        connector.gate("rollback", ScriptedStep::Deadlock);
        guard.finish(Finish::Rollback, Location::caller(), None).await.unwrap();
        assert_clean(&connector, &engine, "rolled back").await;
    }
}
