//! SQLite, bundled, through sqlx.

mod arguments;
mod copy;
mod errors;
mod file;
mod memory;
mod options;
mod types;

use std::any::Any;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::{Column, Row, SqlStr, Sqlite, TypeInfo};

use copy::CopyConnector;
use errors::connect_error;
use file::FileConnector;
use memory::{Anchor, MemoryConnector};
use options::connect_options;

use crate::backend::support::sqlx::{Kept, Native, SqlxConnector};
use crate::backend::{Connector, Done};
use crate::config::{Config, SqliteMode};
use crate::error::{Error, Result};
use crate::sql::{Dialect, Statement};
use crate::value::{RawRow, Value, ValueRef};

pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let explained = config.clone();
    let mut options = connect_options(config)?;
    let anchor = config.url().is_memory().then(Anchor::default);
    if anchor.is_some() {
        options = memory::private(options);
    }
    let copies = CopyConnector::new(config, options.clone(), anchor.clone())?;
    let connector = SqlxConnector::<Sqlite> {
        options,
        dialect: Dialect::Sqlite,
        runtime_bound: false,
        place: config.url().to_string(),
        persistent: config.settings().statement_cache_capacity > 0,
        explain: Box::new(move |error| connect_error(&explained, error)),
        private: Some(Arc::new(copies)),
        definitions: Arc::clone(&CHANGES),
    };
    Ok(match (anchor, config.url().sqlite_path()) {
        (Some(anchor), _) => Arc::new(MemoryConnector::new(connector, anchor)),
        (None, Some(path)) => {
            let read_only = config.settings().immutable || config.settings().sqlite_mode == SqliteMode::ReadOnly;
            Arc::new(FileConnector::new(connector, path, read_only))
        }
        (None, None) => Arc::new(connector),
    })
}

/// The changes of definitions in this process: two databases of it may be one file, under whatever names.
static CHANGES: LazyLock<Arc<AtomicU64>> = LazyLock::new(Arc::default);

impl Native for Sqlite {
    const COUNTS_ANSWERS: bool = false;
    const REPEATS: bool = true;
    const KEPT: Kept = Kept::Deceives {
        version: "PRAGMA schema_version",
        look: "SELECT 1 FROM sqlite_schema LIMIT 0",
    };

    fn arguments(statement: &Statement, values: &[Value]) -> Result<(SqlStr, SqliteArguments)> {
        Ok((statement.sql(), arguments::arguments(values)?))
    }

    fn done(result: &SqliteQueryResult) -> Done {
        Done {
            rows_affected: result.rows_affected(),
            last_insert_id: Some(result.last_insert_rowid()),
        }
    }

    fn error(error: sqlx::Error) -> Error {
        errors::error(error)
    }

    fn survives_interruption(_between_rows: bool) -> bool {
        // The thread of the connection notices that nobody waits and resets the statement.
        true
    }
}

impl RawRow for SqliteRow {
    fn len(&self) -> usize {
        Row::len(self)
    }

    fn name(&self, index: usize) -> &str {
        self.column(index).name()
    }

    fn type_name(&self, index: usize) -> &str {
        match self.column(index).type_info().name() {
            // No column of a table, so nothing was declared.
            "NULL" => types::class(self, index),
            declared => declared,
        }
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        types::value(self, index)
    }

    fn native(&self) -> &dyn Any {
        self
    }
}
