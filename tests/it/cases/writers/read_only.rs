//! X13: the turn of transactions that do not write.

use ebbtide::{ErrorKind, Result};

use super::{two, write};
use crate::cases::tasks::{add, count, kept, kind, soon};
use crate::support::cases;

cases! {
    #[only(sqlite_file)]
    async fn x13_a_write_that_a_read_only_transaction_tries_takes_no_turn_found_a24(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let transaction = database.transaction().read_only().await?;
        let refused = transaction.execute(add(&t, "refused"), ()).await;
        assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly));
        soon("a writer", write(&t, &other, "a")).await?;
        transaction.rollback().await?;
        let outer = database.transaction().deferred().await?;
        let inner = outer.transaction().read_only().await?;
        let refused = inner.execute(add(&t, "refused"), ()).await;
        assert_eq!(kind(&refused), Some(ErrorKind::ReadOnly));
        soon("a writer", write(&t, &other, "b")).await?;
        inner.rollback().await?;
        outer.execute(add(&t, "c"), ()).await?;
        let refused = write(&t, &other, "refused").await.expect_err("now it writes");
        assert!(refused.to_string().contains("its only writer is"), "{refused}");
        outer.commit().await?;
        assert_eq!(kept(&t, &database).await, "a,b,c");
        Ok(())
    }

    /// It asked for the lock, so it waits for its turn and keeps it to the end.
    #[only(sqlite_file)]
    async fn x13_a_read_only_transaction_that_is_immediate_has_the_turn(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let transaction = database.transaction().read_only().immediate().await?;
        let refused = write(&t, &other, "refused").await.expect_err("it has the turn");
        assert!(refused.to_string().contains("its only writer is the transaction begun by"), "{refused}");
        assert_eq!(transaction.fetch_value::<i64>(count(&t), ()).await?, 0);
        transaction.commit().await?;
        soon("a writer", write(&t, &other, "a")).await?;
        assert_eq!(kept(&t, &database).await, "a");
        Ok(())
    }

    /// The session may only read, so BEGIN IMMEDIATE fails, and a plain BEGIN takes its place.
    #[only(sqlite_file)]
    async fn x13_a_beginning_that_falls_back_to_reading_returns_its_turn(t: Test) -> Result<()> {
        let (database, other) = two(&t).await;
        let connection = database.connection();
        connection.execute("pragma query_only = 1", ()).await?;
        let transaction = connection.transaction().await?;
        assert_eq!(transaction.fetch_value::<i64>(count(&t), ()).await?, 0);
        soon("a writer", write(&t, &other, "a")).await?;
        transaction.commit().await?;
        connection.execute("pragma query_only = 0", ()).await?;
        connection.execute(add(&t, "b"), ()).await?;
        assert_eq!(kept(&t, &database).await, "a,b");
        Ok(())
    }
}
