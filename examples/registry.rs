//! Two databases from one configuration: created on demand, transactions by alias, another database set for a test.
//!
//! ```sh
//! cargo run --example registry                   # two SQLite files under the temporary folder
//! cargo run --example registry databases.json    # your own: `default` and `log`, any backend
//! ```

use ebbtide::{Config, Connections, ConnectionsConfig, Database, Result, params};

/// Orders an item. The application uses aliases and does not depend on the locations of the databases.
async fn order(connections: &Connections, item: &str) -> Result<()> {
    let (shop, log) = (connections.get("default").await?, connections.get("log").await?);
    connections
        .in_transaction("default")
        .run(async |_| {
            let entry = format!("asked for {item}");
            log.execute("INSERT INTO registry_log (entry) VALUES (:entry)", params! { entry })
                .await?; // another database: it stays, even if the order fails
            let insert = "INSERT INTO registry_order (item) VALUES (:item)";
            shop.execute(insert, params! { item }).await?; // runs in the transaction
            Ok(())
        })
        .await
}

async fn tables(connections: &Connections) -> Result<()> {
    let (shop, log) = (connections.get("default").await?, connections.get("log").await?);
    for (database, sql) in [
        (&shop, "DROP TABLE IF EXISTS registry_order"),
        (&shop, "CREATE TABLE registry_order (item VARCHAR(100) NOT NULL UNIQUE)"),
        (&log, "DROP TABLE IF EXISTS registry_log"),
        (&log, "CREATE TABLE registry_log (entry VARCHAR(100) NOT NULL)"),
    ] {
        database.execute(sql, ()).await?;
    }
    Ok(())
}

async fn counts(connections: &Connections) -> Result<(i64, i64)> {
    let (shop, log) = (connections.get("default").await?, connections.get("log").await?);
    Ok((
        shop.fetch_value("SELECT count(*) FROM registry_order", ()).await?,
        log.fetch_value("SELECT count(*) FROM registry_log", ()).await?,
    ))
}

fn configuration() -> Result<ConnectionsConfig> {
    if let Some(file) = std::env::args().nth(1) {
        return ConnectionsConfig::from_file(file);
    }
    let file = |name: &str| format!("sqlite://{}", std::env::temp_dir().join(name).display());
    // `${EBBTIDE_LOG:-…}`: an environment variable with a default.
    let log = format!("${{EBBTIDE_LOG:-{}}}", file("ebbtide-registry-log.db"));
    ConnectionsConfig::from_value(serde_json::json!({
        "connections": {"default": file("ebbtide-registry-shop.db"), "log": {"url": log, "pool_size": 2}},
        "apps": {"shop": {"models": ["order"], "default_connection": "default"}},
    }))
}

async fn program(connections: Connections) -> Result<()> {
    println!("2. the tables, which connects both databases");
    tables(&connections).await?;
    println!("   {connections:?}");

    println!("3. the same order twice, which its table refuses");
    order(&connections, "a kettle").await?;
    let refused = order(&connections, "a kettle").await;
    println!(
        "   it said: {}",
        refused.map_or_else(|error| error.message().to_owned(), |()| "nothing".to_owned())
    );
    println!("   orders and log entries: {:?}", counts(&connections).await?);

    println!("4. the same application on a database in memory, set in place of `default`");
    let test = Database::connect(Config::from_url("sqlite::memory:")?).await?;
    test.execute("CREATE TABLE registry_order (item VARCHAR(100) NOT NULL)", ())
        .await?;
    let inside = connections
        .set("default", &test)
        .run(async {
            order(&connections, "a kettle").await?; // this table is empty
            order(&connections, "a cup").await?;
            counts(&connections).await
        })
        .await?;
    println!("   inside: {inside:?}, outside: {:?}", counts(&connections).await?);
    test.disconnect().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    let ended = async {
        let connections = Connections::init(configuration()?)?;
        let aliases: Vec<&str> = connections.config().aliases().collect();
        println!("1. a registry of {aliases:?}; nothing is connected yet");
        // Closes everything at the end: on success, error, panic and Ctrl-C.
        connections.run(program).await?;
        println!("5. closed: {connections:?}");
        Ok::<_, ebbtide::Error>(())
    };
    if let Err(error) = ended.await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
