//! Connectors of databases of SQLite.

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::checkpoint::Checkpoints;
use super::connection::RusqliteConnection;
use super::errors::error;
use super::open_options::OpenOptions;
use super::session::SqliteSession;
use crate::backend::sqlite::{DatabaseFile, not_opened};
use crate::backend::{Connector, DatabaseIdentity, RawConnection, Writers};
use crate::config::{Config, SqliteMode};
use crate::error::Result;
use crate::sql::{Dialect, Product, SeenServer, Server};

/// Returns the connector for the database that a configuration names.
pub(in crate::backend) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    let options = Arc::new(OpenOptions::of(config)?);
    let kept = Kept::default();
    let settings = config.settings();
    let own_number = settings
        .server_settings
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("wal_autocheckpoint"));
    let read_only = settings.immutable || settings.sqlite_mode == SqliteMode::ReadOnly;
    let access = if config.url().is_memory() {
        Access::Memory
    } else if read_only {
        Access::ReadOnly
    } else {
        Access::File(DatabaseFile::new(config.url().sqlite_path().unwrap_or_default()))
    };
    let copies = RusqliteCopyConnector {
        config: config.clone(),
        original: Arc::new(options.for_original()),
        copy: Arc::new(OpenOptions::of_copy(config)?),
        kept: kept.clone(),
        seen: SeenServer::default(),
    };
    Ok(Arc::new(RusqliteConnector {
        config: config.clone(),
        checkpoints: (matches!(access, Access::File(_)) && !own_number)
            .then(|| Checkpoints::new(options.for_checkpoints(config))),
        options,
        access,
        kept,
        copies: Arc::new(copies),
        seen: SeenServer::default(),
    }))
}

/// A connection that is kept because a database in memory is dropped with its last one.
type Kept = Arc<Mutex<Option<rusqlite::Connection>>>;

/// The kind of a database, which decides who takes turns with its writers.
#[derive(Debug)]
enum Access {
    File(DatabaseFile),
    ReadOnly,
    Memory,
}

/// A connector for one database.
#[derive(Debug)]
struct RusqliteConnector {
    config: Config,
    options: Arc<OpenOptions>,
    /// The checkpoints of its file, unless the user has given their number.
    checkpoints: Option<Arc<Checkpoints>>,
    access: Access,
    kept: Kept,
    copies: Arc<RusqliteCopyConnector>,
    seen: SeenServer,
}

impl Connector for RusqliteConnector {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        false
    }

    fn readers_block_writers(&self) -> bool {
        matches!(self.access, Access::Memory)
    }

    fn writers(&self) -> Writers {
        match &self.access {
            Access::File(file) => file.writers(),
            Access::ReadOnly => Writers::Many,
            Access::Memory => Writers::Of(DatabaseIdentity::Memory(self.options.name.clone())),
        }
    }

    fn private(&self) -> Option<Arc<dyn Connector>> {
        Some(Arc::clone(&self.copies) as Arc<dyn Connector>)
    }

    fn place(&self) -> String {
        self.config.url().to_string()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let (options, kept) = (Arc::clone(&self.options), self.kept.clone());
            let checkpoints = self.checkpoints.clone();
            let in_memory = matches!(self.access, Access::Memory);
            let open = move || {
                if in_memory {
                    keep(&kept, &options)?;
                }
                SqliteSession::open(&options, checkpoints.as_ref())
            };
            connect(&self.config, &self.seen, open).await
        })
    }
}

/// A connector whose connections each have a copy of one database.
#[derive(Debug)]
struct RusqliteCopyConnector {
    config: Config,
    original: Arc<OpenOptions>,
    copy: Arc<OpenOptions>,
    kept: Kept,
    seen: SeenServer,
}

impl Connector for RusqliteCopyConnector {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn seen(&self) -> &SeenServer {
        &self.seen
    }

    fn runtime_bound(&self) -> bool {
        false
    }

    fn place(&self) -> String {
        self.config.url().to_string()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn RawConnection>>> {
        Box::pin(async move {
            let (original, copy, kept) = (Arc::clone(&self.original), Arc::clone(&self.copy), self.kept.clone());
            let in_memory = self.config.url().is_memory();
            let read_only = self.config.settings().sqlite_mode == SqliteMode::ReadOnly;
            let open = move || {
                if in_memory {
                    keep(&kept, &original)?;
                }
                SqliteSession::open_copy(&original, &copy, read_only)
            };
            connect(&self.config, &self.seen, open).await
        })
    }
}

/// Opens a connection that is kept, unless there is one.
fn keep(kept: &Kept, options: &OpenOptions) -> Result<()> {
    let mut kept = kept.lock();
    if kept.is_none() {
        *kept = Some(options.open().map_err(error)?);
    }
    Ok(())
}

/// Opens a connection with `open`, on its thread.
async fn connect(
    config: &Config,
    seen: &SeenServer,
    open: impl FnOnce() -> Result<SqliteSession> + Send + 'static,
) -> Result<Box<dyn RawConnection>> {
    let opened = RusqliteConnection::open(open).await;
    let connection = opened.map_err(|error| not_opened(config, error))?;
    if let Some(server) = Server::read(Product::Sqlite, rusqlite::version()) {
        seen.set(server);
    }
    Ok(Box::new(connection))
}
