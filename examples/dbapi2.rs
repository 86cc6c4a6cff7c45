//! A database through a Python module: SQLite by `sqlite3`, which every Python has.
//!
//! ```sh
//! cargo run --example dbapi2 --features dbapi2
//! cargo run --example dbapi2 --features dbapi2 -- path/to/venv/bin/python   # another interpreter
//! ```

use ebbtide::{Config, Database, Result, params};

#[derive(Debug, sqlx::FromRow)]
struct Note {
    id: i64,
    text: String,
}

async fn walk() -> Result<()> {
    let python = std::env::args().nth(1).unwrap_or_else(|| "python3".to_owned());
    let file = std::env::temp_dir().join("ebbtide_example_dbapi2.db");
    let config = Config::from_url(format!("dbapi2://{}?dbapi_path=sqlite3", file.display()).as_str())?.python(python);
    let database = Database::connect(config.clone()).await?;
    database.execute("DROP TABLE IF EXISTS note", ()).await?;
    database
        .execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)", ())
        .await?;
    database
        .transaction()
        .run(async |_| {
            let notes = [params! { text: "water the plants" }, params! { text: "feed the cat" }];
            database
                .execute_many("INSERT INTO note (text) VALUES (:text)", notes)
                .await
        })
        .await?;
    for note in database
        .fetch_all("SELECT id, text FROM note", ())
        .decode::<Note>()
        .await?
    {
        println!("{}: {}", note.id, note.text);
    }

    // The same application in a sandbox: nothing stays.
    let sandbox = Database::connect(config.force_rollback(true)).await?;
    sandbox.execute("DELETE FROM note", ()).await?;
    sandbox.disconnect().await?;
    let kept: i64 = database.fetch_value("SELECT count(*) FROM note", ()).await?;
    println!("{kept} notes are still there after the sandbox");
    database.disconnect().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = walk().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
