//! The database that all cases of a backend share: made at the first use, with its tables, and dropped at the end.

use std::sync::{LazyLock, Mutex, OnceLock};

use ebbtide::testing::TestClient;
use ebbtide::{Config, Database, Dialect, IsolationLevel};
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
    /// Absent where there is no server.
    pub url: Option<String>,
    client: OnceLock<TestClient>,
    /// Of SQLite's file; removed at the end.
    folder: Mutex<Option<TempDir>>,
}

impl Parent {
    /// Of each backend one, for as long as the process lives.
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

    /// The database, committed and ready; every test works in a sandbox of it.
    pub fn database(&self) -> &Database {
        let url = self.url.as_deref().unwrap();
        // A runtime cannot be waited for inside of another one, so this is done on a thread of its own.
        let make = || std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(make(url))).join().unwrap());
        self.client.get_or_init(make)
    }

    /// Drops the database, in which none of the tests may have left anything.
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

async fn make(url: &str) -> TestClient {
    let mut config = Config::from_url(url).unwrap().pool_size(16);
    if config.url().dialect() == Dialect::MySql {
        // MySQL's default level locks the gaps between rows, and sandboxes would wait for each other.
        config = config.isolation_level(IsolationLevel::ReadCommitted);
    }
    // A name for each process, so that several may run at once.
    let prefix = format!("web_{}_", std::process::id());
    let client = TestClient::new(config).prefix(prefix).await.unwrap();
    ebbtide_example_web::migrate(&client).await.unwrap();
    client
}
