//! Where a test runs: set up before it, cleared away after it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::backstage::Backstage;
use super::content::Content;
use super::empty::empty;
use super::lock::Lock;
use super::names;
use super::parents::{Parent, Plan, parent};
use super::ready::made;
use super::spec::Strategy;
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Journal;
use crate::sql::Dialect;
use crate::testing::admin::{Admin, with_connection};
use crate::testing::{create_database, drop_database};

/// How long a test's database may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// How many statements are kept for the report of a failed test.
const RECORDED: usize = 200;

/// Where one test runs.
pub(super) enum Stage {
    /// In a sandbox.
    Sandbox(&'static Database),
    /// In a database of its own.
    Own(Config),
    /// In a database of its own in memory, which gets its content when it is opened.
    Memory(Config, Content),
    /// In a database that it has alone for a while.
    Alone {
        config: Config,
        /// In memory there is but one.
        shared: Option<&'static Database>,
        lock: Lock,
        _turn: MutexGuard<'static, ()>,
    },
}

impl Stage {
    pub(super) fn prepare(plan: &Plan, backstage: &Backstage) -> Result<Self, String> {
        let parent = parent(plan, backstage).map_err(ToString::to_string)?;
        let stage = match (plan.strategy, &parent.database) {
            (Strategy::Rollback, Some(database)) => Ok(Self::Sandbox(database)),
            (Strategy::Truncate, _) => Self::alone(plan, parent, backstage),
            _ if plan.in_memory() => Ok(Self::Memory(plan.config.clone(), plan.content.clone())),
            _ => Self::own(plan, parent, backstage),
        };
        stage.map_err(|error| error.to_string())
    }

    fn own(plan: &Plan, parent: &Parent, backstage: &Backstage) -> Result<Self> {
        let config = names::derived(&plan.config, &[plan.word(), &names::unique()])?;
        let template = parent.config.url().database().unwrap_or_default();
        let make = async || {
            if plan.config.dialect() == Dialect::MySql {
                return made(&config, &plan.content, &plan.digest).await;
            }
            create_database(&config).template(template).await.map(drop)
        };
        backstage.block_on(async {
            match make().await {
                // It was left behind by a process of the same number.
                Err(error) if error.kind() == ErrorKind::DuplicateObject => {
                    drop_database(&config).if_exists().await?;
                    make().await
                }
                result => result,
            }
        })??;
        Ok(Self::Own(config))
    }

    fn alone(plan: &Plan, parent: &'static Parent, backstage: &Backstage) -> Result<Self> {
        let turn = parent.turn.lock();
        let config = parent.config.clone();
        let lock = backstage.block_on(async {
            let lock = Lock::take(&config, "use").await?;
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

    /// The database of the test, opened on its own runtime, and where its statements are kept.
    pub(super) async fn open(&self, name: &str) -> Result<(Database, Arc<Journal>)> {
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
        let journal = database.record(RECORDED);
        Ok((database, journal))
    }

    /// Closes what [`open`](Self::open) opened; an error does not fail the test.
    pub(super) async fn close(&self, database: &Database) -> Result<()> {
        let closing = async {
            match self {
                // Others use it too.
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

    /// Clears away. Tells what is left when a test has failed; `left_sandbox` says that some of it was done outside of the
    /// sandbox.
    pub(super) fn finish(self, backstage: &Backstage, kept: bool, left_sandbox: bool) -> Result<String> {
        const KEPT: &str = "although EBBTIDE_KEEP is set: MySQL cannot copy a database; give the test `migrations`, and it \
                            gets one of its own";
        const NOT_KEPT: &str = "EBBTIDE_KEEP=failed runs it in a database of its own and keeps that";
        let left = match self {
            Self::Sandbox(parent) => {
                let rolled_back = if left_sandbox {
                    let url = parent.config().url().to_string();
                    format!(
                        "what it did outside of the sandbox, under `force_rollback(false)`, stays in {url}; the rest was rolled back"
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
                backstage.block_on(async { drop_database(&config).if_exists().await })??;
                "its database was dropped; EBBTIDE_KEEP=failed keeps it".to_owned()
            }
            Self::Memory(..) => "its database was in memory and is gone; one in a file can be kept".to_owned(),
            Self::Alone { config, lock, .. } => {
                backstage.block_on(lock.release())?;
                format!("what it did is in {} until the next test empties that", config.url())
            }
        };
        Ok(left)
    }

    /// Where the test runs, for messages.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Sandbox(parent) => format!("a sandbox of {}", parent.config().url()),
            Self::Own(config) | Self::Memory(config, _) | Self::Alone { config, .. } => config.url().to_string(),
        }
    }
}
