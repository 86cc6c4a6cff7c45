//! A first tour of ebbtide: connect, write, read, nest transactions, and run the same code in the sandbox.
//!
//! ```sh
//! cargo run --example quickstart                                       # SQLite, in a file under the temporary folder
//! cargo run --example quickstart postgres://user:secret@localhost/app  # or mysql://…, or DATABASE_URL
//! ```

use chrono::{DateTime, Utc};
use ebbtide::{Config, Database, Dialect, Result, params};

/// One struct serves all three databases: sqlx's derive is generic over the row.
#[derive(Debug, sqlx::FromRow)]
struct Note {
    id: i64,
    text: String,
    done: bool,
    created: DateTime<Utc>,
}

/// Writes two notes. The application does not depend on sandboxes.
async fn write_two_notes(database: &Database) -> Result<()> {
    // `run` commits when the closure returns Ok, and rolls back when it returns Err or panics.
    database
        .transaction()
        .run(async |transaction| {
            insert(database, "water the plants").await?; // runs in the transaction of the task
            let inner = transaction.transaction().await?; // a transaction inside a transaction is a savepoint
            insert(database, "a note that is taken back").await?;
            inner.rollback().await?; // undoes the inner one only
            insert(database, "feed the cat").await
        })
        .await
}

async fn insert(database: &Database, text: &str) -> Result<()> {
    let note = params! { text, done: false, created: Utc::now() };
    database
        .execute(
            "INSERT INTO quickstart_note (text, done, created) VALUES (:text, :done, :created)",
            note,
        )
        .await?;
    Ok(())
}

async fn count(database: &Database) -> Result<i64> {
    database.fetch_value("SELECT count(*) FROM quickstart_note", ()).await
}

#[tokio::main]
async fn main() {
    // The error's `Display` is meant for users; `main() -> Result` would print its `Debug`.
    if let Err(error) = walk().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn walk() -> Result<()> {
    let url = std::env::args()
        .nth(1)
        .or_else(|| std::env::var("DATABASE_URL").ok())
        .unwrap_or_else(|| {
            let file = std::env::temp_dir().join("ebbtide-quickstart.db");
            format!("sqlite://{}", file.display())
        });
    let config = Config::from_url(url)?;
    println!("1. connect to {}", config.url());
    let database = Database::connect(&config).await?;

    println!("2. create a table");
    let key = match config.url().dialect() {
        Dialect::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        Dialect::MySql => "BIGINT AUTO_INCREMENT PRIMARY KEY",
        _ => "INTEGER PRIMARY KEY",
    };
    let time = if config.url().dialect() == Dialect::Postgres {
        "TIMESTAMPTZ"
    } else {
        "TIMESTAMP"
    };
    database.execute("DROP TABLE IF EXISTS quickstart_note", ()).await?;
    let create = format!(
        "CREATE TABLE quickstart_note (id {key}, text VARCHAR(200) NOT NULL, done BOOLEAN NOT NULL, created {time} NOT NULL)"
    );
    // Text built at run time has to be marked as safe; literals and parameters never do.
    database.execute(ebbtide::AssertSqlSafe(create), ()).await?;

    println!("3. insert with named parameters");
    insert(&database, "read the guide").await?;

    println!("4. a transaction with two notes, and a nested one that is rolled back");
    write_two_notes(&database).await?;

    println!("5. read into a struct");
    let notes: Vec<Note> = database
        .fetch_all("SELECT id, text, done, created FROM quickstart_note ORDER BY id", ())
        .decode()
        .await?;
    for note in &notes {
        let mark = if note.done { "x" } else { " " };
        println!(
            "     [{mark}] {}: {} ({})",
            note.id,
            note.text,
            note.created.format("%Y-%m-%d %H:%M")
        );
    }
    let before = count(&database).await?;
    println!("   {before} notes; the one that was taken back is not among them");

    if config.url().is_memory() {
        // Another `Database` would have another database in memory.
        println!("6. left out: the sandbox is shown on a file or a server");
    } else {
        println!("6. the same function, unchanged, with force_rollback(true)");
        let sandbox = Database::connect(config.force_rollback(true)).await?;
        write_two_notes(&sandbox).await?;
        println!("   inside the sandbox there are {} notes", count(&sandbox).await?);
        sandbox.disconnect().await?;
        let after = count(&database).await?;
        println!("   after it there are {after}: nothing stayed");
        assert_eq!(before, after, "the sandbox must leave nothing behind");
    }

    database.execute("DROP TABLE quickstart_note", ()).await?;
    database.disconnect().await?;
    println!("7. done");
    Ok(())
}
