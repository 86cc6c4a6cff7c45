//! The run of a test from start to end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};

use tokio::runtime::Builder;

use super::content::TestContent;
use super::runner_runtime::RunnerRuntime;
use super::running::Environment;
use super::shared_database::TestPlan;
use super::spec::{Runtime, Spec, Strategy};
use super::{environment, names, report};
use crate::database::Database;
use crate::error::Result;

/// Runs a test that takes a database.
///
/// # Panics
///
/// If the test panics or cannot run; this is how a test fails.
#[track_caller]
pub fn run<F, T>(spec: Spec, body: F) -> ExitCode
where
    F: AsyncFnOnce(Database) -> T,
    T: Termination,
{
    let (name, runtime, should_panic) = (spec.name, spec.runtime, spec.should_panic);
    let runner = RunnerRuntime::default();
    let plan = match plan(spec) {
        Ok(plan) => plan,
        Err(error) => report::fail(name, &error),
    };
    let environment = match Environment::prepare(&plan, &runner) {
        Ok(environment) => environment,
        Err(error) => report::fail(name, &error),
    };
    let place = environment.place();
    let Performed { outcome, failure_log } = match perform(&environment, name, runtime, body) {
        Ok(performed) => performed,
        Err(error) => {
            // The reason why the test cannot run is reported; a second error is not.
            let _ = environment.finish(&runner, false, false);
            report::fail(name, &error)
        }
    };
    let failed = match &outcome {
        Ok(code) => should_panic || *code != ExitCode::SUCCESS,
        Err(_) => !should_panic,
    };
    match environment.finish(&runner, failed && plan.keeps, failure_log.left_sandbox) {
        Ok(left) if failed => report::failed(name, &place, &failure_log.recorded, &left),
        Ok(_) => {}
        Err(error) => report::warn(name, &format!("could not clean up: {error}")),
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs a test that takes no database.
///
/// # Panics
///
/// If the test panics, or if its runtime cannot be created.
#[track_caller]
pub fn run_without_database<F, T>(runtime: Runtime, body: F) -> ExitCode
where
    F: AsyncFnOnce() -> T,
    T: Termination,
{
    match build(runtime).and_then(|runtime| runtime.block_on(body())) {
        Ok(output) => output.report(),
        Err(error) => report::fail("the test", &error),
    }
}

fn plan(spec: Spec) -> Result<TestPlan> {
    let config = match spec.source {
        Some(config) => config?,
        None => environment::database(spec.manifest)?,
    };
    // The strategy decides whether writes are kept.
    // Replicas do not replicate the test's database.
    let config = config.force_rollback(false).without_replicas();
    let content = TestContent::new(spec.migrations, spec.fixtures)?;
    let mut plan = TestPlan {
        // Without content no name is derived. A server's database may then be the user's default one.
        digest: if content.is_empty() {
            String::new()
        } else {
            content.digest(names::of(&config)?)
        },
        config,
        content,
        strategy: spec.strategy,
        keeps: environment::keeps_failed()?,
    };
    if plan.keeps && plan.strategy == Strategy::Rollback && plan.can_clone() {
        plan.strategy = Strategy::Clone;
    }
    Ok(plan)
}

/// The outcome of a test, and its statements.
struct Performed {
    outcome: std::thread::Result<ExitCode>,
    failure_log: FailureLog,
}

/// The statements of a test.
struct FailureLog {
    /// Executed SQL.
    recorded: Vec<String>,
    /// `true` if some of it was not rolled back, because it ran outside of the sandbox.
    left_sandbox: bool,
}

/// Runs the body on its own runtime, which ends afterwards with all tasks spawned on it.
fn perform<F, T>(environment: &Environment, name: &'static str, runtime: Runtime, body: F) -> Result<Performed>
where
    F: AsyncFnOnce(Database) -> T,
    T: Termination,
{
    let runtime = build(runtime)?;
    // The application may have disconnected its database at the end; the statement log still exists.
    let (database, statement_log) = runtime.block_on(environment.open(name))??;
    let given = database.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body(given))));
    let outcome = match outcome {
        Ok(output) => Ok(output?.report()),
        Err(panic) => Err(panic),
    };
    let failure_log = FailureLog {
        recorded: statement_log.entries().iter().map(ToString::to_string).collect(),
        left_sandbox: statement_log.was_left(),
    };
    let open: Vec<String> = database.open_handles().iter().map(ToString::to_string).collect();
    // A sandbox reports them itself.
    if !open.is_empty() && !matches!(environment, Environment::Sandbox(_)) {
        report::warn(name, &format!("still open at its end:\n  {}", open.join("\n  ")));
    }
    if let Err(error) = runtime.block_on(environment.close(&database))? {
        report::warn(name, &error.to_string());
    }
    Ok(Performed { outcome, failure_log })
}

fn build(runtime: Runtime) -> Result<RunnerRuntime> {
    match runtime {
        Runtime::CurrentThread => RunnerRuntime::of(&mut Builder::new_current_thread()),
        Runtime::MultiThread(None) => RunnerRuntime::of(&mut Builder::new_multi_thread()),
        Runtime::MultiThread(Some(threads)) => RunnerRuntime::of(Builder::new_multi_thread().worker_threads(threads)),
    }
}
