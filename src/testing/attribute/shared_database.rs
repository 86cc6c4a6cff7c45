//! State shared by the tests of this process, although each has its own runtime. For each database and content, the
//! first test prepares it.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use parking_lot::Mutex;

use super::content::TestContent;
use super::names;
use super::ready::ready;
use super::runner_runtime::RunnerRuntime;
use super::spec::Strategy;
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};

/// The database, content and strategy of a test about to run.
#[derive(Debug)]
pub(super) struct TestPlan {
    /// Database of the URL.
    pub(super) config: Config,
    pub(super) content: TestContent,
    pub(super) digest: String,
    pub(super) strategy: Strategy,
    /// `true` if a failed test keeps its database.
    pub(super) keeps: bool,
}

impl TestPlan {
    /// Returns the digest for use in names; empty without content.
    pub(super) fn word(&self) -> &str {
        if self.content.is_empty() { "" } else { &self.digest }
    }

    pub(super) fn in_memory(&self) -> bool {
        self.config.url().is_memory()
    }

    /// Returns whether each test can have its own database.
    pub(super) fn can_clone(&self) -> bool {
        self.copies() || !self.content.is_empty()
    }

    /// Returns whether a database can be copied.
    pub(super) fn copies(&self) -> bool {
        self.config.dialect().rules().administration().copies()
    }
}

/// The state shared by the tests of one plan.
pub(super) struct SharedDatabase {
    /// Database with the content: the one that contains the sandboxes, is copied, or is emptied.
    pub(super) config: Config,
    /// Shared connection pool; `None` if each test connects for itself.
    pub(super) database: Option<Database>,
    /// Held by the test that has the database exclusively.
    pub(super) turn: Mutex<()>,
}

/// Returns the parent database of the plan. Other tests of the process that need the same one wait while it is created.
/// If that fails, it fails at once for all of them.
pub(super) fn parent(plan: &TestPlan, runner: &RunnerRuntime) -> Result<&'static SharedDatabase, &'static Error> {
    type Slots = HashMap<(String, String, Strategy), &'static OnceLock<Result<SharedDatabase>>>;
    static SLOTS: LazyLock<Mutex<Slots>> = LazyLock::new(Mutex::default);

    let config = serde_json::to_string(&plan.config).unwrap_or_default();
    let key = (config, plan.digest.clone(), plan.strategy);
    // The slot lives as long as the process.
    let slot = *SLOTS.lock().entry(key).or_insert_with(|| Box::leak(Box::default()));
    slot.get_or_init(|| make(plan, runner)).as_ref()
}

fn make(plan: &TestPlan, runner: &RunnerRuntime) -> Result<SharedDatabase> {
    let kind = match plan.strategy {
        Strategy::Rollback => "",
        Strategy::Clone => "template",
        Strategy::Truncate => "truncate",
    };
    if plan.strategy == Strategy::Truncate && plan.content.is_empty() {
        return Err(refused(plan, "would empty it"));
    }
    if plan.strategy == Strategy::Clone && !plan.can_clone() {
        return Err(refused(
            plan,
            "needs the scripts that create its tables, because MySQL cannot copy a database",
        ));
    }
    let own = !plan.content.is_empty() && !plan.in_memory();
    let config = if own {
        names::derived(&plan.config, &[&plan.digest, kind])?
    } else {
        plan.config.clone()
    };
    // If databases cannot be copied, each test creates its own.
    let copied = plan.strategy != Strategy::Clone || plan.copies();
    let shares = plan.strategy == Strategy::Rollback || plan.strategy == Strategy::Truncate && plan.in_memory();
    let database = runner.block_on(async {
        if own && copied {
            ready(&config, &plan.content, &plan.digest).await?;
        }
        if !shares {
            return Ok::<_, Error>(None);
        }
        // The runtime of an eagerly opened connection would end immediately.
        let database = Database::connect(with_room_for_all(&config).lazy(!plan.in_memory())).await?;
        if plan.in_memory() {
            plan.content.apply(&database).await?;
        }
        Ok(Some(database))
    });
    Ok(SharedDatabase {
        config,
        database: database??,
        turn: Mutex::new(()),
    })
}

/// Enlarges the pool to one sandbox per concurrent test. The harness runs one test per processor, or as many as
/// configured.
fn with_room_for_all(config: &Config) -> Config {
    let requested = std::env::var("RUST_TEST_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok());
    let threads = requested.or_else(|| {
        std::thread::available_parallelism()
            .ok()
            .map(|count| count.get() as u32)
    });
    let settings = config.settings();
    let missing = threads.unwrap_or(1).saturating_sub(settings.pool_size);
    config.clone().max_overflow(settings.max_overflow.max(missing))
}

fn refused(plan: &TestPlan, why: &str) -> Error {
    let url = plan.config.url();
    let strategy = if plan.strategy == Strategy::Clone {
        "clone"
    } else {
        "truncate"
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("the strategy `{strategy}` cannot run on {url} itself: it {why}"),
    )
    .help("give the test `migrations`, `migrator` or `fixtures` to run it in a database of its own, or use the strategy `rollback`")
}
