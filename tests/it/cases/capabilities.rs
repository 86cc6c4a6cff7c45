//! What each backend and driver can do, as docs/BACKENDS.md lists it.

use std::time::{Duration, Instant};

use ebbtide::{AssertSqlSafe, Config, Database, ErrorKind, IsolationLevel};

use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Test, cases};

cases! {
    /// Finds out what the backend can do and compares it with its line of the table. The error has the right line.
    async fn b5_the_table_of_backends_is_true(t: Test) -> Result<(), String> {
        let name = t.lane();
        let cells = [
            savepoints(&t).await,
            sandbox(&t).await,
            levels(&t).await,
            definitions(&t).await,
            key(&t).await,
            returning(&t).await,
            time_limit(&t).await,
        ];
        let line = format!("| `{name}` | {} |", cells.join(" | "));
        let table = include_str!("../../../docs/BACKENDS.md");
        let server = t.backend().is_mysql_itself();
        if table.lines().any(|known| known == line) || server {
            return Ok(());
        }
        Err(format!("docs/BACKENDS.md should have this line:\n{line}"))
    }
}

async fn numbers(t: &Test, database: &Database) -> String {
    let table = t.table("capable");
    let create = format!("create table {table} (n bigint not null)");
    database.execute(AssertSqlSafe(create), ()).await.unwrap();
    table
}

async fn count(database: &Database, table: &str) -> Option<i64> {
    let count = format!("select count(*) from {table}");
    database.fetch_value(AssertSqlSafe(count), ()).await.ok()
}

fn insert(table: &str, number: i64) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("insert into {table} (n) values ({number})"))
}

async fn savepoints(t: &Test) -> String {
    let database = t.database().await;
    let table = numbers(t, &database).await;
    let outer = database.transaction().await.unwrap();
    outer.execute(insert(&table, 1), ()).await.unwrap();
    let inner = match outer.transaction().await {
        Ok(inner) => inner,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            outer.rollback().await.unwrap();
            drop_table(&database, &table).await;
            return "no".to_owned();
        }
    };
    inner.execute(insert(&table, 2), ()).await.unwrap();
    inner.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(count(&database, &table).await, Some(1));
    drop_table(&database, &table).await;
    "yes".to_owned()
}

async fn drop_table(database: &Database, table: &str) {
    let drop = AssertSqlSafe(format!("drop table {table}"));
    database.execute(drop, ()).await.unwrap();
}

async fn sandbox(t: &Test) -> String {
    let outside = t.database().await;
    let table = numbers(t, &outside).await;
    let mut cells = Vec::new();
    for full_isolation in [false, true] {
        let config = Config::from_url(t.url().as_str()).unwrap();
        let config = config.force_rollback(true).full_isolation(full_isolation);
        let database = Database::connect(config).await.unwrap();
        if t.backend() == Backend::SqliteMemory {
            // Each has its own tables.
            let create = AssertSqlSafe(format!("create table {table} (n bigint not null)"));
            database.execute(create, ()).await.unwrap();
        }
        let inserted = database.execute(insert(&table, 1), ()).await;
        cells.push(match inserted {
            Ok(_) => {
                let transaction = database.transaction().await.unwrap();
                transaction.execute(insert(&table, 2), ()).await.unwrap();
                transaction.commit().await.unwrap();
                assert_eq!(count(&database, &table).await, Some(2));
                "yes"
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                "no"
            }
        });
        database.disconnect().await.unwrap();
        assert_eq!(count(&outside, &table).await, Some(0));
    }
    drop_table(&outside, &table).await;
    assert_eq!(cells[0], cells[1], "with full isolation it is otherwise");
    cells[0].to_owned()
}

async fn levels(t: &Test) -> String {
    let database = t.database().await;
    let mut known = Vec::new();
    for (level, name) in [
        (IsolationLevel::ReadUncommitted, "RU"),
        (IsolationLevel::ReadCommitted, "RC"),
        (IsolationLevel::RepeatableRead, "RR"),
        (IsolationLevel::Serializable, "S"),
    ] {
        match database.transaction().isolation(level).await {
            Ok(transaction) => {
                known.push(name);
                transaction.rollback().await.unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        }
    }
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(" ")
    }
}

async fn definitions(t: &Test) -> String {
    let database = t.database().await;
    let table = t.table("defined");
    let transaction = database.transaction().await.unwrap();
    let create = AssertSqlSafe(format!("create table {table} (n bigint not null)"));
    let created = transaction.execute(create, ()).await;
    let ended = transaction.rollback().await;
    let left = count(&database, &table).await.is_some();
    match (created, ended, left) {
        (Ok(_), Ok(()), false) => "undone",
        (Err(_), _, false) => "refused",
        (_, _, true) => "commit",
        (Ok(_), Err(error), false) => panic!("{error}"),
    }
    .to_owned()
}

async fn key(t: &Test) -> String {
    let database = t.database().await;
    let create = t.sql("create table {keyed} (id {id}, n bigint not null)");
    database.execute(create, ()).await.unwrap();
    let insert = t.sql("insert into {keyed} (n) values (7)");
    let first = database.execute(insert, ()).await.unwrap().last_insert_id;
    if first.is_some() { "yes" } else { "no" }.to_owned()
}

async fn returning(t: &Test) -> String {
    let database = t.database().await;
    let table = numbers(t, &database).await;
    let insert = AssertSqlSafe(format!("insert into {table} (n) values (7) returning n"));
    match database.fetch_value::<i64>(insert, ()).await {
        Ok(7) => "yes",
        Ok(other) => panic!("{other} was returned"),
        Err(_) => "no",
    }
    .to_owned()
}

/// Ends a statement that would run for seconds, and uses the database again.
async fn time_limit(t: &Test) -> String {
    let database = t.database().await;
    let create = t.sql("create table {many} (n bigint not null)");
    database.execute(create, ()).await.unwrap();
    let many = t.table("many");
    // DuckDB is too fast otherwise.
    let count_of_rows = if t.driver() == Some(Driver::DuckDb) { 1500 } else { 250 };
    let rows: Vec<_> = (0..count_of_rows).map(|number: i64| (number,)).collect();
    let insert = AssertSqlSafe(format!("insert into {many} (n) values (?)"));
    database.execute_many(insert, rows).await.unwrap();
    let long = format!("select count(*) from {many} a, {many} b, {many} c where a.n + b.n <> c.n + 1000");
    let begun = Instant::now();
    let limit = Duration::from_millis(50);
    let ended = database
        .fetch_value::<i64>(AssertSqlSafe(long), ())
        .timeout(limit)
        .await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Timeout);
    let waited = begun.elapsed();
    assert_eq!(count(&database, &many).await, Some(count_of_rows));
    assert!(waited < Duration::from_secs(10), "it took {waited:?}");
    "yes".to_owned()
}
