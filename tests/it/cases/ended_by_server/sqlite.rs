//! X4: what SQLite answers where another program has the lock.

use std::time::Duration;

use ebbtide::{Database, ErrorKind, Result};

use crate::cases::tasks::{add, config, count, kept, kind, notes_with, soon};
use crate::support::{Test, cases};

/// A file without a WAL, whose users wait for locks only a moment.
async fn impatient(t: &Test) -> Database {
    notes_with(
        t,
        config(t).journal_mode("delete").busy_timeout(Duration::from_millis(20)),
    )
    .await
}

cases! {
    /// Nothing was written yet, and another program has the lock: the transaction goes on without the statement.
    #[only(sqlite_file)]
    async fn x4_a_busy_answer_to_a_statement_leaves_its_transaction_open(t: Test) -> Result<()> {
        let database = impatient(&t).await;
        for nested in [false, true] {
            let mut program = t.observer().await;
            let outer = database.transaction().deferred().await?;
            assert_eq!(outer.fetch_value::<i64>(count(&t), ()).await?, i64::from(nested));
            program.execute("begin immediate").await.expect("it locks");
            if nested {
                let inner = outer.transaction().await?;
                assert_eq!(kind(&inner.execute(add(&t, "refused"), ()).await), Some(ErrorKind::LockTimeout));
                inner.rollback().await?;
            } else {
                assert_eq!(kind(&outer.execute(add(&t, "refused"), ()).await), Some(ErrorKind::LockTimeout));
            }
            assert!(outer.is_open());
            program.execute("rollback").await.expect("it lets go");
            program.close().await.expect("it leaves");
            outer.execute(add(&t, format!("later {nested}")), ()).await?;
            outer.commit().await?;
        }
        assert_eq!(kept(&t, &database).await, "later false,later true");
        Ok(())
    }

    /// Another program reads, and there is no WAL.
    #[only(sqlite_file)]
    async fn x4_a_busy_answer_to_a_commit_rolls_back_and_leaves_nothing_open(t: Test) -> Result<()> {
        let database = impatient(&t).await;
        let mut program = t.observer().await;
        program.execute(&t.words("begin; select count(*) from {notes}")).await.expect("it reads");
        let connection = database.connection();
        let outer = connection.transaction().await?;
        outer.execute(add(&t, "refused"), ()).await?;
        let refused = outer.commit().await.expect_err("somebody reads");
        assert_eq!(refused.kind(), ErrorKind::LockTimeout, "{refused}");
        assert!(refused.is_retryable() && !outer.is_open(), "{refused}");
        drop(outer);
        let plain = connection.execute(add(&t, "refused too"), ()).await;
        assert_eq!(kind(&plain), Some(ErrorKind::LockTimeout), "{plain:?}");
        program.execute("rollback").await.expect("it lets go");
        program.close().await.expect("it leaves");
        soon("the next", connection.execute(add(&t, "next"), ())).await?;
        soon("another's", database.transaction().run(async |transaction| transaction.execute(add(&t, "last"), ()).await.map(drop))).await?;
        assert_eq!(kept(&t, &database).await, "last,next");
        Ok(())
    }
}
