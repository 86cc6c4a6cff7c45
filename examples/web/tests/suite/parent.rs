//! The database that all cases of a backend share: made at the first use, with its tables, and dropped at the end.

use std::sync::{LazyLock, OnceLock};

use ebbtide::{AssertSqlSafe, Config, Database, Dialect, IsolationLevel};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// For what all tests share: the runtime of one test ends with it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

pub struct Parent {
    pub backend: &'static str,
    /// Of the server, or of nothing for SQLite; absent if there is none.
    url: Option<String>,
    made: OnceLock<Made>,
}

struct Made {
    database: Database,
    /// Keeps the folder of SQLite's file.
    _folder: Option<TempDir>,
}

impl Parent {
    pub fn all() -> Vec<&'static Self> {
        let server = |backend, variable| {
            let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
            if url.is_none() {
                eprintln!("NOTE: {backend} IS LEFT OUT: set {variable} to test with it");
            }
            Self::new(backend, url)
        };
        vec![
            Self::new("sqlite", Some(String::new())),
            server("postgres", "EBBTIDE_TEST_POSTGRES_URL"),
            server("mysql", "EBBTIDE_TEST_MYSQL_URL"),
        ]
    }

    fn new(backend: &'static str, url: Option<String>) -> &'static Self {
        Box::leak(Box::new(Self {
            backend,
            url,
            made: OnceLock::new(),
        }))
    }

    pub fn is_there(&self) -> bool {
        self.url.is_some()
    }

    /// The database, committed and ready; every test works in a sandbox of it.
    pub fn database(&self) -> &Database {
        let made = self.made.get_or_init(|| {
            let url = self.url.clone().unwrap_or_default();
            // A runtime cannot be waited for inside of another one, so this is done on a thread of its own.
            std::thread::scope(|scope| {
                let made = scope.spawn(|| RUNTIME.block_on(make(&url)));
                made.join().unwrap()
            })
        });
        &made.database
    }

    pub fn end(&self) {
        let Some(made) = self.made.get() else { return };
        let url = self.url.clone().unwrap_or_default();
        RUNTIME.block_on(async {
            made.database.disconnect_now().await.unwrap();
            if !url.is_empty() {
                let server = Database::connect(&url).await.unwrap();
                let sql = format!("DROP DATABASE {}", name());
                server.execute(AssertSqlSafe(sql), ()).await.unwrap();
            }
        });
    }
}

/// Of this process, so that several may run at once.
fn name() -> String {
    format!("ebbtide_web_{}", std::process::id())
}

async fn make(url: &str) -> Made {
    let (config, folder) = if url.is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("notes.db").display());
        (Config::from_url(url).unwrap(), Some(folder))
    } else {
        let server = Database::connect(url).await.unwrap();
        let sql = format!("CREATE DATABASE {}", name());
        server.execute(AssertSqlSafe(sql), ()).await.unwrap();
        let url = server.config().url().clone().with_database(name());
        (Config::from_url(url).unwrap(), None)
    };
    // MySQL's default level locks the gaps between rows, and sandboxes would wait for each other.
    let config = if config.url().dialect() == Dialect::MySql {
        config.isolation_level(IsolationLevel::ReadCommitted)
    } else {
        config
    };
    let database = Database::connect(config.pool_size(16)).await.unwrap();
    ebbtide_example_web::migrate(&database).await.unwrap();
    Made {
        database,
        _folder: folder,
    }
}
