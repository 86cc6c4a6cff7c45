//! What each driver in a sidecar must do for the public types.

use crate::error::ErrorKind;
use crate::{Database, Result};

pub(super) async fn keeps_what_is_committed(url: &str) -> Result<()> {
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
