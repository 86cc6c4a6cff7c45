//! A test from its beginning to its end.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};

use tokio::runtime::Builder;

use super::backstage::Backstage;
use super::content::Content;
use super::parents::Plan;
use super::spec::{Runtime, Spec, Strategy};
use super::stage::Stage;
use super::{environment, names, report};
use crate::database::Database;
use crate::error::Result;

/// Runs a test that takes a database.
///
/// # Panics
///
/// When the test does, and when it cannot run; that is how a test fails.
#[track_caller]
pub fn run<F, T>(spec: Spec, body: F) -> ExitCode
where
    F: AsyncFnOnce(Database) -> T,
    T: Termination,
{
    let (name, runtime, should_panic) = (spec.name, spec.runtime, spec.should_panic);
    let backstage = Backstage::default();
    let plan = match plan(spec) {
        Ok(plan) => plan,
        Err(error) => report::fail(name, &error),
    };
    let stage = match Stage::prepare(&plan, &backstage) {
        Ok(stage) => stage,
        Err(error) => report::fail(name, &error),
    };
    let place = stage.place();
    let Performed { outcome, diary } = match perform(&stage, name, runtime, body) {
        Ok(performed) => performed,
        Err(error) => {
            // What keeps the test from running is told, and not what came of it.
            let _ = stage.finish(&backstage, false, false);
            report::fail(name, &error)
        }
    };
    let failed = match &outcome {
        Ok(code) => should_panic || *code != ExitCode::SUCCESS,
        Err(_) => !should_panic,
    };
    match stage.finish(&backstage, failed && plan.keeps, diary.left_sandbox) {
        Ok(left) if failed => report::failed(name, &place, &diary.recorded, &left),
        Ok(_) => {}
        Err(error) => report::warn(name, &format!("could not clear away: {error}")),
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs a test that takes no database.
///
/// # Panics
///
/// When the test does, and when there is no runtime for it.
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

fn plan(spec: Spec) -> Result<Plan> {
    let config = match spec.source {
        Some(config) => config?,
        None => environment::database(spec.manifest)?,
    };
    // The strategy says what becomes of the writes.
    // The copies of the database are none of the test's own.
    let config = config.force_rollback(false).without_replicas();
    let content = Content::new(spec.migrations, spec.fixtures)?;
    let mut plan = Plan {
        // Without content nothing is derived, and a server's database may be the user's usual one.
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

/// What became of the test, and what it did.
struct Performed {
    outcome: std::thread::Result<ExitCode>,
    diary: Diary,
}

/// What the test did.
struct Diary {
    /// The SQL it ran.
    recorded: Vec<String>,
    /// Whether some of that stays, because it ran outside of the sandbox.
    left_sandbox: bool,
}

/// Runs the body on a runtime of its own, which is gone afterwards with all that was spawned on it.
fn perform<F, T>(stage: &Stage, name: &'static str, runtime: Runtime, body: F) -> Result<Performed>
where
    F: AsyncFnOnce(Database) -> T,
    T: Termination,
{
    let runtime = build(runtime)?;
    // The application may have disconnected its database at the end; the journal is still there.
    let (database, journal) = runtime.block_on(stage.open(name))??;
    let given = database.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body(given))));
    let outcome = match outcome {
        Ok(output) => Ok(output?.report()),
        Err(panic) => Err(panic),
    };
    let diary = Diary {
        recorded: journal.entries().iter().map(ToString::to_string).collect(),
        left_sandbox: journal.was_left(),
    };
    let open = database.open_handles();
    // A sandbox tells of them itself.
    if !open.is_empty() && !matches!(stage, Stage::Sandbox(_)) {
        report::warn(
            name,
            &format!("at its end there was still open:\n  {}", open.join("\n  ")),
        );
    }
    if let Err(error) = runtime.block_on(stage.close(&database))? {
        report::warn(name, &error.to_string());
    }
    Ok(Performed { outcome, diary })
}

fn build(runtime: Runtime) -> Result<Backstage> {
    match runtime {
        Runtime::CurrentThread => Backstage::of(&mut Builder::new_current_thread()),
        Runtime::MultiThread(None) => Backstage::of(&mut Builder::new_multi_thread()),
        Runtime::MultiThread(Some(threads)) => Backstage::of(Builder::new_multi_thread().worker_threads(threads)),
    }
}
