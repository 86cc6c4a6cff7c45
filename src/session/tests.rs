//! Cancellation at every await point, on the scripted driver. The tests in `tests/it/cases/cancellation/` do the same
//! on the real servers, where not every point can be reached.

mod ended;
mod own_rules;
mod owners;
mod positions;
mod ways;

use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::engine::Engine;
use super::level::Finish;
use super::replicas::Reads;
use super::sandbox::SandboxPlan;
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::backend::rules::BeginOptions;
use crate::backend::sqlx::Ignore;
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::pool::{Caller, Limits, Pool};
#[cfg(feature = "macros")]
use crate::session::sandbox::statement_log::StatementLog;
use crate::session::scope::chain::Chain;
use crate::session::scope::guard::Guard;
use crate::session::statement::run::{BoundStatement, Target};
use crate::sql::{Dialect, TemplateCache};
use crate::telemetry::Telemetry;
use crate::value::Params;

pub(crate) fn engine(connector: &FakeConnector, sandbox: bool) -> Arc<Engine> {
    planned(connector, sandbox.then(SandboxPlan::default))
}

fn planned(connector: &FakeConnector, plan: Option<SandboxPlan>) -> Arc<Engine> {
    let limits = Limits {
        size: 2,
        overflow: 0,
        acquire: Duration::from_secs(5),
        connect: Duration::from_secs(5),
        lifetime: None,
        idle: None,
        check_after: Duration::from_mins(1),
        suspects_idle: false,
        keep_session: false,
        echo: false,
    };
    let config = Config::from_url("mysql://localhost/x").unwrap();
    let (settings, telemetry) = (config.settings().clone(), Telemetry::new(&config));
    let templates = Arc::new(TemplateCache::new(Dialect::MySql, 10));
    Engine::new(
        Pool::new(Arc::new(connector.clone()), limits, None, telemetry),
        Arc::new(settings),
        templates,
        Arc::default(),
        plan,
        None,
    )
}

#[tokio::test]
async fn the_future_of_an_end_has_not_grown() {
    // It is in a box, where `tests/future_sizes.rs` does not see it.
    let target = Target::Database(engine(&FakeConnector::default(), false), Reads::Primary);
    let guard = begin(&target).await.unwrap();
    let end = guard.finish(Finish::Commit, Location::caller(), None);
    assert!(size_of_val(&end) <= 864, "{} bytes", size_of_val(&end));
}

fn here() -> Caller {
    Caller::at(Location::caller())
}

async fn run(target: &Target, sql: &str) -> Result<()> {
    let template = target.engine().templates.get(sql)?;
    let bound = template.bind(Params::default())?;
    target
        .run(&BoundStatement::new(template, bound, here()), &mut Ignore)
        .await
        .map(drop)
}

async fn begin(target: &Target) -> Result<Guard> {
    let chain = Chain::current();
    Ok(Guard::new(
        target
            .begin(BeginOptions::default(), false, chain.innermost(), &chain, here())
            .await?,
    ))
}

/// Polls a future `times` times and drops it. Returns its result if it was done by then.
fn polled<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
    }
    None
}

/// Asserts that the next users of the pool find connections without a transaction; each of the two is checked.
async fn assert_clean(connector: &FakeConnector, engine: &Arc<Engine>, what: &str) {
    let mut leases = Vec::new();
    for _ in 0..2 {
        let lease = engine.pool.acquire(here()).await;
        leases.push(lease.unwrap_or_else(|error| panic!("{what}: {error}")));
    }
    for lease in &mut leases {
        let raw = lease.ready().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        raw.ping().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    assert_eq!(
        connector.server.lock().mixed,
        [""; 0],
        "{what}: the next user got an answer of another"
    );
    assert!(
        connector.server.lock().depths.iter().flatten().all(|depth| *depth == 0),
        "{what}: {:?}",
        connector.server.lock()
    );
    assert!(connector.open() <= 2, "{what}: more connections than the pool allows");
    drop(leases);
    let status = engine.pool.status();
    assert_eq!((status.in_use, status.waiting), (0, 0), "{what}: {status:?}");
}

/// Drops `script` after each number of polls in turn, until it runs to its end.
async fn at_every_point<T, F: Future<Output = T>>(what: &str, script: impl Fn(Arc<Engine>) -> F) {
    for survives in [false, true] {
        for sandbox in [false, true] {
            for times in 0.. {
                assert!(times < 200, "{what}: does not end");
                let connector = FakeConnector {
                    survives,
                    ..FakeConnector::default()
                };
                let engine = engine(&connector, sandbox);
                let done = polled(script(Arc::clone(&engine)), times).is_some();
                if sandbox {
                    engine.end_sandbox(false).await;
                }
                assert_clean(&connector, &engine, &format!("{what}, dropped after {times} polls")).await;
                if done {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn x4_cancelled_begin_never_leaks_a_transaction() {
    at_every_point("begin", async |engine| {
        begin(&Target::Database(engine, Reads::Routed)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn x4_cancelled_commit_never_leaks_a_transaction() {
    at_every_point("commit", async |engine| {
        let target = Target::Database(engine, Reads::Routed);
        let guard = begin(&target).await?;
        run(&target, "insert into t values (1)").await?;
        guard.finish(Finish::Commit, Location::caller(), None).await
    })
    .await;
}

#[tokio::test]
async fn x4_cancelled_rollback_and_savepoints_never_leak_a_transaction() {
    at_every_point("nested", async |engine| {
        let target = Target::Database(engine, Reads::Routed);
        let outer = begin(&target).await?;
        let inner = begin(&target).await?;
        run(&target, "insert into t values (1)").await?;
        inner.finish(Finish::Rollback, Location::caller(), None).await?;
        let again = begin(&target).await?;
        again.finish(Finish::Commit, Location::caller(), None).await?;
        outer.finish(Finish::Rollback, Location::caller(), None).await
    })
    .await;
}

#[tokio::test]
async fn x4_cancelled_raw_transactions_never_leak_a_transaction() {
    at_every_point("raw", async |engine| {
        if engine.sandbox.is_some() {
            return Ok(());
        }
        let handle = engine.connection(here());
        let target = Target::Connection(handle);
        run(&target, "begin").await?;
        run(&target, "insert into t values (1)").await
    })
    .await;
}

#[tokio::test]
async fn x4_failing_and_breaking_steps_never_leak_a_transaction() {
    for step in ["begin", "run", "commit", "rollback"] {
        for gate in [ScriptedStep::Error, ScriptedStep::Broken] {
            for how in [Finish::Commit, Finish::Rollback] {
                let connector = FakeConnector::default();
                let engine = engine(&connector, false);
                connector.gate(step, gate);
                let target = Target::Database(Arc::clone(&engine), Reads::Routed);
                if let Ok(guard) = begin(&target).await {
                    let _ = run(&target, "insert into t values (1)").await;
                    let _ = guard.finish(how, Location::caller(), None).await;
                }
                assert_clean(&connector, &engine, &format!("{step} {gate:?} {how:?}")).await;
            }
        }
    }
}

#[tokio::test]
async fn x4_a_server_that_never_answers_costs_one_connection_only() {
    for step in ["begin", "run", "commit", "rollback"] {
        let connector = FakeConnector::default();
        let engine = engine(&connector, false);
        connector.gate(step, ScriptedStep::Never);
        let target = Target::Database(Arc::clone(&engine), Reads::Routed);
        let script = async {
            let guard = begin(&target).await?;
            run(&target, "insert into t values (1)").await?;
            let how = if step == "rollback" {
                Finish::Rollback
            } else {
                Finish::Commit
            };
            guard.finish(how, Location::caller(), None).await
        };
        assert!(
            tokio::time::timeout(Duration::from_millis(50), script).await.is_err(),
            "{step} was answered"
        );
        assert_clean(&connector, &engine, step).await;
    }
}

#[tokio::test]
async fn t6_bindings_end_with_their_handles() {
    let connector = FakeConnector::default();
    let engine = engine(&connector, false);
    let target = Target::Database(Arc::clone(&engine), Reads::Routed);
    let guard = begin(&target).await.unwrap();
    assert_eq!(engine.bindings.len(), 1);
    drop(guard);
    assert_eq!(engine.bindings.len(), 0);
    for times in 0..6 {
        drop(polled(begin(&target), times));
        assert_eq!(engine.bindings.len(), 0, "after {times} polls");
    }
}

#[tokio::test]
async fn t8_a_second_begin_beside_a_first_is_refused_with_both_places() {
    let connector = FakeConnector::default();
    let engine = engine(&connector, false);
    let target = Target::Database(Arc::clone(&engine), Reads::Routed);
    let (first, second) = tokio::join!(begin(&target), begin(&target));
    let Err(error) = second else { panic!("both began") };
    assert_eq!(error.kind(), ErrorKind::ConcurrentUse);
    assert_eq!(error.message().matches(file!()).count(), 2, "{error}");
    drop(first.unwrap());
    assert_clean(&connector, &engine, "refused").await;
}

/// Checks a row that may exist, though its answer never arrived.
#[cfg(feature = "macros")]
#[tokio::test]
async fn f12_what_was_cut_off_is_written_down_and_may_have_left_the_sandbox() {
    let connector = FakeConnector::default();
    let statement_log = Arc::new(StatementLog::new(9));
    let plan = SandboxPlan {
        statement_log: Arc::clone(&statement_log),
        ..SandboxPlan::default()
    };
    let (outside, sandbox) = (engine(&connector, false), planned(&connector, Some(plan)));
    outside.lies_beside(&sandbox);
    let cut = async |engine: &Arc<Engine>, sql: &str| {
        let target = Target::Database(Arc::clone(engine), Reads::Routed);
        connector.gate("run", ScriptedStep::Never);
        assert!(polled(run(&target, sql), 9).is_none(), "{sql}");
    };
    cut(&sandbox, "insert into t values (1)").await;
    assert!(!statement_log.was_left());
    cut(&outside, "insert into t values (2)").await;
    assert!(statement_log.was_left());
    let entries = statement_log.entries();
    let recorded: Vec<_> = entries.iter().map(|entry| (&*entry.sql, entry.outside)).collect();
    assert_eq!(
        recorded,
        [("insert into t values (1)", false), ("insert into t values (2)", true)],
        "{entries:?}"
    );
    for entry in &entries {
        assert!(entry.to_string().contains("before the answer came"), "{entry}");
    }
}
