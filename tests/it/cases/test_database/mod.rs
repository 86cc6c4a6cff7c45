//! Databases for tests: `TestDatabase`, which has one of its own, and the steps it consists of.

mod client;
mod errors;
mod steps;

use std::time::Duration;

use ebbtide::testing::{TestDatabase, TestDatabaseBuilder, database_exists, drop_database};
use ebbtide::{Database, DatabaseUrl};

use crate::backends::Backend;
use crate::support::Case;
use crate::support::{Test, block_on_here};

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [steps::cases(), errors::cases(), client::cases()].concat()
}

/// Databases of one test. They are dropped with this value, however the test ends.
pub(super) struct Own<'t> {
    pub(super) t: &'t Test,
    pub(super) urls: Vec<String>,
}

impl<'t> Own<'t> {
    pub(super) fn new(t: &'t Test) -> Self {
        Self { t, urls: Vec::new() }
    }

    /// Returns the URL of a database that no other test has; it is not created yet.
    pub(super) fn url(&mut self, name: &str) -> String {
        let name = format!("{name}_{}", self.t.id());
        let url: DatabaseUrl = self.t.url().parse().unwrap();
        let url = match self.t.backend() {
            Backend::SqliteMemory | Backend::SqlServer | Backend::Standard => url,
            Backend::SqliteFile => url.with_database(self.t.folder().join(name).to_str().unwrap()),
            Backend::Postgres | Backend::Mysql => url.with_database(name.as_str()),
        };
        self.urls.push(url.expose());
        url.expose()
    }

    /// Returns the URLs of a database and of the one for its tests.
    pub(super) fn pair(&mut self, name: &str) -> (String, String) {
        let test = self.url(&format!("test_{name}"));
        (self.url(name), test)
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let urls = std::mem::take(&mut self.urls);
        let clean = move || {
            block_on_here(async {
                for url in urls {
                    let _ = drop_database(url).if_exists().timeout(Duration::from_secs(5)).await;
                }
                Ok(())
            })
        };
        let _ = std::thread::spawn(clean).join();
    }
}

/// Returns a builder with the default settings.
pub(super) fn client(url: &str) -> TestDatabaseBuilder {
    TestDatabase::builder(url)
}

pub(super) async fn exists(url: &str) -> bool {
    database_exists(url).await.unwrap()
}

/// Creates a table with `rows` rows in a database, over a separate connection.
pub(super) async fn fill(url: &str, rows: i64) {
    let database = Database::connect(url).await.unwrap();
    database.execute("CREATE TABLE note (id INTEGER)", ()).await.unwrap();
    for id in 0..rows {
        database.execute("INSERT INTO note VALUES (?)", (id,)).await.unwrap();
    }
    database.disconnect().await.unwrap();
}

pub(super) async fn count(url: &str) -> i64 {
    let database = Database::connect(url).await.unwrap();
    let count = database.fetch_value("SELECT count(*) FROM note", ()).await.unwrap();
    database.disconnect().await.unwrap();
    count
}
