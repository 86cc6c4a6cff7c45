//! A database through an ODBC driver: SQLite by the driver of Debian's package libsqliteodbc.
//!
//! ```sh
//! cargo run --example odbc --features odbc                            # needs unixODBC: Debian's unixodbc-dev
//! cargo run --example odbc --features odbc -- 'odbc:DSN=shop'         # any data source whose names fold to small letters
//! ```

use ebbtide::{Config, Database, Result, params};

#[derive(Debug, sqlx::FromRow)]
struct Note {
    id: i64,
    text: String,
}

async fn walk() -> Result<()> {
    let file = std::env::temp_dir().join(format!("ebbtide-odbc-{}.db", std::process::id()));
    let given = std::env::args().nth(1);
    let url = given.unwrap_or_else(|| format!("odbc:Driver=SQLite3;Database={}", file.display()));
    let config = Config::from_url(url.as_str())?;
    let database = Database::connect(config.clone()).await?;
    database
        .execute(
            "CREATE TABLE note (id INTEGER PRIMARY KEY, text VARCHAR(100) NOT NULL)",
            (),
        )
        .await?;
    database
        .transaction()
        .run(async |_| {
            let notes = [
                params! { id: 1, text: "water the plants" },
                params! { id: 2, text: "feed the cat" },
            ];
            database
                .execute_many("INSERT INTO note (id, text) VALUES (:id, :text)", notes)
                .await
        })
        .await?;
    for note in database
        .fetch_all("SELECT id, text FROM note ORDER BY id", ())
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
    database.execute("DROP TABLE note", ()).await?;
    database.disconnect().await?;
    let _ = std::fs::remove_file(file);
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = walk().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
