//! Tests as users write them, with the same body under each strategy.

use std::env;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ebbtide::{Config, Database, Dialect, params};
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The variable in which `outer` passes the URL of the database.
pub(crate) const URL: &str = "ATTRIBUTE_TEST_URL";

fn config() -> Config {
    let url = env::var(URL).expect("these tests are started by those of `outer`");
    Config::from_url(url).unwrap()
}

/// Returns the same for a test that does not wait.
fn impatient() -> Config {
    config().lease_timeout(Duration::from_millis(100))
}

/// Returns a statement that takes longer than such a test would wait.
fn slow(database: &Database) -> &'static str {
    match database.dialect() {
        Dialect::Postgres => "SELECT count(*) FROM (SELECT pg_sleep(0.4)) AS s",
        Dialect::MySql => "SELECT sleep(0.4)",
        _ => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n",
    }
}

async fn notes(database: &Database) -> i64 {
    database.fetch_value("SELECT count(*) FROM note", ()).await.unwrap()
}

/// Returns a name that only this test uses: sandboxes that write one unique key at once wait for each other, which
/// MySQL reports as a deadlock.
fn new_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!(
        "Barbara {}.{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The body of the tests: it finds only the fixtures, and leaves rows that would disturb other tests.
async fn body(database: Database) {
    assert_eq!(notes(&database).await, 2);
    let names: Vec<String> = database
        .fetch_all("SELECT name FROM author ORDER BY id", ())
        .value()
        .await
        .unwrap();
    assert_eq!(names, ["Ada", "Grace"]);
    let name = new_name();
    database
        .transaction()
        .run(async |transaction| {
            let sql = "INSERT INTO author (name) VALUES (:name)";
            transaction.execute(sql, params! { name: &name }).await?;
            let sql = "INSERT INTO note (author_id, text) SELECT id, 'new' FROM author WHERE name = :name";
            transaction.execute(sql, params! { name: &name }).await
        })
        .await
        .unwrap();
    assert_eq!(notes(&database).await, 3);
}

/// Does the same, and checks that keys count from the beginning, which a rollback cannot ensure.
async fn body_with_keys(database: Database) {
    body(database.clone()).await;
    let newest: i64 = database.fetch_value("SELECT max(id) FROM note", ()).await.unwrap();
    assert_eq!(newest, 3);
}

macro_rules! suite {
    ($backend:ident, $folder:literal) => {
        pub(crate) mod $backend {
            use super::*;

            suite!(@ $folder "rollback" body rolled_back_1 rolled_back_2 rolled_back_3 rolled_back_4);
            suite!(@ $folder "clone" body_with_keys cloned_1 cloned_2);
            suite!(@ $folder "truncate" body_with_keys emptied_1 emptied_2 emptied_3);

            #[ebbtide::test(config = config(), migrations = $folder)]
            #[ignore = "started by `outer`"]
            async fn without_fixtures(database: Database) -> ebbtide::Result<()> {
                assert_eq!(notes(&database).await, 0);
                Ok(())
            }

            #[ebbtide::test(config = config(), migrations = $folder, fixtures("authors", "notes"), flavor = "multi_thread")]
            #[ignore = "started by `outer`"]
            async fn tasks_share_the_sandbox(database: Database) {
                let others = (0..4).map(|_| {
                    let database = database.clone();
                    tokio::spawn(async move {
                        let sql = "INSERT INTO author (name) VALUES (:name)";
                        database.execute(sql, params! { name: new_name() }).await
                    })
                });
                for other in others.collect::<Vec<_>>() {
                    other.await.unwrap().unwrap();
                }
                let count: i64 = database.fetch_value("SELECT count(*) FROM author", ()).await.unwrap();
                assert_eq!(count, 6);
            }

            /// Fails if `outer` requests it.
            #[ebbtide::test(config = config(), migrations = $folder, fixtures("authors", "notes"))]
            #[ignore = "started by `outer`"]
            async fn fails_by_a_panic(database: Database) {
                let sql = "INSERT INTO author (name) VALUES ('kept')";
                database.execute(sql, ()).await.unwrap();
                database.execute("INSERT INTO author (name) VALUES ('Ada')", ()).await.unwrap_err();
                panic!("on purpose");
            }

            /// The report includes statements that were not sent, that timed out and that were dropped.
            #[ebbtide::test(config = impatient(), migrations = $folder)]
            #[ignore = "started by `outer`"]
            async fn fails_after_refusals(database: Database) {
                database.execute("COMMIT", ()).await.unwrap_err();
                let transaction = database.transaction().await.unwrap();
                let other = database.clone();
                let waiting = tokio::spawn(async move { other.execute("DELETE FROM author", ()).await });
                waiting.await.unwrap().unwrap_err();
                drop(transaction);
                notes(&database).await;
                panic!("on purpose");
            }

            /// Really writes.
            #[ebbtide::test(config = config(), migrations = $folder)]
            #[ignore = "started by `outer`"]
            async fn fails_after_leaving_the_sandbox(database: Database) {
                let sql = "INSERT INTO author (name) VALUES ('undone')";
                database.execute(sql, ()).await.unwrap();
                let sql = "INSERT INTO author (name) VALUES ('stays')";
                database.force_rollback(false).run(async { database.execute(sql, ()).await }).await.unwrap();
                panic!("on purpose");
            }

            /// Disconnects, as an application does when it stops.
            #[ebbtide::test(config = config(), migrations = $folder)]
            #[ignore = "started by `outer`"]
            async fn fails_after_disconnecting(database: Database) {
                notes(&database).await;
                database.disconnect().await.unwrap();
                panic!("on purpose");
            }

            /// Passes after a short delay.
            #[ebbtide::test(config = impatient(), migrations = $folder)]
            #[ignore = "started by `outer`"]
            async fn takes_its_time(database: Database) {
                database.fetch_all(slow(&database), ()).await.unwrap();
            }

            #[ebbtide::test(config = config(), migrator = *BROKEN, strategy = "rollback")]
            #[ignore = "started by `outer`"]
            async fn cannot_migrate_in_common(_database: Database) {}

            #[ebbtide::test(config = config(), migrator = *BROKEN, strategy = "clone")]
            #[ignore = "started by `outer`"]
            async fn cannot_migrate_for_itself(_database: Database) {}

            #[ebbtide::test(config = config(), migrations = $folder, strategy = "clone")]
            #[ignore = "started by `outer`"]
            async fn fails_by_an_error(database: Database) -> Result<(), Box<dyn std::error::Error>> {
                database.execute("INSERT INTO author (name) VALUES (NULL)", ()).await?;
                Ok(())
            }
        }
    };
    (@ $folder:literal $strategy:literal $body:ident $($name:ident)*) => {$(
        #[ebbtide::test(config = config(), migrations = $folder, fixtures("authors", "notes"), strategy = $strategy)]
        #[ignore = "started by `outer`"]
        async fn $name(database: Database) {
            $body(database).await;
        }
    )*};
}

macro_rules! in_memory {
    ($($strategy:literal $body:ident: $($name:ident)*;)*) => {$($(
        #[ebbtide::test(
            url = "sqlite::memory:",
            migrations = "tests/migrations/sqlite",
            fixtures("authors", "fixtures/notes.sql"),
            strategy = $strategy
        )]
        async fn $name(database: Database) {
            $body(database).await;
        }
    )*)*};
}

in_memory! {
    "rollback" body: in_memory_1 in_memory_2 in_memory_3;
    "clone" body_with_keys: in_memory_cloned_1 in_memory_cloned_2;
    "truncate" body_with_keys: in_memory_emptied_1 in_memory_emptied_2;
}

suite!(sqlite, "tests/migrations/sqlite");
suite!(postgres, "tests/migrations/postgres");
suite!(mysql, "tests/migrations/mysql");

/// The environment chooses the database.
#[ebbtide::test]
#[ignore = "started by `outer`"]
async fn of_the_environment(database: Database) {
    assert_eq!(database.fetch_value::<i64>("SELECT 1", ()).await.unwrap(), 1);
}

#[ebbtide::test(strategy = "truncate")]
#[ignore = "started by `outer`"]
async fn empties_the_database_of_the_environment(_database: Database) {}

/// Returns a migrator of sqlx with one migration for each text.
fn migrator(texts: &'static [&'static str]) -> Migrator {
    let migration = |(number, text): (usize, &&'static str)| {
        let sql = sqlx::SqlSafeStr::into_sql_str(*text);
        Migration::new(7 + number as i64, "note".into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(texts.iter().enumerate().map(migration).collect())
}

/// A migrator of sqlx instead of a folder.
static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| migrator(&["CREATE TABLE note (id INTEGER PRIMARY KEY)"]));

/// The second migration fails.
static BROKEN: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&[
        "CREATE TABLE note (id INTEGER PRIMARY KEY)",
        "INSERT INTO missing (id) VALUES (1)",
    ])
});

#[ebbtide::test(url = "sqlite::memory:", migrator = *MIGRATOR)]
async fn a_migrator_of_sqlx(database: Database) {
    assert_eq!(notes(&database).await, 0);
    // The migration that the application runs at its start has nothing left to do.
    #[cfg(feature = "sqlx-interop")]
    database.migrate(&MIGRATOR).await.unwrap();
    let versions: Vec<i64> = database
        .fetch_all("SELECT version FROM _sqlx_migrations", ())
        .value()
        .await
        .unwrap();
    assert_eq!(versions, [7]);
}
