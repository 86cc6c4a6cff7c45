//! What the tests of this process share, although each has a runtime of its own: for each database and content, it is
//! made ready by whoever comes first.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use parking_lot::Mutex;

use super::backstage::Backstage;
use super::content::Content;
use super::names;
use super::ready::ready;
use super::spec::Strategy;
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;

/// What a test is about to run in.
#[derive(Debug)]
pub(super) struct Plan {
    /// The database of the URL.
    pub(super) config: Config,
    pub(super) content: Content,
    pub(super) digest: String,
    pub(super) strategy: Strategy,
    /// Whether a failed test keeps its database.
    pub(super) keeps: bool,
}

impl Plan {
    /// The digest as it stands in names; without content there is none.
    pub(super) fn word(&self) -> &str {
        if self.content.is_empty() { "" } else { &self.digest }
    }

    pub(super) fn in_memory(&self) -> bool {
        self.config.url().is_memory()
    }

    /// Whether a database of its own can be made for each test.
    pub(super) fn can_clone(&self) -> bool {
        self.config.dialect() != Dialect::MySql || !self.content.is_empty()
    }
}

/// What the tests of one plan share.
pub(super) struct Parent {
    /// Where the content is: what sandboxes are made in, what is copied, or what is emptied.
    pub(super) config: Config,
    /// Unless each test connects for itself.
    pub(super) database: Option<Database>,
    /// Held by the test that has the database alone.
    pub(super) turn: Mutex<()>,
}

/// The parent of the plan. Other tests of the process that want the same one wait while it is made; if that fails, it
/// fails for all of them, at once.
pub(super) fn parent(plan: &Plan, backstage: &Backstage) -> Result<&'static Parent, &'static Error> {
    type Slots = HashMap<(String, String, Strategy), &'static OnceLock<Result<Parent>>>;
    static SLOTS: LazyLock<Mutex<Slots>> = LazyLock::new(Mutex::default);

    let config = serde_json::to_string(&plan.config).unwrap_or_default();
    let key = (config, plan.digest.clone(), plan.strategy);
    // It lives as long as the process.
    let slot = *SLOTS.lock().entry(key).or_insert_with(|| Box::leak(Box::default()));
    slot.get_or_init(|| make(plan, backstage)).as_ref()
}

fn make(plan: &Plan, backstage: &Backstage) -> Result<Parent> {
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
            "needs what makes its tables: MySQL cannot copy a database",
        ));
    }
    let own = !plan.content.is_empty() && !plan.in_memory();
    let config = if own {
        names::derived(&plan.config, &[&plan.digest, kind])?
    } else {
        plan.config.clone()
    };
    // Where nothing can be copied, each test makes its own.
    let copied = plan.strategy != Strategy::Clone || plan.config.dialect() != Dialect::MySql;
    let shares = plan.strategy == Strategy::Rollback || plan.strategy == Strategy::Truncate && plan.in_memory();
    let database = backstage.block_on(async {
        if own && copied {
            ready(&config, &plan.content, &plan.digest).await?;
        }
        if !shares {
            return Ok::<_, Error>(None);
        }
        // The runtime that would open the first connection is gone at once.
        let database = Database::connect(roomy(&config).lazy(!plan.in_memory())).await?;
        if plan.in_memory() {
            plan.content.apply(&database).await?;
        }
        Ok(Some(database))
    });
    Ok(Parent {
        config,
        database: database??,
        turn: Mutex::new(()),
    })
}

/// Room for a sandbox for each test that runs at once: the harness runs as many as there are processors, or as it is told.
fn roomy(config: &Config) -> Config {
    let told = std::env::var("RUST_TEST_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok());
    let threads = told.or_else(|| {
        std::thread::available_parallelism()
            .ok()
            .map(|count| count.get() as u32)
    });
    let settings = config.settings();
    let missing = threads.unwrap_or(1).saturating_sub(settings.pool_size);
    config.clone().max_overflow(settings.max_overflow.max(missing))
}

fn refused(plan: &Plan, why: &str) -> Error {
    let url = plan.config.url();
    let strategy = if plan.strategy == Strategy::Clone {
        "clone"
    } else {
        "truncate"
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("the strategy `{strategy}` does not run on {url} itself: it {why}"),
    )
    .help("give the test `migrations`, `migrator` or `fixtures`, and it gets a database of its own; or use the strategy `rollback`")
}
