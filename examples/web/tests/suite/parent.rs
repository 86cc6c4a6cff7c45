//! The database that all cases of a backend share: created at the first use, with its tables, and dropped at the end.

use std::sync::{LazyLock, Mutex, OnceLock};

use ebbtide::testing::TestDatabase;
use ebbtide::{Config, Database, Dialect, IsolationLevel};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Runtime of the shared database: the runtime of a test ends with the test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

pub struct Parent {
    pub backend: &'static str,
    /// URL of the server; `None` if there is none.
    pub url: Option<String>,
    client: OnceLock<TestDatabase>,
    /// Folder of SQLite's file; removed at the end.
    folder: Mutex<Option<TempDir>>,
}

impl Parent {
    /// Returns one for each backend, for the lifetime of the process.
    pub fn all() -> Vec<&'static Self> {
        let server = |backend, variable| {
            let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
            if url.is_none() {
                eprintln!("NOTE: {backend} IS LEFT OUT: set {variable} to test with it");
            }
            Self::new(backend, url, None)
        };
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}", folder.path().join("notes.db").display());
        vec![
            Self::new("sqlite", Some(file), Some(folder)),
            server("postgres", "EBBTIDE_TEST_POSTGRES_URL"),
            server("mysql", "EBBTIDE_TEST_MYSQL_URL"),
        ]
    }

    fn new(backend: &'static str, url: Option<String>, folder: Option<TempDir>) -> &'static Self {
        Box::leak(Box::new(Self {
            backend,
            url,
            client: OnceLock::new(),
            folder: Mutex::new(folder),
        }))
    }

    /// Returns the database, committed and ready; every test runs in a sandbox of it.
    pub fn database(&self) -> &Database {
        let url = self.url.as_deref().unwrap();
        // A runtime cannot block inside another one, so this needs its own thread.
        let make = || std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(make(url))).join().unwrap());
        self.client.get_or_init(make)
    }

    /// Drops the database and checks that the tests have left nothing in it.
    pub fn end(&self) {
        if let Some(client) = self.client.get() {
            RUNTIME.block_on(async {
                let sql =
                    "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM notes) + (SELECT count(*) FROM tags)";
                let left: i64 = client.fetch_value(sql, ()).await.unwrap();
                client.close().await.unwrap();
                assert_eq!(left, 0, "{}: rows were left in the database", self.backend);
            });
        }
        drop(self.folder.lock().unwrap().take());
    }
}

async fn make(url: &str) -> TestDatabase {
    let mut config = Config::from_url(url).unwrap().pool_size(16);
    if config.url().dialect() == Dialect::MySql {
        // MySQL's default level locks the gaps between rows, and sandboxes would wait for each other.
        config = config.isolation_level(IsolationLevel::ReadCommitted);
    }
    // A name per process, so that several may run at the same time.
    let prefix = format!("web_{}_", std::process::id());
    let client = TestDatabase::builder(config).prefix(prefix).await.unwrap();
    ebbtide_example_web::migrate(&client).await.unwrap();
    client
}
