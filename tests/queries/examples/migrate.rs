//! Creates the tables that the queries are checked against: `cargo run -p ebbtide-queries --example migrate -- URL`.

use ebbtide::{Database, Dialect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give it the URL of a database")?;
    let database = Database::connect(url).await?;
    let migrator = match database.dialect() {
        Dialect::Postgres => sqlx::migrate!("migrations/postgres"),
        Dialect::MySql => sqlx::migrate!("migrations/mysql"),
        Dialect::Sqlite => sqlx::migrate!("migrations/sqlite"),
        other => return Err(format!("there are no migrations for {other}").into()),
    };
    database.migrate(&migrator).await?;
    database.disconnect().await?;
    Ok(())
}
