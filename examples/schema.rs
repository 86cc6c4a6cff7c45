//! Tables declared in code, models that find their database, and a router.
//!
//! `cargo run --example schema` uses SQLite in memory; with another URL as argument, such as
//! `postgres://postgres@127.0.0.1/test`, it creates its three tables there and drops them again.

use std::sync::LazyLock;

use ebbtide::{Alias, App, Connections, ConnectionsConfig, DbConnection, Dialect, Result, Router, Schema, params};

/// The tables. `schema_loan` is listed first and created last, because it refers to the others.
static LIBRARY: LazyLock<Schema> = LazyLock::new(|| {
    let loan = "CREATE TABLE schema_loan (reader BIGINT NOT NULL, book BIGINT NOT NULL, PRIMARY KEY (reader, book), \
                FOREIGN KEY (reader) REFERENCES schema_reader (id), FOREIGN KEY (book) REFERENCES schema_book (id))";
    Schema::new().app(
        App::new("library")
            .define(loan)
            .define("CREATE TABLE schema_book (id BIGINT PRIMARY KEY, title VARCHAR(100) NOT NULL)")
            .define("CREATE TABLE schema_reader (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)"),
    )
});

/// A model without a database argument.
struct Book;

impl Book {
    async fn add(id: i64, title: &str) -> Result<()> {
        let sql = "INSERT INTO schema_book (id, title) VALUES (:id, :title)";
        LIBRARY.database()?.execute(sql, params! { id, title }).await?;
        Ok(())
    }

    async fn count() -> Result<i64> {
        LIBRARY
            .database()?
            .fetch_value("SELECT count(*) FROM schema_book", ())
            .await
    }
}

/// A router that reads from another connection than it writes to.
struct Archive;

impl Router for Archive {
    fn db_for_read(&self, _model: &str) -> Option<Alias> {
        Some("archive".into())
    }
}

async fn program(url: &str) -> Result<()> {
    println!("1. what would be sent to PostgreSQL");
    for statement in LIBRARY.statements(Dialect::Postgres)? {
        println!("   {}…", statement.chars().take(60).collect::<String>());
    }

    println!("2. the tables are made, and the models bound to the database");
    let connection = DbConnection::new(url)?;
    connection.init_db(&LIBRARY).await?;
    connection.init_db(&LIBRARY).await?; // nothing is missing
    Book::add(1, "The Tides").await?;
    println!("   books: {}", Book::count().await?);

    println!("3. creating them again is refused");
    let database = connection.database().await?;
    if let Err(error) = LIBRARY.create_new(&database).await {
        println!("   {error}");
    }
    println!("   the models in a sandbox:");
    let sandbox = database.sandbox().await?;
    connection.set("default", &sandbox).run(Book::add(2, "Undone")).await?;
    sandbox.disconnect().await?;
    println!("   books: {}", Book::count().await?);
    LIBRARY.drop_all(&database).await?;
    connection.close().await?;
    if let Err(error) = Book::count().await {
        println!("4. closed: {}", error.message());
    }

    let config = ConnectionsConfig::new()
        .connection("default", url)?
        .connection("archive", url)?;
    let connections = Connections::init(config.router("archive"))?;
    connections.register_router("archive", Archive);
    let outside = (
        connections.alias_for_read("book")?,
        connections.alias_for_write("book")?,
    );
    println!("5. a router: read from and written to {outside:?}");
    let inside = connections
        .in_transaction("default")
        .run(async |_| connections.alias_for_read("book"));
    println!("   in a transaction read from {:?}", inside.await?);
    connections.close_all().await
}

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite::memory:".to_owned());
    if let Err(error) = program(&url).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
