//! SQLite through sqlx: the connector, and the properties of the driver.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, OnceLock};

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{Executor, Row, SqlStr, Sqlite};

use super::copy::CopyConnector;
use super::errors::connect_error;
use super::file::FileConnector;
use super::memory::{KeepAlive, MemoryConnector};
use super::options::connect_options;
use super::{arguments, errors, memory, types};
use crate::backend::sqlx::{Keeping, KeptStatement, Native, SqlxConnector, TlsFiles, raw_row};
use crate::backend::{Connector, Interrupt, QueryResult};
use crate::config::{Config, SqliteMode};
use crate::error::{Error, Result};
use crate::sql::{Dialect, Product, SeenServer, Server, Statement};
use crate::value::Value;

pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let explained = config.clone();
    let mut options = connect_options(config)?;
    let keep_alive = config.url().is_memory().then(KeepAlive::default);
    if keep_alive.is_some() {
        options = memory::private(options);
    }
    let copies = CopyConnector::new(config, options.clone(), keep_alive.clone())?;
    let connector = SqlxConnector::<Sqlite> {
        options,
        session: None,
        dialect: Dialect::Sqlite,
        runtime_bound: false,
        place: config.url().to_string(),
        keeping: Keeping::cached(config.settings().statement_cache_capacity),
        files: TlsFiles::default(),
        explain: Box::new(move |error| connect_error(&explained, error)),
        private: Some(Arc::new(copies)),
        definitions: Arc::clone(&CHANGES),
        answers: Arc::default(),
        seen: SeenServer::default(),
    };
    Ok(match (keep_alive, config.url().sqlite_path()) {
        (Some(keep_alive), _) => Arc::new(MemoryConnector::new(connector, keep_alive)),
        (None, Some(path)) => {
            let read_only = config.settings().immutable || config.settings().sqlite_mode == SqliteMode::ReadOnly;
            Arc::new(FileConnector::new(connector, path, read_only))
        }
        (None, None) => Arc::new(connector),
    })
}

/// Number of changes of definitions in this process: two databases of it may be one file, under different names.
static CHANGES: LazyLock<Arc<AtomicU64>> = LazyLock::new(Arc::default);

/// Number of steps of SQLite's virtual machine between two looks at the flag that ends a statement: some ten
/// microseconds, of which a look takes a thousandth.
const STEPS: i32 = 1_000;

/// The library that is linked.
static LIBRARY: OnceLock<Option<Server>> = OnceLock::new();

impl Native for Sqlite {
    const COUNTS_ANSWERS: bool = false;
    const REPEATS: bool = true;
    const KEPT: KeptStatement = KeptStatement::Deceives {
        version: "PRAGMA schema_version",
        look: "SELECT 1 FROM sqlite_schema LIMIT 0",
    };

    type Answers = ();

    fn arguments(statement: &Statement, values: &[Value], (): &()) -> Result<(SqlStr, SqliteArguments)> {
        Ok((statement.sql(), arguments::arguments(values)?))
    }

    fn done(result: &SqliteQueryResult) -> QueryResult {
        QueryResult {
            rows_affected: result.rows_affected(),
            last_insert_id: Some(result.last_insert_rowid()),
        }
    }

    fn interrupt(connection: &mut SqliteConnection) -> BoxFuture<'_, Result<Option<Interrupt>>> {
        Box::pin(async move {
            let interrupt = Interrupt::default();
            let flag = interrupt.clone();
            let mut handle = connection.lock_handle().await.map_err(errors::error)?;
            handle.set_progress_handler(STEPS, move || !flag.is_raised());
            Ok(Some(interrupt))
        })
    }

    fn set_up(
        connection: &mut SqliteConnection,
        _session: Option<SqlStr>,
    ) -> BoxFuture<'_, sqlx::Result<Option<Server>>> {
        Box::pin(async move {
            if LIBRARY.get().is_none() {
                let version = connection.fetch_one("SELECT sqlite_version()").await?;
                let version: String = version.try_get(0)?;
                LIBRARY.get_or_init(|| Server::read(Product::Sqlite, &version));
            }
            Ok(LIBRARY.get().copied().flatten())
        })
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn survives_interruption(_between_rows: bool) -> bool {
        // The thread of the connection notices that no caller waits, and resets the statement.
        true
    }
}

raw_row!(SqliteRow, types::type_name, "BOOLEAN");
