//! Notes on any of the three databases. Only the migrations and one statement differ.

use ebbtide::{Database, Dialect, Result, params};
use sqlx::migrate::Migrator;

static POSTGRES: Migrator = sqlx::migrate!("examples/three_databases/migrations/postgres");
static MYSQL: Migrator = sqlx::migrate!("examples/three_databases/migrations/mysql");
static SQLITE: Migrator = sqlx::migrate!("examples/three_databases/migrations/sqlite");

/// A note as every database returns it.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub(crate) struct Note {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) read_count: i64,
}

/// Applies the migrations that are missing; may run at every start.
pub(crate) async fn migrate(database: &Database) -> Result<()> {
    let migrator = match database.dialect() {
        Dialect::Postgres => &POSTGRES,
        Dialect::MySql => &MYSQL,
        _ => &SQLITE,
    };
    database.migrate(migrator).await
}

/// Adds a note, or counts one more reader if there is one with this title.
pub(crate) async fn read(database: &Database, title: &str) -> Result<()> {
    let sql = match database.dialect() {
        Dialect::MySql => {
            "INSERT INTO note (title, read_count) VALUES (:title, 1) ON DUPLICATE KEY UPDATE read_count = read_count + 1"
        }
        _ => {
            "INSERT INTO note (title, read_count) VALUES (:title, 1) \
             ON CONFLICT (title) DO UPDATE SET read_count = note.read_count + 1"
        }
    };
    database.execute(sql, params! { title }).await?;
    Ok(())
}

/// Returns the notes with these titles, the most read first.
pub(crate) async fn most_read(database: &Database, titles: &[&str]) -> Result<Vec<Note>> {
    let sql = "SELECT id, title, read_count FROM note WHERE title IN (:titles) ORDER BY read_count DESC, title";
    database.fetch_all(sql, params! { titles }).decode().await
}
