//! The public types over drivers in sidecars.

use crate::error::ErrorKind;
use crate::{Database, Result};

fn h2(name: &str) -> String {
    let folder = std::env::var("EBBTIDE_TEST_JDBC").unwrap_or_else(|_| "/usr/share/java".to_owned());
    format!("jdbc+h2://mem:{name};DB_CLOSE_DELAY=-1?classpath={folder}/h2.jar")
}

async fn keeps_what_is_committed(url: &str) -> Result<()> {
    let database = Database::connect(url).await?;
    database
        .execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text VARCHAR(100))", ())
        .await?;
    database
        .execute(
            "INSERT INTO note (id, text) VALUES (:id, :text)",
            crate::params! { id: 1, text: "milk" },
        )
        .await?;
    let transaction = database.transaction().await?;
    transaction
        .execute("INSERT INTO note (id, text) VALUES (?, ?)", (2, "bread"))
        .await?;
    let inner = transaction.transaction().await?;
    inner
        .execute("INSERT INTO note (id, text) VALUES (?, ?)", (3, "eggs"))
        .await?;
    inner.rollback().await?;
    transaction.commit().await?;
    let failed = database
        .transaction()
        .run(async |transaction| {
            transaction
                .execute("INSERT INTO note (id, text) VALUES (?, ?)", (4, "undone"))
                .await?;
            transaction
                .execute("INSERT INTO note (id, text) VALUES (?, ?)", (1, "twice"))
                .await
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Constraint);
    let texts: Vec<(i64, String)> = database
        .fetch_all("SELECT id, text FROM note ORDER BY id", ())
        .await?
        .iter()
        .map(crate::Row::deserialize)
        .collect::<Result<_>>()?;
    assert_eq!(texts, [(1, "milk".to_owned()), (2, "bread".to_owned())]);
    let refused = database.execute("COMMIT", ()).await.unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::Unsupported | ErrorKind::Refused),
        "{refused}"
    );
    database.disconnect().await.map(drop)
}

#[tokio::test]
async fn b2_a_database_of_h2_keeps_what_is_committed() {
    keeps_what_is_committed(&h2("database")).await.unwrap();
}

#[tokio::test]
async fn b3_a_database_of_sqlite3_keeps_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "dbapi2+sqlite://{}?dbapi_path=sqlite3",
        folder.path().join("a.db").display()
    );
    keeps_what_is_committed(&url).await.unwrap();
}

#[tokio::test]
async fn b2_many_tasks_share_one_process() {
    let database = Database::connect(h2("tasks").as_str()).await.unwrap();
    let tasks = (0..50).map(|number| {
        let database = database.clone();
        tokio::spawn(async move { database.fetch_value::<i64>("SELECT CAST(? AS BIGINT)", (number,)).await })
    });
    for (number, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), number as i64);
    }
}

#[tokio::test]
async fn b6_a_statement_that_takes_too_long_is_ended_and_the_connection_stays() {
    let url = format!("{}&pool_size=1", h2("limits"));
    let database = Database::connect(url.as_str()).await.unwrap();
    let slow = "SELECT COUNT(*) FROM SYSTEM_RANGE(1, 1000000) a, SYSTEM_RANGE(1, 1000000) b WHERE a.x + b.x < 0";
    let call = database.fetch_value::<i64>(slow, ());
    let limited = tokio::time::timeout(std::time::Duration::from_millis(200), call.into_future()).await;
    assert!(limited.is_err());
    assert_eq!(database.fetch_value::<i64>("SELECT 1", ()).await.unwrap(), 1);
}
