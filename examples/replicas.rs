//! Reads on a replica, writes on the primary, and read-your-writes consistency.
//!
//! ```sh
//! cargo run --example replicas                          # two SQLite files under the temporary folder
//! cargo run --example replicas PRIMARY REPLICA...       # URLs of a primary and of replicas that follow it
//! ```
//!
//! SQLite has no replication. A copy of the file represents a replica that lags as long as the program runs. The time
//! after a write determines how long the writer stays on the primary.

use std::time::Duration;

use ebbtide::{Config, Database, Result, params};

/// Adds a note. The application does not depend on replicas.
async fn add(database: &Database, text: &str) -> Result<()> {
    let sql = "INSERT INTO replicas_note (text) VALUES (:text)";
    database.execute(sql, params! { text }).await?;
    Ok(())
}

async fn count(database: &Database) -> Result<i64> {
    database.fetch_value("SELECT count(*) FROM replicas_note", ()).await
}

/// Counts the notes from a task that has written nothing.
async fn count_elsewhere(database: &Database) -> Result<i64> {
    let database = database.clone();
    match tokio::spawn(async move { count(&database).await }).await {
        Ok(counted) => counted,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn make_table(primary: &str) -> Result<()> {
    let database = Database::connect(primary).await?;
    database.execute("DROP TABLE IF EXISTS replicas_note", ()).await?;
    database
        .execute("CREATE TABLE replicas_note (text VARCHAR(100) NOT NULL)", ())
        .await?;
    add(&database, "the first").await?;
    database.disconnect().await?;
    Ok(())
}

/// Returns the requested primary and replicas, or two files.
async fn servers() -> Result<(Config, bool)> {
    let mut given = std::env::args().skip(1);
    if let Some(primary) = given.next() {
        make_table(&primary).await?;
        let mut config = Config::from_url(primary)?;
        for replica in given {
            config = config.replica(replica)?;
        }
        return Ok((config, true));
    }
    let url = |name: &str| format!("sqlite://{}", std::env::temp_dir().join(name).display());
    let (primary, copy) = (url("ebbtide-primary.db"), url("ebbtide-replica.db"));
    for file in [&primary, &copy] {
        make_table(file).await?;
    }
    let config = Config::from_url(primary)?.replica(copy)?;
    Ok((config.replica_window(Duration::from_millis(200)), false))
}

async fn run() -> Result<()> {
    let (config, follows) = servers().await?;
    println!("1. a database with {} replica(s)", config.replicas().len());
    let database = Database::connect(config).await?;
    for replica in database.replicas()? {
        println!("   {} is {}", replica.url, if replica.is_up { "up" } else { "down" });
    }

    println!("2. a note is written, on the primary, and read back at once: from there, until a replica has it");
    add(&database, "the second").await?;
    println!("   the writer counts {}", count(&database).await?);
    println!(
        "   a task that wrote nothing counts {}, on a replica that may lag",
        count_elsewhere(&database).await?
    );
    println!(
        "   through `primary()` it would count {}",
        count(&database.primary()).await?
    );
    println!(
        "   through `stale()` the writer counts {}",
        count(&database.stale()).await?
    );

    println!("3. in a transaction and in a sandbox everything is on the primary");
    let transaction = database.transaction().await?;
    println!("   in a transaction: {}", count(&database).await?);
    transaction.rollback().await?;
    let sandbox = database.sandbox().await?;
    add(&sandbox, "never kept").await?;
    println!("   in a sandbox, after one more note: {}", count(&sandbox).await?);
    sandbox.disconnect().await?;

    println!("4. after a while the writer reads from a replica again");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let now = count(&database).await?;
    match (follows, database.replicas()?.iter().any(|replica| replica.is_up)) {
        (true, true) => println!("   which has followed by then: {now}"),
        (true, false) => println!("   if there is one that is up; here it counts {now} on the primary"),
        (false, _) => println!("   which is a copy that never follows: {now}"),
    }
    for replica in database.replicas()? {
        println!("   {}: {} connection(s)", replica.url, replica.pool.size);
    }
    database.primary().execute("DROP TABLE replicas_note", ()).await?;
    database.disconnect().await?;
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
