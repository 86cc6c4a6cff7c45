//! The place where a test runs: set up before it, removed after it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::content::TestContent;
use super::empty::empty;
use super::lock::NameLock;
use super::names;
use super::ready::made;
use super::runner_runtime::RunnerRuntime;
use super::shared_database::{SharedDatabase, TestPlan, parent};
use super::spec::Strategy;
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::session::StatementLog;
use crate::testing::admin::{Admin, with_connection};
use crate::testing::{create_database, drop_database};

/// Time limit for closing a test's database.
const CLOSING: Duration = Duration::from_secs(10);

/// Number of statements kept for the report of a failed test.
const RECORDED: usize = 200;

/// The place where one test runs.
pub(super) enum Environment {
    /// A sandbox.
    Sandbox(&'static Database),
    /// A database of the test's own.
    Own(Config),
    /// A database of the test's own in memory, filled when it is opened.
    Memory(Config, TestContent),
    /// A database that the test has exclusively for its duration.
    Alone {
        config: Config,
        /// The only database, if it is in memory.
        shared: Option<&'static Database>,
        lock: NameLock,
        _turn: MutexGuard<'static, ()>,
    },
}

impl Environment {
    pub(super) fn prepare(plan: &TestPlan, runner: &RunnerRuntime) -> Result<Self, String> {
        let parent = parent(plan, runner).map_err(ToString::to_string)?;
        let environment = match (plan.strategy, &parent.database) {
            (Strategy::Rollback, Some(database)) => Ok(Self::Sandbox(database)),
            (Strategy::Truncate, _) => Self::alone(plan, parent, runner),
            _ if plan.in_memory() => Ok(Self::Memory(plan.config.clone(), plan.content.clone())),
            _ => Self::own(plan, parent, runner),
        };
        environment.map_err(|error| error.to_string())
    }

    fn own(plan: &TestPlan, parent: &SharedDatabase, runner: &RunnerRuntime) -> Result<Self> {
        let config = names::derived(&plan.config, &[plan.word(), &names::unique()])?;
        let template = parent.config.url().database().unwrap_or_default();
        let make = async || {
            if !plan.copies() {
                return made(&config, &plan.content, &plan.digest).await;
            }
            create_database(&config).template(template).await.map(drop)
        };
        runner.block_on(async {
            match make().await {
                // A process with the same id has left it behind.
                Err(error) if error.kind() == ErrorKind::DuplicateObject => {
                    drop_database(&config).if_exists().await?;
                    make().await
                }
                result => result,
            }
        })??;
        Ok(Self::Own(config))
    }

    fn alone(plan: &TestPlan, parent: &'static SharedDatabase, runner: &RunnerRuntime) -> Result<Self> {
        let turn = parent.turn.lock();
        let config = parent.config.clone();
        let lock = runner.block_on(async {
            let lock = NameLock::take(&config, "use").await?;
            let content = &plan.content;
            let begin = async |database: &Database| {
                empty(database).await?;
                content.fill(database).await
            };
            match &parent.database {
                Some(database) => begin(database).await?,
                None => with_connection(Admin::new(&config)?.seen_from(config.url().database()), begin).await?,
            }
            Ok::<_, Error>(lock)
        })??;
        Ok(Self::Alone {
            config,
            shared: parent.database.as_ref(),
            lock,
            _turn: turn,
        })
    }

    /// Opens the database of the test on the test's runtime. Returns it and its statement log.
    pub(super) async fn open(&self, name: &str) -> Result<(Database, Arc<StatementLog>)> {
        let database = match self {
            Self::Sandbox(parent) => parent.sandbox().name(name).record(RECORDED).await?,
            Self::Alone {
                shared: Some(database), ..
            } => Database::connect(*database).await?,
            Self::Own(config) | Self::Alone { config, .. } => Database::connect(config).await?,
            Self::Memory(config, content) => {
                let database = Database::connect(config).await?;
                content.apply(&database).await?;
                database
            }
        };
        let statement_log = database.record(RECORDED);
        Ok((database, statement_log))
    }

    /// Closes what [`open`](Self::open) opened; an error does not fail the test.
    pub(super) async fn close(&self, database: &Database) -> Result<()> {
        let closing = async {
            match self {
                // Other tests use it too.
                Self::Alone { shared: Some(_), .. } => database.disconnect().await,
                _ => database.disconnect_now().await,
            }
        };
        match tokio::time::timeout(CLOSING, closing).await {
            Ok(closed) => closed.map(drop),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("its database was not closed within {CLOSING:?}"),
            )
            .help("does a task of the test still use it? let the test wait for its tasks")),
        }
    }

    /// Cleans up. Returns a description of what is left, for a failed test. `left_sandbox` means that some statements
    /// ran outside of the sandbox.
    pub(super) fn finish(self, runner: &RunnerRuntime, kept: bool, left_sandbox: bool) -> Result<String> {
        const KEPT: &str = "although EBBTIDE_KEEP is set: MySQL cannot copy a database; give the test `migrations` to \
                            run it in a database of its own";
        const NOT_KEPT: &str = "EBBTIDE_KEEP=failed runs it in a database of its own and keeps that database";
        let left = match self {
            Self::Sandbox(parent) => {
                let rolled_back = if left_sandbox {
                    let url = parent.url().to_string();
                    format!(
                        "its changes outside of the sandbox, under `force_rollback(false)`, remain in {url}; the rest was rolled back"
                    )
                } else {
                    "everything it did was rolled back".to_owned()
                };
                if kept {
                    format!("{rolled_back}, {KEPT}")
                } else {
                    format!("{rolled_back}; {NOT_KEPT}")
                }
            }
            Self::Own(config) if kept => format!("its database is kept: {}", config.url()),
            Self::Own(config) => {
                runner.block_on(async { drop_database(&config).if_exists().await })??;
                "its database was dropped; EBBTIDE_KEEP=failed keeps it".to_owned()
            }
            Self::Memory(..) => {
                "its database was in memory and no longer exists; a database in a file can be kept".to_owned()
            }
            Self::Alone { config, lock, .. } => {
                runner.block_on(lock.release())?;
                format!(
                    "its changes are in {} until the next test empties that database",
                    config.url()
                )
            }
        };
        Ok(left)
    }

    /// Returns the place where the test runs, for messages.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Sandbox(parent) => format!("a sandbox of {}", parent.url()),
            Self::Own(config) | Self::Memory(config, _) | Self::Alone { config, .. } => config.url().to_string(),
        }
    }
}
