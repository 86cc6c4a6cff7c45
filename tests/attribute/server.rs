//! The databases that the tests create, seen over a separate connection.

use std::env;
use std::io::Write as _;

use ebbtide::{AssertSqlSafe, Config, Database, Dialect, testing};

/// The name of a database that does not exist and from which others are derived; they are dropped with this value.
pub(crate) struct Base {
    pub(crate) config: Config,
    folder: Option<tempfile::TempDir>,
}

impl Base {
    /// Creates the base for a backend. Returns `None`, with a warning on standard error, if the backend has no server.
    pub(crate) fn new(backend: &str, test: &str) -> Option<Self> {
        let name = format!("attribute_{test}_{}", std::process::id());
        if backend == "sqlite" {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(format!("{name}.db"));
            return Some(Self {
                config: Config::from_url(format!("sqlite://{}", path.display())).unwrap(),
                folder: Some(folder),
            });
        }
        let variable = format!("EBBTIDE_TEST_{}_URL", backend.to_uppercase());
        if let Some(url) = env::var(&variable).ok().filter(|url| !url.is_empty()) {
            return Some(Self {
                config: Config::from_url(url).unwrap().database(name.as_str()),
                folder: None,
            });
        }
        let listed = env::var("EBBTIDE_TEST_BACKENDS").unwrap_or_default();
        let must_run = listed.split(',').any(|name| name.trim() == backend);
        assert!(!must_run, "{variable} is not set");
        let loud = format!("\n!!! #[ebbtide::test] WAS NOT TESTED ON {backend}: {variable} is not set\n\n");
        // Written directly, because the harness would capture it.
        std::io::stderr().write_all(loud.as_bytes()).unwrap();
        None
    }

    pub(crate) fn url(&self) -> String {
        self.config.url().expose()
    }

    /// Returns the names of the databases that were derived from it; for SQLite the paths of the files.
    pub(crate) async fn derived(&self) -> Vec<String> {
        let base = self.config.url().database().unwrap();
        let mut names: Vec<String> = match self.config.url().dialect() {
            Dialect::Postgres => {
                let server = Database::connect(self.config.clone().database("postgres"))
                    .await
                    .unwrap();
                let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname, :base)";
                server.fetch_all(sql, ebbtide::params! { base }).value().await.unwrap()
            }
            Dialect::MySql => {
                let server = Database::connect(self.config.clone().database(None)).await.unwrap();
                let sql = "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata \
                           WHERE LEFT(schema_name, CHAR_LENGTH(:base)) = :base";
                server.fetch_all(sql, ebbtide::params! { base }).value().await.unwrap()
            }
            _ => {
                let files = std::fs::read_dir(self.folder.as_ref().unwrap().path()).unwrap();
                let paths = files.map(|file| file.unwrap().path());
                let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "db"));
                paths.map(|path| path.to_str().unwrap().to_owned()).collect()
            }
        };
        names.sort();
        names
    }

    pub(crate) async fn open(&self, name: &str) -> Database {
        Database::connect(self.config.clone().database(name)).await.unwrap()
    }

    /// Returns one number from one of the derived databases.
    pub(crate) async fn number(&self, name: &str, sql: &'static str) -> i64 {
        let database = self.open(name).await;
        let number = database.fetch_value(sql, ()).await.unwrap();
        database.disconnect().await.unwrap();
        number
    }

    pub(crate) async fn run(&self, name: &str, sql: &str) {
        let database = self.open(name).await;
        database.execute(AssertSqlSafe(sql), ()).await.unwrap();
        database.disconnect().await.unwrap();
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if self.folder.is_some() {
            return;
        }
        let failed = std::thread::panicking();
        // The test may run on a runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    for name in self.derived().await {
                        let dropped = testing::drop_database(self.config.clone().database(name.as_str()))
                            .if_exists()
                            .await;
                        // A second panic would hide the first.
                        assert!(failed || dropped.is_ok(), "{dropped:?}");
                    }
                });
            });
        });
    }
}
