//! A small application written for sqlx, ported to ebbtide by changing one type.
//!
//! `cargo run --example sqlx_interop` uses a SQLite database in memory.

use ebbtide::{Config, Database, SqlSafeStr, Sqlx};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{QueryBuilder, Sqlite};

/// The application. Only this type was changed: it was `sqlx::SqlitePool`.
type Pool = Sqlx<Sqlite>;

/// Everything from here to `main` is unchanged code for sqlx.
#[derive(Debug, sqlx::FromRow)]
struct Note {
    id: i64,
    text: String,
}

struct Notes {
    pool: Pool,
}

impl Notes {
    async fn add(&self, texts: &[&str]) -> Result<u64, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO note (text) ");
        insert.push_values(texts, |mut row, text| {
            row.push_bind(*text);
        });
        let done = insert.build().execute(&mut *transaction).await?;
        sqlx::query("UPDATE total SET notes = notes + ?")
            .bind(done.rows_affected() as i64)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected())
    }

    async fn all(&self) -> Result<Vec<Note>, sqlx::Error> {
        sqlx::query_as("SELECT id, text FROM note ORDER BY id")
            .fetch_all(&self.pool)
            .await
    }

    async fn total(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT notes FROM total")
            .fetch_one(&self.pool)
            .await
    }
}

/// Returns the migrations. A project has them in files: `sqlx::migrate!()`.
fn migrations() -> Migrator {
    let step = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        step(
            1,
            "notes",
            "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        ),
        step(
            2,
            "total",
            "CREATE TABLE total (notes INTEGER NOT NULL); INSERT INTO total VALUES (0)",
        ),
    ])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::connect(Config::from_url("sqlite::memory:")?).await?;
    database.migrate(&migrations()).await?;
    println!("the migrations of sqlx have run");

    let notes = Notes { pool: database.sqlx()? };
    notes.add(&["written by sqlx's code"]).await?;
    for Note { id, text } in notes.all().await? {
        println!("  note {id}: {text}");
    }

    // Result of changing the type: the same code joins a transaction without depending on it …
    let transaction = database.transaction().await?;
    notes.add(&["inside a transaction"]).await?;
    database
        .execute("DELETE FROM note WHERE text LIKE 'written%'", ())
        .await?;
    println!("in the transaction there are {} notes", notes.all().await?.len());
    transaction.rollback().await?;
    println!("after its rollback there are {}", notes.all().await?.len());
    drop(transaction);

    // … and a test of it leaves nothing behind, although the code commits.
    let sandbox = database.sandbox().await?;
    let tested = Notes { pool: sandbox.sqlx()? };
    tested.add(&["two more", "in a test"]).await?;
    assert_eq!((tested.all().await?.len(), tested.total().await?), (3, 3));
    drop(tested);
    drop(sandbox);
    assert_eq!((notes.all().await?.len(), notes.total().await?), (1, 1));
    println!("a test wrote two more in a sandbox, and nothing of that stayed");

    // Features of sqlx that this crate does not wrap are used on the driver's own connection.
    let pages: i64 = database
        .with_sqlx(|connection: &mut sqlx::SqliteConnection| {
            Box::pin(async move { sqlx::query_scalar("PRAGMA page_count").fetch_one(connection).await })
        })
        .await?;
    println!("the database has {pages} pages");
    database.disconnect().await?;
    Ok(())
}
