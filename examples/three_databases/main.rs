//! One program on PostgreSQL, MySQL or MariaDB, and SQLite: `cargo run --example three_databases [URL]`.

mod notes;

use ebbtide::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ebbtide::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite::memory:".to_owned());
    let database = Database::connect(url).await?;
    notes::migrate(&database).await?;
    // In a sandbox, so that the program may be run again.
    let sandbox = database.sandbox().await?;
    for title in ["tides", "moon", "tides"] {
        notes::read(&sandbox, title).await?;
    }
    for note in notes::most_read(&sandbox, &["tides", "moon"]).await? {
        println!("{note:?} on {}", database.dialect());
    }
    sandbox.disconnect().await?;
    database.disconnect().await?;
    Ok(())
}
